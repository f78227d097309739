"""Closed-form intervals against scipy, and the estimate that carries them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from fac_eval.stats import Estimate, StatsError, student_t_quantile, t_interval, wilson_interval

DEGREES = [1, 1.5, 2, 3, 4, 7, 10, 29, 49, 50, 99, 100, 101, 300, 1_000, 12_345, 100_000, 1_000_000]
PROBABILITIES = [1e-9, 0.001, 0.025, 0.3, 0.45, 0.6, 0.9, 0.95, 0.958, 0.975, 0.995, 0.9995, 1 - 1e-6]


@pytest.mark.parametrize("df", DEGREES)
def test_t_quantile_agrees_with_scipy(df: float) -> None:
    for p in PROBABILITIES:
        assert student_t_quantile(p, df) == pytest.approx(scipy_stats.t.ppf(p, df), rel=1e-9), p


@given(df=st.floats(1, 1e6), p=st.floats(0.51, 1 - 1e-9))
def test_t_quantile_inverts_the_distribution(df: float, p: float) -> None:
    t = student_t_quantile(p, df)
    assert scipy_stats.t.sf(t, df) == pytest.approx(1 - p, rel=1e-8)


@given(df=st.floats(1, 1e4), p=st.floats(1e-6, 0.5))
def test_t_quantile_is_odd_around_one_half(df: float, p: float) -> None:
    assert student_t_quantile(p, df) == pytest.approx(-student_t_quantile(1 - p, df), rel=1e-9)


def test_t_quantile_near_the_median_keeps_its_relative_precision() -> None:
    # The density of t on 4 degrees of freedom is 3/8 at 0.
    assert student_t_quantile(0.5 + 2**-30, 4) == pytest.approx(2**-30 / 0.375, rel=1e-12)
    assert student_t_quantile(0.5, 4) == 0


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_t_quantile_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(StatsError, match="between 0 and 1"):
        student_t_quantile(p, 5)


@pytest.mark.parametrize("df", [0, -1, 0.5, float("inf"), float("nan")])
def test_t_quantile_refuses_bad_degrees_of_freedom(df: float) -> None:
    with pytest.raises(StatsError, match="df"):
        student_t_quantile(0.975, df)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (1, 1000), (412, 541), (50_000, 100_000)]
)
def test_wilson_agrees_with_scipy(successes: int, n: int, level: float) -> None:
    expected = scipy_stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    low, high = wilson_interval(successes / n, n, level=level)
    assert low == pytest.approx(expected.low, rel=1e-11, abs=1e-15)
    assert high == pytest.approx(expected.high, rel=1e-11)


@given(proportion=st.floats(0, 1), n=st.floats(0.05, 1e9))
def test_wilson_contains_the_proportion_and_stays_between_0_and_1(proportion: float, n: float) -> None:
    low, high = wilson_interval(proportion, n)
    assert 0 <= low <= proportion <= high <= 1
    assert low < high


@pytest.mark.parametrize(
    ("proportion", "n"), [(-0.1, 5), (1.1, 5), (0.5, 0), (float("nan"), 5), (0.5, float("inf"))]
)
def test_wilson_refuses_what_is_no_proportion(proportion: float, n: float) -> None:
    with pytest.raises(StatsError, match="no Wilson interval"):
        wilson_interval(proportion, n)


def test_t_interval_agrees_with_scipy() -> None:
    expected = scipy_stats.t.interval(0.9, 11, loc=3.5, scale=0.25)
    assert t_interval(3.5, 0.25, 11, level=0.9) == pytest.approx(expected, rel=1e-12)


def test_a_level_outside_0_and_1_is_refused() -> None:
    with pytest.raises(StatsError, match="confidence level"):
        t_interval(1.0, 0.1, 5, level=95)


def test_scaled_changes_the_unit_of_every_number_but_the_counts() -> None:
    estimate = Estimate(0.5, 40, 0.1, 0.25, 0.75, "wilson", 8)
    assert estimate.scaled(100) == Estimate(50.0, 40, 10.0, 25.0, 75.0, "wilson", 8)


def test_scaled_by_a_negative_factor_swaps_the_ends() -> None:
    assert Estimate(1.0, 4, 0.5, 0.0, 3.0, "t").scaled(-2) == Estimate(-2.0, 4, 1.0, -6.0, 0.0, "t")


def test_scaled_leaves_what_is_unknown_unknown() -> None:
    assert Estimate.undefined(0).scaled(100) == Estimate(None, 0, None, None, None, "none")


def test_estimates_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Estimate.undefined(0).value = 1.0  # type: ignore[misc]
