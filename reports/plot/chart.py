"""What radar and bar charts show: axes, columns, and a leaderboard's cell where the two meet. Nothing is drawn here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from fac_eval.errors import UnknownName, UsageError

from ..leaderboard.board import RUN_LETTERS, Column, Table, TableRow, leaderboard
from ..leaderboard.cells import NOT_RUN, Cell
from ..tables.layouts import Layout, RowLayout, builtin_layout
from ..tables.published import access

if TYPE_CHECKING:
    from fac_eval.engine.result import RunResult

Kind = Literal["measured", "open", "api", "closed"]
"""Where a column's figures are from: a run, or the report, by how the model can be had."""

_ZOOM_STEPS = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """One figure of all columns, on a scale of its own."""

    label: str
    group: str
    """What the label belongs to, where it does not stand for itself."""
    unit: str
    lower_is_better: bool
    low: float
    high: float
    cells: tuple[Cell, ...]

    def place(self, value: float) -> float:
        """Where a value lies between the worse end of the scale (0) and the better one (1)."""
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return 1 - share if self.lower_is_better else share

    def zoomed(self) -> Axis:
        """The axis on no more of its scale than the figures take up, between round numbers."""
        values = [float(cell.value) for cell in self.cells if cell.value is not None]
        if len(set(values)) < 2:
            return self
        step = _round_up((max(values) - min(values)) / _ZOOM_STEPS, (1, 5, 10))
        # A whole step below the worst figure: its point is not to coincide with the end of the scale.
        low = max(self.low, step * (math.floor(min(values) / step) - (not self.lower_is_better)))
        high = min(self.high, step * (math.ceil(max(values) / step) + self.lower_is_better))
        return dataclasses.replace(self, low=low, high=high)

    @property
    def best(self) -> frozenset[int]:
        """The columns with the best figure among those that are the same measurement; none of a single one."""
        held = {
            at: cell.value for at, cell in enumerate(self.cells) if cell.value is not None and cell.comparable
        }
        if len(held) < 2:
            return frozenset()
        top = min(held.values()) if self.lower_is_better else max(held.values())
        return frozenset(at for at, value in held.items() if value == top)

    @property
    def name(self) -> str:
        """The label with its group."""
        return f"{self.group}, {self.label}" if self.group else self.label


@dataclass(frozen=True, slots=True)
class Series:
    """A column: a published model or a measured one."""

    title: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Chart:
    """Axes and columns, ready to be drawn."""

    axes: tuple[Axis, ...]
    series: tuple[Series, ...]
    remarks: tuple[str, ...] = ()

    def kept(self, places: Sequence[int], remark: str = "") -> Chart:
        """The chart with the columns at some places, and the axes that these have figures on."""
        axes = [dataclasses.replace(axis, cells=tuple(axis.cells[at] for at in places)) for axis in self.axes]
        there = tuple(axis for axis in axes if any(cell.value is not None for cell in axis.cells))
        if not there:
            raise UsageError("there is nothing to draw: no column has a figure on any of these axes.")
        remarks = (*self.remarks, remark) if remark else self.remarks
        return Chart(there, tuple(self.series[at] for at in places), remarks)

    def figures(self, at: int) -> int:
        """On how many axes a column has a figure."""
        return sum(axis.cells[at].value is not None for axis in self.axes)

    def zoomed(self) -> Chart:
        """The chart with every axis zoomed."""
        return dataclasses.replace(self, axes=tuple(axis.zoomed() for axis in self.axes))

    @property
    def apart(self) -> str:
        """What a figure is that does not compete with the others, in words; empty where there is none."""
        if all(cell.comparable for axis in self.axes for cell in axis.cells if cell.value is not None):
            return ""
        beside = any(one.kind != "measured" for one in self.series)
        return "another measurement than the report's" if beside else "measured otherwise than the others"

    @property
    def told(self) -> str:
        """The chart in words, a line an axis."""
        return "\n".join(f"{axis.name}: {'; '.join(self._figures_told(axis))}" for axis in self.axes)

    def _figures_told(self, axis: Axis) -> Iterator[str]:
        for series, cell in zip(self.series, axis.cells, strict=True):
            if cell.value is not None:
                yield f"{series.title} {cell.text}{'' if cell.comparable else ' (another measurement)'}"


# Which rows become axes.


@dataclass(frozen=True, slots=True)
class _Headline:
    """A benchmark: one row in each of the tables that print it."""

    label: str
    tables: tuple[str, ...]
    block: str
    row: str = "Overall"
    lang: str = ""


