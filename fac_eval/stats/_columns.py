"""The edge of the package: columns of numbers and cluster labels are checked here, once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fac_eval.errors import FacEvalError
from fac_eval.stats._exact import FloatColumn, IntColumn, dyadic, group_sums

Clusters = Sequence[Hashable | None] | npt.NDArray[np.generic]
"""One label a sample; None is a sample that shares its source with no other."""


class StatsError(FacEvalError):
    """Numbers that no figure can be made of. `position` is the offending sample's index, if it is one."""

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


def number_column(values: npt.ArrayLike, name: str, *, length: int | None = None) -> FloatColumn:
    """`values` as finite floats; raises `StatsError` naming the column and the position otherwise."""
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StatsError(f"{name} is not a column of numbers: {error}") from error
    if column.ndim != 1:
        raise StatsError(f"{name} must be one column, but has the shape {column.shape}")
    if length is not None and len(column) != length:
        raise StatsError(f"{name} has {len(column)} values for {length} samples")
    refuse(column, ~np.isfinite(column), name, "a figure needs finite values; leave failed samples out")
    return column


def denominator_column(values: npt.ArrayLike, name: str, *, length: int) -> FloatColumn:
    """Like `number_column`, and no value below zero."""
    column = number_column(values, name, length=length)
    refuse(column, column < 0, name, "a denominator cannot be negative")
    return column


def refuse(column: FloatColumn, bad: npt.NDArray[np.bool_], name: str, why: str) -> None:
    """Raise `StatsError` for the first position at which `bad` holds."""
    positions = np.flatnonzero(bad)
    if positions.size:
        first = int(positions[0])
        raise StatsError(f"{name}[{first}] is {column[first]}: {why}", position=first)


@dataclass(frozen=True, slots=True)
class Units:
    """Which independent unit each sample belongs to: the labelled clusters first, then the lone samples."""

    codes: IntColumn
    labels: list[Hashable]
    count: int

    def totals(self, column: FloatColumn) -> FloatColumn:
        """The sum of `column` over each unit, correctly rounded."""
        if not self.labels:
            return column
        return np.array([float(total) for total in group_sums(dyadic(column), self.codes, self.count)])


def units_of(clusters: Clusters | None, n: int) -> Units:
    """Group `n` samples by their labels; without labels every sample is a unit of its own."""
    if clusters is None:
        return Units(np.arange(n), [], n)
    if len(clusters) != n:
        raise StatsError(f"clusters has {len(clusters)} labels for {n} samples")
    index: dict[Hashable, int] = {}
    codes = np.full(n, -1, dtype=np.int64)
    for position, label in enumerate(clusters.tolist() if isinstance(clusters, np.ndarray) else clusters):
        if label is None:
            continue
        # NaN is unequal to itself: every sample that lacks a label would silently become a cluster.
        if not isinstance(label, Hashable) or (isinstance(label, float | np.floating) and math.isnan(label)):
            raise StatsError(f"clusters[{position}] is {label!r}, which is no label", position=position)
        codes[position] = index.setdefault(label, len(index))
    lone = codes < 0
    codes[lone] = len(index) + np.arange(int(lone.sum()))
    return Units(codes, list(index), len(index) + int(lone.sum()))
