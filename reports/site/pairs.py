"""Two systems on the samples that both have answered: how far they are apart, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fac_eval.errors import FacEvalError
from fac_eval.resolve import rebuild_task
from fac_eval.scores import VALUE, Metric
from fac_eval.stats import RatioSums

from .board import BoardTask
from .index import Column, TaskIndex

MOST_PAIRS = 66

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is compared: a ratio of sums of the scores' parts, scaled as it is printed."""

    name: str
    of: str = VALUE
    per: str | None = None
    scale: float = 1.0
    unit: str = ""
    higher_is_better: bool = True


def measure_of(task: BoardTask) -> Measure:
    """The task's main figure where it is a ratio of sums, else the mean of the samples' scores."""
    printed = next((figure for cell in task.cells for figure in cell.row.figures if figure.main), None)
    unit = "%" if printed is None else printed.unit
    better = printed is None or printed.higher_is_better
    metric = _main_metric(task.cells[0].row.task_spec)
    if metric is not None and (printed is None or metric.name == printed.name):
        return Measure(metric.name, metric.of, metric.per, metric.scale, metric.unit, metric.higher_is_better)
    return Measure(
        "mean score of a sample", scale=100.0 if unit == "%" else 1.0, unit=unit, higher_is_better=better
    )


def _main_metric(spec: Mapping[str, Any]) -> Metric | None:
    try:
        task = rebuild_task(str(spec["name"]), spec["options"], {}, set())
    except FacEvalError:
        return None  # the task's package is not installed here
    return next((metric for metric in task.metrics if metric.main), None)


def comparisons(index: TaskIndex, measure: Measure) -> Iterator[dict[str, Any]]:
    """The differences a - b of pairs of systems, with paired intervals; all pairs, unless there are very many."""
    size = len(index.columns)
    baselines = min(size, max(1, MOST_PAIRS // max(size, 1)))
    for second in range(baselines if size * (size - 1) / 2 > MOST_PAIRS else size):
        for first in range(second + 1, size):
            yield {"a": first, "b": second, **_compared(index, first, second, measure)}


def _compared(index: TaskIndex, first: int, second: int, measure: Measure) -> dict[str, Any]:
    left, right = index.columns[first], index.columns[second]
    both = [
        row for row, states in enumerate(zip(left.states, right.states, strict=True)) if states == ("s", "s")
    ]
    if not both:
        return {"n": 0, "wins": 0, "losses": 0, "ties": 0, "value": None, "low": None, "high": None}
    gap = (np.asarray(left.values) - np.asarray(right.values))[both]
    clusters = [index.clusters[row] for row in both]
    top, bottom = _terms(left, right, both, measure)
    estimate = RatioSums().add(top, bottom, clusters if any(clusters) else None).estimate(proportion=False)
    scaled = estimate.scaled(measure.scale)
    better, worse = int((gap > 0).sum()), int((gap < 0).sum())
    return {
        "n": len(both),
        "wins": better if measure.higher_is_better else worse,
        "losses": worse if measure.higher_is_better else better,
        "ties": len(both) - better - worse,
        "value": scaled.value,
        "low": scaled.low,
        "high": scaled.high,
    }


def _terms(
    left: Column, right: Column, rows: Sequence[int], measure: Measure
) -> tuple[Numbers, Numbers | None]:
    """Differences, and what they are divided by: the reference's length, which is the same for both."""
    top = _part(left, measure.of, rows) - _part(right, measure.of, rows)
    if measure.per is None:
        return top, None
    bottom = _part(left, measure.per, rows)
    if (bottom == _part(right, measure.per, rows)).all():
        return top, bottom
    return (np.asarray(left.values) - np.asarray(right.values))[list(rows)], None


def _part(column: Column, name: str, rows: Sequence[int]) -> Numbers:
    if name == VALUE:
        return np.asarray(column.values)[list(rows)]
    return np.array([column.parts[row].get(name, 0.0) for row in rows], dtype=np.float64)
