"""Opening a workspace's store, and reading it while somebody may be writing."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fac_eval.codec import encode, figure_from, from_json, to_json
from fac_eval.errors import StoreError, UnknownName
from fac_eval.store import schema
from fac_eval.store.audio_files import AudioFiles
from fac_eval.store.guard import WriterLock, check_file, damaged, explained
from fac_eval.store.redact import redact
from fac_eval.store.rows import CellRow, ItemRow, RunRow, SessionRow
from fac_eval.store.writer import Writer
from fac_eval.vocabulary import Counts, Figure

FILE_NAME = "store.sqlite"
DEFAULT_FOLDER = ".fac-eval"

_ITEMS = (
    "SELECT position, sample_id, sample, work, outcome, reason, detail, score, evidence FROM items"
    " WHERE cell = ? ORDER BY position"
)


class Store:
    """A workspace's store. Open it with `Store.reader` or `Store.writer`, use it as a context manager."""

    def __init__(self, folder: Path, *, lock: WriterLock | None) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.audio = AudioFiles(folder / "audio")
        self._lock = lock
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    @classmethod
    def reader(cls, folder: str | Path) -> Store:
        """Open an existing store to read; a running evaluation is not disturbed."""
        folder = Path(folder)
        path = folder / FILE_NAME
        with explained(path):
            if not path.exists():
                raise StoreError(
                    f"there is no store in {folder}.",
                    remedy="Make one with 'fac-eval run', or name the right folder with --store.",
                )
            check_file(path)
            store = cls(folder, lock=None)
            store._check_schema()
        return store

    @classmethod
    def writer(cls, folder: str | Path) -> Store:
        """Open or create a store to write; a second writer is refused."""
        folder = Path(folder)
        path = folder / FILE_NAME
        with explained(path):
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                check_file(path)
            lock = WriterLock(folder)
            try:
                store = cls(folder, lock=lock)
                connection = store._write_connection()
                schema.check_ours(connection, str(path))
                connection.execute("PRAGMA journal_mode = WAL")
                schema.migrate(connection, str(path))
            except BaseException:
                lock.release()
                raise
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and let the next writer in."""
        with self._guard:
            # The first one writes: closed last, it moves what is left of the log into the database.
            for connection in reversed(self._connections):
                connection.close()
            self._connections.clear()
        self._local = threading.local()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # Connections: one a thread, because SQLite's are cheap and a shared one would serialise the stages.

    def _connect(self, uri: str) -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
        with self._guard:
            self._connections.append(connection)
        return connection

    def _write_connection(self) -> sqlite3.Connection:
        connection = self._connect(f"{self.path.absolute().as_uri()}?mode=rwc")
        # FULL makes a commit survive power loss; with group commits that is five syncs a second.
        connection.execute("PRAGMA synchronous = FULL")
        # Keys are random, so commits touch the same pages of an index again and again: with a long log each
        # page is moved into the database once for many commits.
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        return connection

    def _read_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect(f"{self.path.absolute().as_uri()}?mode=ro")
            try:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                # A read-only folder cannot hold the shared memory of WAL; nobody can be writing there either.
                connection = self._connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1")
            self._local.connection = connection
        return connection

    def _check_schema(self) -> None:
        connection = self._read_connection()
        schema.check_ours(connection, str(self.path))
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            raise damaged(self.path, "it holds no tables")
        if version < len(schema.MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by an older fac-eval (store version {version}).",
                remedy="Any 'fac-eval run' with this --store brings it up to date.",
            )

    def _query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        with explained(self.path):
            return self._read_connection().execute(sql, parameters)

    # Runs and cells

    def results_writer(self) -> Writer:
        """The group-commit writer of this store, to be used with `async with`."""
        assert self._lock is not None, "the store was opened to read"
        return Writer(self._write_connection(), self.path)

    def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        assert self._lock is not None, "the store was opened to read"
        connection: sqlite3.Connection | None = getattr(self._local, "write_connection", None)
        with explained(self.path):
            if connection is None:
                connection = self._local.write_connection = self._write_connection()
            return connection.execute(sql, parameters)

    def save_run(self, run: str, config: Mapping[str, Any], parent: str | None = None) -> None:
        """Enter a run, if it is not there yet."""
        self._execute(
            "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, '[]', ?)",
            (run, parent, to_json(redact(config)).decode(), time.time()),
        )

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
        rows = self._query("SELECT id, parent, config, totals, created FROM runs ORDER BY created, rowid")
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

    def cost(self, run: str) -> float:
        """US dollars that the answers generated for a run have cost; those taken over from others are free."""
        row = self._query(
            "SELECT sum(json_extract(CAST(body AS TEXT), '$.usage.cost')) FROM work WHERE key IN"
            " (SELECT work FROM items JOIN cells ON cells.id = items.cell WHERE run = :run)"
            " AND created >= (SELECT created FROM runs WHERE id = :run)",
            {"run": run},
        ).fetchone()
        return float(row[0] or 0.0)

    def works(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The finished pieces of work among `keys`."""
        return self._bodies("SELECT key, body FROM work WHERE key IN", keys)

    def samples(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The stored forms of the samples among `keys`, as JSON."""
        return self._bodies("SELECT key, body FROM samples WHERE key IN", keys)

    def _bodies(self, select: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), 512):
            # As bytearray, which is quicker to hand over: see writer.py.
            group = [bytearray(key) for key in keys[start : start + 512]]
            marks = ",".join("?" * len(group))
            found.update(self._query(f"{select} ({marks})", group).fetchall())
        return found

    def settled(self, cell: int, first: int, last: int) -> set[int]:
        """Positions in [first, last] that need nothing more: scored, or skipped by the protocol."""
        rows = self._query(
            "SELECT position FROM items WHERE cell = ? AND position BETWEEN ? AND ? AND outcome != 'failed'",
            (cell, first, last),
        )
        return {row[0] for row in rows}

    def items(self, cell: int) -> Iterator[ItemRow]:
        """The outcomes of a cell in the data set's order, read as they are asked for."""
        rows = self._query(_ITEMS, (cell,))
        with explained(self.path):
            for row in rows:
                score = None if row[7] is None else from_json(row[7])
                evidence = {} if row[8] is None else from_json(row[8])
                position, sample_id, sample, work, outcome, reason, detail = row[:7]
                yield ItemRow(position, sample_id, sample, work, outcome, reason, detail, score, evidence)

    def scores(self, cell: int) -> Iterator[Mapping[str, Any]]:
        """The scores of a cell's scored samples, in the data set's order."""
        rows = self._query(
            "SELECT score FROM items WHERE cell = ? AND outcome = 'scored' ORDER BY position", (cell,)
        )
        with explained(self.path):
            for (score,) in rows:
                yield from_json(score)

    def sample(self, key: bytes) -> Mapping[str, Any] | None:
        """The stored form of a sample."""
        row = self._query("SELECT body FROM samples WHERE key = ?", (key,)).fetchone()
        return None if row is None else from_json(row[0])


def _run_row(row: Sequence[Any]) -> RunRow:
    return RunRow(row[0], row[1], from_json(row[2]), tuple(from_json(row[3])), row[4])
