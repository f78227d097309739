"""The rows behind the pages: many samples at once for what counts them, a few by position for what shows them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from fac_eval.codec import from_json
from fac_eval.store import Store
from fac_eval.store.guard import explained


class Row(NamedTuple):
    """The outcome of one sample; score and evidence are JSON as stored, read by those who need them."""

    position: int
    sample_id: str
    sample: bytes | None
    work: bytes | None
    outcome: str
    reason: str | None
    detail: str | None
    score: bytes | None
    evidence: bytes | None


_SELECT = "SELECT position, sample_id, sample, work, outcome, reason, detail, score, evidence FROM items WHERE cell = ?"
_GROUP = 500


@contextmanager
def _connection(store: Store) -> Iterator[sqlite3.Connection]:
    # A connection of its own, closed when the rows are read: `Store` keeps its connections until it is closed.
    uri = f"{store.path.absolute().as_uri()}?mode=ro"
    with explained(store.path):
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            try:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                pass  # a read-only folder cannot hold the shared memory of the log
            else:
                yield connection
                return
        with closing(sqlite3.connect(f"{uri}&immutable=1", uri=True)) as connection:
            yield connection


def cell_rows(store: Store, cell: int) -> Iterator[Row]:
    """The rows of a cell in the data set's order, read as they are asked for."""
    with _connection(store) as connection:
        for row in connection.execute(f"{_SELECT} ORDER BY position", (cell,)):
            yield Row(*row)


def rows_at(store: Store, cell: int, positions: Sequence[int]) -> dict[int, Row]:
    """The rows of a cell at some positions."""
    found: dict[int, Row] = {}
    with _connection(store) as connection:
        for start in range(0, len(positions), _GROUP):
            group = positions[start : start + _GROUP]
            marks = ",".join("?" * len(group))
            query = f"{_SELECT} AND position IN ({marks})"
            found.update((row[0], Row(*row)) for row in connection.execute(query, (cell, *group)))
    return found


def bodies(found: dict[bytes, bytes]) -> dict[bytes, dict[str, Any]]:
    """Stored JSON by key, read."""
    return {key: from_json(body) for key, body in found.items()}
