"""How well a judge agrees with people and with itself, and whether it would do in the place of another."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from fac_eval.errors import DataError
from fac_eval.metrics.judge_agreement import (
    Agreement,
    MeanCorrelation,
    ScoreMatch,
    agreement,
    cohen_kappa,
    kendall,
    mean_ratings,
    mean_shift,
    objections,
    score_match,
    spearman,
)

_MIN_COMMON = 2

Ratings = Mapping[str, float]
"""Scores by item."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An item that people rated and a judge scored, the judge perhaps several times."""

    key: str
    category: str | None = None
    human: Ratings = field(default_factory=dict)
    """By rater."""
    scores: tuple[float | None, ...] = ()
    """The judge's, in the order of asking; None for a call that gave none."""
    official: float | None = None
    """What the protocol's own judge gave."""

    @property
    def mean(self) -> float | None:
        """The mean of the judge's scores."""
        given = self.given
        return sum(given) / len(given) if given else None

    @property
    def given(self) -> list[float]:
        """The judge's scores without the calls that gave none."""
        return [score for score in self.scores if score is not None]


@dataclass(frozen=True, slots=True)
class Part:
    """Agreement over one part of the items."""

    items: int
    correlations: Agreement
    kendall: float | None
    """Tau-b of the raters' mean and the judge; None for fewer than two common items."""
    human_kappa: MeanCorrelation
    """Cohen's kappa of each pair of raters."""
    judge_kappa: MeanCorrelation
    """Cohen's kappa of each rater and the judge's first score."""


@dataclass(frozen=True, slots=True)
class Consistency:
    """How much a judge repeats itself, over the items that it scored at least twice."""

    items: int
    identical: int
    """Items with the same score each time."""
    spread: float | None
    """The mean distance of an item's highest and lowest score."""
    deviation: float | None
    """The mean standard deviation of an item's scores."""
    correlations: MeanCorrelation
    """Spearman's correlation of each pair of rounds."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that `judge-check` tells about one set of items."""

    raters: int
    whole: Part
    categories: Mapping[str, Part]
    calls: int
    failed: int
    """Calls that gave no score."""
    out_of_range: int
    shift: float | None
    """How much higher than people the judge scores on the mean."""
    official: ScoreMatch
    consistency: Consistency
    objections: Sequence[str]

    @property
    def passes(self) -> bool:
        """Whether nothing speaks against the judge."""
        return not self.objections


def report(items: Sequence[Judged], low: float, high: float) -> Report:
    """Compare a judge with people; scores should lie between `low` and `high`.

    Raises:
        DataError: nobody rated anything, or the judge was never asked.
    """
    scores = [score for item in items for score in item.scores]
    ratings = _by_rater(items)
    if not ratings:
        raise DataError("there are no human ratings to compare with")
    if not scores:
        raise DataError("there are no scores of a judge to compare")
    given = [score for score in scores if score is not None]
    out_of_range = sum(not low <= score <= high for score in given)
    whole = _part(items)
    judged = _means(items)
    return Report(
        raters=len(ratings),
        whole=whole,
        categories={
            category: _part([item for item in items if item.category == category])
            for category in sorted({item.category for item in items if item.category is not None})
        },
        calls=len(scores),
        failed=len(scores) - len(given),
        out_of_range=out_of_range,
        shift=mean_shift(judged, mean_ratings(ratings.values())),
        official=score_match(
            _firsts(items), {item.key: item.official for item in items if item.official is not None}
        ),
        consistency=consistency(items),
        objections=objections(
            whole.correlations,
            failure_share=(len(scores) - len(given)) / len(scores),
            out_of_range=out_of_range,
        ),
    )


def consistency(items: Iterable[Judged]) -> Consistency:
    """How far repeated scores of the same items agree."""
    repeated = [item for item in items if len(item.given) > 1]
    rounds: list[dict[str, float]] = []
    for item in repeated:
        rounds += [{} for _ in range(len(item.scores) - len(rounds))]
        for scores, score in zip(rounds, item.scores, strict=False):
            if score is not None:
                scores[item.key] = score
    deviations = [statistics.stdev(item.given) for item in repeated if all(map(math.isfinite, item.given))]
    spreads = [max(item.given) - min(item.given) for item in repeated]
    return Consistency(
        items=len(repeated),
        identical=sum(len(set(item.given)) == 1 for item in repeated),
        spread=statistics.fmean(spreads) if spreads else None,
        deviation=statistics.fmean(deviations) if deviations else None,
        correlations=_mean(spearman, combinations(rounds, 2)),
    )


def _part(items: Sequence[Judged]) -> Part:
    raters = list(_by_rater(items).values())
    judged, firsts = _means(items), _firsts(items)
    average = mean_ratings(raters)
    tau = _mean(kendall, [(average, judged)])
    return Part(
        items=len(items),
        correlations=agreement(raters, judged),
        kendall=tau.mean,
        human_kappa=_mean(cohen_kappa, combinations(raters, 2)),
        judge_kappa=_mean(cohen_kappa, ((scores, firsts) for scores in raters)),
    )


def _mean(
    compare: Callable[[Sequence[float], Sequence[float]], float], pairs: Iterable[tuple[Ratings, Ratings]]
) -> MeanCorrelation:
    """A measure over each pair of raters with enough items in common."""
    found = []
    for left, right in pairs:
        keys = [key for key in left if key in right]
        if len(keys) >= _MIN_COMMON:
            found.append(compare([left[key] for key in keys], [right[key] for key in keys]))
    return MeanCorrelation(tuple(found))


def _by_rater(items: Iterable[Judged]) -> dict[str, dict[str, float]]:
    ratings: dict[str, dict[str, float]] = {}
    for item in items:
        for rater, score in item.human.items():
            ratings.setdefault(rater, {})[item.key] = score
    return ratings


def _means(items: Iterable[Judged]) -> dict[str, float]:
    return {item.key: item.mean for item in items if item.mean is not None}


def _firsts(items: Iterable[Judged]) -> dict[str, float]:
    """One call's worth: the first score of each item."""
    return {item.key: item.given[0] for item in items if item.given}
