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


def _of(item: type[T]) -> Callable[[Any], T | None]:
    return lambda value: value if isinstance(value, item) else None


def _list_of(item: type[T]) -> Callable[[Any], list[T] | None]:
    def read(value: Any) -> list[T] | None:
        return value if isinstance(value, list) and all(isinstance(one, item) for one in value) else None

    return read


TEXT: Kind[str] = Kind("text", _of(str))
NUMBER: Kind[float] = Kind("a number", _number)
INTEGER: Kind[int] = Kind("a whole number", _integer)
FLAG: Kind[bool] = Kind("true or false", _of(bool))
TEXTS: Kind[list[str]] = Kind("a list of texts", _list_of(str))
OBJECT: Kind[dict[str, Any]] = Kind("an object", _of(dict))
OBJECTS: Kind[list[dict[str, Any]]] = Kind("a list of objects", _list_of(dict))


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
    if value is None:
        return "null"
    kinds = {
        str: "text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    text = repr(value)
    return f"{kinds.get(type(value), type(value).__name__)}: {text if len(text) <= 60 else text[:57] + '...'}"
