"""Leaderboards: published and measured columns side by side, the best of each row, and what keeps figures apart."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fac_eval.engine.result import RunResult

from ..tables.layouts import Layout, RowLayout
from ..tables.published import REPORT, access
from .cells import Cell, Source, measured_cell, published_cell, total_cell
from .protocols import differences

if TYPE_CHECKING:
    from ..tables.audit import Audit

RUN_LETTERS = 6
_ACCESS = {"open": "open weights", "api": "behind an API", "closed": "weights not public"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: a model of the report, or models of runs."""

    title: str
    kind: Literal["published", "measured"]
    model: str
    """The model's name in the report, or the measured column's name without what sets it apart."""
    sources: tuple[Source, ...] = ()

    @property
    def source(self) -> str:
        """Where its figures are from."""
        if self.kind == "published":
            return REPORT
        return " + ".join(f"run {run}" for run in dict.fromkeys(source.run for source in self.sources))


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row and its cells, one a column."""

    layout: RowLayout
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table, ready to be printed."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Tables, and what is to be said about all of them."""

    tables: tuple[Table, ...]
    remarks: tuple[str, ...] = ()
    audit: Audit | None = None


def leaderboard(
    layouts: Iterable[Layout], results: Iterable[RunResult] = (), audit: Audit | None = None
) -> Leaderboard:
    """Published figures and those of runs in tables.

    Args:
        layouts: The tables.
        results: Runs; every model of theirs is a column of each table that it has a figure for.
        audit: What is known against published figures; it becomes notes and flags of their cells.
    """
    layouts = tuple(layouts)
    sources = [
        Source(result, model)
        for result in {result.id: result for result in results}.values()
        for model in dict.fromkeys(cell.model for cell in result.cells)
    ]
    tables = tuple(_table(layout, sources, audit) for layout in layouts)
    shown = {source for table in tables for column in table.columns for source in column.sources}
    remarks = [
        f"{source.model} (run {source.run}) has no task of these tables"
        for source in sources
        if source not in shown
    ]
    renamed = dict.fromkeys(name for layout in layouts for name in layout.models)
    remarks += [
        f"no run has the model {name!r}, which a layout gives another name"
        for name in renamed
        if sources and not any(_is_named(source, name) for source in sources)
    ]
    return Leaderboard(tables, tuple(remarks), audit)


# Columns.


def _table(layout: Layout, sources: Sequence[Source], audit: Audit | None) -> Table:
    fitting = [source for source in sources if _has_part(source, layout)]
    columns = (
        *(Column(model, "published", model) for model in layout.columns),
        *_measured_columns(layout, fitting),
    )
    made: dict[int, list[Cell]] = {}
    # Totals last: they are as good as the figures of their block.
    for at, row in sorted(enumerate(layout.rows), key=lambda pair: pair[1].total is not None):
        block = [(other, made[number]) for number, other in enumerate(layout.rows) if _is_part(other, row)]
        made[at] = _row_cells(row, columns, block, audit)
    rows = tuple(TableRow(row, tuple(_ranked(made[at], row.direction))) for at, row in enumerate(layout.rows))
    return Table(layout.name, layout.title, columns, rows, _unmeasured(columns))


def _is_part(row: RowLayout, of: RowLayout) -> bool:
    return of.total is not None and row.block == of.block and row.task is not None


def _has_part(source: Source, layout: Layout) -> bool:
    return any(cell.model == source.model and cell.task in layout.tasks for cell in source.result.cells)


def _is_named(source: Source, name: str) -> bool:
    """Whether `name` is the source's model, or `MODEL@BEGINNING-OF-RUN`."""
    model, mark, run = name.rpartition("@")
    return name == source.model or bool(mark and run and model == source.model and source.run.startswith(run))


def _measured_columns(layout: Layout, sources: Sequence[Source]) -> list[Column]:
    """One column a model and run; those that the layout gives one name are one column."""
    named: dict[str, list[Source]] = {}
    plain: list[Source] = []
    # The longest name first: one with a run says more than one without.
    renames = sorted(layout.models.items(), key=lambda pair: -len(pair[0]))
    for source in sources:
        title = next((title for name, title in renames if _is_named(source, name)), None)
        if title is None:
            plain.append(source)
        else:
            named.setdefault(title, []).append(source)
    labels = Counter(source.model for source in plain)
    labels.update(named.keys())
    groups = [(source.model, [source]) for source in plain]
    order = {source: at for at, source in enumerate(sources)}
    groups = sorted([*groups, *named.items()], key=lambda group: order[group[1][0]])
    columns = []
    for name, group in groups:
        title = name if labels[name] == 1 else f"{name} @{group[0].run[:RUN_LETTERS]}"
        if name in layout.columns:
            title = f"{title} (measured)"
        columns.append(Column(title, "measured", name, tuple(group)))
    return columns


