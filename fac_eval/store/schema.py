"""The tables of the store, their version, and the steps from each version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from fac_eval.errors import StoreError

APPLICATION_ID = 0x46414345
"""Marks the SQLite file as ours, so that a foreign database is never touched."""

_VERSION_1 = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY,          -- hash of everything that was asked for
    parent TEXT,                  -- the run whose generations a rescored run shares
    config TEXT NOT NULL,         -- the resolved configuration, redacted
    totals TEXT NOT NULL,         -- figures over several tasks
    created REAL NOT NULL
);
CREATE TABLE sessions (           -- each time somebody worked on a run
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs(id),
    started REAL NOT NULL,
    ended REAL,
    outcome TEXT,                 -- finished, interrupted, failed; NULL: running or killed
    environment TEXT NOT NULL
);
CREATE TABLE cells (              -- one model on one task within a run
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs(id),
    position INTEGER NOT NULL,
    model TEXT NOT NULL,
    model_info TEXT NOT NULL,
    task TEXT NOT NULL,
    task_spec TEXT NOT NULL,      -- registered name and options: what rebuilds the task
    variant TEXT NOT NULL,
    protocol_id TEXT NOT NULL,
    protocol TEXT NOT NULL,
    data TEXT NOT NULL,           -- fingerprint of the data
    total INTEGER,                -- samples: as planned, then as seen
    done INTEGER NOT NULL DEFAULT 0,
    figures TEXT,
    UNIQUE (run, position)
);
CREATE TABLE samples (            -- what was asked, by content
    key BLOB NOT NULL PRIMARY KEY,
    body BLOB NOT NULL
);
CREATE TABLE work (               -- finished pieces of work, by content: generations, transcripts, verdicts
    key BLOB NOT NULL PRIMARY KEY,
    stage TEXT NOT NULL,
    body BLOB NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE items (              -- the outcome of each sample of a cell
    cell INTEGER NOT NULL REFERENCES cells(id),
    position INTEGER NOT NULL,
    sample_id TEXT NOT NULL,
    sample BLOB,
    work BLOB,
    outcome TEXT NOT NULL,        -- scored, failed, skipped
    reason TEXT,                  -- failure kind, or why it was skipped
    detail TEXT,                  -- failure message
    score BLOB,
    evidence BLOB,
    PRIMARY KEY (cell, position)
) WITHOUT ROWID;
"""


_VERSION_2 = """
ALTER TABLE runs ADD COLUMN judged_since REAL;
CREATE TABLE spending (           -- US dollars that a run's own calls have cost, by stage
    run TEXT NOT NULL,
    stage TEXT NOT NULL,
    cost REAL NOT NULL,
    PRIMARY KEY (run, stage)
) WITHOUT ROWID;
CREATE TABLE batches (            -- questions that a judge was handed together and has not answered yet
    judge TEXT NOT NULL,          -- the judge's fingerprint
    id TEXT NOT NULL,             -- as the judge named the batch
    keys BLOB NOT NULL,           -- the questions' keys, one after the other
    created REAL NOT NULL,
    PRIMARY KEY (judge, id)
) WITHOUT ROWID;
INSERT INTO spending
    SELECT run, stage, cost FROM (
        SELECT runs.id AS run, work.stage AS stage,
            sum(json_extract(CAST(work.body AS TEXT), '$.usage.cost')) AS cost
        FROM runs JOIN work ON work.created >= runs.created AND work.key IN (
            SELECT items.work FROM items JOIN cells ON cells.id = items.cell WHERE cells.run = runs.id)
        GROUP BY runs.id, work.stage)
    WHERE cost IS NOT NULL;
"""


def _create(connection: sqlite3.Connection) -> None:
    _each(connection, _VERSION_1)


def _add_spending(connection: sqlite3.Connection) -> None:
    _each(connection, _VERSION_2)


def _each(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_create, _add_spending]
"""Step i leads from version i to i + 1. A released step is never edited; append the next one."""


def migrate(connection: sqlite3.Connection, where: str) -> None:
    """Bring a store to the newest version in one transaction."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            step(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def check_ours(connection: sqlite3.Connection, where: str) -> None:
    """Refuse a database of somebody else's, or of a newer fac-eval."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION_ID and not (empty and version == 0):
        raise StoreError(
            f"{where} is a SQLite database, but not a store of fac-eval.",
            remedy="Nothing was changed. Name another folder with --store.",
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{where} was written by a newer fac-eval (store version {version}, this one knows "
            f"{len(MIGRATIONS)}).",
            remedy="Nothing was changed. Update fac-eval: pip install -U fac-eval",
        )
