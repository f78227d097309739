from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UnknownName, UsageError
from fac_eval.metrics.mmau import (
    Match,
    MmauItem,
    bare_option,
    is_match,
    mmau_score,
    opening_option,
    string_match,
)

CLERK = ["A clerk", "A singer", "The cook"]
ANIMALS = ["Dog barking", "Cat meowing", "Owl hooting"]


@pytest.mark.parametrize(
    ("answer", "prediction", "choices", "right"),
    [
        pytest.param("Dog barking", "a DOG is Barking!", ANIMALS, True, id="extra-words"),
        pytest.param("Dog barking", "barking dog", ANIMALS, True, id="order-lost"),
        pytest.param("Dog barking", "Dog barking, not Cat meowing", ANIMALS, False, id="negated-still-named"),
        pytest.param("Dog barking", "Dog", ANIMALS, False, id="word-missing"),
        pytest.param("Dog barking", "", ANIMALS, False, id="empty"),
        pytest.param("", "", ["", "x"], False, id="empty-reply-before-empty-answer"),
        pytest.param("", "word", ["", "x"], True, id="empty-answer"),
        pytest.param("1.5", "1, 5", ["1.5", "2.5"], True, id="decimal-splits"),
        pytest.param("two", "two or five", ["two", "five"], False, id="two-options"),
        pytest.param("red blue", "blue red", ["red blue", "blue, red"], True, id="same-words-same-option"),
        pytest.param("kitchen", "kitchen sink", ["kitchen", "kitchen sink"], False, id="longer-option"),
        pytest.param("狗叫", "是狗叫", ["狗叫", "猫叫"], False, id="chinese-run-is-one-word"),
        pytest.param("snake_case", "snake case", ["snake_case", "x"], False, id="underscore-joins"),
    ],
)
def test_string_match(answer: str, prediction: str, choices: list[str], right: bool) -> None:
    assert string_match(answer, prediction, choices) is right


@pytest.mark.parametrize(
    ("prediction", "right_by"),
    [
        pytest.param("Cat meowing", "official option_resolved", id="text"),
        pytest.param("(B)Cat meowing", "official official_prefixed option_resolved", id="letter-and-text"),
        pytest.param("(B) Cat", "option_resolved", id="letter-and-part"),
        pytest.param("B", "option_resolved", id="letter"),
        pytest.param(' **"B.** ', "option_resolved", id="decorated-letter"),
        pytest.param("(A) Cat meowing", "official", id="wrong-letter-right-text"),
        pytest.param("I hear Cat meowing (B)", "official official_prefixed option_resolved", id="sentence"),
        pytest.param("", "", id="empty"),
    ],
)
def test_variants(prediction: str, right_by: str) -> None:
    matches: list[Match] = ["official", "official_prefixed", "option_resolved"]
    got = {
        match for match in matches if is_match(prediction, answer="Cat meowing", choices=ANIMALS, match=match)
    }
    assert got == set(right_by.split())


def test_the_prefixed_variant_needs_the_letter() -> None:
    def right(prediction: str) -> bool:
        return is_match(prediction, answer="Cat meowing", choices=ANIMALS, match="official_prefixed")

    assert right("(B) Cat meowing")
    assert right("B. Cat meowing")
    assert not right("Cat meowing")
    assert not right("(A) Cat meowing")


def test_the_prefixed_variant_takes_either_letter_of_a_repeated_option() -> None:
    for prediction, right in [("(A) drum", True), ("(C) drum", True), ("(B) drum", False)]:
        assert (
            is_match(prediction, answer="drum", choices=["drum", "flute", "drum"], match="official_prefixed")
            is right
        )


def test_an_answer_outside_the_options_is_refused() -> None:
    with pytest.raises(DataError, match="none of the options"):
        is_match("x", answer="y", choices=["x"], match="official_prefixed")
    with pytest.raises(UsageError, match="mine"):
        is_match("x", answer="x", choices=["x"], match="mine")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prediction", "option"),
    [
        pytest.param("(B)text", "A singer", id="brackets"),
        pytest.param("C: because", "The cook", id="colon"),
        pytest.param("B", "A singer", id="alone"),
        pytest.param("* (B) text", "A singer", id="bullet"),
        pytest.param("B_*", "A singer", id="trailing-marks"),
        pytest.param("A clerk", None, id="article"),
        pytest.param("(D) text", None, id="beyond-the-options"),
        pytest.param("b", None, id="small"),
        pytest.param("The answer is (B)", None, id="not-at-the-start"),
        pytest.param("", None, id="empty"),
    ],
)
def test_opening_option(prediction: str, option: str | None) -> None:
    assert opening_option(prediction, CLERK) == option


@given(st.text(), st.lists(st.text(max_size=10), min_size=1, max_size=5))
def test_any_reply_has_a_verdict(prediction: str, choices: list[str]) -> None:
    assert isinstance(is_match(prediction, answer=choices[0], choices=choices), bool)
    assert isinstance(is_match(prediction, answer=choices[0], choices=choices, match="option_resolved"), bool)


@pytest.mark.parametrize("bad", [None, 3])
def test_what_is_no_text_is_refused(bad: object) -> None:
    with pytest.raises(DataError, match="not text"):
        string_match("a", bad, ["a"])  # type: ignore[arg-type]


def test_hub_options_lose_their_prefix() -> None:
    assert bare_option("(B) A singer") == bare_option("A singer") == "A singer"


def test_score() -> None:
    score = mmau_score(
        [
            MmauItem("sound", "easy", "Scene", correct=True),
            MmauItem("sound", "hard", None, correct=False),
            MmauItem("music", "easy", "Chord", correct=True),
        ]
    )
    assert (score.total.printed, score.total.total, score.total.correct) == ("66.67", 3, 2)
    assert {name: count.printed for name, count in score.task.items()} == {
        "sound": "50.00",
        "music": "100.00",
        "speech": "0.00",
    }
    assert score.task["speech"].accuracy is None
    assert score.macro is None
    assert set(score.sub_category) == {"Scene", "Chord"}
    assert score.difficulty["easy"].accuracy == 100


def test_macro_is_the_mean_of_the_domains() -> None:
    items = [MmauItem(task, "easy", None, correct=task == "music") for task in ("sound", "music", "speech")]
    assert mmau_score(items * 2).macro == pytest.approx(100 / 3)


def test_groups_that_the_data_does_not_have_are_refused() -> None:
    with pytest.raises(UnknownName, match="noise"):
        mmau_score([MmauItem("noise", "easy", None, correct=True)])
    with pytest.raises(UnknownName, match="extreme"):
        mmau_score([MmauItem("music", "extreme", None, correct=True)])
    with pytest.raises(DataError, match="empty set"):
        mmau_score([])