def _unmeasured(columns: Sequence[Column]) -> tuple[str, ...]:
    """Which published models no run of ours has measured, and why; nothing where there is no run."""
    measured = {column.model for column in columns if column.kind == "measured"}
    if not measured:
        return ()
    without: dict[str, list[str]] = {}
    for column in columns:
        if column.kind == "published" and column.model not in measured:
            how = _ACCESS[access().get(column.model, "open")]
            without.setdefault(how if how.endswith("public") else f"{how}, not run", []).append(column.model)
    told = "; ".join(f"{', '.join(models)} ({how})" for how, models in without.items())
    return (f"Published, and not measured here: {told}.",) if told else ()


# Cells.


def _row_cells(
    row: RowLayout,
    columns: Sequence[Column],
    block: Sequence[tuple[RowLayout, list[Cell]]],
    audit: Audit | None,
) -> list[Cell]:
    cells = []
    for at, column in enumerate(columns):
        if column.kind == "published":
            cells.append(_published(row, column.model, audit))
        elif row.total is None:
            cells.append(measured_cell(row, column.model, column.sources))
        else:
            parts = [(part, made[at]) for part, made in block]
            cells.append(total_cell(row, column.sources, parts))
    return _compared(cells, columns)


def _published(row: RowLayout, model: str, audit: Audit | None) -> Cell:
    cell = published_cell(row, model)
    if audit is not None and row.place is not None:
        for finding in audit.of(row.place, model):
            cell = cell.noted(f"{finding.kind}: {finding.text}", f"audit:{finding.kind}")
    return cell


def _compared(cells: list[Cell], columns: Sequence[Column]) -> list[Cell]:
    """Measured figures of another protocol or other data than most of their row say so, and compete no more."""
    measured = [at for at, column in enumerate(columns) if column.kind == "measured"]
    figures = [at for at in measured if cells[at].value is not None and cells[at].protocol_id]
    if not figures:
        return cells
    like_report = [at for at in figures if cells[at].comparable]
    made = Counter(_identity(cells[at]) for at in like_report or figures)
    base = next(at for at in like_report or figures if _identity(cells[at]) == made.most_common(1)[0][0])
    published = any(cell.value is not None for at, cell in enumerate(cells) if at not in measured)
    for at in figures:
        told = _difference(cells[at], cells[base])
        if told:
            cells[at] = cells[at].noted(
                f"otherwise than {columns[base].title}: {told}", "protocol", comparable=False
            )
        elif not like_report and not published:
            # Nothing of the report stands beside them: they are one another's measure.
            cells[at] = dataclasses.replace(cells[at], comparable=True)
    return cells


def _identity(cell: Cell) -> tuple[str, str]:
    return cell.protocol_id, cell.data


def _difference(cell: Cell, base: Cell) -> str:
    told = []
    if cell.protocol_id != base.protocol_id:
        told.append(differences(cell.protocol, base.protocol) or "another protocol")
    if cell.data != base.data:
        told.append("other data")
    return "; ".join(told)


def _ranked(cells: Sequence[Cell], direction: str) -> list[Cell]:
    """The best of the row, its ties, and those whose intervals overlap with it."""
    competing = [cell for cell in cells if cell.value is not None and cell.comparable]
    if direction == "text" or len(competing) < 2:
        return list(cells)
    values = [cell.value for cell in competing if cell.value is not None]
    top = max(values) if direction == "higher" else min(values)
    best = [cell for cell in competing if cell.value == top]
    return [
        dataclasses.replace(cell, best=True, tie=len(best) > 1)
        if cell.comparable and cell.value == top
        else dataclasses.replace(cell, close=cell.comparable and any(_overlap(cell, other) for other in best))
        for cell in cells
    ]


def _overlap(cell: Cell, other: Cell) -> bool:
    """Whether two figures' intervals have a point in common; without an interval a figure is a point."""
    if cell.value is None or other.value is None:
        return False
    low, high = _ends(cell)
    other_low, other_high = _ends(other)
    return low <= other_high and other_low <= high


def _ends(cell: Cell) -> tuple[float, float]:
    point = float(cell.value or 0)
    return (point, point) if cell.low is None or cell.high is None else (cell.low, cell.high)
