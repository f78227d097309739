"""Sums without rounding, against Python's own rational numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.stats._exact import dot, dyadic, dyadic_of_fractions, group_sums, square_root, total

FINITE = st.floats(allow_nan=False, allow_infinity=False)
PAIRS = st.lists(st.tuples(FINITE, FINITE), max_size=12)


@given(pairs=PAIRS)
def test_totals_and_products_are_exact_over_the_whole_range_of_floats(
    pairs: list[tuple[float, float]],
) -> None:
    left = np.array([a for a, _ in pairs], dtype=float)
    right = np.array([b for _, b in pairs], dtype=float)
    assert total(dyadic(left)) == sum((Fraction(a) for a, _ in pairs), Fraction(0))
    products = [Fraction(a) * Fraction(b) for a, b in pairs]
    assert dot(dyadic(left), dyadic(right)) == sum(products, Fraction(0))


@given(values=st.lists(FINITE, max_size=12))
def test_fractions_over_a_common_denominator_keep_their_values(values: list[float]) -> None:
    fractions = [Fraction(value) for value in values]
    squares = dot(dyadic_of_fractions(fractions), dyadic_of_fractions(fractions))
    assert squares == sum((value * value for value in fractions), Fraction(0))


def test_group_sums_are_exact_and_keep_empty_groups() -> None:
    column = dyadic(np.array([0.1, 1e300, -0.0, 5e-324, 0.2]))
    sums = group_sums(column, np.array([2, 0, 3, 0, 2]), 4)
    assert sums == [Fraction(1e300) + Fraction(5e-324), 0, Fraction(0.1) + Fraction(0.2), 0]


@given(value=st.fractions(min_value=0))
def test_square_root_agrees_with_the_float_root(value: Fraction) -> None:
    assert square_root(value) == pytest.approx(math.sqrt(value), rel=4e-16)


@pytest.mark.parametrize("power", [-600, -300, 300])
def test_square_root_works_where_the_square_is_beyond_the_floats(power: int) -> None:
    assert square_root(Fraction(2) ** (2 * power)) == 2.0**power
