"""Reading a workspace's store, and writing what is no result: runs, sessions, cells, batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fac_eval.codec import KEY_BYTES, encode, figure_from, from_json, to_json
from fac_eval.errors import StoreError, UnknownName
from fac_eval.store.audio_files import AudioFiles
from fac_eval.store.database import Database
from fac_eval.store.guard import WriterLock, explained
from fac_eval.store.redact import redact
from fac_eval.store.rows import CellRow, ItemRow, RunRow, SessionRow
from fac_eval.store.writer import Writer
from fac_eval.vocabulary import Counts, Figure

T = TypeVar("T")

_ITEMS = "SELECT position, sample_id, sample, work, outcome, reason, detail, score, evidence FROM items WHERE cell = ?"
_GROUP = 512
"""Keys or positions in one question to the database."""


class Store(Database):
    """A workspace's store. Open it with `Store.reader` or `Store.writer`, use it as a context manager."""

    def __init__(self, folder: Path, *, lock: WriterLock | None) -> None:
        super().__init__(folder, lock=lock)
        self.audio = AudioFiles(folder / "audio")

    # Runs and cells

    def results_writer(self, run: str | None = None) -> Writer:
        """The group-commit writer of this store, to be used with `async with`; what is paid for is booked to `run`."""
        assert self._lock is not None, "the store was opened to read"
        return Writer(self._write_connection(), self.path, run)

    def save_run(self, run: str, config: Mapping[str, Any], parent: str | None = None) -> None:
        """Enter a run, if it is not there yet."""
        self._execute(
            "INSERT OR IGNORE INTO runs (id, parent, config, totals, created) VALUES (?, ?, ?, '[]', ?)",
            (run, parent, to_json(redact(config)).decode(), time.time()),
        )

    def forget_verdicts(self, run: str, cells: Iterable[int]) -> None:
        """From now on earlier verdicts are none to this run; the outcomes of the cells that rest on them are open."""
        with self._transaction() as connection:
            connection.execute("UPDATE runs SET judged_since = ? WHERE id = ?", (time.time(), run))
            for cell in cells:
                connection.execute("DELETE FROM items WHERE cell = ? AND outcome != 'skipped'", (cell,))
                connection.execute("UPDATE cells SET done = 0, figures = NULL WHERE id = ?", (cell,))

    def save_totals(self, run: str, totals: Sequence[Mapping[str, Any]]) -> None:
        """Keep a run's figures over several tasks."""
        self._execute("UPDATE runs SET totals = ? WHERE id = ?", (to_json(totals).decode(), run))

    def start_session(self, run: str, environment: Mapping[str, Any]) -> int:
        """Note that somebody works on a run from now on."""
        cursor = self._execute(
            "INSERT INTO sessions (run, started, environment) VALUES (?, ?, ?)",
            (run, time.time(), to_json(redact(environment)).decode()),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def end_session(self, session: int, outcome: str) -> None:
        """Note how a session ended."""
        self._execute(
            "UPDATE sessions SET ended = ?, outcome = ? WHERE id = ?", (time.time(), outcome, session)
        )

    def save_cell(
        self,
        run: str,
        position: int,
        *,
        model: str,
        model_info: Mapping[str, Any],
        task: str,
        task_spec: Mapping[str, Any],
        variant: str,
        protocol_id: str,
        protocol: Mapping[str, Any],
        data: str,
        total: int | None = None,
    ) -> int:
        """Enter one model on one task, with its size where that is known, and return the cell's id."""
        self._execute(
            "INSERT OR IGNORE INTO cells (run, position, model, model_info, task, task_spec, variant, protocol_id,"
            " protocol, data, total) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                position,
                model,
                to_json(redact(model_info)).decode(),
                task,
                to_json(redact(task_spec)).decode(),
                variant,
                protocol_id,
                to_json(redact(protocol)).decode(),
                data,
                total,
            ),
        )
        row = self._query("SELECT id FROM cells WHERE run = ? AND position = ?", (run, position)).fetchone()
        return int(row[0])

    def finish_cell(self, cell: int, total: int, figures: Sequence[Figure]) -> None:
        """Keep a cell's figures; all of its samples have an outcome."""
        body = b"[" + b",".join(encode(figure) for figure in figures) + b"]"
        self._execute(
            "UPDATE cells SET total = ?, done = 1, figures = ? WHERE id = ?", (total, body.decode(), cell)
        )

    def runs(self) -> list[RunRow]:
        """Every run, the newest last."""
        rows = self._query(
            "SELECT id, parent, config, totals, created, judged_since FROM runs ORDER BY created, rowid"
        )
        return [_run_row(row) for row in rows]

    def run(self, name: str) -> RunRow:
        """A run by id, by an unambiguous beginning of it, or `latest`."""
        runs = self.runs()
        if name == "latest":
            if not runs:
                raise StoreError(f"the store {self.folder} holds no run yet.")
            last = self._query("SELECT run FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
            return next((run for run in runs if last and run.id == last[0]), runs[-1])
        found = [run for run in runs if run.id.startswith(name)]
        if len(found) != 1:
            raise UnknownName("run", name, [run.id for run in found or runs], where=f"store {self.folder}")
        return found[0]

    def sessions(self, run: str) -> list[SessionRow]:
        """The sittings of a run, in order."""
        rows = self._query(
            "SELECT started, ended, outcome, environment FROM sessions WHERE run = ? ORDER BY id", (run,)
        )
        return [SessionRow(row[0], row[1], row[2], from_json(row[3])) for row in rows]

    def cells(self, run: str) -> list[CellRow]:
        """The cells of a run in the order in which they were asked for."""
        rows = self._query(
            "SELECT id, run, model, model_info, task, task_spec, variant, protocol_id, protocol, data, total,"
            " done, figures"
            " FROM cells WHERE run = ? ORDER BY position",
            (run,),
        ).fetchall()
        return [
            CellRow(
                id=row[0],
                run=row[1],
                model=row[2],
                model_info=from_json(row[3]),
                task=row[4],
                task_spec=from_json(row[5]),
                variant=row[6],
                protocol_id=row[7],
                protocol=from_json(row[8]),
                data=row[9],
                total=row[10],
                done=bool(row[11]),
                figures=tuple(figure_from(figure) for figure in from_json(row[12] or "[]")),
                counts=self.counts(row[0], row[10]),
                failures=self._failures(row[0]),
            )
            for row in rows
        ]

    def _failures(self, cell: int) -> dict[str, str]:
        # With a bare column beside min(), SQLite takes it from the row of the minimum: the first such sample.
        rows = self._query(
            "SELECT reason, detail, min(position) FROM items WHERE cell = ? AND outcome = 'failed' GROUP BY reason",
            (cell,),
        )
        return {reason or "?": detail or "" for reason, detail, _ in rows}

    # Results

    def counts(self, cell: int, total: int | None = None) -> Counts:
        """How the samples of a cell ended so far."""
        rows = self._query(
            "SELECT outcome, reason, count(*) FROM items WHERE cell = ? GROUP BY outcome, reason", (cell,)
        ).fetchall()
        failed = {reason or "?": n for outcome, reason, n in rows if outcome == "failed"}
        skipped = {reason or "?": n for outcome, reason, n in rows if outcome == "skipped"}
        scored = sum(n for outcome, _, n in rows if outcome == "scored")
        seen = scored + sum(failed.values()) + sum(skipped.values())
        return Counts(seen if total is None else total, scored, failed, skipped)

    def costs(self, run: str) -> dict[str, float]:
        """US dollars that a run's own calls have cost, by stage; what was taken over from other runs is free."""
        rows = self._query("SELECT stage, cost FROM spending WHERE run = ?", (run,))
        return {stage: cost for stage, cost in rows if cost}

    def works(self, keys: Sequence[bytes], *, since: float = 0.0) -> dict[bytes, bytes]:
        """The pieces of work among `keys` that were finished, not before `since`."""
        return self._bodies("SELECT key, body FROM work WHERE created >= ? AND key IN", keys, since)

    def samples(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The stored forms of the samples among `keys`, as JSON."""
        return self._bodies("SELECT key, body FROM samples WHERE key IN", keys)

    def _bodies(self, select: str, keys: Sequence[bytes], *before: Any) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for group in _groups(keys):
            # As bytearray, which is quicker to hand over: see writer.py.
            parameters = [*before, *map(bytearray, group)]
            found.update(self._query(f"{select} {_marks(group)}", parameters).fetchall())
        return found

    def save_batch(self, judge: str, batch: str, keys: Sequence[bytes]) -> None:
        """Note that a judge works on a batch of questions; it is durable when this returns."""
        self._execute(
            "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", (judge, batch, b"".join(keys), time.time())
        )

    def batches(self, judge: str) -> dict[str, list[bytes]]:
        """The batches that a judge was handed and whose replies are not kept yet, each with its questions' keys."""
        rows = self._query("SELECT id, keys FROM batches WHERE judge = ? ORDER BY created", (judge,))
        return {
            batch: [keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)]
            for batch, keys in rows
        }

    def settled(self, cell: int, first: int, last: int) -> set[int]:
        """Positions in [first, last] that need nothing more: scored, or skipped by the protocol."""
        rows = self._query(
            "SELECT position FROM items WHERE cell = ? AND position BETWEEN ? AND ? AND outcome != 'failed'",
            (cell, first, last),
        )
        return {row[0] for row in rows}

    def items(self, cell: int, positions: Iterable[int] | None = None) -> Iterator[ItemRow]:
        """The outcomes of a cell, or those at `positions`, in the data set's order, read as they are asked for."""
        if positions is None:
            yield from self._items(f"{_ITEMS} ORDER BY position", cell)
            return
        for group in _groups(sorted(set(positions))):
            yield from self._items(
                f"{_ITEMS} AND position IN {_marks(group)} ORDER BY position", cell, *group
            )

    def _items(self, query: str, *parameters: int) -> Iterator[ItemRow]:
        rows = self._query(query, parameters)
        with explained(self.path):
            yield from map(ItemRow._make, rows)

    def answers(self, cell: int) -> Iterator[bytes]:
        """The keys of a cell's answers; one that several samples share comes once."""
        rows = self._query("SELECT DISTINCT work FROM items WHERE cell = ? AND work IS NOT NULL", (cell,))
        with explained(self.path):
            for (key,) in rows:
                yield key

    def scores(self, cell: int) -> Iterator[Mapping[str, Any]]:
        """The scores of a cell's scored samples, in the data set's order."""
        rows = self._query(
            "SELECT score FROM items WHERE cell = ? AND outcome = 'scored' ORDER BY position", (cell,)
        )
        with explained(self.path):
            for (score,) in rows:
                yield from_json(score)

    def failed_samples(self, cell: int) -> Iterator[Mapping[str, Any]]:
        """The stored forms of a cell's failed samples, in the data set's order."""
        rows = self._query(
            "SELECT body FROM items JOIN samples ON samples.key = items.sample"
            " WHERE cell = ? AND outcome = 'failed' ORDER BY position",
            (cell,),
        )
        with explained(self.path):
            for (body,) in rows:
                yield from_json(body)

    def sample(self, key: bytes) -> Mapping[str, Any] | None:
        """The stored form of a sample."""
        row = self._query("SELECT body FROM samples WHERE key = ?", (key,)).fetchone()
        return None if row is None else from_json(row[0])


def _groups(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + _GROUP] for start in range(0, len(values), _GROUP))


def _marks(values: Sequence[Any]) -> str:
    return f"({','.join('?' * len(values))})"


def _run_row(row: Sequence[Any]) -> RunRow:
    return RunRow(row[0], row[1], from_json(row[2]), tuple(from_json(row[3])), row[4], row[5] or 0.0)
