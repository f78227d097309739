"""Two shares of the same yes/no samples: the exact test, and an interval that agrees with it."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

from fac_eval.stats._binomial import binomial_tail
from fac_eval.stats._columns import StatsError
from fac_eval.stats.intervals import LEVEL, Interval

Alternative = Literal["two-sided", "less", "greater"]
"""What is to be shown about candidate - reference."""

_HALVINGS = 60


def mcnemar_p(wins: int, losses: int, alternative: Alternative = "two-sided") -> float:
    """McNemar's exact test: how likely such a split of the changed samples is where both models are equally good.

    Args:
        wins: Samples that the candidate alone has right.
        losses: Samples that the reference alone has right.
        alternative: `less` tests for a drop, `greater` for a gain.
    """
    if wins < 0 or losses < 0:
        raise StatsError(f"there cannot be {wins} wins and {losses} losses")
    changed = wins + losses
    if alternative == "less":
        return binomial_tail(losses, changed, 0.5)
    if alternative == "greater":
        return binomial_tail(wins, changed, 0.5)
    return min(1.0, 2 * binomial_tail(max(wins, losses), changed, 0.5))


def paired_score_interval(wins: int, losses: int, n: int, *, level: float = LEVEL) -> Interval:
    """Tango's score interval for the difference of two shares of the same `n` > 0 samples.

    Lies within [-1, 1], contains the difference, and has a width also where no sample changed.
    """
    if not (wins >= 0 and losses >= 0 and n > 0 and wins + losses <= n):
        raise StatsError(f"no interval for {wins} wins and {losses} losses among {n} samples")
    if not 0 < level < 1:
        raise StatsError(f"a confidence level lies between 0 and 1, not at {level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    return Interval(_lower(wins, losses, n, z), -_lower(losses, wins, n, z))


def _lower(wins: int, losses: int, n: int, z: float) -> float:
    low, high = -1.0, (wins - losses) / n
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if _score(middle, wins, losses, n) > z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score(delta: float, wins: int, losses: int, n: int) -> float:
    """How many standard errors the difference lies above `delta`, the error taken where `delta` is the truth.

    The share of losses that is likeliest under `delta` is the larger root of a quadratic (Tango 1998).
    """
    b = (2 * n - wins + losses) * delta - wins - losses
    c = -losses * delta * (1 - delta)
    share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * share + delta * (1 - delta))
    return (wins - losses - n * delta) / math.sqrt(variance) if variance > 0 else math.inf
