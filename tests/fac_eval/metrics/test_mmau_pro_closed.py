from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.mmau_pro_closed import (
    ClosedMetrics,
    closed_metrics,
    has_options,
    match_option,
    match_options,
)


def _letters(texts: Sequence[str]) -> list[list[int]]:
    return [[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


def test_the_nearest_option_is_taken() -> None:
    match = match_option("a cat", ["a dog", "a cat"], _letters)
    assert (match.index, match.text) == (1, "a cat")
    assert match.confidence == pytest.approx(100, abs=1e-3)


def test_a_reply_without_a_vector_takes_the_first_option() -> None:
    match = match_option("123", ["a dog", "a cat"], _letters)
    assert (match.index, match.confidence) == (0, 0.0)


def test_equals_take_the_first() -> None:
    assert match_option("loop", ["pool", "polo", "loop"], _letters).index == 0


def test_many_replies_need_one_call_with_each_text_once() -> None:
    calls: list[list[str]] = []

    def embed(texts: Sequence[str]) -> list[list[int]]:
        calls.append(list(texts))
        return _letters(texts)

    matches = match_options(["dog", "cat", "dog"], [["cat", "dog"], ["cat", "dog"], ["owl", "dog"]], embed)
    assert [match.text for match in matches] == ["dog", "cat", "dog"]
    assert calls == [["dog", "cat", "owl"]]
    assert match_options([], [], embed) == []
    assert len(calls) == 1


@given(st.lists(st.text(alphabet="abcxyz", max_size=6), min_size=2, max_size=5), st.data())
def test_batches_change_nothing(choices: list[str], data: st.DataObject) -> None:
    predictions = data.draw(st.lists(st.sampled_from([*choices, "xyz"]), min_size=1, max_size=4))
    together = match_options(predictions, [choices] * len(predictions), _letters)
    assert together == [match_option(prediction, choices, _letters) for prediction in predictions]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        pytest.param([[1.0, 0.0]], "1 vectors for 2 texts", id="too-few"),
        pytest.param([1.0, 2.0], "shape", id="flat"),
        pytest.param([[1.0], [math.nan]], "NaN", id="nan"),
    ],
)
def test_a_broken_embedding_is_refused(vectors: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        match_option("a", ["a", "b"], lambda texts: vectors)


def test_bad_lists_are_refused() -> None:
    with pytest.raises(DataError, match="1 replies but 0"):
        match_options(["a"], [], _letters)
    with pytest.raises(DataError, match="no options"):
        match_option("a", [], _letters)
    with pytest.raises(DataError, match="1 answers but 2"):
        closed_metrics(["a"], ["a", "b"])


def test_options_are_two_at_least() -> None:
    assert [has_options(choices) for choices in (None, [], ["a"], ["a", "b"])] == [False, False, False, True]


def test_metrics() -> None:
    assert closed_metrics([], []) == ClosedMetrics(0.0, 0.0, 0.0, 0.0)
    assert closed_metrics(["a", "b"], ["a", "b"]) == ClosedMetrics(1.0, 1.0, 1.0, 1.0)
    metrics = closed_metrics(["a", "b", "b"], ["a", "a", "c"])
    assert metrics.accuracy == metrics.recall == pytest.approx(1 / 3)
    assert metrics.precision == pytest.approx(1 / 6)
    assert metrics.f1 == pytest.approx(2 / 9)
