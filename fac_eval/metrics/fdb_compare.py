"""Full-Duplex-Bench v1.5: means without outliers, and paired comparisons of before and after.

Bug-compatible with DanielLin94144/Full-Duplex-Bench, v1_v1.5/evaluation/eval_general_before_after.py and
significance_test.py.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.percentiles import percentile
from fac_eval.stats import t_interval

RobustMode = Literal["none", "trim", "winsor", "iqr", "mad", "zscore"]
OutlierRule = Literal["none", "mad", "iqr"]

_MAD_TO_SD = 1.4826
_IQR_WIDTH = 1.5
_MAD_WIDTH = 3.5
_Z_WIDTH = 3.0
_MIN_PAIRS = 2


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A paired t-test of after against before."""

    n_raw: int
    n_valid: int
    """Pairs without NaN."""
    n_used: int
    """Valid pairs that are no outliers."""
    mean_before: float
    mean_after: float
    mean_diff: float
    ci95_low: float
    ci95_high: float
    t: float
    df: int
    p: float
    cohen_dz: float


def robust_values(
    values: Iterable[float], mode: RobustMode = "none", *, share: float = 0.05, min_n: int = 3
) -> list[float]:
    """The values that a mean is taken over; `share` is what `trim` drops and `winsor` bends on either side.

    NaN is always dropped; of fewer than `min_n` values all others are kept.
    """
    if mode not in get_args(RobustMode):
        raise UsageError(f"unknown treatment of outliers {mode!r}: {', '.join(get_args(RobustMode))}")
    kept = [value for value in values if not math.isnan(value)]
    if mode == "none" or len(kept) < min_n:
        return kept
    if mode in ("trim", "winsor"):
        low, high = percentile(kept, 100 * share), percentile(kept, 100 - 100 * share)
        if mode == "winsor":
            return [min(max(value, low), high) for value in kept]
    elif mode == "iqr":
        low, high = _quartile_fence(kept)
    elif mode == "mad":
        low, high = _median_fence(kept)
    else:
        spread = _Z_WIDTH * statistics.stdev(kept)
        low, high = statistics.fmean(kept) - spread, statistics.fmean(kept) + spread
        if not spread:
            return kept
    return [value for value in kept if low <= value <= high]


def paired_test(
    before: Sequence[float], after: Sequence[float], *, outliers: OutlierRule = "none"
) -> PairedTest:
    """Compare pairs, leaving out those with NaN and then those whose difference is an outlier.

    Raises DataError if fewer than two pairs are left.
    """
    if outliers not in get_args(OutlierRule):
        raise UsageError(f"unknown rule for outliers {outliers!r}: {', '.join(get_args(OutlierRule))}")
    if len(before) != len(after):
        raise DataError(f"pairs need as many values before as after, not {len(before)} and {len(after)}")
    pairs = list(zip(before, after, strict=True))
    valid = [pair for pair in pairs if not any(map(math.isnan, pair))]
    used = valid
    if valid and outliers != "none":
        changes = [later - earlier for earlier, later in valid]
        low, high = _median_fence(changes) if outliers == "mad" else _quartile_fence(changes)
        used = [pair for pair, change in zip(valid, changes, strict=True) if low <= change <= high]
    if len(used) < _MIN_PAIRS:
        raise DataError(f"a paired test needs two pairs, not {len(used)}")
    differences = [later - earlier for earlier, later in used]
    mean, sd, n = statistics.fmean(differences), statistics.stdev(differences), len(used)
    interval = t_interval(mean, sd / math.sqrt(n), n - 1)
    effect = mean / sd if sd else math.copysign(math.inf, mean) if mean else math.nan
    t = effect * math.sqrt(n)
    return PairedTest(
        n_raw=len(pairs),
        n_valid=len(valid),
        n_used=n,
        mean_before=statistics.fmean(earlier for earlier, _ in used),
        mean_after=statistics.fmean(later for _, later in used),
        mean_diff=mean,
        ci95_low=interval.low,
        ci95_high=interval.high,
        t=t,
        df=n - 1,
        p=student_t_p(t, n - 1),
        cohen_dz=effect,
    )


def student_t_p(t: float, df: int) -> float:
    """The two-sided p-value of `t` with a whole number of degrees of freedom.

    >>> round(student_t_p(2.2, 10), 4)
    0.0524
    """
    if math.isnan(t):
        return math.nan
    angle = math.atan2(abs(t), math.sqrt(df))
    cosine = math.cos(angle)
    # Abramowitz and Stegun 26.7.3 and 26.7.4: a finite sum, its terms in steps of two powers of the cosine.
    odd = df % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for power in range(odd, df - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    inside = math.sin(angle) * total
    if odd:
        inside = (angle + inside) * 2 / math.pi
    return max(0.0, 1 - inside)


def _quartile_fence(values: Sequence[float]) -> tuple[float, float]:
    low, high = percentile(values, 25), percentile(values, 75)
    width = _IQR_WIDTH * (high - low)
    return low - width, high + width


def _median_fence(values: Sequence[float]) -> tuple[float, float]:
    middle = statistics.median(values)
    deviation = statistics.median(abs(value - middle) for value in values)
    if not deviation:
        return -math.inf, math.inf
    width = _MAD_WIDTH * _MAD_TO_SD * deviation
    return middle - width, middle + width
