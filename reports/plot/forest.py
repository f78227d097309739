"""Forest plots: how far models are from a reference on the same samples, with paired intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_eval.errors import UsageError

from ..compare.comparison import ALPHA, Comparison, Difference
from ..compare.text import number, p_text
from .style import (
    BETTER,
    DASH,
    DOWN,
    FAINT,
    GRID,
    INK,
    MARGIN,
    MINUS,
    PAPER,
    TITLE,
    UNDECIDED,
    WIDTH,
    WORSE,
    Legend,
    draw_title,
    fitted,
    new_figure,
    text_width,
    write_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = {"better": BETTER, "worse": WORSE, "not shown": UNDECIDED}
_MEANINGS = {"better": "better", "worse": "worse", "not shown": "no difference shown"}
# Inches.
_LINE, _HEADING, _SCALE = 0.20, 0.22, 0.42
_LONGEST_NAMES, _TEXT = 2.6, 2.25


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate on one task, or the mean over the tasks above."""

    task: str
    candidate: str
    gain: float | None
    """The difference, turned so that more is better."""
    low: float | None
    high: float | None
    figures: str
    """Both figures and their difference, as measured."""
    p: str
    verdict: str
    is_total: bool = False
    turned: bool = False
    """Less is better: the difference has changed its sign."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines whose differences have one unit."""

    unit: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """Panels, ready to be drawn."""

    reference: str
    candidates: tuple[str, ...]
    panels: tuple[Panel, ...]
    remarks: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The plot in words, a line each."""
        lines = [line for panel in self.panels for line in panel.lines]
        return "\n".join(
            f"{line.task}: {line.candidate} against {self.reference}: {line.figures}, {_MEANINGS[line.verdict]}"
            for line in lines
        )


def forest(comparisons: Sequence[Comparison]) -> Forest:
    """The differences of some candidates from one reference, task by task, a panel a unit."""
    found: dict[str, dict[tuple[bool, str], list[Line]]] = {}
    for comparison in comparisons:
        for one, is_total in _differences(comparison):
            panel = found.setdefault(one.unit, {})
            panel.setdefault((is_total, one.task), []).append(_line(one, comparison.candidate.name, is_total))
    panels = tuple(
        Panel(
            unit,
            tuple(line for _, lines in sorted(tasks.items(), key=lambda pair: pair[0][0]) for line in lines),
        )
        for unit, tasks in found.items()
    )
    if not any(line.gain is not None for panel in panels for line in panel.lines):
        raise UsageError("there is no difference to draw: these models have no scored sample in common.")
    remarks = [f"{one.candidate.name}: {warning}" for one in comparisons for warning in one.warnings]
    candidates = tuple(comparison.candidate.name for comparison in comparisons)
    return Forest(comparisons[0].reference.name, candidates, panels, tuple(remarks))


def _differences(comparison: Comparison) -> Iterator[tuple[Difference, bool]]:
    yield from ((one, False) for one in comparison.differences)
    yield from ((one, True) for one in comparison.totals)


def _line(one: Difference, candidate: str, is_total: bool) -> Line:
    turned = not one.higher_is_better
    estimate = one.estimate.scaled(-1) if turned else one.estimate
    change = f"{number(one.reference, one.unit)} \u2192 {number(one.candidate, one.unit)}"
    figures = f"{change}  ({number(one.estimate.value, one.unit, signed=True)})".replace("-", MINUS)
    # A mean over tasks is one test of its own: there is nothing to correct for.
    p = one.p if is_total else one.p_holm
    verdict = "not shown"
    if p is not None and p <= ALPHA and estimate.value:
        verdict = "better" if estimate.value > 0 else "worse"
    return Line(
        one.task,
        candidate,
        estimate.value,
        estimate.low,
        estimate.high,
        figures,
        p_text(p),
        verdict,
        is_total,
        turned,
    )


def write_forest(data: Forest, path: Path, *, title: str = "") -> None:
    """Draw a forest plot into a file."""
    write_figure(lambda: draw_forest(data, title), path, told=data.told)


def draw_forest(data: Forest, title: str = "") -> Figure:
    """Panels one above the other: names on the left, figures on the right."""
    heights = [
        _LINE * _places(panel, several=len(data.candidates) > 1)[1] + _HEADING + _SCALE
        for panel in data.panels
    ]
    legend = Legend(list(_handles(data)))
    height = sum(heights) + MARGIN + legend.height + (TITLE if title else 0.0)
    figure = new_figure(height)
    labels = [text for panel in data.panels for line in panel.lines for text in _names(data, line)]
    names = min(_LONGEST_NAMES, 0.3 + max(text_width(label, 7.5, bold=True) for label in labels))
    low = height - MARGIN - (TITLE if title else 0.0)
    for panel, tall in zip(data.panels, heights, strict=True):
        low -= tall
        box = (
            names / WIDTH,
            (low + _SCALE) / height,
            (WIDTH - names - _TEXT) / WIDTH,
            (tall - _HEADING - _SCALE) / height,
        )
        _panel(figure.add_axes(box), data, panel, names)
    draw_title(figure, title)
    legend.draw(figure)
    return figure


def _names(data: Forest, line: Line) -> Iterator[str]:
    yield line.task
    if len(data.candidates) > 1:
        yield f"   {line.candidate}"


def _places(panel: Panel, *, several: bool) -> tuple[list[float], float]:
    """Where each line stands, counted in lines from the top, and how many there are in all.

    With several candidates each task has a line for its name, and a gap above it.
    """
    places, place, before = [], 0.0, ""
    for line in panel.lines:
        if several and line.task != before:
            place += 1.35 if before else 1.0
        before = line.task
        places.append(place)
        place += 1.0
    return places, place


def _panel(axes: Axes, data: Forest, panel: Panel, names: float) -> None:
    places, count = _places(panel, several=len(data.candidates) > 1)
    axes.set_ylim(count - 0.5, -0.5)
    reach = _reach(panel)
    axes.set_xlim(-reach, reach)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="x")
    axes.axvline(0, color=INK, lw=0.8, zorder=2)
    unit = f" ({panel.unit})" if panel.unit else ""
    axes.set_xlabel(
        f"worse   \u2190   difference{unit}   \u2192   better", fontsize=6.5, color=FAINT, labelpad=2
    )
    if any(line.turned for line in panel.lines):
        axes.annotate(
            "\u2193 less is better: turned round",
            (0, 0),
            (0, -24),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=5.5,
            color=FAINT,
            ha="left",
            va="top",
        )
    _heads(axes, data)
    before = ""
    for line, place in zip(panel.lines, places, strict=True):
        _names_of(axes, data, line, place, names, first=line.task != before)
        before = line.task
        _mark(axes, line, place)
        end = 1 + 0.08 / (WIDTH - names - _TEXT)
        axes.text(
            end,
            place,
            line.figures,
            transform=axes.get_yaxis_transform(),
            va="center_baseline",
            fontsize=6.5,
            fontweight="bold" if line.is_total else "normal",
        )
        axes.text(
            1 + (_TEXT - 0.12) / (WIDTH - names - _TEXT),
            place,
            line.p,
            ha="right",
            va="center_baseline",
            transform=axes.get_yaxis_transform(),
            fontsize=6.5,
        )


def _reach(panel: Panel) -> float:
    ends = [abs(end) for line in panel.lines for end in (line.gain, line.low, line.high) if end is not None]
    return 1.06 * (max(ends, default=0.0) or 1.0)


def _heads(axes: Axes, data: Forest) -> None:
    width = axes.get_position().width * WIDTH
    looks: dict[str, Any] = {
        "fontsize": 6.5,
        "color": FAINT,
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "va": "bottom",
    }
    against = (
        f"against {data.reference}"
        if len(data.candidates) > 1
        else f"{data.candidates[0]} against {data.reference}"
    )
    axes.annotate(fitted(against, width, 6.5), (0.5, 1), (0, 4), ha="center", **looks)
    axes.annotate("reference \u2192 candidate", (1 + 0.08 / width, 1), (0, 4), **looks)
    axes.annotate("p (Holm)", (1 + (_TEXT - 0.12) / width, 1), (0, 4), ha="right", **looks)


def _names_of(axes: Axes, data: Forest, line: Line, place: float, names: float, *, first: bool) -> None:
    left = -(names - 0.1) / (axes.get_position().width * WIDTH)
    looks: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "va": "center_baseline",
        "clip_on": False,
    }
    task = fitted(f"{line.task}{DOWN if line.turned else ''}", names - 0.2, 7.5)
    if len(data.candidates) == 1:
        axes.text(left, place, task, fontweight="bold" if line.is_total else "normal", **looks)
        return
    if first:
        axes.text(left, place - 1, task, fontweight="bold", **looks)
    axes.text(left, place, fitted(f"   {line.candidate}", names - 0.2, 7.5), color=INK, **looks)


def _mark(axes: Axes, line: Line, place: float) -> None:
    if line.gain is None:
        axes.text(0, place, f" {DASH} nothing to compare", fontsize=6, color=FAINT, va="center_baseline")
        return
    color = _COLORS[line.verdict]
    if line.low is not None and line.high is not None:
        axes.plot((line.low, line.high), (place, place), color=color, lw=1.4, solid_capstyle="butt", zorder=3)
    shown = line.verdict != "not shown"
    axes.plot(
        line.gain,
        place,
        marker="D" if line.is_total else "o",
        ms=5.5 if line.is_total else 4.5,
        mfc=color if shown else PAPER,
        mec=color,
        mew=1.1,
        lw=0,
        zorder=4,
    )


def _handles(data: Forest) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    lines = [line for panel in data.panels for line in panel.lines]
    for verdict, color in _COLORS.items():
        if any(line.verdict == verdict for line in lines):
            inside = PAPER if verdict == "not shown" else color
            yield Line2D(
                [], [], color=color, lw=1.4, marker="o", ms=4.5, mfc=inside, label=_MEANINGS[verdict]
            )
    if any(line.is_total for line in lines):
        yield Line2D([], [], color=FAINT, lw=1.4, marker="D", ms=5, mfc=PAPER, label="mean of the tasks")
