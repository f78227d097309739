"""Paired differences, effect sizes and what could have been shown, against scipy, the bootstrap and simulations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from fac_eval.stats import (
    Estimate,
    RatioSums,
    StatsError,
    composite,
    detectable_difference,
    effect_size,
    mcnemar_p,
    paired_bootstrap,
    paired_difference,
    paired_score_interval,
    paired_test,
    pairs_of,
)

Floats = npt.NDArray[np.float64]
VALUES = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=40)
BITS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=60)
RATIOS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 30), st.integers(0, 9), st.integers(1, 30)),
    min_size=3,
    max_size=30,
)


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def numbers(estimate: Estimate) -> list[float | None]:
    return [estimate.value, estimate.se, estimate.low, estimate.high]


@given(rows=VALUES, level=st.sampled_from([0.8, 0.95, 0.99]))
def test_means_get_scipys_paired_t_interval(rows: list[tuple[int, int]], level: float) -> None:
    first, second = (np.array(column) / 4 for column in zip(*rows, strict=True))
    estimate = paired_difference(pairs_of(first, second, proportion=False), level=level)
    differences = second - first
    assert estimate.value == pytest.approx(differences.mean(), abs=1e-12)
    assert estimate.se == pytest.approx(scipy_stats.sem(differences), rel=1e-9, abs=1e-12)
    assert estimate.method == "t"
    if differences.std() > 0:
        expected = scipy_stats.ttest_rel(second, first).confidence_interval(level)
        assert (estimate.low, estimate.high) == pytest.approx(
            (expected.low, expected.high), rel=1e-8, abs=1e-9
        )


@given(rows=BITS)
def test_shares_get_the_score_interval_and_mcnemars_test(rows: list[tuple[int, int]]) -> None:
    first, second = zip(*rows, strict=True)
    wins, losses = (sum(pair == change for pair in rows) for change in ((0, 1), (1, 0)))
    pairs = pairs_of(first, second)
    estimate = paired_difference(pairs)
    assert estimate.value == pytest.approx((wins - losses) / len(rows))
    assert (estimate.low, estimate.high) == paired_score_interval(wins, losses, len(rows))
    assert estimate.method == "paired-score"
    assert paired_test(pairs, rng=rng()) == (mcnemar_p(wins, losses), "mcnemar")


@given(rows=RATIOS, clustered=st.booleans())
def test_ratios_are_linearised(rows: list[tuple[int, int, int, int]], clustered: bool) -> None:
    xa, ya, xb, yb = (list(column) for column in zip(*rows, strict=True))
    labels = [index // 2 for index in range(len(rows))] if clustered else None
    pairs = pairs_of(xa, xb, reference_per=ya, candidate_per=yb, clusters=labels, proportion=False)
    estimate = paired_difference(pairs)
    expected = composite([(xb, yb), (xa, ya)], [1, -1], labels)
    assert numbers(estimate) == pytest.approx(numbers(expected), rel=1e-9, abs=1e-12)
    assert (estimate.n, estimate.clusters) == (expected.n, expected.clusters)


@given(rows=VALUES)
def test_a_side_against_itself_differs_by_nothing(rows: list[tuple[int, int]]) -> None:
    column = [first for first, _ in rows]
    pairs = pairs_of(column, column, proportion=False)
    assert numbers(paired_difference(pairs)) == [0, 0, 0, 0]
    assert paired_test(pairs, rng=rng()).p == 1.0
    assert effect_size(pairs) is None
    assert detectable_difference(pairs) is None


@given(rows=VALUES)
def test_turning_the_sides_round_turns_the_difference(rows: list[tuple[int, int]]) -> None:
    first, second = zip(*rows, strict=True)
    there, back = (
        paired_difference(pairs_of(*columns, proportion=False))
        for columns in ((first, second), (second, first))
    )
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))  # type: ignore[operator]


def test_pairing_is_what_makes_it_sharp() -> None:
    source = rng(1)
    hard = source.normal(0, 5, 300)
    first, second = hard + source.normal(0, 1, 300), hard + 0.5 + source.normal(0, 1, 300)
    paired = paired_difference(pairs_of(first, second))
    alone = [RatioSums().add(column).estimate().se for column in (first, second)]
    assert paired.se is not None
    assert paired.se < 0.3 * np.hypot(*alone)  # type: ignore[arg-type]


def test_clusters_widen_the_interval_and_weaken_the_test() -> None:
    source = rng(2)
    shift = np.repeat(source.normal(0.3, 1, 30), 10)
    first = source.normal(0, 0.1, 300)
    labels = [f"speaker {index // 10}" for index in range(300)]
    alone, shared = (pairs_of(first, first + shift, clusters=clusters) for clusters in (None, labels))
    narrow, wide = paired_difference(alone), paired_difference(shared)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.se == pytest.approx(np.repeat(shift[::10], 1).std(ddof=1) / np.sqrt(30), rel=1e-9)
    assert wide.se > 2 * narrow.se  # type: ignore[operator]
    assert (wide.method, wide.clusters) == ("clustered-t", 30)
    assert paired_test(shared, rng=rng()).p > paired_test(alone, rng=rng()).p


def test_yes_no_samples_in_clusters_are_not_given_to_mcnemar() -> None:
    labels = [index // 5 for index in range(50)]
    pairs = pairs_of([0] * 50, [1] * 40 + [0] * 10, clusters=labels)
    assert paired_difference(pairs).method == "clustered-t"
    tested = paired_test(pairs, rng=rng())
    assert tested.p == pytest.approx(2 / 2**8)
    assert tested.method == "permutation-exact"


@pytest.mark.parametrize("kind", ["means", "same words", "own words", "clustered"])
def test_the_bootstrap_agrees_with_the_formula(kind: str) -> None:
    source = rng(3)
    ya, yb = source.integers(5, 30, size=(2, 800)).astype(float)
    xa, xb = source.binomial(20, 0.1, 800).astype(float), source.binomial(20, 0.12, 800).astype(float)
    labels = [None if index % 7 == 0 else index // 4 for index in range(800)]
    pairs = {
        "means": pairs_of(xa, xb),
        "same words": pairs_of(xa, xb, reference_per=ya, candidate_per=ya),
        "own words": pairs_of(xa, xb, reference_per=ya, candidate_per=yb),
        "clustered": pairs_of(xa, xb, reference_per=ya, candidate_per=yb, clusters=labels),
    }[kind]
    formula, drawn = paired_difference(pairs), paired_bootstrap(pairs, rng=rng(), draws=4_000)
    assert drawn.value == pytest.approx(formula.value, rel=1e-9)
    assert drawn.se == pytest.approx(formula.se, rel=0.06)
    assert drawn.high - drawn.low == pytest.approx(formula.high - formula.low, rel=0.08)  # type: ignore[operator]
    assert drawn.clusters == formula.clusters


def test_the_bootstrap_is_scipys_paired_one() -> None:
    source = rng(4)
    first, second = source.lognormal(0, 1, size=(2, 60))
    drawn = paired_bootstrap(pairs_of(first, second), rng=rng(), draws=20_000)
    expected = scipy_stats.bootstrap(
        (first, second),
        lambda x, y, axis: (y - x).mean(axis=axis),
        paired=True,
        n_resamples=20_000,
        method="BCa",
        random_state=rng(5),
    ).confidence_interval
    assert (drawn.low, drawn.high) == pytest.approx((expected.low, expected.high), abs=0.03)


@given(rows=VALUES.filter(lambda rows: len({b - a for a, b in rows}) > 1))
def test_the_effect_size_is_cohens_d_of_the_pairs(rows: list[tuple[int, int]]) -> None:
    first, second = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    differences = second - first
    expected = differences.mean() / differences.std(ddof=1)
    assert effect_size(pairs_of(first, second, proportion=False)) == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize(("n", "power"), [(30, 0.8), (400, 0.8), (100, 0.9)])
def test_the_detectable_mean_difference_has_that_power_by_the_noncentral_t(n: int, power: float) -> None:
    differences = rng(6).normal(0, 2, n)
    pairs = pairs_of(np.zeros(n), differences)
    shown = detectable_difference(pairs, power=power)
    assert shown is not None
    noncentrality = shown / (differences.std(ddof=1) / np.sqrt(n))
    critical = scipy_stats.t.ppf(0.975, n - 1)
    assert scipy_stats.nct.sf(critical, n - 1, noncentrality) == pytest.approx(power, abs=0.01)


@pytest.mark.parametrize(("n", "changed"), [(500, 60), (500, 0), (2000, 400), (60, 12)])
def test_the_detectable_share_is_found_as_often_as_it_says(n: int, changed: int) -> None:
    first = np.zeros(n)
    second = first.copy()
    second[: changed // 2] = 1
    first[changed // 2 : changed] = 1
    shown = detectable_difference(pairs_of(first, second))
    assert shown is not None
    share = max(changed / n, shown)
    chances = [(share + shown) / 2, (share - shown) / 2, 1 - share]
    tables = rng(9).multinomial(n, chances, size=3_000)
    found = np.mean([mcnemar_p(wins, losses) <= 0.05 for wins, losses, _ in tables.tolist()])
    # The exact test is a little less powerful than the formula, which knows no steps.
    assert 0.68 < found < 0.84


def test_a_handful_of_samples_could_have_shown_nothing() -> None:
    assert detectable_difference(pairs_of([0, 1, 1], [0, 1, 1])) is None


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        pytest.param(pairs_of([], []), None, id="no pair"),
        pytest.param(pairs_of([1.0], [2.0], reference_per=[0.0], candidate_per=[1.0]), None, id="no words"),
        pytest.param(pairs_of([1.5], [2.0]), 0.5, id="one pair"),
        pytest.param(pairs_of([1.5, 2], [2.0, 4], clusters="aa"), 1.25, id="one cluster"),
    ],
)
def test_edges(pairs: object, value: float | None) -> None:
    estimate = paired_difference(pairs)  # type: ignore[arg-type]
    assert estimate.value == value
    assert (estimate.se, estimate.low, estimate.high) == (None, None, None)
    assert effect_size(pairs) is None  # type: ignore[arg-type]
    assert detectable_difference(pairs) is None  # type: ignore[arg-type]
    drawn = paired_bootstrap(pairs, rng=rng(), draws=100)  # type: ignore[arg-type]
    assert (drawn.value, drawn.low) == (value, None)


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(StatsError, match="candidate has 1 values for 2 samples"):
        pairs_of([1, 0], [1])
    with pytest.raises(StatsError, match=r"candidate_per\[1\] is -1.0"):
        pairs_of([1, 0], [1, 0], candidate_per=[1, -1])
    with pytest.raises(StatsError, match="no shares"):
        pairs_of([1, 2], [1, 0], proportion=True)
    with pytest.raises(StatsError, match="power"):
        detectable_difference(pairs_of([1, 0], [1, 0]), power=1.0)