HEADLINES = (
    _Headline("OpenAudioBench", ("1", "2"), "OpenAudioBench (S2T)"),
    _Headline("VoiceBench", ("1", "2"), "VoiceBench (S2T)"),
    _Headline("UltraEval-Audio", ("1", "2"), "UltraEval-Audio (S2S)"),
    _Headline("MMAU", ("3",), "Audio Understanding", "MMAU"),
    _Headline("MMAU-Pro", ("3",), "Audio Understanding", "MMAU-Pro"),
    _Headline("MMSU", ("3",), "Audio Understanding", "MMSU"),
    _Headline("Function calling", ("4",), "Speech Function Calling"),
    _Headline("VStyle en", ("5",), "Overall", lang="en"),
    _Headline("VStyle zh", ("5",), "Overall", lang="zh"),
)
"""The benchmarks that the report compares models on at a glance."""

_Picked = tuple[str, str, list[tuple[Table, TableRow]]]
"""An axis' label, its group, and the rows that it is made of."""


def headline_chart(results: Sequence[RunResult] = ()) -> Chart:
    """The report's benchmarks, an axis each, and a column for every model of the report and of the runs."""
    names = dict.fromkeys(table for axis in HEADLINES for table in axis.tables)
    board = leaderboard(_named([builtin_layout(f"table{name}") for name in names], results), results)
    rows = [(table, row) for table in board.tables for row in table.rows]
    picked: list[_Picked] = [
        (axis.label, "", [pair for pair in rows if _is_of(pair[1].layout, axis)]) for axis in HEADLINES
    ]
    # A model that only has tasks of one table is left out of the others: that is no news here.
    return _chart(picked)


def _is_of(row: RowLayout, axis: _Headline) -> bool:
    place = row.place
    return (
        place is not None
        and place.table in axis.tables
        and (place.block, place.row, place.lang) == (axis.block, axis.row, axis.lang)
    )


def layout_chart(layouts: Sequence[Layout], results: Sequence[RunResult] = ()) -> Chart:
    """An axis for every row of some tables that holds figures."""
    board = leaderboard(_named(layouts, results), results)
    picked: list[_Picked] = []
    for table in board.tables:
        rows = [row for row in table.rows if row.layout.direction != "text"]
        blocks = {row.layout.block for row in rows}
        for row in rows:
            label = _row_label(row.layout, rows)
            group = row.layout.block if len(blocks) > 1 and row.layout.block != label else ""
            picked.append((label, group, [(table, row)]))
    return _chart(picked, board.remarks)


def _row_label(row: RowLayout, rows: Sequence[TableRow]) -> str:
    """A row's label, with what tells it from others of its block: the language, the measure."""
    same = [
        other.layout for other in rows if (other.layout.block, other.layout.label) == (row.block, row.label)
    ]
    parts = [row.label]
    if len({other.lang for other in same}) > 1:
        parts.append(row.lang)
    if len({other.metric for other in same}) > 1:
        parts.append(row.metric.upper().replace("_", "-"))
    return " ".join(parts)


def task_layout(results: Sequence[RunResult], patterns: Sequence[str]) -> Layout:
    """A table of those tasks of the runs that the patterns match, each with its main figure.

    Raises:
        UnknownName: a pattern matches none of their tasks.
    """
    mains = {
        cell.task: figure
        for result in results
        for cell in result.cells
        for figure in cell.figures
        if figure.main
    }
    rows = []
    for task in matching((cell.task for result in results for cell in result.cells), patterns):
        main = mains.get(task)
        lower = main is not None and not main.higher_is_better
        unit = "" if main is None else main.unit
        rows.append(RowLayout("", task, unit=unit, direction="lower" if lower else "higher", task=task))
    return Layout("tasks", "", tuple(rows), (), {})


