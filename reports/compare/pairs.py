"""Two sides of a task joined sample by sample; what has no partner is counted by the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from fac_eval.scores import VALUE, Metric
from fac_eval.vocabulary import Figure

from .sides import TaskScores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.stats import Pairs

_DIFFERENT_SAMPLE = "same id, other content"
_ABSENT = "not asked"
_ROUNDED = 1e-11


@dataclass(frozen=True, eq=False)
class PairedTask:
    """One task of two sides, joined sample by sample."""

    reference: TaskScores
    candidate: TaskScores
    rows: npt.NDArray[np.int64]
    """Of each pair, its row among the reference's and the candidate's scored samples."""
    only_reference: Mapping[str, int]
    """Samples that the reference alone has a score for, by what became of them on the other side."""
    only_candidate: Mapping[str, int]

    @property
    def n(self) -> int:
        """Pairs of samples."""
        return len(self.rows)

    def metric(self, figure: Figure) -> tuple[Metric, bool]:
        """The columns to compare for a figure, and whether they are the figure itself.

        Where the task makes a figure in a way of its own, the samples' own scores stand for it.
        """
        mine = {_columns(metric) for metric in self.reference.metrics.get(figure.name, ())}
        for metric in self.candidate.metrics.get(figure.name, ()):
            if _columns(metric) in mine:
                return metric, True
        columns = [side.columns[VALUE] for side in (self.reference, self.candidate)]
        share = figure.unit == "%" and all(((column >= 0) & (column <= 1)).all() for column in columns)
        return Metric(
            f"{figure.name}, by sample",
            scale=100.0 if share else 1.0,
            unit="%" if share else "",
            higher_is_better=figure.higher_is_better,
            main=figure.main,
        ), False

    @property
    def main_figure(self) -> Figure:
        """The figure that stands for the task."""
        return self.candidate.main or self.reference.main or Figure("score", None, 0, unit="")

    @property
    def main_metric(self) -> tuple[Metric, bool]:
        """The columns to compare for the main figure, and whether they are the figure itself."""
        return self.metric(self.main_figure)

    def pairs(self, metric: Metric) -> Pairs:
        """The two columns of scores of a metric, sample by sample."""
        import numpy as np

        from fac_eval.stats import pairs_of

        first, second = self.rows.T
        a, b = self.reference.columns, self.candidate.columns
        per = metric.per
        labels = self.candidate.clusters
        before, after = a[metric.of][first], b[metric.of][second]
        # A baseline file holds rounded scores, and a sample that did not change must not seem to.
        before = np.where(np.isclose(before, after, rtol=_ROUNDED, atol=0), after, before)
        return pairs_of(
            before,
            after,
            reference_per=None if per is None else a[per][first],
            candidate_per=None if per is None else b[per][second],
            clusters=None if labels is None else [labels[row] for row in second.tolist()],
            # A rating of which only zeros and ones have turned up is no share.
            proportion=None if metric.unit in ("%", "") else False,
        )

    @cached_property
    def same_answers(self) -> int:
        """Pairs whose answers are one and the same stored answer."""
        if self.reference.stored is None or self.candidate.stored is None:
            return 0
        a, b = self.reference.stored.answers, self.candidate.stored.answers
        return sum(a[first] is not None and a[first] == b[second] for first, second in self.rows.tolist())

    @property
    def differences(self) -> list[str]:
        """In what the two measurements differ besides the model, one line each."""
        lines = []
        if self.reference.protocol_id != self.candidate.protocol_id:
            lines.append(f"different protocols: {protocol_difference(self.reference, self.candidate)}")
        if self.reference.data != self.candidate.data:
            lines.append(f"different data: {self.reference.data} and {self.candidate.data}")
        return lines


class MatchedTasks(NamedTuple):
    """The tasks of two sides."""

    both: list[tuple[TaskScores, TaskScores]]
    only_reference: list[TaskScores]
    only_candidate: list[TaskScores]


def match_tasks(reference: Sequence[TaskScores], candidate: Sequence[TaskScores]) -> MatchedTasks:
    """Match tasks by name, and by variant where a side has several of a task."""
    repeated = {
        name
        for side in (reference, candidate)
        for name, times in Counter(one.task for one in side).items()
        if times > 1
    }

    def key(scores: TaskScores) -> tuple[str, str]:
        return scores.task, scores.variant if scores.task in repeated else ""

    first = {key(scores): scores for scores in reference}
    second = {key(scores): scores for scores in candidate}
    return MatchedTasks(
        [(first[one], second[one]) for one in second if one in first],
        [first[one] for one in first if one not in second],
        [second[one] for one in second if one not in first],
    )


def pair_samples(reference: TaskScores, candidate: TaskScores) -> PairedTask:
    """Join two sides of a task by the samples' keys; what has no partner is counted by the reason."""
    import numpy as np

    places = {key: row for row, key in enumerate(reference.keys)}
    both = [(places[key], row) for row, key in enumerate(candidate.keys) if key in places]
    rows = np.array(both, dtype=np.int64).reshape(-1, 2)
    return PairedTask(
        reference,
        candidate,
        rows,
        only_reference=_unpaired(reference, set(rows[:, 0].tolist()), candidate),
        only_candidate=_unpaired(candidate, set(rows[:, 1].tolist()), reference),
    )


def _unpaired(mine: TaskScores, paired: set[int], other: TaskScores) -> Mapping[str, int]:
    others = set(() if other.stored is None else other.stored.ids)
    found: Counter[str] = Counter()
    for row, key in enumerate(mine.keys):
        if row in paired:
            continue
        reason = other.unscored.get(key)
        if reason is None and mine.stored is not None and mine.stored.ids[row] in others:
            reason = _DIFFERENT_SAMPLE
        found[reason or _ABSENT] += 1
    return dict(found)


def protocol_difference(reference: TaskScores, candidate: TaskScores) -> str:
    """The protocol's keys that differ, with both values."""
    before, after = reference.protocol, candidate.protocol
    changed = [
        f"{key}: {before.get(key, 'none')} and {after.get(key, 'none')}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    return "; ".join(changed) or f"{reference.protocol_id} and {candidate.protocol_id}"


def _columns(metric: Metric) -> tuple[str, str | None, float]:
    return metric.of, metric.per, metric.scale
