from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.mmsu import (
    Match,
    MmsuItem,
    MmsuVerdict,
    mmsu_score,
    mmsu_verdicts,
    official_letter,
    resolved_option,
)

OPTIONS = ["male", "female", "child", "robot"]


def _item(response: str | None, answer: str = "male") -> MmsuItem:
    return MmsuItem(response, OPTIONS, answer, "Perception", "Linguistics")


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        pytest.param("A", "A", id="letter"),
        pytest.param("(B)", "B", id="brackets"),
        pytest.param("Answer: B", "A", id="first-letter-of-a-word"),
        pytest.param("The answer is B.", "B", id="last-but-one"),
        pytest.param("The answer is B", None, id="no-full-stop"),
        pytest.param("(B)text", None, id="letter-and-text"),
        pytest.param("**B**", None, id="bold"),
        pytest.param("b", None, id="small"),
        pytest.param("x\nA\n.", "A", id="line-breaks-join"),
        pytest.param("Ａ", None, id="full-width"),
    ],
)
def test_official_letter(response: str, letter: str | None) -> None:
    assert official_letter(response) == letter


def test_official_inherits_and_leaves_out() -> None:
    items = [_item(response) for response in ("A", "", "b", "The answer is B.", None, "None")]
    verdicts = mmsu_verdicts(items, match="official")
    assert [verdict.letter for verdict in verdicts] == ["A", "A", None, "B", None, "B"]
    assert [verdict.counted for verdict in verdicts] == [True, True, False, True, False, True]
    score = mmsu_score(items, verdicts)
    assert (score.counted.correct, score.counted.total, score.left_out, score.inherited) == (2, 4, 2, 2)
    assert score.counted.accuracy == 50
    assert score.strict_accuracy == pytest.approx(100 / 3)
    assert (
        score.sub_categories["Perception", "Linguistics"].total == score.categories["Perception"].total == 4
    )


def test_official_cannot_inherit_from_nothing() -> None:
    with pytest.raises(DataError, match="empty reply"):
        mmsu_verdicts([_item("zzz"), _item("None")], match="official")


def test_official_fixed_counts_all_and_inherits_nothing() -> None:
    items = [_item(response) for response in ("A", "", "b", None, "None")]
    verdicts = mmsu_verdicts(items, match="official_fixed")
    assert [verdict.correct for verdict in verdicts] == [True, False, False, False, False]
    assert mmsu_score(items, verdicts).counted.accuracy == 20


@pytest.mark.parametrize(
    ("response", "letter", "text"),
    [
        pytest.param("(B)female", "B", "female", id="letter-and-text"),
        pytest.param(' **"C.** x', "C", "child", id="decorated"),
        pytest.param("D", "D", "robot", id="alone"),
        pytest.param("Not (A) but (D), I think", "D", "robot", id="last-brackets"),
        pytest.param("A child", None, "child", id="article-is-no-letter"),
        pytest.param("  ROBOT!", None, "robot", id="option-text"),
        pytest.param("It is a robot speaking", None, "robot", id="only-option-held"),
        pytest.param("Female", None, "female", id="equal-goes-before-held"),
        pytest.param("a child or a robot", None, None, id="two-held"),
        pytest.param("a female voice", None, None, id="male-is-in-female"),
        pytest.param("", None, None, id="empty"),
        pytest.param("...", None, None, id="punctuation"),
        pytest.param("答案是(C)。", "C", "child", id="chinese"),
    ],
)
def test_resolved_option(response: str, letter: str | None, text: str | None) -> None:
    assert resolved_option(response, OPTIONS) == (letter, text)


def test_options_that_are_not_there() -> None:
    choices = ["yes", None, "maybe", None]
    assert resolved_option("(B)", choices) == ("B", None)
    assert resolved_option("None", choices) == (None, None)
    assert resolved_option("none", ["yes", "None", "no", None]) == (None, "None")
    item = MmsuItem("(B)", choices, None)
    assert not mmsu_verdicts([item], match="option_resolved")[0].correct
    assert mmsu_verdicts([item], match="official")[0].correct  # official: nothing equals nothing


def test_a_repeated_option_is_right_under_either_letter() -> None:
    for response in ("(A)", "(C)", "x"):
        verdict = mmsu_verdicts([MmsuItem(response, ["x", "y", "x", "z"], "x")], match="option_resolved")[0]
        assert verdict.correct


@given(st.lists(st.text(max_size=20) | st.none(), max_size=5), st.sampled_from(get_args(Match)))
def test_each_reply_has_a_verdict(responses: list[str | None], match: Match) -> None:
    items = [_item("A"), *map(_item, responses)]
    verdicts = mmsu_verdicts(items, match=match)
    assert len(verdicts) == len(items)
    assert not any(verdict.correct and not verdict.counted for verdict in verdicts)
    if match != "official":
        assert all(verdict.counted and not verdict.inherited for verdict in verdicts)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="mine"):
        mmsu_verdicts([], match="mine")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="2 options"):
        mmsu_verdicts([MmsuItem("A", ["x", "y"], "x")], match="official_fixed")
    with pytest.raises(DataError, match="empty set"):
        mmsu_score([], [])
    with pytest.raises(DataError, match="1 items but 2"):
        mmsu_score([_item("A")], [MmsuVerdict(correct=True, letter="A")] * 2)
