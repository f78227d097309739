"""The bootstrap, for figures that no formula here fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from fac_eval.stats._columns import Clusters, StatsError, number_column, units_of
from fac_eval.stats._exact import FloatColumn
from fac_eval.stats.intervals import LEVEL, Estimate, Method

Table = npt.NDArray[np.float64]
Statistic = Callable[[Table], FloatColumn]
"""From sums of shape (columns, m), m sets of them at once, to m figures."""

_CHUNK_VALUES = 2_000_000
_MULTINOMIAL_GAIN = 16
_FEWEST_DRAWS = 100


def bootstrap_interval(
    statistic: Statistic,
    columns: Sequence[npt.ArrayLike],
    *,
    rng: np.random.Generator,
    clusters: Clusters | None = None,
    draws: int = 10_000,
) -> Estimate:
    """The statistic of the columns' sums, with its BCa (bias-corrected, accelerated) bootstrap interval.

    Samples are drawn with replacement, whole clusters where labels are given. The result depends on the
    generator's state and on the samples, not on their order. All draws equal give an interval of no width.

    Args:
        statistic: Vectorised over sets of sums: `lambda sums: 2 * sums[0] / (2 * sums[0] + sums[1])`.
        columns: Per-sample numbers whose sums the statistic is made of, aligned on samples.
        rng: A seeded generator.
        clusters: One label a sample; None stands for a sample that shares its source with no other.
        draws: Bootstrap samples, at least 100.

    Raises:
        StatsError: For malformed columns, or a statistic that is not finite for some resampled sums; what
            it is worth at 0/0 is for the statistic to decide.
    """
    if not columns:
        raise StatsError("a bootstrap needs at least one column")
    if draws < _FEWEST_DRAWS:
        raise StatsError(f"{draws} draws are too few for an interval; use at least {_FEWEST_DRAWS}")
    n = len(number_column(columns[0], "columns[0]"))
    units = units_of(clusters, n)
    cluster_count = units.count if units.labels else None
    if n == 0:
        return Estimate.undefined(0)
    table = np.stack(
        [
            units.totals(number_column(column, f"columns[{index}]", length=n))
            for index, column in enumerate(columns)
        ]
    )
    rows, counts = np.unique(table.T, axis=0, return_counts=True)
    table = np.repeat(rows, counts, axis=0).T
    sums = table.sum(axis=1, keepdims=True)
    value = float(_evaluate(statistic, sums, "the samples")[0])
    method: Method = "clustered-bootstrap" if units.labels else "bootstrap"
    if units.count == 1:
        return Estimate(value, n, None, None, None, method, cluster_count)
    drawn = np.concatenate(
        [_evaluate(statistic, chunk, "resampled sums") for chunk in _resampled_sums(rows, counts, draws, rng)]
    )
    left_out = _evaluate(statistic, sums - table, "the samples without one of them")
    low, high = np.quantile(drawn, _bca_levels(value, drawn, left_out)).tolist()
    return Estimate(value, n, float(drawn.std(ddof=1)), low, high, method, cluster_count)


def _resampled_sums(
    rows: Table, counts: npt.NDArray[np.int64], draws: int, rng: np.random.Generator
) -> Iterator[Table]:
    """Column sums of `draws` resamples, as chunks of shape (columns, m) that bound the memory."""
    units = int(counts.sum())
    # Equal rows are exchangeable: with few distinct ones, how often each is drawn is all that matters.
    few_distinct = len(rows) * _MULTINOMIAL_GAIN <= units
    table = rows.T if few_distinct else np.repeat(rows, counts, axis=0).T.copy()
    per_chunk = max(1, _CHUNK_VALUES // table.shape[1])
    for start in range(0, draws, per_chunk):
        size = min(per_chunk, draws - start)
        if few_distinct:
            yield (rng.multinomial(units, counts / units, size=size) @ rows).T
        else:
            picks = rng.integers(0, units, size=(size, units))
            yield np.stack([column.take(picks).sum(axis=1) for column in table])


def _evaluate(statistic: Statistic, sums: Table, what: str) -> FloatColumn:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(statistic(sums), dtype=np.float64)
    if values.shape != sums.shape[1:]:
        raise StatsError(f"the statistic gave the shape {values.shape} for {sums.shape[1]} sets of sums")
    undefined = int((~np.isfinite(values)).sum())
    if undefined:
        raise StatsError(
            f"the statistic of {what} is not finite in {undefined} of {len(values)} cases; "
            "let it say what it is worth where its denominator is 0"
        )
    return values


def _bca_levels(value: float, drawn: FloatColumn, left_out: FloatColumn) -> list[float]:
    """Which quantiles of the draws are the ends of the BCa interval."""
    normal = NormalDist()
    below = (float((drawn < value).sum()) + 0.5 * float((drawn == value).sum())) / len(drawn)
    # All draws on one side would put the bias at infinity; half a draw is what can still be told apart.
    bias = normal.inv_cdf(min(max(below, 0.5 / len(drawn)), 1 - 0.5 / len(drawn)))
    deviations = left_out.mean() - left_out
    spread = float((deviations**2).sum())
    acceleration = float((deviations**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    levels = []
    for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        shift = bias + normal.inv_cdf(tail)
        stretch = 1 - acceleration * shift
        # Past the pole of the correction the quantile has run off the end that it was heading for.
        levels.append(normal.cdf(bias + shift / stretch) if stretch > 0 else float(shift > 0))
    return levels
