"""What a figure is reported as, and the two intervals that have closed forms."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, NamedTuple

from fac_eval.stats._columns import StatsError
from fac_eval.stats._student_t import student_t_quantile

LEVEL = 0.95
"""The confidence level of every interval in an `Estimate`."""

Method = Literal[
    "none",
    "wilson",
    "effective-wilson",
    "t",
    "delta",
    "paired-score",
    "bootstrap",
    "clustered-wilson",
    "clustered-t",
    "clustered-delta",
    "clustered-bootstrap",
    "combined",
]


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, how many samples it rests on, and how far it can be trusted."""

    value: float | None
    """None where nothing was measured: no samples, or denominators that add up to zero."""
    n: int
    """Samples, failed and skipped ones not included."""
    se: float | None
    """Standard error; None where a single independent unit leaves the spread unknown."""
    low: float | None
    """Lower end of the 95% interval; None where there is no interval."""
    high: float | None
    """Upper end of the 95% interval; None where there is no interval."""
    method: Method
    """How the interval was made; "none" where there is no value."""
    clusters: int | None = None
    """Independent units, where samples share sources; None where every sample is independent."""

    @classmethod
    def undefined(cls, n: int, clusters: int | None = None) -> Estimate:
        """The figure of samples that give no value."""
        return cls(value=None, n=n, se=None, low=None, high=None, method="none", clusters=clusters)

    @classmethod
    def symmetric(
        cls, value: float, se: float | None, *, n: int, units: int, method: Method, clusters: int | None
    ) -> Estimate:
        """A figure with a t interval on `units` - 1 degrees of freedom, or none if `se` is unknown."""
        if se is None:
            return cls(value, n, None, None, None, method, clusters)
        low, high = t_interval(value, se, units - 1)
        return cls(value, n, se, low, high, method, clusters)

    def scaled(self, factor: float) -> Estimate:
        """The same figure in another unit: `scaled(100)` for percent, a negative factor to turn it round."""

        def times(number: float | None) -> float | None:
            return None if number is None else number * factor

        ends = (times(self.low), times(self.high))
        low, high = ends if factor >= 0 else ends[::-1]
        se = None if self.se is None else self.se * abs(factor)
        return replace(self, value=times(self.value), se=se, low=low, high=high)


def bounded(estimate: Estimate) -> Estimate:
    """A rate between 0 and 1 that is no plain proportion, with an interval that stays between 0 and 1.

    The interval is Wilson's at the number of yes/no samples that would have the same standard error, and at most
    the number of independent units; where all units agree it is that number, so that there is a width.
    """
    if estimate.value is None or not 0 <= estimate.value <= 1:
        return estimate
    units = estimate.clusters or estimate.n
    spread = estimate.value * (1 - estimate.value)
    effective = spread / estimate.se**2 if estimate.se else units
    low, high = wilson_interval(estimate.value, min(effective, units))
    method: Method = "clustered-wilson" if estimate.clusters else "effective-wilson"
    return replace(estimate, low=low, high=high, method=method)


def wilson_interval(proportion: float, n: float, *, level: float = LEVEL) -> Interval:
    """Wilson's score interval for `proportion` of `n` > 0 yes/no samples; `n` may be an effective number.

    Lies within [0, 1], contains `proportion`, and has a width also at 0 and 1.
    """
    if not (0 <= proportion <= 1 and 0 < n < math.inf):
        raise StatsError(f"no Wilson interval for the proportion {proportion} of {n} samples")
    z = NormalDist().inv_cdf(_upper(level))
    return Interval(_wilson_low(proportion, n, z), 1 - _wilson_low(1 - proportion, n, z))


def t_interval(value: float, se: float, df: float, *, level: float = LEVEL) -> Interval:
    """Student's interval around `value` with standard error `se` on `df` >= 1 degrees of freedom."""
    margin = student_t_quantile(_upper(level), df) * se
    return Interval(value - margin, value + margin)


def _upper(level: float) -> float:
    if not 0 < level < 1:
        raise StatsError(f"a confidence level lies between 0 and 1, not at {level}")
    return (1 + level) / 2


def _wilson_low(proportion: float, n: float, z: float) -> float:
    # The two ends are the roots of a quadratic. The lower one as a quotient, for the usual difference
    # cancels near zero and can come out negative.
    if proportion == 0:
        return 0.0
    shift = z * z / (2 * n)
    root = math.sqrt(z * z * proportion * (1 - proportion) / n + shift * shift)
    return proportion * proportion / (proportion + shift + root)
