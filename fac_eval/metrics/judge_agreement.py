"""How well a judge agrees with human raters: rank correlations, kappa, and a judge's pass mark."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeVar

from fac_eval.errors import DataError

MAX_FAILURE_SHARE = 0.02
MAX_CORRELATION_GAP = 0.05
_MIN_COMMON = 2

Key = TypeVar("Key", bound=Hashable)


class MeanCorrelation(NamedTuple):
    """The correlations of several pairs; a NaN among them makes their mean NaN, as officially."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How many pairs have enough items in common."""
        return len(self.values)

    @property
    def mean(self) -> float | None:
        """None where there is no pair."""
        return sum(self.values) / len(self.values) if self.values else None


class Correlation(NamedTuple):
    """A rank correlation over `n` items: None for fewer than two, NaN where one side is constant."""

    n: int
    rho: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Human raters among themselves and with a judge, by Spearman's rank correlation."""

    human_human: MeanCorrelation
    human_judge: MeanCorrelation
    """Each rater alone with the judge."""
    average_judge: Correlation
    """The raters' mean for each item with the judge."""


class ScoreMatch(NamedTuple):
    """How many of two judges' `n` common scores are equal, and how many at most 1 apart."""

    n: int
    exact: int
    within_one: int


def average_ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs.

    >>> average_ranks([3, 1, 3])
    [2.5, 1.0, 2.5]
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and values[order[stop]] == values[order[start]]:
            stop += 1
        for index in order[start:stop]:
            ranks[index] = (start + 1 + stop) / 2
        start = stop
    return ranks


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's rank correlation with average ranks for ties; NaN if a side is constant or holds NaN.

    >>> spearman([1, 2, 3, 4], [1, 3, 2, 4])
    0.8
    """
    _require_pairs(left, right)
    if any(map(math.isnan, left)) or any(map(math.isnan, right)):
        return math.nan
    middle = (len(left) + 1) / 2  # ranks keep this mean, ties or not
    pairs = [(a - middle, b - middle) for a, b in zip(average_ranks(left), average_ranks(right), strict=True)]
    spread = math.sqrt(sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs))
    return sum(a * b for a, b in pairs) / spread if spread else math.nan


def kendall(left: Sequence[float], right: Sequence[float]) -> float:
    """Kendall's tau-b; NaN if a side is constant or holds NaN. Takes time quadratic in the items."""
    _require_pairs(left, right)
    if any(map(math.isnan, left)) or any(map(math.isnan, right)):
        return math.nan
    agreeing = untied_left = untied_right = 0
    for (a, b), (c, d) in combinations(zip(left, right, strict=True), 2):
        sign_left, sign_right = (a > c) - (a < c), (b > d) - (b < d)
        agreeing += sign_left * sign_right
        untied_left += sign_left != 0
        untied_right += sign_right != 0
    spread = math.sqrt(untied_left * untied_right)
    return agreeing / spread if spread else math.nan


def cohen_kappa(left: Sequence[Hashable], right: Sequence[Hashable]) -> float:
    """Cohen's kappa of two raters' labels: agreement beyond chance; NaN if both only ever gave one same label."""
    _require_pairs(left, right)
    n = len(left)
    observed = sum(a == b for a, b in zip(left, right, strict=True)) / n
    given = Counter(right)
    chance = sum(count * given[label] for label, count in Counter(left).items()) / n**2
    return (observed - chance) / (1 - chance) if chance < 1 else math.nan


def agreement(ratings: Iterable[Mapping[Key, float]], judged: Mapping[Key, float]) -> Agreement:
    """Compare raters, each with the scores of items by key, and a judge. Raters without a score do not count."""
    raters = [scores for scores in ratings if scores]
    pairs = (_correlation(left, right) for left, right in combinations(raters, 2))
    single = (_correlation(scores, judged) for scores in raters)
    return Agreement(
        MeanCorrelation(tuple(rho for _, rho in pairs if rho is not None)),
        MeanCorrelation(tuple(rho for _, rho in single if rho is not None)),
        _correlation(mean_ratings(raters), judged),
    )


def agreement_by_category(
    ratings: Sequence[Mapping[Key, float]], judged: Mapping[Key, float], categories: Mapping[Key, str]
) -> dict[str, Agreement]:
    """The same within each category of items, by the categories' names."""
    found = {}
    for category in sorted(set(categories.values())):
        keys = {key for key, name in categories.items() if name == category}
        raters = [_only(scores, keys) for scores in ratings]
        found[category] = agreement(raters, _only(judged, keys))
    return found


def mean_ratings(ratings: Iterable[Mapping[Key, float]]) -> dict[Key, float]:
    """Each item's mean over the raters who scored it."""
    by_key: dict[Key, list[float]] = {}
    for scores in ratings:
        for key, score in scores.items():
            by_key.setdefault(key, []).append(score)
    return {key: sum(scores) / len(scores) for key, scores in by_key.items()}


def mean_shift(judged: Mapping[Key, float], reference: Mapping[Key, float]) -> float | None:
    """How much higher the judge scores than the reference on the mean common item; None without any."""
    shifts = [score - reference[key] for key, score in judged.items() if key in reference]
    return sum(shifts) / len(shifts) if shifts else None


def score_match(judged: Mapping[Key, float], official: Mapping[Key, float]) -> ScoreMatch:
    """How a judge's scores compare with the official judge's on the items that both scored."""
    gaps = [abs(score - official[key]) for key, score in judged.items() if key in official]
    return ScoreMatch(len(gaps), sum(gap == 0 for gap in gaps), sum(gap <= 1 for gap in gaps))


def objections(found: Agreement, *, failure_share: float, out_of_range: int) -> list[str]:
    """Why a judge should not stand in for the default one; none if it passes.

    It must agree with the raters' mean about as well as they agree among themselves, seldom fail, and keep to
    its scale.
    """
    reasons = []
    human, judge = found.human_human.mean, found.average_judge.rho
    if human is None or judge is None or math.isnan(human) or math.isnan(judge):
        reasons.append("too few common or too uniform ratings to tell how well the judge agrees with people")
    elif judge < human - MAX_CORRELATION_GAP:
        reasons.append(
            f"it agrees with people at {judge:.3f}, they among themselves at {human:.3f}: "
            f"more than {MAX_CORRELATION_GAP} apart"
        )
    if failure_share >= MAX_FAILURE_SHARE:
        reasons.append(f"{failure_share:.1%} of its answers failed, not below {MAX_FAILURE_SHARE:.0%}")
    if out_of_range:
        reasons.append(f"{out_of_range} of its scores are out of range")
    return reasons


def _correlation(left: Mapping[Key, float], right: Mapping[Key, float]) -> Correlation:
    keys = [key for key in left if key in right]
    if len(keys) < _MIN_COMMON:
        return Correlation(len(keys), None)
    return Correlation(len(keys), spearman([left[key] for key in keys], [right[key] for key in keys]))


def _only(scores: Mapping[Key, float], keys: set[Key]) -> dict[Key, float]:
    return {key: score for key, score in scores.items() if key in keys}


def _require_pairs(left: Sequence[object], right: Sequence[object]) -> None:
    if len(left) != len(right) or not left:
        raise DataError(f"agreement needs two equally long lists of scores, not {len(left)} and {len(right)}")