def matching(tasks: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The tasks that a name, a benchmark's name or a wildcard matches.

    Raises:
        UnknownName: a pattern matches none.
    """
    known = list(dict.fromkeys(tasks))
    for pattern in patterns:
        if not any(_matches(task, pattern) for task in known):
            raise UnknownName("task", pattern, known, where="these runs")
    return [task for task in known if any(_matches(task, pattern) for pattern in patterns)]


def _matches(task: str, pattern: str) -> bool:
    return task == pattern or task.startswith(f"{pattern}/") or fnmatchcase(task, pattern)


# Columns.


def _named(layouts: Sequence[Layout], results: Sequence[RunResult]) -> list[Layout]:
    """The layouts with names for measured columns that are the same in all of them.

    Runs in which a model had different tasks share a column. Where they have a task in common, each is a column.
    """
    ran: dict[str, dict[str, set[str]]] = {}
    for result in results:
        for cell in result.cells:
            ran.setdefault(cell.model, {}).setdefault(result.id, set()).add(cell.task)
    names = {}
    for model, runs in ran.items():
        if sum(map(len, runs.values())) == len(set().union(*runs.values())):
            names[model] = model
        else:
            names |= {f"{model}@{run}": f"{model} @{run[:RUN_LETTERS]}" for run in runs}

    def named(layout: Layout) -> Layout:
        own = {name.rpartition("@")[0] or name for name in layout.models} | set(layout.models)
        others = {name: title for name, title in names.items() if name.rpartition("@")[0] not in own}
        return dataclasses.replace(layout, models={**others, **layout.models})

    return [named(layout) for layout in layouts]


def _series(tables: Iterable[Table]) -> dict[tuple[str, str], Series]:
    """The columns of all tables by kind and name, published ones first."""
    columns = [column for table in tables for column in table.columns]
    columns.sort(key=lambda column: column.kind == "measured")
    found: dict[tuple[str, str], Series] = {}
    published = {column.model for column in columns if column.kind == "published"}
    for column in columns:
        if column.kind == "published":
            series = Series(column.model, access().get(column.model, "open"))
        else:
            again = " (measured)" if column.model in published else ""
            series = Series(f"{column.model}{again}", "measured")
        found.setdefault(_key(column), series)
    return found


def _key(column: Column) -> tuple[str, str]:
    return column.kind, column.model


# The chart.


def _chart(picked: Sequence[_Picked], remarks: Iterable[str] = ()) -> Chart:
    tables = list({id(table): table for _, _, rows in picked for table, _ in rows}.values())
    series = _series(tables)
    axes = [_axis(label, group, rows, list(series)) for label, group, rows in picked if rows]
    chart = Chart(tuple(axes), tuple(series.values()), tuple(remarks))
    there = [at for at in range(len(chart.series)) if chart.figures(at)]
    told = [
        f"{one.title}: {remark}"
        for at, one in enumerate(chart.series)
        if one.kind == "measured"
        for remark in _remarks(chart, at)
    ]
    return dataclasses.replace(chart, remarks=(*chart.remarks, *told)).kept(there)


def _remarks(chart: Chart, at: int) -> Iterator[str]:
    """What limits a measured column's figures, and why some are missing."""
    axes: dict[str, list[str]] = {}
    for axis in chart.axes:
        cell = axis.cells[at]
        for note in cell.notes or ((cell.missing,) if cell.missing not in ("", NOT_RUN) else ()):
            axes.setdefault(note, []).append(axis.name)
    if not chart.figures(at):
        yield "no figure on these axes"
    yield from (f"{', '.join(names)}: {note}" for note, names in axes.items())


def _axis(
    label: str, group: str, rows: Sequence[tuple[Table, TableRow]], keys: Sequence[tuple[str, str]]
) -> Axis:
    found: dict[tuple[str, str], Cell] = {}
    for table, row in rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            held = found.get(_key(column))
            if held is None or held.value is None:
                found[_key(column)] = cell
    layout = rows[0][1].layout
    cells = tuple(found.get(key, Cell(missing=NOT_RUN)) for key in keys)
    ends = [end for cell in cells if cell.value is not None for end in (float(cell.value), cell.high)]
    values = [end for end in ends if end is not None]
    lower = layout.direction == "lower"
    return Axis(label, group, layout.unit, lower, *_scale(layout.unit, values, lower=lower), cells)


def _scale(unit: str, values: Sequence[float], *, lower: bool) -> tuple[float, float]:
    """The ends of a scale: the whole of it where the unit has ends, else from 0 past the largest value."""
    if unit == "1-5" and all(1 <= value <= 5 for value in values):
        return 1.0, 5.0
    if unit == "%" and not lower and all(0 <= value <= 100 for value in values):
        return 0.0, 100.0
    least, most = min(values, default=0.0), max(values, default=1.0)
    return (-_round_up(-least) if least < 0 else 0.0), _round_up(most)


def _round_up(value: float, leading: Sequence[float] = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)) -> float:
    """The next number with one of some leading digits that is not smaller; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in leading if step * power >= value * (1 - 1e-9))


def chosen(chart: Chart, titles: Iterable[str]) -> Chart:
    """The chart with the named columns alone, in the order of their names; all of them without any.

    Raises:
        UnknownName: there is no such column.
    """
    wanted = list(titles)
    if not wanted:
        return chart
    places: Mapping[str, int] = {one.title.casefold(): at for at, one in enumerate(chart.series)}
    for title in wanted:
        if title.casefold() not in places:
            raise UnknownName("column", title, [one.title for one in chart.series])
    return chart.kept(list(dict.fromkeys(places[title.casefold()] for title in wanted)))


def readable(chart: Chart, most: int) -> Chart:
    """The columns for a chart on which more than `most` cannot be told apart: those with the most figures.

    Measured ones come first; a published one must have a figure on half of the axes.
    """
    half = len(chart.axes) / 2
    own = [at for at, one in enumerate(chart.series) if one.kind == "measured"]
    others = [at for at in range(len(chart.series)) if at not in own and chart.figures(at) >= half]
    others.sort(key=lambda at: -chart.figures(at))
    taken = sorted([*own, *others][:most])
    if not taken:
        taken = list(range(min(most, len(chart.series))))
    left = [one.title for at, one in enumerate(chart.series) if at not in taken]
    return chart.kept(taken, f"left out: {', '.join(left)}; --column shows others" if left else "")
