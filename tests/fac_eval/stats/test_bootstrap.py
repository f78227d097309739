"""The bootstrap: agreement with formulas and with scipy, determinism, refusals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as scipy_stats

from fac_eval.stats import Estimate, RatioSums, StatsError, bootstrap_interval

Floats = npt.NDArray[np.float64]


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[0] / sums[1])


def first(sums: Floats) -> Floats:
    return np.asarray(sums[0])


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def columns() -> tuple[Floats, Floats]:
    source = rng(1)
    words = source.integers(3, 30, size=300).astype(float)
    return source.binomial(words.astype(int), 0.1).astype(float), words


@pytest.mark.parametrize("decimals", [0, 12], ids=["few distinct rows", "every row distinct"])
def test_agrees_with_the_delta_method_on_a_large_sample(decimals: int) -> None:
    values = rng(2).normal(10, 2, size=2_000).round(decimals)
    ones = np.ones(2_000)
    estimate = bootstrap_interval(ratio, [values, ones], rng=rng(), draws=4_000)
    expected = RatioSums().add(values).estimate()
    assert estimate.value == pytest.approx(expected.value, rel=1e-12)
    assert estimate.se == pytest.approx(expected.se, rel=0.05)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert (estimate.method, estimate.n, estimate.clusters) == ("bootstrap", 2_000, None)


def test_is_the_bca_interval_of_scipy_on_skewed_data() -> None:
    values = rng(3).lognormal(0, 0.9, size=40)
    estimate = bootstrap_interval(lambda sums: sums[0] / 40, [values], rng=rng(), draws=20_000)
    result = scipy_stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", random_state=rng(8))
    percentile = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=2_000, method="percentile", random_state=rng(8)
    )
    assert estimate.low == pytest.approx(result.confidence_interval.low, rel=0.02)
    assert estimate.high == pytest.approx(result.confidence_interval.high, rel=0.04)
    assert estimate.high != pytest.approx(percentile.confidence_interval.high, rel=0.04)


def test_the_seed_decides_and_the_order_of_samples_does_not(columns: tuple[Floats, Floats]) -> None:
    errors, words = columns
    shuffled = rng(4).permutation(len(errors))
    one = bootstrap_interval(ratio, [errors, words], rng=rng(), draws=500)
    assert bootstrap_interval(ratio, [errors[shuffled], words[shuffled]], rng=rng(), draws=500) == one
    assert bootstrap_interval(ratio, [errors, words], rng=rng(8), draws=500) != one


def test_clusters_are_drawn_whole(columns: tuple[Floats, Floats]) -> None:
    errors, words = columns
    speakers = [f"speaker {index % 50}" for index in range(300)]
    clustered = bootstrap_interval(ratio, [errors, words], clusters=speakers, rng=rng(), draws=500)
    collapsed = [column.reshape(6, 50).sum(axis=0) for column in (errors, words)]
    by_hand = bootstrap_interval(ratio, collapsed, rng=rng(), draws=500)
    assert (clustered.value, clustered.se, clustered.low) == (by_hand.value, by_hand.se, by_hand.low)
    assert (clustered.method, clustered.n, clustered.clusters) == ("clustered-bootstrap", 300, 50)


def test_many_samples_are_drawn_in_bounded_chunks() -> None:
    values = rng(5).random(30_000)
    shapes = []

    def watched(sums: Floats) -> Floats:
        shapes.append(sums.shape)
        return np.asarray(sums[0])

    bootstrap_interval(watched, [values], rng=rng(), draws=100)
    chunks = shapes[1:-1]
    assert len(chunks) > 1
    assert sum(count for _, count in chunks) == 100


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], Estimate.undefined(0), id="nothing"),
        pytest.param([3.0], Estimate(3.0, 1, None, None, None, "bootstrap"), id="one sample"),
        pytest.param([2.0] * 5, Estimate(10.0, 5, 0.0, 10.0, 10.0, "bootstrap"), id="no spread"),
    ],
)
def test_edges_are_defined(values: list[float], expected: Estimate) -> None:
    assert bootstrap_interval(first, [values], rng=rng()) == expected


def test_draws_that_equal_the_value_lie_on_both_sides_of_it() -> None:
    estimate = bootstrap_interval(first, [[-1.0, -1.0, 1.0, 1.0]], rng=rng())
    assert (estimate.low, estimate.high) == (-4.0, 4.0)


def test_draws_on_one_side_of_the_value_still_give_a_finite_interval() -> None:
    values = rng(6).normal(size=50)

    def closeness(sums: Floats) -> Floats:
        return np.asarray(-np.abs(sums[0] - values.sum()).round(9))

    estimate = bootstrap_interval(closeness, [values], rng=rng(), draws=500)
    assert estimate.value == 0
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low <= estimate.high <= 0


def test_a_statistic_that_is_undefined_for_some_resamples_is_refused() -> None:
    with pytest.raises(StatsError, match="resampled sums is not finite in"):
        bootstrap_interval(ratio, [[1, 0, 0, 1], [1, 0, 0, 1]], rng=rng())


def test_a_statistic_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(StatsError, match="shape"):
        bootstrap_interval(lambda sums: sums, [[1, 2]], rng=rng())


@pytest.mark.parametrize(
    ("columns", "draws", "message"),
    [
        pytest.param([], 1_000, "at least one column", id="no column"),
        pytest.param([[1, 2]], 10, "too few", id="few draws"),
        pytest.param([[1, 2], [1]], 1_000, r"columns\[1\] has 1 values", id="unequal columns"),
        pytest.param([[1, float("nan")]], 1_000, r"columns\[0\]\[1\] is nan", id="nan"),
    ],
)
def test_bad_input_is_refused(columns: list[list[float]], draws: int, message: str) -> None:
    with pytest.raises(StatsError, match=message):
        bootstrap_interval(first, columns, rng=rng(), draws=draws)
