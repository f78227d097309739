"""Latency plots: percentiles of the time to the first token, to the first sound, to the end of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_eval.engine.efficiency import MEASURES
from fac_eval.errors import UnknownName, UsageError
from fac_eval.metrics.percentiles import MIN_FOR_TAIL

from ..leaderboard.board import RUN_LETTERS
from .chart import matching
from .style import (
    FAINT,
    GRID,
    INK,
    MARGIN,
    PAPER,
    SERIES,
    TITLE,
    WIDTH,
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

    from fac_eval.engine.result import RunResult

STATISTICS = ("p50", "p90", "p95", "p99", "max")
DEFAULT = ("first_token", "first_audio", "total")
NAMES: Mapping[str, str] = {
    "first_token": "first token",
    "first_audio": "first sound",
    "total": "whole answer",
    "generation_rtf": "real-time factor",
    "tokens_per_second": "tokens per second",
    "audio_seconds_per_second": "sound per second",
    "peak_memory": "peak memory",
}
"""What the measures of `fac_eval.engine.efficiency` are called in a figure."""
_UNITS = {"s": ("s", 1.0), "s/s": ("", 1.0), "1/s": ("", 1.0), "bytes": ("GB", 1e-9)}
_MARKS = {"p50": ("o", 5.0), "p90": ("s", 3.6), "p95": ("^", 4.0), "p99": ("D", 3.6), "max": ("|", 6.0)}
_GAP, _LINE, _HEADING, _SCALE, _COUNT = 0.22, 0.21, 0.22, 0.26, 0.35
_LONGEST_NAMES = 2.4
_WIDE = 20
"""A ratio of largest to smallest value past which the scale is logarithmic."""


@dataclass(frozen=True, slots=True)
class Line:
    """A model on a task."""

    task: str
    model: str
    n: int
    """Answers with any of the measures."""
    values: Mapping[str, Mapping[str, float]]
    """Percentiles by measure, in the measure's unit as shown."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Lines and measures, ready to be drawn."""

    lines: tuple[Line, ...]
    measures: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The plot in words, a line each."""
        return "\n".join(
            f"{line.model} on {line.task}, {line.n:,} answers: {'; '.join(_told(line, self.measures))}"
            for line in self.lines
        )


def unit_of(measure: str) -> str:
    """The unit that a measure is shown in."""
    return _UNITS[MEASURES[measure]][0]


def _told(line: Line, measures: Sequence[str]) -> Iterator[str]:
    for measure in measures:
        if measure in line.values:
            shown = (f"{name} {value:.3g}" for name, value in line.values[measure].items())
            yield f"{NAMES[measure]} {' '.join(shown)} {unit_of(measure)}".strip()


def latency(
    results: Sequence[RunResult], *, measures: Sequence[str] = (), tasks: Sequence[str] = ()
) -> Latency:
    """Percentiles of some measures, those of `DEFAULT` without any; a line for each task and model.

    Raises:
        UnknownName: the runs have no such task, or there is no such measure.
        UsageError: nothing was recorded of the measures.
    """
    wanted = list(dict.fromkeys(measures or DEFAULT))
    for measure in wanted:
        if measure not in NAMES:
            raise UnknownName("measure", measure, NAMES)
    rows = [{**row, "run": result.id} for result in results for row in result.efficiency()]
    kept = set(matching((row["task"] for row in rows), tasks or ("*",)))
    rows = [row for row in rows if row["task"] in kept and row["measure"] in wanted and row["n"]]
    if not rows:
        named = ", ".join(NAMES[measure] for measure in wanted)
        raise UsageError(
            f"nothing was recorded of: {named}.",
            remedy="Times are those of models that were asked: replayed answers and sanity models have none.",
        )
    there = {row["measure"] for row in rows}
    return Latency(
        tuple(_lines(rows)), tuple(measure for measure in wanted if measure in there), tuple(_remarks(rows))
    )


def _lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    found: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["task"], row["variant"], row["model"], row["run"]), []).append(row)
    order = list(dict.fromkeys(task for task, *_ in found))
    for key in sorted(found, key=lambda key: order.index(key[0])):
        task, variant, model, run = key
        variants = {other[1] for other in found if (other[0], other[2], other[3]) == (task, model, run)}
        runs = {other[3] for other in found if (other[0], other[2]) == (task, model)}
        yield Line(
            f"{task} ({variant})" if len(variants) > 1 else task,
            f"{model} @{run[:RUN_LETTERS]}" if len(runs) > 1 else model,
            max(row["n"] for row in found[key]),
            {row["measure"]: dict(_percentiles(row)) for row in found[key]},
        )


def _percentiles(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    factor = _UNITS[row["unit"]][1]
    for name in STATISTICS:
        if row[name] is not None:
            yield name, row[name] * factor


def _remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {
        f"{row['model']} on {row['task']}: answers came in batches of up to {row['batch']}, and a batch's time is"
        " that of each of its answers"
        for row in rows
        if (row["batch"] or 1) > 1
    }
    few = {f"{row['model']} on {row['task']}" for row in rows if row["p99"] is None}
    if few:
        found.add(f"no p95 and p99 of fewer than {MIN_FOR_TAIL} answers: {', '.join(sorted(few))}")
    return sorted(found)


def write_latency(data: Latency, path: Path, *, title: str = "") -> None:
    """Draw a latency plot into a file."""
    write_figure(lambda: draw_latency(data, title), path, told=data.told)


def draw_latency(data: Latency, title: str = "") -> Figure:
    """A panel a measure, side by side, over the same lines."""
    rows = list(_rows(data))
    legend = Legend(list(_handles(data)))
    height = _LINE * len(rows) + _HEADING + _SCALE + MARGIN + legend.height + (TITLE if title else 0.0)
    figure = new_figure(height)
    names = min(_LONGEST_NAMES, 0.25 + max(text_width(label, 7.5, bold=True) for label, _ in rows))
    count = len(data.measures)
    width = (WIDTH - names - _COUNT - MARGIN - _GAP * (count - 1)) / count
    for place, measure in enumerate(data.measures):
        box = (
            (names + place * (width + _GAP)) / WIDTH,
            (legend.height + _SCALE) / height,
            width / WIDTH,
            _LINE * len(rows) / height,
        )
        _panel(figure.add_axes(box), data, rows, measure, named=place == 0, counted=place == count - 1)
    draw_title(figure, title)
    legend.draw(figure)
    return figure


def _rows(data: Latency) -> Iterator[tuple[str, Line | None]]:
    """The lines with their labels; a task that several models have gets a heading."""
    models = {line.model for line in data.lines}
    tasks = {line.task for line in data.lines}
    if len(models) == 1 or len(tasks) == 1:
        yield from ((line.task if len(models) == 1 else line.model, line) for line in data.lines)
        return
    for task in dict.fromkeys(line.task for line in data.lines):
        yield task, None
        yield from ((f"   {line.model}", line) for line in data.lines if line.task == task)


def _panel(
    axes: Axes,
    data: Latency,
    rows: Sequence[tuple[str, Line | None]],
    measure: str,
    *,
    named: bool,
    counted: bool,
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    models = list(dict.fromkeys(line.model for line in data.lines))
    held = [value for line in data.lines for value in line.values.get(measure, {}).values()]
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if min(held) > 0 and max(held) / min(held) > _WIDE:
        axes.set_xscale("log")
        axes.set_xlim(min(held) / 1.4, max(held) * 1.4)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if max(held) / min(held) < 300 else (1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, (max(held) or 1.0) * 1.08)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", which="both", length=0, pad=2)
    labels = [fitted(label, _LONGEST_NAMES, 7.5) for label, _ in rows]
    axes.set_yticks(range(len(rows)), labels if named else [""] * len(rows))
    axes.tick_params(axis="y", length=0, pad=72 * (axes.get_position().x0 * WIDTH - MARGIN))
    for label, (_, line) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(ha="left", fontweight="bold" if line is None else "normal")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    unit = unit_of(measure)
    axes.set_title(f"{NAMES[measure]}{f' ({unit})' if unit else ''}", loc="left", pad=5)
    if measure == "generation_rtf":
        axes.axvline(1, color=INK, lw=0.8, ls=(0, (3, 2)))
    for place, (_, line) in enumerate(rows):
        if line is not None:
            _mark(axes, line, measure, place, SERIES[models.index(line.model) % len(SERIES)])
            if counted:
                axes.text(
                    1.03,
                    place,
                    f"{line.n:,}",
                    transform=axes.get_yaxis_transform(),
                    fontsize=6.5,
                    color=FAINT,
                    va="center_baseline",
                    clip_on=False,
                )
    if counted:
        axes.text(1.03, 1, "n", transform=axes.transAxes, fontsize=6.5, color=FAINT, va="bottom")


def _mark(axes: Axes, line: Line, measure: str, place: int, color: str) -> None:
    values = line.values.get(measure)
    if not values:
        axes.text(
            0.01,
            place,
            "not recorded",
            transform=axes.get_yaxis_transform(),
            fontsize=6,
            color=FAINT,
            va="center_baseline",
        )
        return
    axes.plot(
        (values["p50"], max(values.values())), (place, place), color=color, lw=1.0, alpha=0.45, zorder=3
    )
    for name, value in values.items():
        marker, size = _MARKS[name]
        inside = color if name in ("p50", "max") else PAPER
        axes.plot(value, place, marker=marker, ms=size, mfc=inside, mec=color, mew=1.0, lw=0, zorder=4)


def _handles(data: Latency) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    there = {name for line in data.lines for values in line.values.values() for name in values}
    for name, (marker, size) in _MARKS.items():
        if name in there:
            inside = INK if name in ("p50", "max") else PAPER
            label = {"p50": "median"}.get(name, name)
            yield Line2D([], [], color=INK, marker=marker, ms=size, mfc=inside, mew=1.0, lw=0, label=label)
