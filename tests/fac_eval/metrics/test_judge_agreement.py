from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fac_eval.errors import DataError
from fac_eval.metrics.judge_agreement import (
    agreement,
    agreement_by_category,
    average_ranks,
    cohen_kappa,
    kendall,
    mean_ratings,
    mean_shift,
    objections,
    score_match,
    spearman,
)

_SCORES = st.integers(1, 5).map(float) | st.sampled_from([1.5, math.inf])
_PAIRS = st.lists(st.tuples(_SCORES, _SCORES), min_size=2, max_size=12)


def _columns(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [left for left, _ in pairs], [right for _, right in pairs]


def _close(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, abs_tol=1e-9)


@given(_PAIRS)
def test_spearman_is_scipys(pairs: list[tuple[float, float]]) -> None:
    left, right = _columns(pairs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of constant input
        assert _close(spearman(left, right), float(stats.spearmanr(left, right).statistic))


@given(_PAIRS)
def test_kendall_is_scipys(pairs: list[tuple[float, float]]) -> None:
    left, right = _columns(pairs)
    assert _close(kendall(left, right), float(stats.kendalltau(left, right).statistic))


@given(st.lists(st.integers(0, 4), min_size=1))
def test_ranks_are_scipys(values: list[float]) -> None:
    assert average_ranks(values) == stats.rankdata(values).tolist()


@pytest.mark.parametrize("correlation", [spearman, kendall])
def test_a_constant_or_undefined_side_has_no_correlation(correlation: Any) -> None:
    assert math.isnan(correlation([1, 2, 3], [4, 4, 4]))
    assert math.isnan(correlation([1, 2, math.nan], [1, 2, 3]))


@pytest.mark.parametrize("measure", [spearman, kendall, cohen_kappa])
@pytest.mark.parametrize(("left", "right"), [([], []), ([1, 2], [1])])
def test_lists_must_pair_up(measure: Any, left: list[int], right: list[int]) -> None:
    with pytest.raises(DataError, match="equally long"):
        measure(left, right)


def test_kappa() -> None:
    left, right = ["y"] * 25 + ["n"] * 25, ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(left, right) == pytest.approx(0.4)
    assert cohen_kappa(["a", "b"], ["a", "b"]) == 1
    assert cohen_kappa(["a", "b"], ["b", "a"]) == -1
    assert math.isnan(cohen_kappa(["a", "a"], ["a", "a"]))


R1 = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
R2 = {"a": 2.0, "b": 1.0, "c": 3.0}
JUDGE = {"a": 1.0, "b": 3.0, "c": 2.0, "x": 5.0}


def test_agreement_uses_common_items() -> None:
    found = agreement([R1, {}, R2], JUDGE)
    assert found.human_human.values == pytest.approx((0.5,))
    assert found.human_judge.values == pytest.approx((0.5, -0.5))
    assert found.human_judge.mean == pytest.approx(0.0)
    assert found.average_judge.n == 3
    assert found.average_judge.rho == pytest.approx(spearman([1.5, 1.5, 3.0], [1, 3, 2]))


def test_fewer_than_two_common_items_give_none() -> None:
    found = agreement([R1], {"a": 4.0})
    assert (found.human_human.n, found.human_human.mean) == (0, None)
    assert (found.human_judge.n, found.average_judge) == (0, (1, None))


def test_one_undefined_pair_makes_the_mean_undefined() -> None:
    found = agreement([R1, R2, {"a": 3.0, "b": 3.0}], JUDGE)
    assert found.human_human.n == 3
    assert found.human_human.mean is not None
    assert math.isnan(found.human_human.mean)


def test_by_category() -> None:
    found = agreement_by_category([R1, R2], JUDGE, {"a": "one", "b": "one", "c": "two", "x": "two"})
    assert list(found) == ["one", "two"]
    assert found["one"].human_human.values == pytest.approx((-1.0,))
    assert found["two"].average_judge == (1, None)


def test_mean_ratings_shift_and_match() -> None:
    assert mean_ratings([R1, R2]) == {"a": 1.5, "b": 1.5, "c": 3.0, "d": 4.0}
    assert mean_shift(JUDGE, R1) == pytest.approx(0.0)
    assert mean_shift({"a": 3.0}, {"a": 1.0, "b": 1.0}) == 2.0
    assert mean_shift({"a": 3.0}, {}) is None
    assert score_match(JUDGE, {"a": 1.0, "b": 2.0, "c": 4.0, "z": 1.0}) == (3, 1, 2)


GOOD = agreement([R1, R2], {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})


def test_a_judge_that_agrees_passes() -> None:
    assert objections(GOOD, failure_share=0.0199, out_of_range=0) == []


@pytest.mark.parametrize(
    ("found", "failure_share", "out_of_range", "reason"),
    [
        pytest.param(agreement([R1, R2], JUDGE), 0.0, 0, "agrees with people at 0.000", id="correlation"),
        pytest.param(GOOD, 0.02, 0, "2.0% of its answers failed", id="failures"),
        pytest.param(GOOD, 0.0, 1, "out of range", id="range"),
        pytest.param(agreement([R1], JUDGE), 0.0, 0, "too few", id="one-rater"),
    ],
)
def test_objections(found: Any, failure_share: float, out_of_range: int, reason: str) -> None:
    (only,) = objections(found, failure_share=failure_share, out_of_range=out_of_range)
    assert reason in only
