"""Turns what can go wrong with a store's files into errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fac_eval.errors import StoreError

_HEADER = b"SQLite format 3\0"


@contextmanager
def explained(where: Path) -> Iterator[None]:
    """Raise SQLite's and the system's complaints about `where` as `StoreError`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _explain(error, where) from error
    except OSError as error:
        raise StoreError(
            f"cannot use the store {where}: {error.strerror or error}.",
            remedy="Check the folder's permissions and free space, or name another with --store.",
        ) from error


def _explain(error: sqlite3.DatabaseError, where: Path) -> StoreError:
    text = str(error)
    if "full" in text:
        return StoreError(
            f"the disk that holds {where} is full.",
            remedy="Everything up to the last commit is kept. Free space and run the same command again.",
        )
    if "readonly" in text or "unable to open" in text:
        return StoreError(
            f"cannot write to {where}: {text}.",
            remedy="Check the permissions of the folder, or name another with --store.",
        )
    if "malformed" in text or "not a database" in text:
        return damaged(where, text)
    if "locked" in text:
        return StoreError(
            f"{where} is held by another program: {text}.",
            remedy="Wait until it is through, or name another folder with --store.",
        )
    return StoreError(f"the store {where} cannot be used: {text}.")


def damaged(where: Path, why: str) -> StoreError:
    """The error for a file that is no whole SQLite database."""
    return StoreError(
        f"{where} is damaged or no store of fac-eval: {why}.",
        remedy="Nothing was changed. Restore the file from a copy, save what can be read with "
        f"'sqlite3 {where.name} .recover', or name another folder with --store.",
    )


def check_file(path: Path) -> None:
    """Refuse a file that is not a whole SQLite database, before SQLite touches it."""
    size = path.stat().st_size
    if size == 0:
        return
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_HEADER):
        raise damaged(path, "the file has no SQLite header")
    page = int.from_bytes(header[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(header[28:32], "big")
    if size < page * pages:
        raise damaged(path, f"it is cut off: {size} bytes of {page * pages}")


class WriterLock:
    """Lets one process at a time write to a store; the lock dies with its process."""

    def __init__(self, folder: Path) -> None:
        import fcntl

        self._path = folder / "writer.lock"
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise StoreError(
                f"the store {folder} is being written by {holder}.",
                remedy="A store has one writer at a time. Wait for that run, or name another folder with "
                "--store. (Reading it with 'runs', 'show' and 'export' works meanwhile.)",
            ) from None
        self._file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._file.write(f"process {os.getpid()} on {os.uname().nodename} since {since}")
        self._file.flush()

    def release(self) -> None:
        """Let the next writer in."""
        self._file.truncate(0)
        self._file.close()
