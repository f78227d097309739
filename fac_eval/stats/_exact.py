"""Sums without rounding.

A finite float is an integer times a power of two, so sums of floats and of their products are rational
numbers that Python's integers hold exactly. Exact sums do not depend on order, shards or machine, and a
variance made of them cannot cancel to nonsense when the mean dwarfs the spread. Shifted or pairwise-merged
second moments only bound that error, and differ in the last bits from one sharding to the next.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatColumn = npt.NDArray[np.float64]
IntColumn = npt.NDArray[np.int64]

_MANTISSA_BITS = 53


class Dyadic(NamedTuple):
    """A column of numbers `integers * 2**exponent`; the integers are Python's, of any size."""

    integers: npt.NDArray[np.object_]
    exponent: int


def dyadic(values: FloatColumn) -> Dyadic:
    """The finite `values`, exactly."""
    mantissas, exponents = np.frexp(values)
    nonzero = mantissas != 0
    lowest = int(exponents[nonzero].min()) if nonzero.any() else 0
    shifts = np.where(nonzero, exponents - lowest, 0).astype(object)
    integers = np.ldexp(mantissas, _MANTISSA_BITS).astype(np.int64).astype(object)
    return Dyadic(integers << shifts, lowest - _MANTISSA_BITS)


def dyadic_of_fractions(values: Sequence[Fraction]) -> Dyadic:
    """`values`, whose denominators are powers of two, over their common denominator."""
    bits = max((value.denominator.bit_length() - 1 for value in values), default=0)
    integers = np.empty(len(values), dtype=object)
    integers[:] = [value.numerator << (bits + 1 - value.denominator.bit_length()) for value in values]
    return Dyadic(integers, -bits)


def total(column: Dyadic) -> Fraction:
    """The exact sum of a column."""
    return _scaled(sum(column.integers.tolist()), column.exponent)


def dot(left: Dyadic, right: Dyadic) -> Fraction:
    """The exact sum of the products of two columns."""
    products = left.integers * right.integers
    return _scaled(sum(products.tolist()), left.exponent + right.exponent)


def group_sums(column: Dyadic, codes: IntColumn, groups: int) -> list[Fraction]:
    """The exact sum over each group; `codes` says which of the `groups` each value belongs to."""
    sums = [0] * groups
    for code, integer in zip(codes.tolist(), column.integers.tolist(), strict=True):
        sums[code] += integer
    return [_scaled(integer, column.exponent) for integer in sums]


def square_root(value: Fraction) -> float:
    """The root of a non-negative rational, also where the rational itself is beyond the floats."""
    if value == 0:
        return 0.0
    # An even shift that leaves at least 110 bits, so that the integer root has more bits than a float.
    shift = 112 - value.numerator.bit_length() + value.denominator.bit_length()
    shift += shift % 2
    return math.ldexp(math.isqrt(int(value * Fraction(2) ** shift)), -shift // 2)


def _scaled(integer: int, exponent: int) -> Fraction:
    return Fraction(integer << exponent) if exponent >= 0 else Fraction(integer, 1 << -exponent)
