"""Rates of several checks a sample: intervals within [0, 1], as wide as the samples allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.stats import RatioSums, bounded, wilson_interval

checks = st.lists(
    st.integers(1, 4).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=40
)


@given(checks)
def test_the_interval_contains_the_rate_and_stays_in_range(pairs: list[tuple[int, int]]) -> None:
    estimate = bounded(RatioSums().add([x for x, _ in pairs], [y for _, y in pairs]).estimate())
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high > estimate.low


def test_where_all_samples_agree_the_width_is_that_of_as_many_samples() -> None:
    estimate = bounded(RatioSums().add([3, 2, 1], [3, 2, 1]).estimate())
    assert (estimate.low, estimate.high) == pytest.approx(wilson_interval(1.0, 3))


def test_one_check_a_sample_is_nearly_the_plain_proportion() -> None:
    values = [1] * 30 + [0] * 70
    plain = RatioSums().add(values).estimate()
    rate = bounded(RatioSums().add(values, [1] * 100).estimate(proportion=False))
    assert rate.low == pytest.approx(plain.low, abs=2e-3)
    assert rate.high == pytest.approx(plain.high, abs=2e-3)


def test_a_rate_above_one_is_left_alone() -> None:
    estimate = RatioSums().add([3, 4], [2, 2]).estimate()
    assert bounded(estimate) == estimate
