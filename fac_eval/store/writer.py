"""Group commits: whatever finishes within a fraction of a second becomes durable in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fac_eval.store.guard import explained
from fac_eval.store.rows import ItemRow

COMMIT_SECONDS = 0.2
"""A finished piece of work is durable after at most this time (and the commit itself)."""
COMMIT_ROWS = 4096
"""A group of this size is committed at once."""

# The sqlite3 module looks for an adapter of every None and bytes that it is handed, which takes longer than storing
# them. It does not for bytearray and text; hence those here, and empty text for what is to be NULL.
_INSERT_ITEM = (
    "INSERT OR REPLACE INTO items"
    " VALUES (?, ?, ?, ?, ?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''))"
)
_ADD_COST = (
    "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT (run, stage) DO UPDATE SET cost = cost + excluded.cost"
)


@dataclass(slots=True)
class _Group:
    work: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    samples: dict[bytes, bytes] = field(default_factory=dict)
    items: list[tuple[int, ItemRow]] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    batches: list[tuple[str, str]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (len(self) or self.samples or self.costs or self.batches)

    def __len__(self) -> int:
        return len(self.work) + len(self.items)


class Writer:
    """The one place that writes results, used from one event loop; `async with` starts and drains it.

    A failed commit is raised by whoever writes next and by the end of the `async with` block.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, run: str | None = None) -> None:
        self._connection = connection
        self._path = path
        self._payer = run or ""
        self._group = _Group()
        self._committed = _Group()
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Writer:
        self._task = asyncio.create_task(self._run(), name="store-writer")
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._closing = True
        self._filled.set()
        self._urgent.set()
        try:
            await self._task
        finally:
            self._executor.shutdown()

    def pending(self, key: bytes) -> bytes | None:
        """A piece of work that is finished but perhaps not yet committed, or not long ago.

        Whoever finds a key neither in the store and then nor here, knows that it is not finished.
        """
        held = self._group.work.get(key) or self._committed.work.get(key)
        return held[1] if held else None

    async def work(self, stage: str, rows: Iterable[tuple[bytes, bytes]], cost: float = 0.0) -> None:
        """Keep finished pieces of work, and book what they and failed calls have cost in US dollars."""
        for key, body in rows:
            self._group.work[key] = (stage, body)
        if cost:
            self._group.costs[stage] = self._group.costs.get(stage, 0.0) + cost
        await self._added()

    async def batch_done(self, judge: str, batch: str) -> None:
        """Forget a judge's batch, not before what was handed to `work` up to now is kept."""
        self._group.batches.append((judge, batch))
        await self._added()

    async def items(
        self, cell: int, rows: Sequence[ItemRow], samples: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Keep the outcomes of samples, and the samples themselves."""
        self._group.items.extend((cell, row) for row in rows)
        self._group.samples.update(samples)
        await self._added()

    async def _added(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()
        self._filled.set()
        if len(self._group) >= COMMIT_ROWS:
            self._urgent.set()
            self._room.clear()
        while not self._room.is_set():
            await self._room.wait()
            if self._task is not None and self._task.done():
                self._task.result()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._filled.wait()
                if not self._closing and not self._urgent.is_set():
                    try:
                        async with asyncio.timeout(COMMIT_SECONDS):
                            await self._urgent.wait()
                    except TimeoutError:
                        pass
                self._filled.clear()
                self._urgent.clear()
                self._group, self._committed = _Group(), self._group
                self._room.set()
                await loop.run_in_executor(self._executor, self._commit, self._committed)
                if self._closing and self._group.empty:
                    return
                if self._closing:
                    self._filled.set()
        finally:
            self._room.set()

    def _commit(self, group: _Group) -> None:
        if group.empty:
            return
        now = time.time()
        work = [(bytearray(key), stage, bytearray(body), now) for key, (stage, body) in group.work.items()]
        samples = [(bytearray(key), bytearray(body)) for key, body in group.samples.items()]
        items = [_item_row(cell, row) for cell, row in group.items]
        with explained(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?)", work)
            self._connection.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?)", samples)
            self._connection.executemany(_INSERT_ITEM, items)
            self._connection.executemany(
                _ADD_COST, [(self._payer, stage, cost) for stage, cost in group.costs.items()]
            )
            self._connection.executemany("DELETE FROM batches WHERE judge = ? AND id = ?", group.batches)


def _item_row(cell: int, row: ItemRow) -> tuple[object, ...]:
    return (
        cell,
        row.position,
        row.sample_id,
        row.sample and bytearray(row.sample),
        row.work and bytearray(row.work),
        row.outcome,
        row.reason or "",
        row.detail or "",
        "" if row.score_json is None else bytearray(row.score_json),
        "" if row.evidence_json is None else bytearray(row.evidence_json),
    )
