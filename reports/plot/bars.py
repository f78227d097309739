"""Bar charts: a panel a benchmark, a bar a model, intervals where there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .chart import Axis, Chart
from .style import (
    DASH,
    DOWN,
    FAINT,
    HATCH,
    INK,
    KINDS,
    MARGIN,
    PAPER,
    SERIES,
    TITLE,
    WIDTH,
    Legend,
    draw_title,
    fitted,
    fitting_size,
    new_figure,
    text_width,
    write_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KIND_NAMES = {
    "measured": "measured",
    "open": "published, open weights",
    "api": "published, behind an API",
    "closed": "published, weights not public",
}
_ACROSS = 3
# Inches.
_BAR, _HEADING, _GROUP, _SCALE = 0.17, 0.26, 0.16, 0.30
_GAP, _LONGEST_NAMES = 0.24, 2.4
_ROOM = 0.37
"""For the figure at the end of the longest bar."""


class _Row(NamedTuple):
    """Panels side by side; only columns that have a figure in one of them get a line."""

    axes: Sequence[Axis]
    columns: Sequence[int]
    group: str

    @property
    def bars(self) -> float:
        return _BAR * len(self.columns)

    @property
    def height(self) -> float:
        return self.bars + _HEADING + _SCALE + (_GROUP if self.group else 0.0)


def write_bars(chart: Chart, path: Path, *, title: str = "") -> None:
    """Draw a bar chart into a file."""
    write_figure(lambda: draw_bars(chart, title), path, told=chart.told)


def draw_bars(chart: Chart, title: str = "") -> Figure:
    """Rows of panels, the columns' names on the left."""
    rows = list(_rows(chart))
    across = max(len(row.axes) for row in rows)
    legend = Legend(list(_handles(chart)))
    height = sum(row.height for row in rows) + MARGIN + legend.height + (TITLE if title else 0.0)
    figure = new_figure(height)
    titles = [one.title for one in chart.series]
    names = min(_LONGEST_NAMES, 0.15 + max(text_width(title, 7.5, bold=True) for title in titles))
    width = (WIDTH - names - MARGIN - _GAP * (across - 1)) / across
    low = height - MARGIN - (TITLE if title else 0.0)
    for row in rows:
        low -= row.height
        for place, axis in enumerate(row.axes):
            left = names + place * (width + _GAP)
            box = (left / WIDTH, (low + _SCALE) / height, width / WIDTH, row.bars / height)
            panel = figure.add_axes(box)
            _panel(panel, chart, axis, row.columns, named=place == 0)
            if row.group and place == 0:
                _above(panel, row.group, 17, fontsize=6.5, color=FAINT)
    draw_title(figure, title)
    legend.draw(figure)
    return figure


def _rows(chart: Chart) -> list[_Row]:
    """The panels in rows; a group begins a new one."""
    rows = []
    for group, members in groupby(chart.axes, key=lambda axis: axis.group):
        axes = list(members)
        across = 2 if len(axes) == _ACROSS + 1 else _ACROSS
        for start in range(0, len(axes), across):
            some = axes[start : start + across]
            columns = [
                at
                for at in range(len(chart.series))
                if any(axis.cells[at].value is not None for axis in some)
            ]
            rows.append(_Row(some, columns, group if start == 0 else ""))
    return rows


