"""Figures made of figures: of the same samples, or of disjoint subsets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fac_eval.stats._columns import Clusters, StatsError, denominator_column, number_column, units_of
from fac_eval.stats.intervals import Estimate, Method

if TYPE_CHECKING:
    from collections.abc import Sequence


def composite(
    parts: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    weights: Sequence[float] | None = None,
    clusters: Clusters | None = None,
) -> Estimate:
    """The weighted sum of ratios sum(x) / sum(y) of the same samples, e.g. a mean of rates.

    Each sample's influence on all parts is added up before squaring (delta method), so that the parts'
    correlation is in the standard error; the interval is Student's, of no width where all samples agree.
    No value if a part's denominators add up to zero.

    Args:
        parts: A pair of columns (x, y) a part, aligned on samples; a sample outside a part has y = 0.
        weights: One a part, used as they are; the plain mean of the parts if left out.
        clusters: One label a sample; None stands for a sample that shares its source with no other.
    """
    factors = _weights(weights, len(parts))
    n = len(number_column(parts[0][0], "parts[0].x"))
    units = units_of(clusters, n)
    cluster_count = units.count if units.labels else None
    influence = np.zeros(units.count)
    ratios = []
    for index, ((x, y), factor) in enumerate(zip(parts, factors, strict=True)):
        xs = units.totals(number_column(x, f"parts[{index}].x", length=n))
        ys = units.totals(denominator_column(y, f"parts[{index}].y", length=n))
        denominator = math.fsum(ys)
        if denominator == 0:
            return Estimate.undefined(n, cluster_count)
        ratios.append(math.fsum(xs) / denominator)
        influence += factor * (xs - ratios[-1] * ys) / denominator
    # fsum rounds once, so that the order of the samples does not show in the last digits.
    value = math.fsum(factor * ratio for factor, ratio in zip(factors, ratios, strict=True))
    se = None
    if units.count > 1:
        se = math.sqrt(math.fsum(influence**2) * units.count / (units.count - 1))
    method: Method = "clustered-delta" if units.labels else "delta"
    return Estimate.symmetric(value, se, n=n, units=units.count, method=method, clusters=cluster_count)


def combine_independent(estimates: Sequence[Estimate], weights: Sequence[float] | None = None) -> Estimate:
    """The weighted sum of figures of disjoint, independent sets of samples, e.g. an Overall over subsets.

    Variances add up. The interval adds up the squared distances from each figure to its own two ends
    (MOVER): it keeps their skew, stays within the range of a weighted mean, and still has a width where a
    subset is all right or all wrong. One undefined figure leaves the sum undefined.

    Args:
        estimates: At least one.
        weights: One a figure, used as they are; the plain mean if left out. A negative weight subtracts.
    """
    terms = [
        estimate.scaled(factor)
        for estimate, factor in zip(estimates, _weights(weights, len(estimates)), strict=True)
    ]
    n = sum(term.n for term in terms)
    counts = [term.clusters for term in terms]
    clusters = None
    if any(count is not None for count in counts):
        clusters = sum(term.n if term.clusters is None else term.clusters for term in terms)
    values = [term.value for term in terms if term.value is not None]
    if len(values) < len(terms):
        return Estimate.undefined(n, clusters)
    value = math.fsum(values)
    errors = [term.se for term in terms if term.se is not None]
    below = [term.value - term.low for term in terms if term.value is not None and term.low is not None]
    above = [term.high - term.value for term in terms if term.value is not None and term.high is not None]
    whole = len(below) == len(above) == len(terms)
    return Estimate(
        value=value,
        n=n,
        se=math.hypot(*errors) if len(errors) == len(terms) else None,
        low=value - math.hypot(*below) if whole else None,
        high=value + math.hypot(*above) if whole else None,
        method="combined",
        clusters=clusters,
    )


def _weights(weights: Sequence[float] | None, count: int) -> list[float]:
    if count == 0:
        raise StatsError("there is nothing to combine")
    if weights is None:
        return [1 / count] * count
    return [float(weight) for weight in number_column(weights, "weights", length=count)]
