"""Student's t quantile without scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from fac_eval.stats._columns import StatsError

_SMALLEST_TAIL = 1e-100
_FRACTION_CONVERGED = 1e-14
# The next step is this, squared: far below rounding.
_CONVERGED = 1e-9


@lru_cache(maxsize=4096)
def student_t_quantile(p: float, df: float) -> float:
    """The value that a t variable with `df` >= 1 degrees of freedom stays below with probability `p`.

    Agrees with the true quantile to about 1e-11 of its size.
    """
    tail = min(p, 1 - p)
    if not tail >= _SMALLEST_TAIL:
        raise StatsError(f"p must lie between 0 and 1, not be {p}")
    if not 1 <= df < math.inf:
        raise StatsError(f"a t quantile needs a finite df of at least 1, not {df}")
    if p == 0.5:
        return 0.0
    centre = abs(p - 0.5)
    # The normal quantile lies below the t quantile, and the tail is convex there: Newton's steps rise
    # to the root without overshooting: no bracket is needed, and a step back is rounding at the root.
    t = -NormalDist().inv_cdf(tail)
    step = t
    while step > _CONVERGED * t:
        step = _newton_step(t, df, tail, centre)
        t += step
    return math.copysign(t, p - 0.5)


def _newton_step(t: float, df: float, tail: float, centre: float) -> float:
    """How far to move from `t` > 0 towards the point with `tail` above it and `centre` between 0 and it."""
    ratio = t * t / df
    density = _gamma_ratio(df / 2) / math.sqrt(df * math.pi) * math.exp(-(df + 1) / 2 * math.log1p(ratio))
    # Both probabilities are incomplete beta functions. Each side is measured where its continued fraction
    # is quick, and so never as a difference of nearly equal numbers.
    if t * t < 12:
        return centre / density - t * beta_fraction(0.5, df / 2, ratio / (1 + ratio))
    return t / df * beta_fraction(df / 2, 0.5, 1 / (1 + ratio)) - tail / density


def beta_fraction(a: float, b: float, x: float) -> float:
    """a B(a, b) I_x(a, b) / (x^a (1-x)^b) by its continued fraction (DLMF 8.17.22), evaluated after Lentz."""
    value, upper, lower = 1.0, 1.0, 0.0
    m = 0
    while True:
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        for term in (odd, even):
            lower = 1 / (1 + term * lower)
            upper = 1 + term / upper
            value *= upper * lower
        if abs(upper * lower - 1) < _FRACTION_CONVERGED:
            return 1 / value


def _gamma_ratio(a: float) -> float:
    """Gamma(a + 1/2) / Gamma(a); the difference of log-gammas loses digits where these are large."""
    if a < 50:
        return math.exp(math.lgamma(a + 0.5) - math.lgamma(a))
    series = (1, -1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)
    return math.sqrt(a) * sum(coefficient / a**power for power, coefficient in enumerate(series))