def _panel(axes: Axes, chart: Chart, axis: Axis, columns: Sequence[int], *, named: bool) -> None:
    width = axes.get_position().width * WIDTH
    axes.set_xlim(axis.low, axis.low + (axis.high - axis.low) * width / (width - _ROOM))
    axes.set_ylim(len(columns) - 0.4, -0.6)
    axes.set_yticks(
        range(len(columns)),
        [fitted(chart.series[at].title, _LONGEST_NAMES, 7.5) for at in columns]
        if named
        else [""] * len(columns),
    )
    axes.tick_params(axis="y", length=0, pad=3)
    ticks = _ticks(axis)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.tick_params(axis="x", length=0, pad=1)
    axes.grid(axis="x")
    axes.spines["bottom"].set_visible(False)
    unit = f"{axis.unit.replace('-', DASH)}{DOWN if axis.lower_is_better else ''}".strip()
    room = width - text_width(unit, 6.5) - 0.08
    size = fitting_size(axis.label, room, 8, 6)
    shown = _above(axes, fitted(axis.label, room, size), 4, fontsize=size, fontweight="bold")
    axes.annotate(
        unit, (1, 0), (5, 1.2), xycoords=shown, textcoords="offset points", fontsize=6.5, color=FAINT
    )
    for place, (at, label) in enumerate(zip(columns, axes.get_yticklabels(), strict=True)):
        _bar(axes, chart, axis, at, place)
        label.set_fontweight("bold" if chart.series[at].kind == "measured" else "normal")


def _above(axes: Axes, text: str, points: float, **looks: Any) -> Any:
    return axes.annotate(
        text, (0, 1), (0, points), xycoords="axes fraction", textcoords="offset points", va="bottom", **looks
    )


def _ticks(axis: Axis) -> list[float]:
    """From three to five equal steps, of a round length where there is one."""
    span = axis.high - axis.low
    steps = next((n for n in (4, 5, 3) if _is_round(span / n)), 4)
    return [axis.low + step * span / steps for step in range(steps + 1)]


def _is_round(value: float) -> bool:
    return float(f"{value:e}".partition("e")[0]) in (1, 2, 2.5, 5)


def _bar(axes: Axes, chart: Chart, axis: Axis, at: int, place: int) -> None:
    cell = axis.cells[at]
    if cell.value is None:
        axes.text(axis.low, place, f" {DASH}", fontsize=6.5, color=FAINT, va="center_baseline")
        return
    value = float(cell.value)
    looks: dict[str, Any] = {"color": _color(chart, at), "edgecolor": PAPER, "lw": 0}
    axes.barh(
        place, value - axis.low, left=axis.low, height=0.72, hatch="" if cell.comparable else HATCH, **looks
    )
    end = value
    if cell.low is not None and cell.high is not None:
        low, high = max(axis.low, cell.low), min(axis.high, cell.high)
        axes.plot((low, high), (place, place), color=INK, lw=0.8, solid_capstyle="butt")
        for edge in {low, high} & {cell.low, cell.high}:  # where the interval ends, and not the scale
            axes.plot(edge, place, color=INK, lw=0, marker="|", ms=4, mew=0.8)
        end = max(end, high)
    weight = "bold" if at in axis.best else "normal"
    axes.annotate(
        cell.text,
        (end, place),
        (3, 0),
        textcoords="offset points",
        fontsize=6.5,
        fontweight=weight,
        va="center_baseline",
        annotation_clip=False,
    )


def _color(chart: Chart, at: int) -> str:
    """By where a column's figures are from; by column where all are measured."""
    mixed = any(one.kind != "measured" for one in chart.series)
    return KINDS[chart.series[at].kind] if mixed else SERIES[at % len(SERIES)]


def _handles(chart: Chart) -> Iterator[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    kinds = {one.kind for one in chart.series}
    cells = [cell for axis in chart.axes for cell in axis.cells if cell.value is not None]
    for kind, color in KINDS.items():
        if kind in kinds and len(kinds | {"measured"}) > 1:
            yield Patch(facecolor=color, lw=0, label=_KIND_NAMES[kind])
    if chart.apart:
        looks: dict[str, Any] = {"facecolor": FAINT if kinds == {"measured"} else KINDS["measured"]}
        yield Patch(label=chart.apart, edgecolor=PAPER, hatch=HATCH, lw=0, **looks)
    if any(cell.low is not None for cell in cells):
        yield Line2D([], [], color=INK, lw=0.8, marker="|", ms=5, mew=0.8, label="95% interval")
