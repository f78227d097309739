"""Typed access to the cells of a row, with messages that say where a wrong one stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fac_eval.errors import DataError, suggestion

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What a cell must be; `read` gives its value, or `None` if it is something else."""

    name: str
    read: Callable[[Any], T | None]


def _number(value: Any) -> float | None:
    # CSV knows no types, so a number may come as its digits.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


TEXT = Kind[str]("text", lambda value: value if isinstance(value, str) else None)
NUMBER = Kind[float]("a number", _number)
INTEGER = Kind[int]("a whole number", _integer)
FLAG = Kind[bool]("true or false", lambda value: value if isinstance(value, bool) else None)
TEXTS = Kind[list[str]]("a list of texts", _texts)
OBJECT = Kind[dict[str, Any]]("an object", lambda value: value if isinstance(value, dict) else None)
OBJECTS = Kind[list[dict[str, Any]]](
    "a list of objects",
    lambda value: (
        value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else None
    ),
)


def cell(row: Mapping[str, Any], column: str, kind: Kind[T], where: str) -> T:
    """The value of `column`, which must be of `kind`; `where` is what messages call the row.

    Raises:
        DataError: The column is missing, null or of another kind.
    """
    if column not in row:
        raise DataError(f"{where}: no column {column!r}.", remedy=_there(row, column))
    value = kind.read(row[column])
    if value is None:
        raise DataError(f"{where}, column {column!r}: expected {kind.name}, found {_shown(row[column])}.")
    return value


def optional_cell(row: Mapping[str, Any], column: str, kind: Kind[T], where: str) -> T | None:
    """As `cell`, but a column that is missing or null is `None`."""
    return None if row.get(column) is None else cell(row, column, kind, where)


def _there(row: Mapping[str, Any], column: str) -> str:
    hint = suggestion(column, row)
    listed = f"It has {', '.join(map(repr, row))}." if row else "It has none."
    return f"{listed} {hint}" if hint.startswith("Did you mean") else listed


def _shown(value: Any) -> str:
    names = {type(None): "null", str: "text", bool: "a truth value", list: "a list", dict: "an object"}
    if value is None:
        return "null"
    text = repr(value)
    kind = names.get(type(value), f"a {type(value).__name__}")
    return f"{kind}: {text if len(text) <= 60 else text[:57] + '...'}"
