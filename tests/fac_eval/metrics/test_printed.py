from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.printed import (
    printed,
    printed_mean_grade,
    printed_mean_rating,
    printed_overall,
    printed_percent,
)

_SHOWN = st.decimals(0, 100, places=2).map(str)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("42.785", "42.79", id="half-to-even-would-go-down"),
        pytest.param("46.885", "46.89", id="binary-float-would-go-down"),
        pytest.param("46.884999", "46.88", id="below-half"),
        pytest.param("0", "0.00", id="zero"),
        pytest.param("100", "100.00", id="hundred"),
    ],
)
def test_a_half_is_rounded_up(value: str, text: str) -> None:
    assert printed(Decimal(value)) == text


@pytest.mark.parametrize(
    ("scores", "overall"),
    [
        pytest.param(["61.87", "78.33", "49.51", "48.52"], "59.56", id="published"),
        pytest.param(["74.00", "47.39", "30.08", "38.83"], "47.58", id="published-half"),
        pytest.param(["50.00", None, "60.00", "70.00"], None, id="missing"),
        pytest.param([], None, id="none-at-all"),
    ],
)
def test_overall(scores: list[str | None], overall: str | None) -> None:
    assert printed_overall(scores) == overall


@given(st.lists(_SHOWN, min_size=1, max_size=6))
def test_overall_lies_within_its_terms(scores: list[str]) -> None:
    overall = printed_overall(scores)
    assert overall is not None
    assert min(map(Decimal, scores)) <= Decimal(overall) <= max(map(Decimal, scores))


def test_counts_become_figures() -> None:
    assert printed_percent(235, 300) == "78.33"
    assert printed_percent(1, 800) == "0.13"  # 0.125
    assert printed_mean_rating(1225, 198) == "61.87"
    assert printed_mean_grade(297, 202) == "29.41"


def test_nothing_has_no_mean() -> None:
    with pytest.raises(DataError, match="0 items"):
        printed_percent(0, 0)
