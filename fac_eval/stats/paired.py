"""How far a candidate is from a reference on the same samples, and what that many samples could have shown."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from fac_eval.stats._columns import StatsError
from fac_eval.stats._student_t import student_t_quantile
from fac_eval.stats.bootstrap import bootstrap_interval
from fac_eval.stats.intervals import LEVEL, Estimate, Method, t_interval
from fac_eval.stats.mcnemar import Alternative, mcnemar_p, paired_score_interval
from fac_eval.stats.pairs import Pairs
from fac_eval.stats.permutation import DRAWS, Significance, swap_test

if TYPE_CHECKING:
    from collections.abc import Callable

    from fac_eval.stats._exact import FloatColumn
    from fac_eval.stats.bootstrap import Table

POWER = 0.8
_HALVINGS = 60


def paired_difference(pairs: Pairs, *, level: float = LEVEL) -> Estimate:
    """The candidate's figure less the reference's, with its interval.

    Shares of independent samples get Tango's score interval, all others Student's around the linearised
    difference, by clusters where there are any. The latter has no width where all samples agree.
    """
    if not pairs.defined:
        return Estimate.undefined(pairs.n, pairs.clusters)
    sum_xa, sum_ya, sum_xb, sum_yb = pairs.sums
    value = sum_xb / sum_yb - sum_xa / sum_ya
    se = _standard_error(pairs)
    if pairs.proportion and not pairs.clustered:
        low, high = paired_score_interval(*_changed(pairs), pairs.n, level=level)
        return Estimate(value, pairs.n, se, low, high, "paired-score")
    kind = "t" if pairs.is_mean else "delta"
    methods: dict[tuple[str, bool], Method] = {
        ("t", False): "t",
        ("t", True): "clustered-t",
        ("delta", False): "delta",
        ("delta", True): "clustered-delta",
    }
    estimate = Estimate(value, pairs.n, se, None, None, methods[kind, pairs.clustered], pairs.clusters)
    if se is None:
        return estimate
    low, high = t_interval(value, se, pairs.units.count - 1, level=level)
    return replace(estimate, low=low, high=high)


def paired_bootstrap(pairs: Pairs, *, rng: np.random.Generator, draws: int = DRAWS) -> Estimate:
    """The same difference with its BCa bootstrap interval; samples, or whole clusters, are drawn as pairs."""
    if not pairs.defined:
        return Estimate.undefined(pairs.n, pairs.clusters)
    clusters = None
    if pairs.clustered:
        lone = pairs.units.codes >= len(pairs.units.labels)
        clusters = [
            None if alone else code for code, alone in zip(pairs.units.codes.tolist(), lone, strict=True)
        ]
    columns, statistic = _resampled(pairs)
    return bootstrap_interval(statistic, columns, rng=rng, clusters=clusters, draws=draws)


def paired_test(
    pairs: Pairs,
    *,
    rng: np.random.Generator,
    alternative: Alternative = "two-sided",
    draws: int = DRAWS,
) -> Significance:
    """How likely such a difference is where there is none.

    McNemar's exact test for shares of independent samples, the paired permutation test for all others.

    Args:
        pairs: Scores of the same samples.
        rng: A seeded generator, for the cases where random swaps have to stand for all of them.
        alternative: `less` tests for a drop of the figure, `greater` for a rise.
        draws: Random swaps, where it comes to that.
    """
    if pairs.proportion and not pairs.clustered:
        return Significance(mcnemar_p(*_changed(pairs), alternative), "mcnemar")
    return swap_test(pairs, rng=rng, alternative=alternative, draws=draws)


def effect_size(pairs: Pairs) -> float | None:
    """The difference in standard deviations of a single pair's (Cohen's d_z); None where pairs do not differ."""
    se = _standard_error(pairs) if pairs.defined else None
    if not se:
        return None
    return float(pairs.contributions.sum()) / (se * math.sqrt(pairs.units.count))


def detectable_difference(pairs: Pairs, *, power: float = POWER, level: float = LEVEL) -> float | None:
    """The smallest true difference that a two-sided test at `level` finds with probability `power`.

    It takes the pairs' own spread (for shares: how many samples changed) as given. None where no difference could
    have been found at all, or the spread is unknown.
    """
    if not 0 < power < 1 or not 0 < level < 1:
        raise StatsError(f"power and level lie between 0 and 1, not at {power} and {level}")
    if not pairs.defined:
        return None
    if pairs.proportion and not pairs.clustered:
        return _detectable_share(sum(_changed(pairs)) / pairs.n, pairs.n, power, level)
    se = _standard_error(pairs)
    if not se:
        return None
    df = pairs.units.count - 1
    return (student_t_quantile((1 + level) / 2, df) + student_t_quantile(power, df)) * se


def _detectable_share(changed: float, n: int, power: float, level: float) -> float | None:
    """Solves the sample size formula of McNemar's test for the difference, given the share of changed samples.

    A difference takes at least as many changed samples, so that there is an answer also where none changed.
    """
    normal = NormalDist()
    alpha_z, power_z = normal.inv_cdf((1 + level) / 2), normal.inv_cdf(power)

    def found(delta: float) -> bool:
        share = max(changed, delta)
        needed = alpha_z * math.sqrt(share) + power_z * math.sqrt(max(0.0, share - delta * delta))
        return delta * math.sqrt(n) >= needed

    if not found(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _changed(pairs: Pairs) -> tuple[int, int]:
    return int((pairs.xb > pairs.xa).sum()), int((pairs.xb < pairs.xa).sum())


def _standard_error(pairs: Pairs) -> float | None:
    units = pairs.units.count
    if units < 2:
        return None
    # fsum rounds once, so that the order of the samples does not show in the last digits.
    return math.sqrt(math.fsum(pairs.influence**2) * units / (units - 1))


def _resampled(pairs: Pairs) -> tuple[list[FloatColumn], Callable[[Table], FloatColumn]]:
    """The fewest columns whose resampled sums give the difference."""
    if pairs.is_mean and not pairs.clustered:
        n = pairs.n
        return [pairs.xb - pairs.xa], lambda sums: sums[0] / n
    if (pairs.ya == pairs.yb).all():
        return [pairs.xb - pairs.xa, pairs.ya], lambda sums: sums[0] / sums[1]
    columns = [pairs.xa, pairs.ya, pairs.xb, pairs.yb]
    return columns, lambda sums: sums[2] / sums[3] - sums[0] / sums[1]
