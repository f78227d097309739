"""What the rows of users' own files share: cells read leniently, and the audio files that they name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from itertools import compress, islice
from pathlib import Path
from typing import Any

from fac_eval.data.places import FileHashes

_HASHED_AT_ONCE = 10_000
_SHOWN = 60


def scalar_text(value: Any) -> str | None:
    """Text, or a number as text (a whole one without a decimal point); None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def shown(value: Any) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def clip_path(folder: str, cell: Any) -> str | None:
    """The file that a cell names, given as a path or as `{"path": ...}`, relative to `folder`; else None."""
    named = cell.get("path") if isinstance(cell, dict) and not cell.get("bytes") else cell
    return os.path.join(folder, named) if isinstance(named, str) and named else None


def is_file(path: str) -> bool:
    """Whether there is a file at `path`; False also where no file could have such a name."""
    try:
        return os.path.isfile(path)
    except ValueError:  # a zero byte within the name
        return False


def content_hash(table: str, clips: Iterable[str]) -> str:
    """One hash over a table's own and the content of the files that its rows name.

    The content and not the time of change, so that a copy on another machine is the same data. Hashes of
    files are remembered from run to run; a file that is not there counts as such.
    """
    state, files = blake2b(table.encode(), digest_size=16), iter(clips)
    hashes = FileHashes()
    while batch := list(islice(files, _HASHED_AT_ONCE)):
        there = [is_file(path) for path in batch]
        found = iter(hashes.sha256(*map(Path, compress(batch, there))))
        for present in there:
            state.update(next(found).encode() if present else b"-")
    return state.hexdigest()
