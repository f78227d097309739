"""Figures made of figures: linearisation on the same samples, addition over disjoint subsets."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.stats import (
    Estimate,
    RatioSums,
    StatsError,
    bootstrap_interval,
    combine_independent,
    composite,
)

Floats = npt.NDArray[np.float64]

BITS = st.lists(st.integers(0, 1), min_size=1, max_size=30)
ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30)), min_size=2, max_size=20)


def approx(estimate: Estimate) -> object:
    return pytest.approx([estimate.value, estimate.se, estimate.low, estimate.high], rel=1e-9, abs=1e-12)


def numbers(estimate: Estimate) -> list[float | None]:
    return [estimate.value, estimate.se, estimate.low, estimate.high]


@given(rows=ROWS, clustered=st.booleans())
def test_one_part_is_the_ratio_itself(rows: list[tuple[int, int]], clustered: bool) -> None:
    x, y = [x for x, _ in rows], [y for _, y in rows]
    labels = [index // 2 for index in range(len(rows))] if clustered else None
    alone = RatioSums().add(x, y, labels).estimate(proportion=False)
    estimate = composite([(x, y)], clusters=labels)
    if alone.se is None:
        assert estimate.value == pytest.approx(alone.value)
        assert estimate.se is None
    else:
        assert numbers(estimate) == approx(alone)
    assert (estimate.n, estimate.clusters) == (alone.n, alone.clusters)


@given(rows=ROWS)
def test_the_same_part_twice_is_no_surer_than_once(rows: list[tuple[int, int]]) -> None:
    part = ([x for x, _ in rows], [y for _, y in rows])
    assert numbers(composite([part, part])) == approx(composite([part]))


@given(rows=ROWS)
def test_a_part_less_itself_is_nothing(rows: list[tuple[int, int]]) -> None:
    part = ([x for x, _ in rows], [y for _, y in rows])
    assert numbers(composite([part, part], [1, -1])) == pytest.approx([0, 0, 0, 0], abs=1e-9)


def test_four_rates_with_two_denominators_agree_with_the_bootstrap() -> None:
    rng = np.random.default_rng(11)
    checks = rng.integers(1, 4, size=541)
    strict = rng.binomial(checks, rng.beta(3, 1, size=541))
    loose = np.minimum(strict + rng.binomial(1, 0.1, size=541), checks)
    ones = np.ones(541)
    parts = [(strict == checks, ones), (strict, checks), (loose == checks, ones), (loose, checks)]
    estimate = composite(parts)

    def final(sums: Floats) -> Floats:
        strict_prompt, strict_check, loose_prompt, loose_check, prompts, checked = sums
        total = (strict_prompt + loose_prompt) / prompts + (strict_check + loose_check) / checked
        return np.asarray(total / 4)

    columns = [x for x, _ in parts] + [ones, checks]
    expected = bootstrap_interval(final, columns, rng=rng, draws=4_000)
    assert estimate.value == pytest.approx(expected.value, rel=1e-12)
    assert estimate.se == pytest.approx(expected.se, rel=0.05)
    assert (estimate.method, estimate.n, estimate.clusters) == ("delta", 541, None)


def test_clusters_of_one_sample_change_no_composite() -> None:
    parts = [([1, 0, 1], [1, 1, 1]), ([2, 1, 3], [3, 3, 3])]
    alone = composite(parts)
    assert dataclasses.replace(composite(parts, clusters="abc"), method="delta", clusters=None) == alone


def test_parts_on_disjoint_samples_agree_with_independent_figures() -> None:
    rng = np.random.default_rng(12)
    hard, easy = rng.random(400), rng.random(600)
    zeros, ones = np.zeros, np.ones
    together = composite(
        [
            (np.r_[hard, zeros(600)], np.r_[ones(400), zeros(600)]),
            (np.r_[zeros(400), easy], np.r_[zeros(400), ones(600)]),
        ],
        [0.25, 0.75],
    )
    apart = combine_independent(
        [RatioSums().add(hard).estimate(), RatioSums().add(easy).estimate()], [0.25, 0.75]
    )
    assert together.value == pytest.approx(apart.value, rel=1e-12)
    assert together.se == pytest.approx(apart.se, rel=0.01)
    assert (together.low, together.high) == pytest.approx((apart.low, apart.high), rel=0.001)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([([], [])], Estimate.undefined(0), id="no samples"),
        pytest.param([([1], [1]), ([0], [0])], Estimate.undefined(1), id="a part without denominators"),
        pytest.param([([1], [2])], Estimate(0.5, 1, None, None, None, "delta"), id="one sample"),
    ],
)
def test_edges_of_composites_are_defined(
    parts: list[tuple[list[int], list[int]]], expected: Estimate
) -> None:
    assert composite(parts) == expected


def test_bad_composites_are_refused() -> None:
    with pytest.raises(StatsError, match="nothing to combine"):
        composite([])
    with pytest.raises(StatsError, match="weights has 1 values for 2"):
        composite([([1], [1]), ([1], [1])], [1.0])
    with pytest.raises(StatsError, match=r"parts\[1\].x has 1 values for 2 samples"):
        composite([([1, 0], [1, 1]), ([1], [1])])
    with pytest.raises(StatsError, match=r"parts\[0\].y\[1\] is nan"):
        composite([([1, 0], [1, math.nan])])


def test_variances_of_independent_figures_add_up() -> None:
    first, second = Estimate(10.0, 5, 3.0, 4.0, 16.0, "t"), Estimate(20.0, 7, 4.0, 12.0, 28.0, "t", 3)
    assert combine_independent([first, second], [1, 1]) == Estimate(30.0, 12, 5.0, 20.0, 40.0, "combined", 8)
    assert combine_independent([first, second], [1, -1]) == Estimate(
        -10.0, 12, 5.0, -20.0, 0.0, "combined", 8
    )


@given(bits=BITS)
def test_one_figure_combined_is_itself(bits: list[int]) -> None:
    alone = RatioSums().add(bits).estimate()
    combined = combine_independent([alone])
    assert combined.value == alone.value
    assert (combined.low, combined.high) == pytest.approx((alone.low, alone.high), abs=1e-15)


@given(subsets=st.lists(BITS, min_size=1, max_size=8))
def test_an_overall_of_rates_stays_between_0_and_1_and_has_a_width(subsets: list[list[int]]) -> None:
    overall = combine_independent([RatioSums().add(bits).estimate() for bits in subsets])
    assert overall.value is not None
    assert overall.low is not None
    assert overall.high is not None
    assert -1e-12 <= overall.low <= overall.value <= overall.high <= 1 + 1e-12
    assert overall.high - overall.low > 0.01


def test_one_undefined_figure_leaves_the_overall_undefined() -> None:
    known = RatioSums().add([1, 0]).estimate()
    assert combine_independent([known, Estimate.undefined(0)]) == Estimate.undefined(2)


def test_one_figure_without_interval_leaves_the_overall_without() -> None:
    known, single = RatioSums().add([1, 2, 4]).estimate(), RatioSums().add([3.5]).estimate()
    overall = combine_independent([known, single], [3, 1])
    assert (overall.value, overall.n) == (10.5, 4)
    assert (overall.se, overall.low, overall.high) == (None, None, None)


def test_bad_combinations_are_refused() -> None:
    figure = RatioSums().add([1, 0]).estimate()
    with pytest.raises(StatsError, match="nothing to combine"):
        combine_independent([])
    with pytest.raises(StatsError, match=r"weights\[0\] is inf"):
        combine_independent([figure], [math.inf])


def test_coverage_of_an_overall_of_rates_is_near_its_level() -> None:
    rng = np.random.default_rng(13)
    chances = [0.97, 0.8, 0.5]
    hits = 0
    for _ in range(400):
        overall = combine_independent(
            [RatioSums().add(rng.random(40) < chance).estimate() for chance in chances]
        )
        assert overall.low is not None
        assert overall.high is not None
        hits += overall.low <= sum(chances) / 3 <= overall.high
    assert hits / 400 == pytest.approx(0.95, abs=0.03)
