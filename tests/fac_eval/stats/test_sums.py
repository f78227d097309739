"""Means, proportions and ratios: exact merging, textbook formulas, defined behaviour at the edges."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from fac_eval.stats import Estimate, RatioSums, StatsError, wilson_interval

MAGNITUDES = st.just(0.0) | st.floats(1e-100, 1e100)
VALUES = MAGNITUDES | MAGNITUDES.map(lambda value: -value)
DENOMINATORS = MAGNITUDES
LABELS = st.none() | st.sampled_from(["a", "b", "c"])
ROWS = st.lists(st.tuples(VALUES, DENOMINATORS, LABELS), min_size=1, max_size=15)
BITS = st.lists(st.integers(0, 1), min_size=1, max_size=40)


def sums_of(rows: list[tuple[float, float, str | None]]) -> RatioSums:
    return RatioSums().add([x for x, _, _ in rows], [y for _, y, _ in rows], [label for _, _, label in rows])


def known(*numbers: float | None) -> list[float]:
    assert None not in numbers
    return [number for number in numbers if number is not None]


@given(rows=ROWS, data=st.data())
def test_shards_in_any_order_merge_to_exactly_the_sums_of_one_pass(rows: Any, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    merged = RatioSums()
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        merged.merge(sums_of(shuffled[start:stop]))
    assert merged == sums_of(rows)
    assert merged.estimate(proportion=False) == sums_of(rows).estimate(proportion=False)


@given(bits=BITS, cut=st.integers(0, 40))
def test_merged_proportions_are_bit_identical(bits: list[int], cut: int) -> None:
    merged = RatioSums().add(bits[cut:]).merge(RatioSums().add(bits[:cut]))
    assert merged.estimate() == RatioSums().add(bits).estimate()


def test_sums_survive_the_way_between_processes() -> None:
    sums = RatioSums().add([0.1, 2.0], [3, 4], ["a", None])
    assert pickle.loads(pickle.dumps(sums)) == sums


@given(values=st.lists(st.floats(1, 1e6), min_size=2, max_size=20))
def test_mean_agrees_with_the_textbook(values: list[float]) -> None:
    estimate = RatioSums().add(values).estimate(proportion=False)
    spread = max(abs(value) for value in values)
    expected_se = scipy_stats.sem(values)
    assert estimate.value == pytest.approx(math.fsum(values) / len(values), rel=1e-14)
    assert estimate.se == pytest.approx(expected_se, rel=1e-9, abs=1e-14 * spread)
    margin = scipy_stats.t.ppf(0.975, len(values) - 1) * expected_se
    low, value, high = known(estimate.low, estimate.value, estimate.high)
    assert (value - low, high - value) == pytest.approx((margin, margin), rel=1e-8, abs=1e-12 * spread)
    assert (estimate.method, estimate.n, estimate.clusters) == ("t", len(values), None)


@given(bits=BITS)
def test_proportion_gets_the_wilson_interval(bits: list[int]) -> None:
    estimate = RatioSums().add(bits).estimate()
    expected = scipy_stats.binomtest(sum(bits), len(bits)).proportion_ci(method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert estimate.method == "wilson"


def test_variance_survives_a_mean_that_dwarfs_it() -> None:
    values = 1e15 + np.array([1.0, 2.0, 3.0, 4.0])
    assert RatioSums().add(values).estimate().se == pytest.approx(math.sqrt(5 / 3 / 4), rel=1e-15)


def test_ratio_of_sums_agrees_with_the_delta_method_written_out() -> None:
    errors, words = np.array([0.0, 2, 1, 5, 0]), np.array([4.0, 9, 3, 11, 7])
    estimate = RatioSums().add(errors, words).estimate()
    ratio = errors.sum() / words.sum()
    expected_se = (errors - ratio * words).std(ddof=1) / words.mean() / math.sqrt(5)
    assert (estimate.value, estimate.se) == pytest.approx((ratio, expected_se), rel=1e-13)
    margin = scipy_stats.t.ppf(0.975, 4) * expected_se
    assert (estimate.low, estimate.high) == pytest.approx((ratio - margin, ratio + margin), rel=1e-10)
    assert estimate.method == "delta"


def test_a_sample_without_denominator_still_counts_its_errors() -> None:
    assert RatioSums().add([1, 2], [10, 0]).estimate().value == 0.3


def test_clustered_mean_agrees_with_the_sandwich_written_out() -> None:
    values, speakers = np.array([1.0, 2, 4, 4, 5, 9]), ["a", "a", "b", "b", "b", "c"]
    estimate = RatioSums().add(values, clusters=speakers).estimate()
    residuals = values - values.mean()
    scores = np.array([residuals[:2].sum(), residuals[2:5].sum(), residuals[5:].sum()])
    expected_se = math.sqrt(3 / 2 * (scores**2).sum()) / 6
    margin = scipy_stats.t.ppf(0.975, 2) * expected_se
    assert estimate.se == pytest.approx(expected_se, rel=1e-13)
    assert (estimate.low, estimate.high) == pytest.approx(
        (values.mean() - margin, values.mean() + margin), rel=1e-10
    )
    assert (estimate.method, estimate.n, estimate.clusters) == ("clustered-t", 6, 3)


def test_clustered_ratio_equals_the_ratio_of_the_cluster_sums() -> None:
    clustered = RatioSums().add([1, 2, 0, 3, 1], [5, 6, 7, 8, 9], ["a", "b", "a", "c", "b"]).estimate()
    collapsed = RatioSums().add([1, 3, 3], [12, 15, 8]).estimate()
    assert (clustered.value, clustered.se, clustered.low) == (collapsed.value, collapsed.se, collapsed.low)
    assert (clustered.method, clustered.clusters) == ("clustered-delta", 3)


@given(rows=st.lists(st.tuples(VALUES, DENOMINATORS), min_size=1, max_size=12))
def test_clusters_of_one_sample_change_nothing(rows: list[tuple[float, float]]) -> None:
    x, y = [x for x, _ in rows], [y for _, y in rows]
    alone = RatioSums().add(x, y).estimate()
    labelled = RatioSums().add(x, y, range(len(rows))).estimate()
    assert (labelled.value, labelled.se) == (alone.value, alone.se)
    assert (labelled.low, labelled.high, labelled.clusters) == (alone.low, alone.high, len(rows))


@given(bits=BITS)
def test_clusters_of_one_sample_change_no_proportion(bits: list[int]) -> None:
    alone = RatioSums().add(bits).estimate()
    labelled = RatioSums().add(bits, clusters=range(len(bits))).estimate()
    assert (labelled.value, labelled.se, labelled.low, labelled.high) == (
        alone.value,
        alone.se,
        alone.low,
        alone.high,
    )


@given(rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=1, max_size=40))
def test_clustered_proportion_stays_between_0_and_1_and_is_never_surer_than_unclustered(
    rows: list[tuple[int, int]],
) -> None:
    bits, labels = [bit for bit, _ in rows], [label for _, label in rows]
    estimate = RatioSums().add(bits, clusters=labels).estimate()
    alone = RatioSums().add(bits).estimate()
    low, value, high = known(estimate.low, estimate.value, estimate.high)
    alone_low, alone_high = known(alone.low, alone.high)
    assert 0 <= low <= value <= high <= 1
    assert low <= alone_low + 1e-12
    assert high >= alone_high - 1e-12


def test_alike_samples_of_a_cluster_count_as_about_one() -> None:
    firsts = [1, 0, 1, 1, 0, 1, 1, 0, 1, 1]
    tenfold = RatioSums().add(np.repeat(firsts, 10), clusters=np.repeat(np.arange(10), 10)).estimate()
    single = RatioSums().add(firsts).estimate()
    assert tenfold.se == pytest.approx(single.se, rel=1e-12)
    low, high, single_low, single_high = known(tenfold.low, tenfold.high, single.low, single.high)
    assert high - low == pytest.approx(single_high - single_low, rel=0.15)


def test_clustered_proportion_is_wilson_at_the_effective_sample_size_written_out() -> None:
    bits, speakers = [1, 1, 1, 0, 0, 0, 1, 1, 1, 1], ["a", "a", "a", "b", "b", "b", "c", "c", "d", "d"]
    estimate = RatioSums().add(bits, clusters=speakers).estimate()
    scores = np.array([3 * 0.3, 3 * -0.7, 2 * 0.3, 2 * 0.3])
    variance = 4 / 3 * (scores**2).sum() / 100
    design_effect = variance / (0.7 * 0.3 / 9)
    shrinkage = (scipy_stats.t.ppf(0.975, 9) / scipy_stats.t.ppf(0.975, 3)) ** 2
    expected = wilson_interval(0.7, 10 / design_effect * shrinkage)
    assert estimate.se == pytest.approx(math.sqrt(variance), rel=1e-13)
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-10)
    assert (estimate.method, estimate.clusters) == ("clustered-wilson", 4)


def test_clusters_without_any_difference_are_no_surer_than_independent_samples() -> None:
    estimate = RatioSums().add([1, 0, 1, 0, 1, 0], clusters=list("aabbcc")).estimate()
    alone = RatioSums().add([1, 0, 1, 0, 1, 0]).estimate()
    assert (estimate.low, estimate.high, estimate.se) == (alone.low, alone.high, 0.0)


def test_all_right_in_clusters_is_as_sure_as_one_sample_a_cluster() -> None:
    estimate = RatioSums().add([1] * 12, clusters=["a", "b", "c"] * 4).estimate()
    expected = RatioSums().add([1, 1, 1]).estimate()
    assert (estimate.low, estimate.high, estimate.se) == (expected.low, 1.0, 0.0)


def test_samples_without_a_label_are_units_of_their_own() -> None:
    mixed = RatioSums().add([1, 2, 3, 4], clusters=["a", "a", None, None]).estimate()
    assert mixed.clusters == 3
    assert mixed == RatioSums().add([1, 2, 3, 4], clusters=["a", "a", "b", "c"]).estimate()
    assert RatioSums().add([1, 2], clusters=[None, None]) == RatioSums().add([1, 2])


@given(rows=ROWS, power=st.integers(-20, 20))
def test_scaling_the_values_scales_the_figure(rows: Any, power: int) -> None:
    factor = 2.0**power
    scaled = sums_of([(x * factor, y, label) for x, y, label in rows])
    assert scaled.estimate(proportion=False) == sums_of(rows).estimate(proportion=False).scaled(factor)


@pytest.mark.parametrize(
    ("sums", "expected"),
    [
        pytest.param(RatioSums(), Estimate.undefined(0), id="nothing added"),
        pytest.param(RatioSums().add([], [], []), Estimate.undefined(0), id="empty columns added"),
        pytest.param(RatioSums().add([3], [0]), Estimate.undefined(1), id="denominators sum to zero"),
        pytest.param(RatioSums().add([4.5]), Estimate(4.5, 1, None, None, None, "t"), id="one rating"),
        pytest.param(RatioSums().add([1], [4]), Estimate(0.25, 1, None, None, None, "delta"), id="one ratio"),
        pytest.param(
            RatioSums().add([1.5, 2.5], clusters=["a", "a"]),
            Estimate(2.0, 2, None, None, None, "clustered-t", 1),
            id="one cluster",
        ),
        pytest.param(RatioSums().add([0.1] * 9), Estimate(0.1, 9, 0.0, 0.1, 0.1, "t"), id="no spread"),
    ],
)
def test_edges_are_defined(sums: RatioSums, expected: Estimate) -> None:
    assert sums.estimate() == expected


def test_one_yes_or_no_has_a_wilson_interval_but_no_standard_error() -> None:
    estimate = RatioSums().add([True]).estimate()
    expected = scipy_stats.binomtest(1, 1).proportion_ci(method="wilson")
    assert (estimate.value, estimate.se, estimate.high) == (1.0, None, 1.0)
    assert estimate.low == pytest.approx(expected.low, rel=1e-12)


def test_ratings_that_happen_to_be_ones_are_no_proportion_if_so_said() -> None:
    sums = RatioSums().add([1, 1, 1])
    assert sums.estimate().method == "wilson"
    assert sums.estimate(proportion=False) == Estimate(1.0, 3, 0.0, 1.0, 1.0, "t")


@pytest.mark.parametrize("sums", [RatioSums().add([1, 2]), RatioSums().add([1, 0], [1, 2])])
def test_what_is_no_proportion_cannot_be_called_one(sums: RatioSums) -> None:
    with pytest.raises(StatsError, match="no proportion"):
        sums.estimate(proportion=True)


@pytest.mark.parametrize(
    ("columns", "message", "position"),
    [
        pytest.param({"x": [1, 2, math.nan]}, r"x\[2\] is nan", 2, id="nan"),
        pytest.param({"x": [1, None]}, r"x\[1\] is nan", 1, id="none"),
        pytest.param({"x": [-math.inf]}, r"x\[0\] is -inf", 0, id="infinite"),
        pytest.param({"x": [1, 2], "y": [1, math.inf]}, r"y\[1\] is inf", 1, id="infinite denominator"),
        pytest.param({"x": [1, 2], "y": [1, -3]}, r"y\[1\] is -3.0", 1, id="negative denominator"),
        pytest.param({"x": [1, 2], "y": [1]}, "y has 1 values for 2 samples", None, id="short y"),
        pytest.param({"x": [[1, 2]]}, "one column", None, id="two dimensions"),
        pytest.param({"x": ["good"]}, "not a column of numbers", None, id="words"),
        pytest.param({"x": [1, 2], "clusters": ["a"]}, "1 labels for 2 samples", None, id="short clusters"),
        pytest.param({"x": [1, 2], "clusters": ["a", math.nan]}, r"clusters\[1\] is nan", 1, id="nan label"),
        pytest.param({"x": [1], "clusters": [["a"]]}, r"clusters\[0\] is \['a'\]", 0, id="unhashable label"),
    ],
)
def test_bad_input_is_refused_by_position_and_leaves_the_sums_alone(
    columns: dict[str, Any], message: str, position: int | None
) -> None:
    sums = RatioSums().add([1, 2])
    with pytest.raises(StatsError, match=message) as caught:
        sums.add(**columns)
    assert caught.value.position == position
    assert sums == RatioSums().add([1, 2])


def coverage(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in (known(e.low, e.high) for e in estimates)]))


def test_coverage_of_clustered_intervals_is_near_its_level() -> None:
    rng = np.random.default_rng(20)
    speakers = np.repeat(np.arange(12), 6)
    ratings, bits, naive = [], [], []
    for _ in range(400):
        values = (rng.normal(size=12)[speakers] + rng.normal(size=72)).round(3)
        ratings.append(RatioSums().add(values, clusters=speakers).estimate())
        naive.append(RatioSums().add(values).estimate())
        right = rng.random(72) < rng.beta(4, 2, size=12)[speakers]
        bits.append(RatioSums().add(right, clusters=speakers).estimate())
    assert coverage(ratings, 0) == pytest.approx(0.95, abs=0.03)
    assert coverage(bits, 2 / 3) == pytest.approx(0.95, abs=0.03)
    assert coverage(naive, 0) < 0.85


def test_coverage_of_the_ratio_interval_is_near_its_level() -> None:
    rng = np.random.default_rng(21)
    estimates = []
    for _ in range(400):
        words = rng.integers(3, 30, size=80)
        estimates.append(RatioSums().add(rng.binomial(words, rng.beta(2, 8, size=80)), words).estimate())
    assert coverage(estimates, 0.2) == pytest.approx(0.95, abs=0.03)
