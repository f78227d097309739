"""Permutation tests: all swaps against scipy's, grids against brute force, random swaps against all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from fac_eval.stats import StatsError, mcnemar_p, pairs_of, sign_flip_test, swap_test
from fac_eval.stats.mcnemar import Alternative

ALTERNATIVES = st.sampled_from(["two-sided", "less", "greater"])
STEPS = st.lists(st.integers(-6, 6), max_size=11)


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def brute_force(differences: list[float], alternative: Alternative) -> float:
    observed = sum(differences)
    sums = [
        sum(sign * abs(difference) for sign, difference in zip(signs, differences, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    slack = 1e-9
    if alternative == "two-sided":
        hits = sum(abs(value) >= abs(observed) - slack for value in sums)
    elif alternative == "less":
        hits = sum(value <= observed + slack for value in sums)
    else:
        hits = sum(value >= observed - slack for value in sums)
    return hits / len(sums)


@given(steps=STEPS, parts=st.sampled_from([1, 2, 3, 4]), alternative=ALTERNATIVES)
def test_differences_on_a_grid_are_tested_exactly(
    steps: list[int], parts: int, alternative: Alternative
) -> None:
    differences = [step / parts for step in steps]
    tested = sign_flip_test(differences, rng=rng(), alternative=alternative)
    assert tested.method == "permutation-exact"
    assert tested.p == pytest.approx(brute_force(differences, alternative), rel=1e-9)


@given(values=st.lists(st.floats(-3, 3), min_size=2, max_size=10), alternative=ALTERNATIVES)
def test_few_differences_of_any_size_are_those_of_scipy(
    values: list[float], alternative: Alternative
) -> None:
    differences = np.round(values, 6) + 1e-4 * np.pi
    expected = scipy_stats.permutation_test(
        (differences, np.zeros(len(differences))),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        alternative=alternative,
        n_resamples=np.inf,
    )
    tested = sign_flip_test(differences, rng=rng(), alternative=alternative)
    # scipy doubles the smaller tail, which for this symmetrical statistic is the same up to ties.
    assert tested.method == "permutation-exact"
    assert tested.p == pytest.approx(min(1.0, expected.pvalue), abs=1e-9)


@given(wins=st.integers(0, 60), losses=st.integers(0, 60), alternative=ALTERNATIVES)
def test_the_test_of_right_and_wrong_is_mcnemars(wins: int, losses: int, alternative: Alternative) -> None:
    differences = [1.0] * wins + [-1.0] * losses + [0.0] * 5
    tested = sign_flip_test(differences, rng=rng(), alternative=alternative)
    assert tested.p == pytest.approx(mcnemar_p(wins, losses, alternative), rel=1e-9)


def test_random_swaps_agree_with_all_of_them() -> None:
    differences = rng(1).integers(-4, 6, size=60).astype(float)
    exact = sign_flip_test(differences, rng=rng())
    drawn = sign_flip_test(differences * np.pi, rng=rng(), draws=40_000)
    assert (exact.method, drawn.method) == ("permutation-exact", "permutation")
    assert drawn.p == pytest.approx(exact.p, abs=4 * (exact.p * (1 - exact.p) / 40_000) ** 0.5)


def test_random_swaps_never_give_zero_and_depend_on_the_seed_alone() -> None:
    differences = 1 + rng(1).random(200)
    assert sign_flip_test(differences, rng=rng(), draws=999).p == 1 / 1000
    spread = rng(2).normal(0.05, 1, 300)
    assert sign_flip_test(spread, rng=rng()) == sign_flip_test(spread, rng=rng())
    assert sign_flip_test(spread, rng=rng()) != sign_flip_test(spread, rng=rng(4))


def test_no_difference_at_all_shows_nothing() -> None:
    assert sign_flip_test([0.0, 0.0], rng=rng()).p == 1.0


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_the_ratio_of_sums_is_tested_over_all_swaps_of_numerators_and_denominators(
    alternative: Alternative,
) -> None:
    source = rng(8)
    xa, xb = source.integers(0, 5, size=(2, 9)).astype(float)
    ya, yb = source.integers(5, 12, size=(2, 9)).astype(float)
    observed = xb.sum() / yb.sum() - xa.sum() / ya.sum()
    values = []
    for swap in itertools.product((False, True), repeat=9):
        keep = ~np.array(swap)
        first, second = np.where(keep, xa, xb), np.where(keep, xb, xa)
        first_per, second_per = np.where(keep, ya, yb), np.where(keep, yb, ya)
        values.append(second.sum() / second_per.sum() - first.sum() / first_per.sum())
    found = np.array(values)
    hits = {
        "two-sided": np.abs(found) >= abs(observed) - 1e-12,
        "less": found <= observed + 1e-12,
        "greater": found >= observed - 1e-12,
    }
    pairs = pairs_of(xa, xb, reference_per=ya, candidate_per=yb)
    tested = swap_test(pairs, rng=rng(), alternative=alternative)
    assert tested.p == pytest.approx(hits[alternative].mean())
    assert tested.method == "permutation-exact"


def test_errors_over_the_same_words_are_tested_exactly() -> None:
    source = rng(9)
    words = source.integers(3, 30, size=400).astype(float)
    first, second = source.binomial(words.astype(int), 0.1, size=(2, 400)).astype(float)
    pairs = pairs_of(first, second, reference_per=words, candidate_per=words)
    tested = swap_test(pairs, rng=rng())
    assert tested.method == "permutation-exact"
    assert tested.p == pytest.approx(sign_flip_test(second - first, rng=rng()).p)


def test_whole_clusters_are_swapped() -> None:
    # Ten sources of twenty equal samples each: 200 changed samples tell no more than ten coins.
    labels = np.repeat(np.arange(10), 20)
    pairs = pairs_of(np.zeros(200), np.ones(200), clusters=labels)
    assert swap_test(pairs, rng=rng()).p == pytest.approx(2 / 2**10)


def test_a_swap_that_leaves_no_denominator_counts_as_extreme() -> None:
    pairs = pairs_of([1.0, 0.0], [0.0, 1.0], reference_per=[1.0, 0.0], candidate_per=[0.0, 1.0])
    assert swap_test(pairs, rng=rng()).p == 1.0


def test_sides_without_a_figure_are_refused() -> None:
    with pytest.raises(StatsError, match="denominators"):
        swap_test(pairs_of([1.0], [1.0], reference_per=[0.0], candidate_per=[1.0]), rng=rng())
    with pytest.raises(StatsError, match=r"contributions\[0\] is nan"):
        sign_flip_test([np.nan], rng=rng())


def test_false_alarms_are_as_rare_as_promised() -> None:
    source = rng(10)
    alarms = [sign_flip_test(source.normal(0, 1, 40), rng=source, draws=199).p <= 0.05 for _ in range(600)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.03)
