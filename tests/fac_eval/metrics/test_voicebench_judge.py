from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.voicebench_judge import (
    RatingRule,
    majority_vote,
    parse_rating,
    parse_yes_no,
    rating_score,
    vote_score,
    yes_no_score,
)


@pytest.mark.parametrize(
    ("reply", "official", "ultraeval", "lmms"),
    [
        pytest.param("4", 4.0, 4.0, 4.0, id="digit"),
        pytest.param(" 4.5\n", 4.5, 4.5, 4.5, id="decimal-and-blanks"),
        pytest.param("-3", -3.0, -3.0, 3.0, id="negative"),
        pytest.param("1e1", 10.0, 10.0, 1.0, id="exponent"),
        pytest.param("5_0", 50.0, 50.0, 5.0, id="underscore"),
        pytest.param("４", 4.0, 4.0, 4.0, id="full-width"),
        pytest.param("inf", math.inf, math.inf, None, id="infinity"),
        pytest.param("[[2]] of [[5]]", 2.0, None, 2.0, id="first-brackets"),
        pytest.param("[[4.5]]", None, None, 4.5, id="decimal-in-brackets"),
        pytest.param("[[ 4 ]]", None, None, 4.0, id="blanks-in-brackets"),
        pytest.param("4/5", None, None, 4.0, id="fraction"),
        pytest.param("Score: 4", None, None, 4.0, id="words"),
        pytest.param("**4**", None, None, 4.0, id="bold"),
        pytest.param("", None, None, None, id="empty"),
        pytest.param("五", None, None, None, id="chinese-numeral"),
    ],
)
def test_rating(reply: str, official: float | None, ultraeval: float | None, lmms: float | None) -> None:
    assert parse_rating(reply) == parse_rating(reply, rule="kimi") == official
    assert parse_rating(reply, rule="ultraeval") == ultraeval
    assert parse_rating(reply, rule="lmms") == lmms


@given(st.text(), st.sampled_from(get_args(RatingRule)))
def test_any_text_has_a_rating_or_none(reply: str, rule: RatingRule) -> None:
    assert isinstance(parse_rating(reply, rule=rule), float | None)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UsageError, match="mine"):
        parse_rating("4", rule="mine")  # type: ignore[arg-type]


def test_ratings_count_what_they_leave_out() -> None:
    score = rating_score(["5", "Score: 4", "[[3]]", None])
    assert (score.rounded, score.total, score.invalid) == (4.0, 4, 2)
    assert rating_score(["1", "1", "2"]).rounded == 1.33
    assert math.isnan(rating_score(["nan", "5"]).mean)


@pytest.mark.parametrize("replies", [[], [None], ["x", None]], ids=["empty", "failed", "unreadable"])
def test_no_rating_has_no_mean(replies: list[str | None]) -> None:
    with pytest.raises(DataError, match="rating"):
        _ = rating_score(replies).mean


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        pytest.param("Yes", True, id="yes"),
        pytest.param("No.", False, id="no"),
        pytest.param("no, yes", True, id="yes-goes-first"),
        pytest.param("Result: yes\nBut no\n\n", False, id="last-line"),
        pytest.param("yes\r", True, id="carriage-return"),
        pytest.param("I know", False, id="inside-a-word"),
        pytest.param("eyes", True, id="yes-inside-a-word"),
        pytest.param("", None, id="empty"),
        pytest.param("是", None, id="chinese"),
    ],
)
def test_yes_no(reply: str, verdict: bool | None) -> None:
    assert parse_yes_no(reply) is verdict


def test_yes_no_figures() -> None:
    score = yes_no_score(["Result: yes", "I know", "maybe", None])
    assert (score.accuracy, score.valid, score.total, score.correct) == (50.0, 2, 4, 1)
    assert (score.unclear, score.missing, score.strict_accuracy) == (1, 1, 25.0)


def test_no_verdict_has_no_accuracy() -> None:
    with pytest.raises(DataError, match="none of 2"):
        _ = yes_no_score(["maybe", None]).accuracy
    assert yes_no_score(["maybe"]).strict_accuracy == 0
    with pytest.raises(DataError, match="empty set"):
        _ = yes_no_score([]).strict_accuracy


@pytest.mark.parametrize(
    ("replies", "correct"),
    [
        pytest.param(["Yes", "YES", "no"], True, id="case"),
        pytest.param(["Yes.", "Yes.", "yes"], False, id="full-stop"),
        pytest.param([" yes"], False, id="blank"),
        pytest.param(["yes", "no"], None, id="tie"),
        pytest.param(["no", "maybe"], False, id="tie-without-yes"),
    ],
)
def test_vote(replies: list[str], correct: bool | None) -> None:
    assert majority_vote(replies).correct is correct


def test_votes_add_up() -> None:
    score = vote_score([majority_vote(["yes"]), majority_vote(["no"]), majority_vote(["yes", "no"])] * 2)
    assert (score.total, score.correct, score.ties) == (6, 2, 2)
    assert score.percent == pytest.approx(100 / 3)
    with pytest.raises(DataError, match="no vote"):
        vote_score([])
    with pytest.raises(DataError, match="no reply"):
        majority_vote([])
