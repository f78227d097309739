"""Mean, percentiles and maximum of a set of measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fac_eval.errors import DataError

MIN_FOR_TAIL = 20
"""Below this many values the 95th and 99th percentile say nothing."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A set of measurements. `p95` and `p99` are None for fewer than 20."""

    n: int
    mean: float
    p50: float
    p90: float
    p95: float | None
    p99: float | None
    max: float


def percentile(values: Sequence[float], percent: float) -> float:
    """By linear interpolation between order statistics (numpy's default). Raises DataError for no values.

    >>> percentile([1.0, 2.0, 4.0], 75)
    3.0
    """
    if not values:
        raise DataError("there is no percentile of no values")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def distribution(values: Iterable[float | None]) -> Distribution | None:
    """The distribution of those values that exist; None if there is none."""
    found = sorted(value for value in values if value is not None)
    if not found:
        return None
    has_tail = len(found) >= MIN_FOR_TAIL
    return Distribution(
        n=len(found),
        mean=math.fsum(found) / len(found),
        p50=percentile(found, 50),
        p90=percentile(found, 90),
        p95=percentile(found, 95) if has_tail else None,
        p99=percentile(found, 99) if has_tail else None,
        max=found[-1],
    )
