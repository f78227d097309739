"""Tails of the binomial distribution without scipy."""

from __future__ import annotations

import math

from fac_eval.stats._student_t import beta_fraction


def binomial_tail(k: int, n: int, p: float) -> float:
    """The probability of at least `k` successes in `n` trials; to about 1e-10 of its size."""
    if k <= 0:
        return 1.0
    if k > n or p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    a, b = float(k), float(n - k + 1)
    # The continued fraction is quick on one side of the mean only; on the other the complement is the sure way.
    if p > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1 - p)
    return _incomplete_beta(a, b, p)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    log = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a + 1) - math.lgamma(b)
    return math.exp(log) * beta_fraction(a, b, x)
