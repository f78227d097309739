"""Two measurements of the same samples, as sums over independent units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fac_eval.stats._columns import (
    Clusters,
    StatsError,
    Units,
    denominator_column,
    number_column,
    units_of,
)
from fac_eval.stats._exact import FloatColumn


@dataclass(frozen=True, eq=False)
class Pairs:
    """One sample a row: what the reference scored (`xa` of `ya`) and what the candidate did (`xb` of `yb`).

    Each side's figure is the sum of x over the sum of y; made by `pairs_of`.
    """

    xa: FloatColumn
    ya: FloatColumn
    xb: FloatColumn
    yb: FloatColumn
    units: Units
    proportion: bool
    """Whether each sample is right or wrong and nothing else."""

    @property
    def n(self) -> int:
        """Pairs of samples."""
        return len(self.xa)

    @property
    def clustered(self) -> bool:
        """Whether samples share sources."""
        return bool(self.units.labels)

    @property
    def clusters(self) -> int | None:
        """Independent units where samples share sources, else None."""
        return self.units.count if self.clustered else None

    @property
    def is_mean(self) -> bool:
        """Whether both figures are plain means."""
        return bool((self.ya == 1).all() and (self.yb == 1).all())

    @cached_property
    def totals(self) -> npt.NDArray[np.float64]:
        """xa, ya, xb and yb summed over each independent unit, a row each."""
        return np.stack([self.units.totals(column) for column in (self.xa, self.ya, self.xb, self.yb)])

    @cached_property
    def sums(self) -> tuple[float, float, float, float]:
        """The sums of xa, ya, xb and yb, rounded once."""
        xa, ya, xb, yb = (math.fsum(column) for column in (self.xa, self.ya, self.xb, self.yb))
        return xa, ya, xb, yb

    @property
    def defined(self) -> bool:
        """Whether both figures exist."""
        return self.sums[1] > 0 and self.sums[3] > 0

    @property
    def contributions(self) -> FloatColumn:
        """What each independent unit adds to the difference candidate - reference."""
        xa, _, xb, _ = self.totals
        return np.asarray(xb / self.sums[3] - xa / self.sums[1])

    @property
    def influence(self) -> FloatColumn:
        """How far each unit pulls the difference away from what it is (delta method); sums to zero."""
        xa, ya, xb, yb = self.totals
        sum_xa, sum_ya, sum_xb, sum_yb = self.sums
        return np.asarray((xb - sum_xb / sum_yb * yb) / sum_yb - (xa - sum_xa / sum_ya * ya) / sum_ya)


def pairs_of(
    reference: npt.ArrayLike,
    candidate: npt.ArrayLike,
    *,
    reference_per: npt.ArrayLike | None = None,
    candidate_per: npt.ArrayLike | None = None,
    clusters: Clusters | None = None,
    proportion: bool | None = None,
) -> Pairs:
    """Pair two columns of scores of the same samples.

    Args:
        reference: Scores, or numerators (errors), of the one that is compared with.
        candidate: The same samples' scores of the one that is compared, in the same order.
        reference_per: Denominators (words) of the reference, 0 or more; all 1 if left out.
        candidate_per: Denominators of the candidate.
        clusters: One label a sample; None stands for a sample that shares its source with no other.
        proportion: Whether scores can only be 0 or 1. Left out, the values decide; say False for a rating of
            which only zeros and ones may have turned up.

    Raises:
        StatsError: For NaN, infinity, a negative denominator or columns of unequal length.
    """
    xa = number_column(reference, "reference")
    n = len(xa)
    xb = number_column(candidate, "candidate", length=n)
    ya, yb = (
        np.ones(n) if column is None else denominator_column(column, name, length=n)
        for column, name in ((reference_per, "reference_per"), (candidate_per, "candidate_per"))
    )
    yes_no = bool((ya == 1).all() and (yb == 1).all() and np.isin(np.concatenate([xa, xb]), (0, 1)).all())
    if proportion and not yes_no:
        raise StatsError("these are no shares: some score is neither 0 nor 1, or some denominator is not 1")
    return Pairs(xa, ya, xb, yb, units_of(clusters, n), yes_no if proportion is None else proportion)
