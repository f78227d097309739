"""Scores as columns, and the figures made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.scores import Metric, ScoreTable
from fac_eval.stats import RatioSums

ROWS = [
    {"value": 1.0, "label": "A", "parts": {"errors": 1.0, "words": 4.0}},
    {"value": 0.0, "parts": {"errors": 2.0, "words": 2.0, "late": 7.0}},
    {"value": 1.0, "label": "A", "parts": {"words": 4.0}},
]


def test_parts_become_columns_with_zero_where_a_score_lacks_one() -> None:
    table = ScoreTable(ROWS)
    assert table.n == 3
    assert table.labels == ["A", None, "A"]
    assert table.column("value").tolist() == [1, 0, 1]
    assert table.column("errors").tolist() == [1, 2, 0]
    assert table.column("late").tolist() == [0, 7, 0]
    assert table.column("never").tolist() == [0, 0, 0]


def test_columns_are_copies() -> None:
    table = ScoreTable(ROWS)
    table.column("value")[0] = 99
    assert table.column("value")[0] == 1


def test_a_mean_and_a_ratio_of_sums() -> None:
    table = ScoreTable(ROWS)
    accuracy = table.figure(Metric("accuracy", main=True))
    wer = table.figure(Metric("WER", of="errors", per="words", higher_is_better=False))
    assert accuracy.value == pytest.approx(200 / 3)
    assert accuracy.method == "wilson"
    assert wer.value == pytest.approx(30.0)
    assert not wer.higher_is_better


def test_ratings_that_all_happen_to_be_one_are_no_proportion() -> None:
    table = ScoreTable([{"value": 1.0}] * 5)
    assert table.figure(Metric("rating", scale=1, unit="1-5")).method == "t"
    assert table.figure(Metric("accuracy")).method == "wilson"


def test_shares_of_several_checks_stay_in_range() -> None:
    rows = [
        {"value": 0.0, "parts": {"passed": 3.0, "checks": 3.0}},
        {"value": 0.0, "parts": {"passed": 2.0, "checks": 2.0}},
    ]
    figure = ScoreTable(rows).figure(Metric("passed", of="passed", per="checks", share=True))
    assert figure.high == 100.0
    assert figure.low is not None
    assert 0 < figure.low < 100


def test_samples_that_share_a_source_widen_the_interval() -> None:
    alone = [{"value": float(i % 2)} for i in range(40)]
    shared = [{**row, "cluster": f"c{i % 2}-{i // 8}"} for i, row in enumerate(alone)]
    narrow, wide = (ScoreTable(rows).estimate() for rows in (alone, shared))
    assert narrow.value == wide.value
    assert wide.clusters == 10
    assert wide.high - wide.low > narrow.high - narrow.low  # type: ignore[operator]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=40), st.integers(1, 39))
def test_shards_merge_exactly(pairs: list[tuple[int, int]], cut: int) -> None:
    rows = [{"value": 0.0, "parts": {"x": float(x), "y": float(y)}} for x, y in pairs]
    whole = ScoreTable(rows).estimate("x", "y")
    sums = RatioSums()
    for part in (rows[:cut], rows[cut:]):
        table = ScoreTable(part)
        if table.n:
            sums.merge(RatioSums().add(table.column("x"), table.column("y")))
    assert sums.estimate() == whole


def test_a_table_of_many_rows_is_compact() -> None:
    table = ScoreTable({"value": 1.0, "label": "yes", "parts": {"a": float(i)}} for i in range(10_000))
    assert len({id(label) for label in table.labels}) == 1
    assert table.column("a").dtype == np.float64
