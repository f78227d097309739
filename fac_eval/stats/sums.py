"""Means, proportions and ratios of sums, from sums that merge exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fac_eval.stats._columns import Clusters, StatsError, denominator_column, number_column, units_of
from fac_eval.stats._exact import (
    Dyadic,
    IntColumn,
    dot,
    dyadic,
    dyadic_of_fractions,
    group_sums,
    square_root,
    total,
)
from fac_eval.stats._student_t import student_t_quantile
from fac_eval.stats.intervals import LEVEL, Estimate, Method, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


_ROWS_AT_ONCE = 16_384
"""Exact arithmetic takes a hundred bytes a row, so it is done in parts: exact sums do not mind."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Exact sums over independent units, which are samples or clusters of them."""

    units: int = 0
    x: Fraction = Fraction(0)
    y: Fraction = Fraction(0)
    xx: Fraction = Fraction(0)
    xy: Fraction = Fraction(0)
    yy: Fraction = Fraction(0)

    @classmethod
    def of(cls, x: Dyadic, y: Dyadic) -> _Moments:
        return cls(len(x.integers), total(x), total(y), dot(x, x), dot(x, y), dot(y, y))

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.units + other.units,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
            self.yy + other.yy,
        )

    def ratio_variance(self) -> Fraction | None:
        """Variance of x/y by the delta method (for y = 1: of the mean); None for fewer than two units."""
        if self.units < 2:
            return None
        ratio = self.x / self.y
        squares = self.xx - 2 * ratio * self.xy + ratio * ratio * self.yy
        return squares / (self.y * self.y) * Fraction(self.units, self.units - 1)


class _Totals(NamedTuple):
    """Exact sums over the samples of one cluster."""

    x: Fraction
    y: Fraction


@dataclass(slots=True)
class RatioSums:
    """Accumulates samples x/y and estimates sum(x) / sum(y): accuracies, mean ratings, word error rates.

    Samples that share a cluster count as one independent unit, also when they arrive in different shards.
    For several yes/no checks a sample, add one row a check with the sample's id as its cluster: a rate of
    1 then still has an interval.
    """

    n: int = 0
    """Samples so far."""
    is_mean: bool = True
    """Whether every y so far is 1."""
    is_proportion: bool = True
    """Whether every y so far is 1 and every x 0 or 1."""
    _lone: _Moments = field(default_factory=_Moments)
    _clusters: dict[Hashable, _Totals] = field(default_factory=dict)

    def add(self, x: npt.ArrayLike, y: npt.ArrayLike | None = None, clusters: Clusters | None = None) -> Self:
        """Take in one sample a row; returns itself.

        Args:
            x: Values, or numerators (errors).
            y: Denominators (words), 0 or more; all 1 if left out.
            clusters: One label a sample; None stands for a sample that shares its source with no other.

        Raises:
            StatsError: For NaN, infinity, a negative denominator or columns of unequal length; nothing
                is taken in then.
        """
        xs = number_column(x, "x")
        ys = np.ones(len(xs)) if y is None else denominator_column(y, "y", length=len(xs))
        units = units_of(clusters, len(xs))
        self.n += len(xs)
        self.is_mean = self.is_mean and bool((ys == 1).all())
        self.is_proportion = self.is_proportion and self.is_mean and bool(((xs == 0) | (xs == 1)).all())
        lone = units.codes >= len(units.labels)
        for rows in _parts(np.flatnonzero(lone)):
            self._lone += _Moments.of(dyadic(xs[rows]), dyadic(ys[rows]))
        if units.labels:
            codes, groups = units.codes[~lone], len(units.labels)
            x_sums = group_sums(dyadic(xs[~lone]), codes, groups)
            y_sums = group_sums(dyadic(ys[~lone]), codes, groups)
            self._add_clusters(dict(zip(units.labels, map(_Totals, x_sums, y_sums), strict=True)))
        return self

    def merge(self, other: RatioSums) -> Self:
        """Take in another shard; returns itself. Any order of shards ends in exactly the same sums."""
        self.n += other.n
        self.is_mean = self.is_mean and other.is_mean
        self.is_proportion = self.is_proportion and other.is_proportion
        self._lone += other._lone
        self._add_clusters(other._clusters)
        return self

    def _add_clusters(self, totals: dict[Hashable, _Totals]) -> None:
        for label, (x, y) in totals.items():
            old = self._clusters.get(label)
            self._clusters[label] = _Totals(x, y) if old is None else _Totals(old.x + x, old.y + y)

    def estimate(self, *, proportion: bool | None = None) -> Estimate:
        """The ratio with its standard error and 95% interval.

        Wilson for proportions, Student t for means, the delta method with a t quantile for ratios; with
        clusters the cluster-robust versions, on clusters - 1 degrees of freedom.

        Args:
            proportion: Whether x can only be 0 or 1. Left out, the values decide; say False for a
                rating of which only zeros and ones may have turned up.
        """
        if proportion and not self.is_proportion:
            raise StatsError("this is no proportion: some x is neither 0 nor 1, or some y is not 1")
        clustered = bool(self._clusters)
        moments = self._lone + self._cluster_moments() if clustered else self._lone
        clusters = moments.units if clustered else None
        if moments.y == 0:
            return Estimate.undefined(self.n, clusters)
        ratio, variance = moments.x / moments.y, moments.ratio_variance()
        value, se = float(ratio), None if variance is None else square_root(variance)
        method: Method
        if self.is_proportion if proportion is None else proportion:
            low, high = wilson_interval(value, _effective_n(self.n, moments.units, ratio, variance))
            method = "clustered-wilson" if clustered else "wilson"
            return Estimate(value, self.n, se, low, high, method, clusters)
        if self.is_mean:
            method = "clustered-t" if clustered else "t"
        else:
            method = "clustered-delta" if clustered else "delta"
        return Estimate.symmetric(value, se, n=self.n, units=moments.units, method=method, clusters=clusters)

    def _cluster_moments(self) -> _Moments:
        totals = self._clusters.values()
        return _Moments.of(
            dyadic_of_fractions([x for x, _ in totals]), dyadic_of_fractions([y for _, y in totals])
        )


def _parts(rows: IntColumn) -> Iterator[IntColumn]:
    return (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))


def _effective_n(n: int, units: int, proportion: Fraction, variance: Fraction | None) -> float:
    """How many independent samples would tell as much about `proportion` as `n` samples in `units` clusters.

    n over the design effect, adjusted for the few degrees of freedom that the design effect is estimated
    on (Korn and Graubard), and never more than n.
    """
    if variance is None or proportion in (0, 1):
        # Nothing shows how alike the samples of a cluster are; at worst each cluster is one sample.
        return units
    if variance == 0:
        return n
    effective = float(proportion * (1 - proportion) / variance * Fraction(n, n - 1))
    if units < n:
        upper = (1 + LEVEL) / 2
        effective *= (student_t_quantile(upper, n - 1) / student_t_quantile(upper, units - 1)) ** 2
    return min(effective, n)
