"""Tests that swap the two scores of a sample: where both models are equally good, either could have got either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fac_eval.stats._columns import StatsError, number_column
from fac_eval.stats._exact import FloatColumn
from fac_eval.stats.mcnemar import Alternative
from fac_eval.stats.pairs import Pairs

TestMethod = Literal["mcnemar", "permutation-exact", "permutation"]
"""`permutation-exact` goes through all swaps, `permutation` through random ones."""

Table = npt.NDArray[np.float64]

DRAWS = 10_000
_ENUMERATED = 16
"""Up to this many units all 2^n swaps are gone through, whatever the scores."""
_LATTICES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 20, 100)
_LATTICE_WORK = 300_000_000
_CHUNK_VALUES = 2_000_000
_TOLERANCE = 1e-11


class Significance(NamedTuple):
    """How likely a difference at least as large is where there is none, and how that was found out."""

    p: float
    method: TestMethod


def swap_test(
    pairs: Pairs,
    *,
    rng: np.random.Generator,
    alternative: Alternative = "two-sided",
    draws: int = DRAWS,
) -> Significance:
    """The paired permutation test of the difference of two ratios of sums; whole clusters are swapped.

    All swaps are gone through where that can be done: for few units, and for scores on a grid such as ratings or
    error counts over the same words. Elsewhere `draws` random ones stand for them, and p is at least 1/(draws + 1).
    """
    if not pairs.defined:
        raise StatsError("there is no difference to be tested: the denominators of a side add up to zero")
    xa, ya, xb, yb = pairs.totals
    moved = xb - xa
    if (ya == yb).all():
        # Swaps leave equal denominators where they are, so that the difference of numerators is all that matters.
        return sign_flip_test(moved, rng=rng, alternative=alternative, draws=draws)
    sum_xa, sum_ya, sum_xb, sum_yb = pairs.sums
    observed = sum_xb / sum_yb - sum_xa / sum_ya

    def swapped(sums: Table) -> FloatColumn:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(
                (sum_xb - sums[0]) / (sum_yb - sums[1]) - (sum_xa + sums[0]) / (sum_ya + sums[1])
            )

    return _tested(np.stack([moved, yb - ya]), swapped, observed, alternative, rng, draws)


def sign_flip_test(
    contributions: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    alternative: Alternative = "two-sided",
    draws: int = DRAWS,
) -> Significance:
    """The paired permutation test of a sum of differences, one an independent unit."""
    column = number_column(contributions, "contributions")
    column = column[column != 0]
    steps = _on_a_lattice(column)
    if steps is not None:
        return Significance(_lattice_p(steps, alternative), "permutation-exact")
    observed = float(column.sum())
    return _tested(column[np.newaxis], lambda sums: observed - 2 * sums[0], observed, alternative, rng, draws)


def _tested(
    moved: Table,
    swapped: Callable[[Table], FloatColumn],
    observed: float,
    alternative: Alternative,
    rng: np.random.Generator,
    draws: int,
) -> Significance:
    """Compare `observed` with the statistic under swaps of the units (columns of `moved`)."""
    moved = moved[:, (moved != 0).any(axis=0)]
    slack = _TOLERANCE * max(abs(observed), float(np.abs(swapped(np.zeros((len(moved), 1)))).max()))
    exact = moved.shape[1] <= _ENUMERATED
    chunks = [_all_sums(moved)] if exact else _random_sums(moved, rng, draws)
    extreme = seen = 0
    for sums in chunks:
        values = swapped(sums)
        if alternative == "two-sided":
            hit = ~(np.abs(values) < abs(observed) - slack)
        elif alternative == "less":
            hit = ~(values > observed + slack)
        else:
            hit = ~(values < observed - slack)
        # A swap that leaves a side without a denominator gives no number; it counts as extreme, to be safe.
        extreme, seen = extreme + int(hit.sum()), seen + len(values)
    if exact:
        return Significance(extreme / seen, "permutation-exact")
    return Significance((extreme + 1) / (seen + 1), "permutation")


def _all_sums(moved: Table) -> Table:
    """The sums of every subset of the columns."""
    sums = np.zeros((len(moved), 1))
    for column in moved.T:
        sums = np.concatenate([sums, sums + column[:, np.newaxis]], axis=1)
    return sums


def _random_sums(moved: Table, rng: np.random.Generator, draws: int) -> Iterator[Table]:
    """The sums of random subsets of the columns, as chunks that bound the memory."""
    units = moved.shape[1]
    row_bytes = -(-units // 8)
    per_chunk = max(1, _CHUNK_VALUES // units)
    for start in range(0, draws, per_chunk):
        size = min(per_chunk, draws - start)
        # A random bit a unit is all that a swap takes.
        packed = np.frombuffer(rng.bytes(size * row_bytes), dtype=np.uint8).reshape(size, row_bytes)
        chosen = np.unpackbits(packed, axis=1, count=units)
        yield (chosen.astype(np.float64) @ moved.T).T


def _on_a_lattice(column: FloatColumn) -> npt.NDArray[np.int64] | None:
    """The differences as whole numbers of one step, where they are that and few enough to be gone through."""
    for parts in _LATTICES:
        steps = np.rint(column * parts)
        if np.abs(steps).sum() * len(steps) > _LATTICE_WORK:
            return None
        if (np.abs(column * parts - steps) < _TOLERANCE * np.maximum(1, np.abs(steps))).all():
            return steps.astype(np.int64)
    return None


def _lattice_p(steps: npt.NDArray[np.int64], alternative: Alternative) -> float:
    """The exact tail of a sum of whole numbers with random signs, from its whole distribution."""
    sizes = np.sort(np.abs(steps))
    observed, widest = int(steps.sum()), int(sizes.sum())
    # chance[s] that the numbers with a plus sign add up to s; the signed sum is then 2 s - widest.
    chance = np.zeros(widest + 1)
    chance[0] = 1.0
    reached = 0
    for size in sizes.tolist():
        chance[size : reached + size + 1] += chance[: reached + 1].copy()
        chance[: reached + size + 1] /= 2
        reached += size
    if alternative == "two-sided":
        outer = float(chance[(widest + abs(observed)) // 2 :].sum())
        return min(1.0, 2 * outer)
    if alternative == "greater":
        return min(1.0, float(chance[(widest + observed) // 2 :].sum()))
    return min(1.0, float(chance[: (widest + observed) // 2 + 1].sum()))
