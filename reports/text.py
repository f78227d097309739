"""Text as reports write it: in one line, as Markdown shows it, and to a file."""

from __future__ import annotations

import re
from pathlib import Path

from fac_eval.errors import UsageError

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@$])")


def one_line(text: str) -> str:
    """A text without line breaks and other control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def markdown_escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def write_text(path: Path, text: str, *, append: bool = False) -> None:
    """Write or extend a file; a folder that is not there, or cannot be written, is an error that says so."""
    try:
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}.",
            remedy="Name a file in a folder that is there.",
        ) from error
