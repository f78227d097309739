"""Radar charts: models on several benchmarks at a glance, each benchmark on its own whole scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from fac_eval.errors import UsageError

from .chart import Axis, Chart
from .style import (
    DASH,
    FAINT,
    GRID,
    INK,
    MARKERS,
    PAPER,
    SERIES,
    draw_title,
    fitted,
    new_figure,
    write_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = len(SERIES)
"""Columns that can be told apart."""
FEWEST_AXES, MOST_AXES = 3, 16
_LINE_LENGTH, _SHORT_LINE = 17, 13
"""Letters in a line of a label; the second where it stands far out on a side."""
_LEGEND_WIDTH = 1.45
"""Inches."""
_RINGS = (0.2, 0.4, 0.6, 0.8, 1.0)

Point = tuple[float, float]


def write_radar(chart: Chart, path: Path, *, title: str = "") -> None:
    """Draw a radar chart into a file."""
    if len(chart.axes) < FEWEST_AXES:
        raise UsageError(
            f"a radar needs {FEWEST_AXES} axes, and there are {len(chart.axes)}.",
            remedy="Draw bars: fac-eval plot bars",
        )
    if len(chart.axes) > MOST_AXES:
        raise UsageError(
            f"a radar of {len(chart.axes)} axes cannot be read.",
            remedy="Choose fewer rows with a layout of your own, or draw bars: fac-eval plot bars",
        )
    if len(chart.series) > MOST:
        raise UsageError(
            f"a radar of {len(chart.series)} columns cannot be read.",
            remedy=f"Name up to {MOST} with --column, or draw bars: fac-eval plot bars",
        )
    write_figure(lambda: draw_radar(chart, title), path, told=chart.told)


def draw_radar(chart: Chart, title: str = "") -> Figure:
    """The radar with its legend beside it."""
    figure = new_figure(4.4)
    axes = figure.add_axes((0.0, 0.02, 0.72, 0.90 if title else 0.96))
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-1.75, 1.65)
    axes.set_ylim(-1.32, 1.32)
    _grid(axes, chart.axes)
    for at in range(len(chart.series)):
        _shape(axes, chart, at)
    _legend(figure, chart)
    draw_title(figure, title)
    return figure


def _on(turn: float, radius: float) -> Point:
    """A point by its share of a turn, clockwise from the top."""
    angle = math.pi / 2 - 2 * math.pi * turn
    return radius * math.cos(angle), radius * math.sin(angle)


def _grid(axes: Axes, lines: Sequence[Axis]) -> None:
    labels = [line.label for line in lines]
    turns = [at / len(lines) for at in range(len(lines))]
    numbered = any((line.low, line.high, line.lower_is_better) == (0, 100, False) for line in lines)
    for ring in _RINGS:
        corners = [_on(turn, ring) for turn in (*turns, 0.0)]
        outer = ring == _RINGS[-1]
        axes.plot(
            *zip(*corners, strict=True), color=FAINT if outer else GRID, lw=0.8 if outer else 0.5, zorder=1
        )
        if numbered and not outer:
            # Halfway to the last axis, where the lines of the columns cross least.
            x, y = _on(-0.5 / len(lines), ring * math.cos(math.pi / len(lines)))
            halo = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
            axes.text(
                x,
                y,
                f"{100 * ring:g}",
                fontsize=5.5,
                color=FAINT,
                ha="center",
                va="center",
                zorder=2,
                bbox=halo,
            )
    for turn, line in zip(turns, lines, strict=True):
        axes.plot(*zip((0.0, 0.0), _on(turn, 1.0), strict=True), color=GRID, lw=0.5, zorder=1)
        _axis_label(axes, line, turn, line.name if labels.count(line.label) > 1 else line.label)


def _axis_label(axes: Axes, line: Axis, turn: float, label: str) -> None:
    x, y = _on(turn, 1.1)
    side, edge = ("center", 0.5) if abs(x) < 0.15 else (("left", 0.0) if x > 0 else ("right", 1.0))
    # The scale stands below the name: where the two are beside the figure or above it, the name moves up.
    level, up = ("center", 4) if abs(y) < 0.8 else (("bottom", 8) if y > 0 else ("top", 0))
    name = axes.annotate(
        fill(label, _SHORT_LINE if abs(x) > 1 else _LINE_LENGTH),
        (x, y),
        (0, up),
        textcoords="offset points",
        ha=side,
        va=level,
        fontsize=8,
        fontweight="bold",
        multialignment=side,
    )
    below: Any = {"xycoords": name, "textcoords": "offset points", "va": "top"}
    axes.annotate(_scale(line), (edge, 0), (0, -1), ha=side, fontsize=6.5, color=FAINT, **below)


def _scale(line: Axis) -> str:
    worse, better = (line.high, line.low) if line.lower_is_better else (line.low, line.high)
    unit = f" {line.unit}" if line.unit and line.unit != "1-5" else ""
    return f"{worse:g} {DASH} {better:g}{unit}"


def _shape(axes: Axes, chart: Chart, at: int) -> None:
    """A column's corners; lines join neighbours that both have a figure, for a missing one is no zero."""
    own = chart.series[at].kind == "measured"
    color, marker = SERIES[at], MARKERS[at]
    n = len(chart.axes)
    points: list[Point | None] = []
    for place, line in enumerate(chart.axes):
        cell = line.cells[at]
        points.append(None if cell.value is None else _on(place / n, line.place(float(cell.value))))
    width, order = (2.0, 5) if own else (1.2, 4)
    if all(point is not None for point in points):
        whole = [point for point in points if point is not None]
        axes.fill(*zip(*whole, strict=True), color=color, alpha=0.10 if own else 0.05, lw=0, zorder=3)
    for first, second in zip(points, [*points[1:], points[0]], strict=True):
        if first is not None and second is not None:
            axes.plot(
                *zip(first, second, strict=True), color=color, lw=width, zorder=order, solid_capstyle="round"
            )
    for line, point in zip(chart.axes, points, strict=True):
        if point is not None:
            inside = color if line.cells[at].comparable else PAPER
            axes.plot(*point, marker=marker, ms=4.2, mfc=inside, mec=color, mew=1.0, zorder=order + 1)


def _legend(figure: Figure, chart: Chart) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=SERIES[at],
            marker=MARKERS[at],
            ms=5,
            lw=2.0 if one.kind == "measured" else 1.2,
            label=fitted(
                f"{one.title}  (measured)" if one.kind == "measured" else one.title, _LEGEND_WIDTH, 7
            ),
        )
        for at, one in enumerate(chart.series)
    ]
    if chart.apart:
        label = fill(chart.apart, 24)
        handles.append(Line2D([], [], color=INK, marker="o", mfc=PAPER, ms=5, lw=0, label=label))
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0.735, 0.5), handlelength=2.4, labelspacing=0.9
    )
