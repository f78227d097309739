"""Figures as tables print them: exact decimals, two places, a half rounded up.

Overall figures of the report are means of printed figures, and half of them would come out otherwise under
binary floats or rounding to even.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from fac_eval.errors import DataError

_PLACES = Decimal("0.01")
_RATING_SCALE = 10
_GRADE_SCALE = 20


def printed(value: Decimal) -> str:
    """`value` with two decimals.

    >>> printed(Decimal("42.785"))
    '42.79'
    """
    return str(value.quantize(_PLACES, rounding=ROUND_HALF_UP))


def printed_percent(hits: int, total: int) -> str:
    """Hits per hundred. Raises DataError for no items."""
    return _scaled(100, hits, total)


def printed_mean_rating(total: int, count: int) -> str:
    """The mean of ratings from 1 to 10 that add up to `total`, shown out of 100."""
    return _scaled(_RATING_SCALE, total, count)


def printed_mean_grade(total: int, count: int) -> str:
    """The mean of grades from 0 to 5 that add up to `total`, shown out of 100."""
    return _scaled(_GRADE_SCALE, total, count)


def printed_overall(scores: Iterable[str | None]) -> str | None:
    """The plain mean of scores as printed; None if one is missing or there is none.

    >>> printed_overall(["61.87", "78.33", "49.51", "48.52"])
    '59.56'
    """
    terms: Sequence[str | None] = list(scores)
    values = [Decimal(term) for term in terms if term is not None]
    if not values or len(values) < len(terms):
        return None
    return printed(sum(values, Decimal(0)) / len(values))


def _scaled(factor: int, total: int, count: int) -> str:
    if count <= 0:
        raise DataError(f"there is no mean over {count} items")
    return printed(Decimal(factor * total) / count)
