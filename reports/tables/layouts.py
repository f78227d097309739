"""Layouts of tables: which task and which published figure belong to each row, read from small TOML files.

The report's tables are such files in this package; a user's own table is another (docs/leaderboard.md).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from fac_eval.errors import UnknownName, UsageError

from .published import Place, published

Direction = Literal["higher", "lower", "text"]
"""Whether more or less of a figure is better; `text` is not a figure at all."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """A row: what is shown, where a measured figure comes from, and which published one stands beside it."""

    block: str
    label: str
    metric: str = ""
    lang: str = ""
    unit: str = ""
    direction: Direction = "higher"
    decimals: int = 2
    scale: float = 1.0
    """Times which a measured figure is printed."""
    task: str | None = None
    figure: str | None = None
    """The figure's name; the task's main one if left out."""
    total: str | None = None
    """The benchmark whose total this row is, for a row without a task."""
    overall: str | None = None
    """The total's name; the benchmark's first one if left out."""
    place: Place | None = None
    """The published row."""
    items: int | None = None
    """How many items the published figure rests on, where that is known."""
    report: Mapping[str, tuple[str, ...]] | None = None
    """What is known of the protocol behind the published figure: patterns of values by (a pattern of) key."""
    apart: str = ""
    """Why no measured figure can be the same measurement as the published one, if it is so."""
    note: str = ""
    remarks: bool = True
    """Whether what a task remarks on its figure becomes a footnote."""
    why: str = ""
    """Why nothing is measured here, for a row with neither task nor total."""
    values: Mapping[str, str] | None = None
    """Texts for measured columns, by label, in a row that no task fills."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table: its rows, the published columns to show, and other names for measured ones."""

    name: str
    title: str
    rows: tuple[RowLayout, ...]
    columns: tuple[str, ...]
    models: Mapping[str, str]

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks that its rows are filled from."""
        return frozenset(row.task for row in self.rows if row.task is not None)


class _PlaceKeys(msgspec.Struct, forbid_unknown_fields=True):
    table: str | None = None
    block: str | None = None
    row: str | None = None
    metric: str | None = None
    lang: str | None = None


class _Shared(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Keys that a table and a block may give for all of their rows."""

    table: str | None = None
    metric: str | None = None
    lang: str | None = None
    unit: str | None = None
    direction: Direction | None = None
    decimals: int | None = None
    scale: float | None = None
    report: dict[str, str | list[str]] | None = None
    comparable: bool | None = None
    note: str | None = None
    remarks: bool | None = None
    why: str | None = None


class _Row(_Shared, forbid_unknown_fields=True, kw_only=True):
    label: str
    task: str | None = None
    figure: str | None = None
    total: str | None = None
    overall: str | None = None
    published: bool | _PlaceKeys = True
    items: int | None = None
    values: dict[str, str] | None = None


class _Block(_Shared, forbid_unknown_fields=True, kw_only=True):
    name: str
    rows: list[_Row]


class _File(_Shared, forbid_unknown_fields=True, kw_only=True):
    title: str | None = None
    extends: str | None = None
    columns: list[str] | None = None
    models: dict[str, str] = {}
    blocks: list[_Block] = []


EXAMPLE = (
    "A layout holds a title and blocks of rows: [[blocks]], name = ..., rows = [{ label = ..., task = ... }]; "
    "docs/leaderboard.md explains every key."
)
_MOST_DECIMALS = 6


def builtin_names() -> tuple[str, ...]:
    """The layouts of the report's tables."""
    return tuple(f"table{table}" for table in published().tables)


@cache
def builtin_layout(name: str) -> Layout:
    """The layout of one of the report's tables, such as `table1`."""
    if name not in builtin_names():
        raise UnknownName("layout", name, builtin_names())
    text = files("fac_eval.reports.tables").joinpath(f"data/layouts/{name}.toml").read_text(encoding="utf-8")
    return parse_layout(text, name=name, where=f"the built-in layout {name}")


def read_layout(path: str | Path) -> Layout:
    """A layout from a file.

    Raises:
        UsageError: it cannot be read, or says something that makes no sense; the message names file and key.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the layout {path}: {error.strerror}", remedy=EXAMPLE) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the layout {path} is not UTF-8 (byte {error.start})", remedy="Save it as UTF-8."
        ) from error
    return parse_layout(text, name=path.stem, where=f"the layout {path}")


def parse_layout(text: str, *, name: str, where: str) -> Layout:
    """A layout from TOML text."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}", remedy=EXAMPLE) from error
    for keys, struct, place in _tables(data):
        for key in keys:
            if key not in struct.__struct_fields__:
                raise UnknownName(
                    "key", key, struct.__struct_fields__, where=f"{where}{place}{_line(text, key)}"
                )
    try:
        file = msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        raise UsageError(
            f"{where}, {place.strip('`$.') or 'at the top'}: {message}", remedy=EXAMPLE
        ) from error
    return _layout(file, name, where)


def _tables(data: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any, str]]:
    """Every table of keys in the file that has the right shape, with what it may hold and where it is."""
    yield data, _File, ""
    for at, block in _entries(data.get("blocks")):
        yield block, _Block, f", blocks[{at}]"
        for number, row in _entries(block.get("rows")):
            yield row, _Row, f", blocks[{at}].rows[{number}]"
            if isinstance(row.get("published"), Mapping):
                yield row["published"], _PlaceKeys, f", blocks[{at}].rows[{number}].published"


def _entries(given: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if isinstance(given, list):
        yield from ((at, entry) for at, entry in enumerate(given) if isinstance(entry, Mapping))


def _line(text: str, key: str) -> str:
    """Where a key stands, if it is to be seen once."""
    found = [
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(rf"(^|[\s{{,\"']){re.escape(key)}[\"']?\s*[.=]", line)
    ]
    return f" (line {found[0]})" if len(found) == 1 else ""


def _layout(file: _File, name: str, where: str) -> Layout:
    rows = tuple(_rows(file, where))
    if name not in builtin_names():
        rows = tuple(_with_what_is_known(row) for row in rows)
    columns: tuple[str, ...] | None = None if file.columns is None else tuple(file.columns)
    title = file.title
    if file.extends is not None:
        base = builtin_layout(file.extends)
        rows, columns = (*base.rows, *rows), base.columns if columns is None else columns
        title = base.title if title is None else title
    if not rows:
        raise UsageError(f"{where} has no row", remedy=EXAMPLE)
    known = _published_columns(rows)
    for at, column in enumerate(columns or ()):
        if column not in known:
            raise UnknownName("published column", column, known, where=f"{where}, columns[{at}]")
    return Layout(name, title or name, rows, known if columns is None else columns, dict(file.models))


def _with_what_is_known(row: RowLayout) -> RowLayout:
    """A row beside a published one knows of it what the built-in table does, unless it says otherwise."""
    if row.place is None:
        return row
    known = next(
        known for known in builtin_layout(f"table{row.place.table}").rows if known.place == row.place
    )
    apart = row.apart or known.apart
    if (row.task, row.total) != (known.task, known.total):
        return replace(row, apart=apart or "another task than that of the published figure")
    return replace(
        row,
        items=known.items if row.items is None else row.items,
        report=known.report if row.report is None else row.report,
        apart=apart,
        note=row.note or known.note,
        remarks=row.remarks and known.remarks,
    )


def _published_columns(rows: tuple[RowLayout, ...]) -> tuple[str, ...]:
    places = {row.place for row in rows}
    return tuple(dict.fromkeys(cell.model for cell in published().cells if cell.place in places))


def _rows(file: _File, where: str) -> Iterator[RowLayout]:
    for at, block in enumerate(file.blocks):
        for number, row in enumerate(block.rows):
            yield _row_layout(row, block, file, f"{where}, blocks[{at}].rows[{number}] ({row.label})")


def _row_layout(row: _Row, block: _Block, file: _File, where: str) -> RowLayout:
    given: dict[str, Any] = {}
    for level in (file, block, row):
        for key in _Shared.__struct_fields__:
            if getattr(level, key) is not None:
                given[key] = getattr(level, key)
    table = given.pop("table", None)
    if "report" in given:
        given["report"] = {
            key: (value,) if isinstance(value, str) else tuple(value)
            for key, value in given["report"].items()
        }
    if given.pop("comparable", True) is False:
        given["apart"] = given.get("note") or "not the report's measurement"
    own = {key: getattr(row, key) for key in ("task", "figure", "total", "overall", "items", "values")}
    layout = RowLayout(block.name, row.label, **given, **own)
    _check_row(layout, where)
    return replace(layout, place=_place(row, layout, table, where))


def _check_row(row: RowLayout, where: str) -> None:
    if row.task is not None and row.total is not None:
        raise UsageError(f"{where} has both a task and a total", remedy="Give one of them.")
    if row.figure is not None and row.task is None:
        raise UsageError(f"{where} has a figure, but no task", remedy="Name the task that the figure is of.")
    if row.overall is not None and row.total is None:
        raise UsageError(f"{where}: overall names a total", remedy="Name the benchmark with total = ...")
    if not 0 <= row.decimals <= _MOST_DECIMALS:
        raise UsageError(f"{where}: decimals is from 0 to {_MOST_DECIMALS}, got {row.decimals}")
    if row.items is not None and row.items < 1:
        raise UsageError(f"{where}: items is a number of items, got {row.items}")


def _place(row: _Row, layout: RowLayout, table: str | None, where: str) -> Place | None:
    """The published row that stands beside; keys that are not given are those of the row itself."""
    if row.published is False:
        return None
    named = row.published if isinstance(row.published, _PlaceKeys) else _PlaceKeys()
    table = named.table or table
    if table is None:
        if isinstance(row.published, _PlaceKeys):
            raise UsageError(f"{where}: published names no table", remedy="Add table = '1' to it.")
        return None
    place = Place(
        table,
        named.block or layout.block,
        named.row or layout.label,
        layout.metric if named.metric is None else named.metric,
        layout.lang if named.lang is None else named.lang,
    )
    _check_place(place, where)
    return place


def _check_place(place: Place, where: str) -> None:
    """Say which part of a place it is that the report does not have."""
    rows = list(published().places)
    for part, value in zip(Place._fields, place, strict=True):
        there = [row for row in rows if getattr(row, part) == value]
        if not there:
            known = sorted({getattr(row, part) or "''" for row in rows})
            raise UnknownName(
                f"published {part}",
                value,
                known,
                where=f"{where}; a row that the report does not have says published = false",
            )
        rows = there
