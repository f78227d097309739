from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.fdb_compare import RobustMode, paired_test, robust_values, student_t_p

VALUES = [3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 99.0]


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        pytest.param("none", VALUES, id="none"),
        pytest.param("trim", [3.0, *VALUES[2:11]], id="trim"),
        pytest.param("winsor", [3.0, 1.55, *VALUES[2:11], 50.6], id="winsor"),
        pytest.param("iqr", VALUES[:11], id="iqr"),
        pytest.param("mad", VALUES[:11], id="mad"),
        pytest.param("zscore", VALUES[:11], id="zscore"),
    ],
)
def test_robust_values(mode: RobustMode, kept: list[float]) -> None:
    assert robust_values(VALUES, mode) == pytest.approx(kept)


@pytest.mark.parametrize("mode", ["trim", "winsor", "iqr", "mad", "zscore"])
def test_few_or_equal_values_are_all_kept(mode: RobustMode) -> None:
    assert robust_values([1.0, 99.0, math.nan], mode) == [1.0, 99.0]
    assert robust_values([2.0, 2.0, 2.0], mode) == [2.0, 2.0, 2.0]
    assert robust_values([], mode) == []


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(UsageError, match="median"):
        robust_values([1.0], "median")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="zscore"):
        paired_test([1.0], [2.0], outliers="zscore")  # type: ignore[arg-type]


_REALS = st.integers(-500, 500).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.tuples(_REALS, _REALS), min_size=2, max_size=20))
def test_the_paired_test_is_scipys(pairs: list[tuple[float, float]]) -> None:
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    found = paired_test(before, after)
    changes = [round(b - a, 6) for a, b in pairs]
    if len(set(changes)) == 1:  # scipy warns of the loss of precision
        return
    expected: Any = stats.ttest_rel(after, before)
    interval = expected.confidence_interval(0.95)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9, rel=1e-7)
    assert (found.ci95_low, found.ci95_high) == pytest.approx((interval.low, interval.high), abs=1e-9)


@given(st.floats(-50, 50), st.integers(1, 200))
def test_p_values_are_scipys(t: float, df: int) -> None:
    # scipy rounds what is near zero to zero: at 1e-10 and one degree of freedom it is off by 6e-11.
    assert student_t_p(t, df) == pytest.approx(2 * float(stats.t.sf(abs(t), df)), abs=1e-9)


def test_p_values_at_the_ends() -> None:
    assert (student_t_p(0.0, 5), student_t_p(math.inf, 5)) == pytest.approx((1.0, 0.0), abs=1e-12)
    assert math.isnan(student_t_p(math.nan, 5))


def test_nan_and_outliers_are_left_out_and_counted() -> None:
    before = [1.0, 2.0, math.nan, 4.0, 5.0, 6.0]
    after = [1.5, 2.7, 1.0, 4.6, 5.4, 20.0]
    for rule, used in (("none", 5), ("mad", 4), ("iqr", 4)):
        found = paired_test(before, after, outliers=rule)  # type: ignore[arg-type]
        assert (found.n_raw, found.n_valid, found.n_used, found.df) == (6, 5, used, used - 1)
    assert found.mean_diff == pytest.approx(0.55)
    assert found.cohen_dz == pytest.approx(found.t / 2)


@pytest.mark.parametrize(("after", "t", "p"), [([2.0, 3.0], math.inf, 0.0), ([1.0, 2.0], math.nan, math.nan)])
def test_equal_differences(after: list[float], t: float, p: float) -> None:
    found = asdict(paired_test([1.0, 2.0], after))
    assert (found["t"], found["p"]) == pytest.approx((t, p), nan_ok=True, abs=1e-12)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param([1.0], [2.0], "not 1", id="one-pair"),
        pytest.param([], [], "not 0", id="no-pair"),
        pytest.param([1.0, math.nan], [2.0, 3.0], "not 1", id="one-valid-pair"),
        pytest.param([1.0, 2.0], [2.0], "2 and 1", id="lengths"),
    ],
)
def test_too_little_to_test(before: list[float], after: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        paired_test(before, after)
