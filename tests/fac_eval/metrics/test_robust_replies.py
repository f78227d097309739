from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.robust_replies import find_correctness, find_rating, find_yes_no


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        pytest.param("4", 4, id="bare"),
        pytest.param(" 4. \n", 4, id="with-full-stop"),
        pytest.param("[[3]]", 3, id="brackets"),
        pytest.param("I weigh 2 against 5.\n[3]", 3, id="last-line-first"),
        pytest.param("Score: 4 of 5", 4, id="named"),
        pytest.param("The rating is 4.5", 4.5, id="decimal"),
        pytest.param("3/5", 3, id="out-of"),
        pytest.param("2 out of 5", 2, id="out-of-in-words"),
        pytest.param("评分：4", 4, id="chinese"),
        pytest.param("【2】", 2, id="full-width-brackets"),
        pytest.param("A 4, I mean 4.", 4, id="twice-the-same"),
        pytest.param("3 or 4", None, id="undecided"),
        pytest.param("[3] [4]", None, id="two-in-brackets"),
        pytest.param("6", None, id="too-high"),
        pytest.param("0", None, id="too-low"),
        pytest.param("-3.14.15", None, id="no-number"),
        pytest.param("nan", None, id="not-a-number"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_ratings(reply: str, rating: float | None) -> None:
    assert find_rating(reply, 1, 5) == rating


@given(st.text(alphabet="0123456789[]./: \nscoreyn-", max_size=40))
def test_a_rating_is_within_its_range_or_none(reply: str) -> None:
    rating = find_rating(reply, 1, 5)
    assert rating is None or 1 <= rating <= 5


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        pytest.param("yes", True, id="yes"),
        pytest.param("No.", False, id="no-with-full-stop"),
        pytest.param("YES!", True, id="capitals"),
        pytest.param("No doubt it fits.\nResult: yes", True, id="last-line-first"),
        pytest.param("Yes.\nIt names the same town.", True, id="not-in-the-last-line"),
        pytest.param("no, yes", None, id="both"),
        pytest.param("I know nothing; eyes", None, id="inside-words"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_yes_and_no(reply: str, verdict: bool | None) -> None:
    assert find_yes_no(reply) is verdict


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        pytest.param("The score is [CORRECT]", True, id="capitals"),
        pytest.param("[Incorrect]", False, id="incorrect"),
        pytest.param("That is not quite correct.", False, id="not-quite"),
        pytest.param("It isn't correct", False, id="isn't"),
        pytest.param(
            '```json\n{"analysis": "{correct}?", "judgment": "incorrect"}\n```',
            False,
            id="key-beats-analysis",
        ),
        pytest.param("judgement = correct", True, id="other-spelling"),
        pytest.param("Not incorrect as such.\nSo: correct", True, id="last-line-first"),
        pytest.param("correct or incorrect", None, id="both"),
        pytest.param("correctly spelt", None, id="inside-a-word"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_correctness(reply: str, verdict: bool | None) -> None:
    assert find_correctness(reply) is verdict
