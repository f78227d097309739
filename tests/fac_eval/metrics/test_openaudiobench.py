from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UnknownName, UsageError
from fac_eval.metrics.openaudiobench import (
    SUBSETS,
    Judgement,
    fill_prompt,
    judgement,
    overall,
    reasoning_accuracy,
    subset_score,
)


@pytest.mark.parametrize(
    ("subset", "reply", "value"),
    [
        pytest.param("alpaca_eval", "[[12]]", "fatal", id="rating-out-of-range"),
        pytest.param("alpaca_eval", "[[0]]", "fatal", id="rating-zero"),
        pytest.param("alpaca_eval", f"[[{'9' * 5000}]]", "fatal", id="rating-of-many-digits"),
        pytest.param("alpaca_eval", "[[0007]] [[9]]", 70, id="rating-first"),
        pytest.param("alpaca_eval", "[[٠٠٧]]", 70, id="rating-in-other-digits"),
        pytest.param("alpaca_eval", "[[7.5]]", None, id="rating-decimal"),
        pytest.param("alpaca_eval", None, "fatal", id="rating-missing"),
        pytest.param("reasoning_qa", "[5] no, [0]", 0, id="grade-last"),
        pytest.param("reasoning_qa", "[[5]]", 100, id="grade-in-two-brackets"),
        pytest.param("reasoning_qa", "[6] [4.5] 【4】", None, id="grade-unreadable"),
        pytest.param("reasoning_qa", None, "fatal", id="grade-missing"),
        pytest.param("llama_questions", "So the score is [incorrect].", 0, id="word-small"),
        pytest.param(
            "llama_questions", "The score is [Correct] the score is [Incorrect]", 100, id="word-first"
        ),
        pytest.param("llama_questions", "the score is [CORRECT]", None, id="word-capitals"),
        pytest.param("llama_questions", None, None, id="word-missing"),
        pytest.param("trivia_qa", "x {'judgment': 'CORRECT'} y", 100, id="object"),
        pytest.param("trivia_qa", '{"judgment": "correct "}', 0, id="object-other-word"),
        pytest.param("web_questions", '{"judgment": true}', None, id="object-json-literal"),
        pytest.param("web_questions", '{"analysis": "{x}", "judgment": "correct"}', None, id="object-brace"),
        pytest.param("web_questions", '} {"judgment": "correct"}', None, id="object-close-first"),
        pytest.param("web_questions", '{"judgment"}', None, id="object-a-set"),
        pytest.param(
            "web_questions", r'{"analysis": "\d", "judgment": "correct"}', 100, id="object-backslash"
        ),
        pytest.param("web_questions", "{" + "(" * 5000 + "}", None, id="object-deep"),
        pytest.param("web_questions", None, "fatal", id="object-missing"),
    ],
)
def test_judgement(subset: str, reply: str | None, value: int | str | None) -> None:
    expected = Judgement(None, fatal=True) if value == "fatal" else Judgement(value)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judgement(subset, reply) == expected


@given(st.sampled_from(SUBSETS), st.text(alphabet='[]{}0123456789"judgment: correct\\', max_size=60))
def test_any_text_has_a_judgement(subset: str, reply: str) -> None:
    value = judgement(subset, reply).value
    assert value is None or 0 <= value <= 100


def test_scores_drop_what_cannot_be_read() -> None:
    score = subset_score(
        "alpaca_eval", [judgement("alpaca_eval", r) for r in ("[[7]]", "[[10]]", "none", "[[4]]")]
    )
    assert (score.name, score.value, score.total, score.invalid, score.fatal) == ("score", 70.0, 4, 1, 0)
    graded = [judgement("reasoning_qa", reply) for reply in ("[5]", "[0]", "[3]", None)]
    assert subset_score("reasoning_qa", graded).value == 53.33
    assert subset_score("reasoning_qa", graded).fatal == 1
    verdicts = [Judgement(100), Judgement(100), Judgement(None), Judgement(0)]
    assert subset_score("llama_questions", verdicts).value == 66.67
    strict = subset_score("llama_questions", verdicts, policy="wrong")
    assert (strict.name, strict.value, strict.invalid) == ("acc", 50.0, 1)


def test_nothing_read_is_no_score() -> None:
    assert subset_score("trivia_qa", [Judgement(None)]).value is None
    assert subset_score("trivia_qa", [], policy="wrong").value is None


def test_reasoning_accuracy_counts_passing_grades() -> None:
    graded = [Judgement(100), Judgement(80), Judgement(60), Judgement(None)]
    assert reasoning_accuracy(graded).value == 66.67
    assert reasoning_accuracy(graded, passing_grade=3).value == 100
    assert reasoning_accuracy(graded, policy="wrong").value == 50


def test_overall_is_the_mean_of_the_printed_figures() -> None:
    printed: dict[str, str | None] = {
        "alpaca_eval": "88.94",
        "llama_questions": "83.33",
        "reasoning_qa": "69.80",
        "trivia_qa": "68.10",
        "web_questions": "72.90",
    }
    assert overall(printed) == "76.61"
    assert overall({**printed, "trivia_qa": None}) is None
    assert overall({"trivia_qa": "68.10"}) is None
    with pytest.raises(UnknownName, match="trivia"):
        overall({"trivia": "68.10"})


def test_prompts_are_filled_as_official_code_does() -> None:
    template = '{{"k": 1}} {question}|{answer}|{prediction}'
    filled = fill_prompt(template, question=" 你好　", answer=" {b} ", prediction=" {c} \n")
    assert filled == '{"k": 1} 你好|{b}| {c} \n'
    assert fill_prompt("{prediction}", question="", prediction=None) == "null"


@pytest.mark.parametrize("template", ["{answer}", "{}", "{question.x}", "{question"])
def test_a_template_that_wants_more_is_refused(template: str) -> None:
    with pytest.raises(DataError, match="template"):
        fill_prompt(template, question="q", prediction="p")


def test_bad_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="trivia"):
        judgement("trivia", "x")
    with pytest.raises(UnknownName, match="trivia"):
        subset_score("trivia", [])
    with pytest.raises(UsageError, match="ignore"):
        subset_score("trivia_qa", [], policy="ignore")  # type: ignore[arg-type]
