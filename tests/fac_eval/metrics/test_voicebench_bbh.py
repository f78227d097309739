from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.voicebench_bbh import (
    BBH_TASKS,
    BbhAnswer,
    bbh_answer,
    bbh_score,
    bbh_task,
    normalise,
    reference_value,
)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        pytest.param('The **Answer**: "no", it-is.', "the answer no it is", id="punctuation"),
        pytest.param("是：的", "是 的", id="full-width-colon"),
        pytest.param("*one star*", "*one star*", id="single-stars-stay"),
        pytest.param("<2> Yes <|user|>", "yes", id="both-markers"),
        pytest.param("Yes<|user|> ", "yes<|user|>", id="suffix-not-at-the-end-stays"),
        pytest.param(" <1>Yes", "<1>yes", id="prefix-not-at-the-start-stays"),
        pytest.param("Ye<|turn_end|>s", "yes", id="turn-end-anywhere"),
        pytest.param("a\n\t b\u2003c", "a b c", id="whitespace-collapses"),
        pytest.param("it's!?", "it's!?", id="other-punctuation-stays"),
        pytest.param("", "", id="empty"),
    ],
)
def test_normalise(response: str, text: str) -> None:
    assert normalise(response) == text


@pytest.mark.parametrize(
    ("task", "response", "value"),
    [
        pytest.param("navigate", "The answer is no, wait, the answer is yes", 0, id="no-is-tested-first"),
        pytest.param("navigate", "the answer is yes; the answer is no", 0, id="no-first-wherever-it-stands"),
        pytest.param("navigate", "casino", 0, id="ends-inside-a-word"),
        pytest.param("web_of_lies", "Yesterday", 1, id="starts-inside-a-word"),
        pytest.param("web_of_lies", "So Tom must be lying", 1, id="must-be-lying-counts-as-yes"),
        pytest.param("web_of_lies", "So Tom is lying", 0, id="is-lying"),
        pytest.param("web_of_lies", "answer is Tom lies", 0, id="pattern"),
        pytest.param(
            "sports_understanding", "the sentence X is not plausible", 1, id="not-plausible-pattern"
        ),
        pytest.param("sports_understanding", "Not plausible.", 0, id="whole-text"),
        pytest.param("hyperbaton", "b", 0, id="bare-b-is-read-as-a"),
        pytest.param("hyperbaton", "B) x", 1, id="b-bracket"),
        pytest.param("hyperbaton", "(B)", None, id="brackets-alone"),
        pytest.param("hyperbaton", "the answer is about rivers", 0, id="no-word-boundary"),
        pytest.param("hyperbaton", "the answer is no", None, id="common-list-not-for-hyperbaton"),
        pytest.param("navigate", "", None, id="empty"),
        pytest.param("navigate", "不是", None, id="chinese"),
    ],
)
def test_bbh_answer(task: str, response: str, value: int | None) -> None:
    answer = bbh_answer(response, task=task)  # type: ignore[arg-type]
    assert answer.value == value
    assert (answer.rule is None) == (value is None)


@given(st.text(), st.sampled_from(BBH_TASKS))
def test_any_text_gives_zero_one_or_none(response: str, task: str) -> None:
    assert bbh_answer(response, task=task).value in (0, 1, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sample_id", "task"),
    [
        ("navigate_17", "navigate"),
        ("x-web_of_lies", "web_of_lies"),
        ("navigate_sports_understanding", "sports_understanding"),
    ],
    ids=["prefix", "suffix", "order-of-the-list"],
)
def test_bbh_task(sample_id: str, task: str) -> None:
    assert bbh_task(sample_id) == task


@pytest.mark.parametrize("sample_id", ["movie_recommendation_4", "Navigate_1", "", None])
def test_other_tasks_are_refused(sample_id: str) -> None:
    with pytest.raises(DataError, match="id"):
        bbh_task(sample_id)


@pytest.mark.parametrize(("reference", "value"), [("YES", 1), ("No", 0), ("(A)", 0), ("(b)", 1)])
def test_reference_value(reference: str, value: int) -> None:
    assert reference_value(reference) == value


@pytest.mark.parametrize("reference", ["A", "maybe", "", " yes", None])
def test_other_references_are_refused(reference: str) -> None:
    with pytest.raises(DataError, match="reference"):
        reference_value(reference)


def test_score_draws_in_item_order_and_counts() -> None:
    generator = random.Random(3)
    draws = [generator.choice([0, 1]) for _ in range(2)]
    names = {0: "no", 1: "yes"}
    answers = [BbhAnswer(None), BbhAnswer(1), BbhAnswer(0), BbhAnswer(None)]
    score = bbh_score(answers, [names[draws[0]], "(B)", "yes", names[1 - draws[1]]], seed=3)
    assert (score.total, score.unparsed, score.correct_parsed, score.correct_drawn) == (4, 2, 1, 1)
    assert (score.accuracy, score.strict_accuracy, score.fail) == (50.0, 25.0, 50.0)


@pytest.mark.parametrize(
    ("answers", "references"), [([], []), ([BbhAnswer(1)], [])], ids=["empty", "lengths"]
)
def test_sets_that_have_no_score(answers: list[BbhAnswer], references: list[str]) -> None:
    with pytest.raises(DataError):
        bbh_score(answers, references, seed=0)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UsageError, match="snarks"):
        bbh_answer("yes", task="snarks")  # type: ignore[arg-type]


def test_a_reply_that_is_not_text_is_refused() -> None:
    with pytest.raises(DataError, match="not text"):
        bbh_answer(None, task="navigate")  # type: ignore[arg-type]
