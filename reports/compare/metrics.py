"""Of which columns of scores a task makes its figures: those that are ratios of sums can be tested sample by sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fac_eval.errors import FacEvalError
from fac_eval.scores import VALUE, Metric, ScoreTable
from fac_eval.vocabulary import Figure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.store import CellRow

_PRINTED = 0.00501
"""How far a figure that is printed with two decimals may be from what it stands for."""
_EXACT = 1e-9
_SCALES = (100.0, 1.0, 20.0, 10.0)


class Recorder(ScoreTable):
    """Remembers of which columns a task makes its figures."""

    def __init__(self, scores: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(scores)
        self.metrics: dict[str, Metric] = {}
        self.read: list[str] = []

    def figure(self, metric: Metric) -> Figure:
        """The figure of a metric."""
        self.metrics[metric.name] = metric
        return super().figure(metric)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A column by name."""
        self.read.append(name)
        return super().column(name)


def metrics_of(cell: CellRow, table: Recorder, parts: set[str]) -> dict[str, tuple[Metric, ...]]:
    """Of which columns each figure is a ratio of sums, where it is one.

    The task makes its figures once more, of the scored samples alone: how it makes them is seen on the way, and that
    the columns found give the figure is checked by its value. Where all samples are right, or all wrong, several
    columns may give it; the other side of a comparison decides then.
    """
    figures = {figure.name: figure for figure in _made_again(cell, table)}
    columns = [name for name in dict.fromkeys(table.read) if name in parts]
    follow = dict.fromkeys((x, y) for x, y in pairwise(table.read) if x != y and {x, y} <= {VALUE, *parts})
    found: dict[str, tuple[Metric, ...]] = {}
    for stored in cell.figures:
        figure = figures.get(stored.name, stored)
        plain = Metric(
            stored.name, unit=stored.unit, higher_is_better=stored.higher_is_better, main=stored.main
        )
        asked = table.metrics.get(stored.name)
        possible = _possible(plain, asked, columns, list(follow))
        giving = (one for one in possible if _gives(table, one, figure, asked))
        # Of equal columns, the likeliest scale.
        metrics = {(one.of, one.per): one for one in reversed(list(giving))}
        if metrics:
            found[stored.name] = tuple(reversed(metrics.values()))
    return found


def _made_again(cell: CellRow, table: ScoreTable) -> Sequence[Figure]:
    """The task's figures; none where it is not installed here, or not in the version that made these scores."""
    from fac_eval.resolve import rebuild_task

    try:
        task = rebuild_task(cell.task_spec["name"], cell.task_spec["options"], {}, set())
    except FacEvalError:
        return ()
    try:
        return task.figures(table) if table.n else ()
    except Exception:  # noqa: BLE001 - a plugin's code and another version's scores: the stored figures are there
        return ()


def _possible(
    plain: Metric, asked: Metric | None, columns: Sequence[str], follow: Sequence[tuple[str, str]]
) -> Iterator[Metric]:
    """What a figure may be, the likeliest first; nothing else where the task says so itself."""
    if asked is not None:
        yield dataclasses.replace(plain, of=asked.of, per=asked.per, scale=asked.scale)
        return
    names = [VALUE] if plain.main else []
    names += [plain.name] if plain.name in columns else []
    for of, per in [*((name, None) for name in names), *follow]:
        yield from (dataclasses.replace(plain, of=of, per=per, scale=scale) for scale in _SCALES)


def _gives(table: ScoreTable, metric: Metric, figure: Figure, asked: Metric | None) -> bool:
    """Whether the columns give the figure; as it is printed is enough where there is little doubt that it is theirs."""
    if figure.value is None:
        return False
    below = float(table.n) if metric.per is None else float(table.column(metric.per).sum())
    if below <= 0:
        return False
    value = float(table.column(metric.of).sum()) / below * metric.scale
    named = asked is not None and (asked.of, asked.per) == (metric.of, metric.per)
    likely = named or (metric.of == VALUE and metric.per is None and metric.scale == _SCALES[0])
    return abs(value - figure.value) <= (_PRINTED if likely else _EXACT * max(1.0, abs(value)))
