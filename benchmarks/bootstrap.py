"""10,000 bootstrap draws of paired differences: 30 tasks, 2 models, 2,000 samples each.

A third of the tasks are right-or-wrong, a third ratings and a third word error rates; each gets its BCa interval from
`fac_eval.stats.paired_bootstrap`, as `fac-eval compare --bootstrap` does. The alternative is `scipy.stats.bootstrap`
on one task of each kind, scaled to thirty. Beside them: the interval by formula and the test that every comparison
makes.

    python benchmarks/bootstrap.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from _measure import machine, print_table
from scipy import stats as scipy_stats

from fac_eval.stats import Pairs, paired_bootstrap, paired_difference, paired_test, pairs_of

KINDS = ("right or wrong", "ratings", "word errors")


def made_up(kind: str, n: int, rng: np.random.Generator) -> Pairs:
    """Two models' scores on `n` samples."""
    if kind == "right or wrong":
        return pairs_of(*rng.integers(0, 2, (2, n)))
    if kind == "ratings":
        return pairs_of(*rng.integers(1, 6, (2, n)))
    words = rng.integers(3, 40, n).astype(float)
    return pairs_of(*rng.binomial(words.astype(int), 0.1, (2, n)), reference_per=words, candidate_per=words)


def by_scipy(pairs: Pairs, draws: int, rng: np.random.Generator) -> None:
    """The same interval, the usual way."""
    scipy_stats.bootstrap(
        (pairs.xa, pairs.xb, pairs.ya),
        lambda xa, xb, y, axis: (xb - xa).sum(axis=axis) / y.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=draws,
        batch=1000,
        method="BCa",
        random_state=rng,
    )


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(kind: str, tasks: int, samples: int, draws: int) -> tuple[float, float, float]:
    """Seconds of our draws, of scipy's, and of the formula with the test, over all tasks of a kind."""
    rng = np.random.default_rng(0)
    pairs = [made_up(kind, samples, rng) for _ in range(tasks)]
    drawn = seconds(lambda: [paired_bootstrap(one, rng=rng, draws=draws) for one in pairs])
    usual = tasks * seconds(lambda: by_scipy(pairs[0], draws, rng))
    formula = seconds(lambda: [(paired_difference(one), paired_test(one, rng=rng)) for one in pairs])
    return drawn, usual, formula


def main() -> None:
    """Print the seconds of each kind and of all together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=10_000)
    given = parser.parse_args()
    each = given.tasks // len(KINDS)
    found = [measured(kind, each, given.samples, given.draws) for kind in KINDS]
    rows = [(f"{each} x {kind}", *_cells(*times)) for kind, times in zip(KINDS, found, strict=True)]
    totals = [sum(column) for column in zip(*found, strict=True)]
    print(f"{machine()}\n{given.samples:,} samples a task, {given.draws:,} draws; seconds\n")
    header = ("tasks", "bootstrap", "scipy", "ratio", "formula and test")
    print_table(header, [*rows, ("all", *_cells(*totals))])


def _cells(drawn: float, usual: float, formula: float) -> tuple[str, ...]:
    return f"{drawn:.2f}", f"{usual:.2f}", f"{drawn / usual:.3f}", f"{formula:.3f}"


if __name__ == "__main__":
    main()
