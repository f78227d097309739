"""The scores of a task as columns, and figures over them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fac_eval.vocabulary import Figure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.stats import Estimate

VALUE = "value"


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that is a ratio of sums over the scored samples.

    `of` and `per` name a column: `value` or one of the score's parts. Without `per` the figure is a plain mean.
    """

    name: str
    of: str = "value"
    per: str | None = None
    scale: float = 100.0
    unit: str = "%"
    higher_is_better: bool = True
    main: bool = False
    share: bool = False
    """A rate of checks of which a sample has several: its interval stays between 0 and `scale`."""
    note: str | None = None


class ScoreTable:
    """The scored samples of one task in the data set's order, one compact column a number.

    Built from one pass over plain scores (see `fac_eval.vocabulary.Score`), so that memory stays flat whatever
    the answers' length.
    """

    def __init__(
        self,
        scores: Iterable[Mapping[str, Any]],
        *,
        failed: Mapping[str, int] | None = None,
        forgone: Iterable[Mapping[str, float]] = (),
    ) -> None:
        self.failed: Mapping[str, int] = failed or {}
        """How many samples have no score, by kind of failure."""
        self._forgone = tuple(forgone)
        self.n_forgone = len(self._forgone)
        """How many failed samples still add something."""
        self._columns: dict[str, array[float]] = {VALUE: array("d")}
        self._known: dict[str, str] = {}
        self.labels: list[str | None] = []
        """What was read out of each answer."""
        self._clusters: list[str | None] = []
        for row, score in enumerate(scores):
            self._add(row, score)
        self.n = len(self.labels)

    def _add(self, row: int, score: Mapping[str, Any]) -> None:
        label = score.get("label")
        self.labels.append(label if label is None else self._known.setdefault(label, label))
        self._columns[VALUE].append(score["value"])
        parts = score.get("parts", {})
        for name, number in parts.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = array("d", bytes(8 * row))
            elif len(column) < row:
                column.extend([0.0] * (row - len(column)))
            column.append(number)
        cluster = score.get("cluster")
        self._clusters.append(cluster if cluster is None else self._known.setdefault(cluster, cluster))

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A column by name: `value`, or a part of the scores (0 where a score lacks it)."""
        import numpy as np

        column = self._columns.get(name, array("d"))
        full = np.zeros(self.n)
        full[: len(column)] = column
        return full

    def forgone(self, name: str) -> npt.NDArray[np.float64]:
        """A part that failed samples still add, one number a sample that adds any (see `Task.forgone`)."""
        import numpy as np

        return np.array([parts.get(name, 0.0) for parts in self._forgone], dtype=np.float64)

    @cached_property
    def clusters(self) -> Sequence[str | None] | None:
        """The cluster of each sample, where any has one."""
        return self._clusters if any(self._clusters) else None

    def estimate(
        self, of: str = VALUE, per: str | None = None, *, proportion: bool | None = None
    ) -> Estimate:
        """sum(of) / sum(per) with its interval; a plain mean without `per`.

        Zeros and ones make a proportion unless `proportion` is false: ratings that all happen to be 1 are none.
        """
        from fac_eval.stats import RatioSums

        denominators = None if per is None else self.column(per)
        return RatioSums().add(self.column(of), denominators, self.clusters).estimate(proportion=proportion)

    def figure(self, metric: Metric) -> Figure:
        """The figure of a metric."""
        from fac_eval.stats import bounded

        estimate = self.estimate(metric.of, metric.per, proportion=None if metric.unit == "%" else False)
        return figure_of(
            metric.name,
            (bounded(estimate) if metric.share else estimate).scaled(metric.scale),
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            main=metric.main,
            note=metric.note,
        )


def figure_of(
    name: str,
    estimate: Estimate,
    *,
    unit: str = "%",
    higher_is_better: bool = True,
    main: bool = False,
    note: str | None = None,
) -> Figure:
    """An estimate as a printed figure."""
    return Figure(
        name=name,
        value=estimate.value,
        n=estimate.n,
        unit=unit,
        higher_is_better=higher_is_better,
        se=estimate.se,
        low=estimate.low,
        high=estimate.high,
        method=estimate.method,
        main=main,
        note=note,
    )
