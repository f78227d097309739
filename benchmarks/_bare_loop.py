"""The alternative that the engine is measured against: asyncio, a hash and SQLite, with nothing around them.

It does what a run needs at the very least: reads a file of questions, keys each request by content, asks a model
from several tasks at once, scores the answer, and commits answers and scores to a WAL database five times a second,
safely against power loss. It knows no failure, no figure, no interval, and does not go on after a crash.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable

WORKERS = 8
COMMIT_SECONDS = 0.2

Answer = Callable[[str], Awaitable[str]]


def run_bare(rows: Iterable[tuple[str, str, str]], answer: Answer, store: str) -> int:
    """Answer (id, content, reference) rows, keep everything in `store`, and return how many there were."""
    database = sqlite3.connect(store, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE results (key BLOB PRIMARY KEY, id TEXT, answer TEXT, score REAL)")
    finished: list[tuple[bytes, str, str, float]] = []
    queue = iter(rows)
    n = 0
    committed = time.monotonic()

    def commit() -> None:
        nonlocal n, committed
        database.execute("BEGIN")
        database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", finished)
        database.execute("COMMIT")
        n += len(finished)
        finished.clear()
        committed = time.monotonic()

    async def work() -> None:
        for name, content, reference in queue:
            request = {"messages": [{"role": "user", "content": content}], "seed": 0, "id": name}
            key = hashlib.blake2b(json.dumps(request).encode(), digest_size=16).digest()
            text = await answer(content)
            finished.append((key, name, text, float(text == reference)))
            if time.monotonic() - committed > COMMIT_SECONDS:
                commit()

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(WORKERS)))

    asyncio.run(main())
    commit()
    database.close()
    return n
