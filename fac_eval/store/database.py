"""Opening a store's file and asking it, from any thread, while somebody may be writing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from fac_eval.errors import StoreError
from fac_eval.store import schema
from fac_eval.store.guard import WriterLock, check_file, damaged, explained

FILE_NAME = "store.sqlite"


class Database:
    """The SQLite file of a store. Open it with `reader` or `writer`, use it as a context manager."""

    def __init__(self, folder: Path, *, lock: WriterLock | None) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._lock = lock
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    @classmethod
    def reader(cls, folder: str | Path) -> Self:
        """Open an existing store to read; a running evaluation is not disturbed."""
        folder = Path(folder)
        path = folder / FILE_NAME
        with explained(path):
            _require(path)
            check_file(path)
            store = cls(folder, lock=None)
            store._check_schema()
        return store

    @classmethod
    def writer(cls, folder: str | Path, *, create: bool = True) -> Self:
        """Open or create a store to write; a second writer is refused."""
        folder = Path(folder)
        path = folder / FILE_NAME
        with explained(path):
            if not create:
                _require(path)
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

    def __enter__(self) -> Self:
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
                remedy="Any 'fac-eval run' or 'fac-eval rescore' with this --store brings it up to date.",
            )

    def _query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        with explained(self.path):
            return self._read_connection().execute(sql, parameters)

    def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        with explained(self.path):
            return self._own_write_connection().execute(sql, parameters)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection whose statements take effect together or not at all."""
        with explained(self.path):
            connection = self._own_write_connection()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection

    def _own_write_connection(self) -> sqlite3.Connection:
        assert self._lock is not None, "the store was opened to read"
        connection: sqlite3.Connection | None = getattr(self._local, "write_connection", None)
        if connection is None:
            connection = self._local.write_connection = self._write_connection()
        return connection


def _require(path: Path) -> None:
    if not path.exists():
        raise StoreError(
            f"there is no store in {path.parent}.",
            remedy="Make one with 'fac-eval run', or name the right folder with --store.",
        )
