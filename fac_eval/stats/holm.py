"""Many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

from fac_eval.stats._columns import StatsError


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    Calling a difference real where its adjusted value is at most alpha keeps the chance of any false alarm in the
    whole family at alpha, however the tests depend on each other.
    """
    for position, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise StatsError(f"p_values[{position}] is {p}, which is no probability", position=position)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted
