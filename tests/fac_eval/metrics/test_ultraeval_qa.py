from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.ultraeval_qa import (
    accuracy,
    exist_match,
    is_same_answer,
    judge_prefers_first,
    judge_rating,
    match_tokens,
    mean_rating,
    output_field,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("J. R. Holt", ["j", ".", "r", ".", "holt"], id="full-stops"),
        pytest.param("snake_case", ["snake", "_", "case"], id="underscore-is-no-letter"),
        pytest.param("a\u200bb\u00adc\td\ne", ["a", "b", "c", "d", "e"], id="format-and-control-split"),
        pytest.param("caf\u00e9", ["cafe\u0301"], id="nfd"),
        pytest.param("\u0130zmir", ["i\u0307zmir"], id="dot-above-stays"),
        pytest.param("½ Ⅳ ²", ["½", "ⅳ", "²"], id="every-kind-of-number"),
        pytest.param("答案：北京。", ["答案", "：", "北京", "。"], id="chinese-runs"),
        pytest.param("x=$5", ["x", "=", "$", "5"], id="symbols"),
        pytest.param("ΟΔΟΣ", ["οδος"], id="final-sigma"),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert match_tokens(text) == tokens


@pytest.mark.parametrize(
    ("answer", "aliases", "is_match"),
    [
        pytest.param(" It's in New Tellan, I think.", ["tellan", "X"], True, id="one-of-several"),
        pytest.param("It's in New Tellan", "New, Tellan", False, id="comma-must-be-said"),
        pytest.param("the catalogue", "cat", False, id="part-of-a-word"),
        pytest.param("Tellan New", "New Tellan", False, id="order"),
        pytest.param("", "", True, id="alias-without-tokens"),
        pytest.param("x", " \u200b ", True, id="alias-of-blanks"),
        pytest.param("x", [], False, id="no-alias"),
        pytest.param("答案是北京", "北京", False, id="chinese-run-is-one-token"),
        pytest.param("it is not Velmora", "velmora", True, id="negation-counts"),
        pytest.param("twenty one", "21", False, id="number-words"),
    ],
)
def test_exist_match(answer: str, aliases: Any, is_match: bool) -> None:
    assert exist_match(answer, aliases).is_match is is_match


@given(st.text(), st.text(), st.text())
def test_an_alias_said_between_blanks_is_found(before: str, alias: str, after: str) -> None:
    assert exist_match(f"{before} {alias} {after}", alias).is_match


@given(st.text())
def test_tokens_do_not_depend_on_composition(text: str) -> None:
    assert match_tokens(unicodedata.normalize("NFC", text)) == match_tokens(
        unicodedata.normalize("NFD", text)
    )


@pytest.mark.parametrize("aliases", [7, None, [None], ["x", 12], {"a": 1}])
def test_a_reference_that_is_no_text_is_refused(aliases: Any) -> None:
    with pytest.raises(DataError):
        exist_match("12", aliases)


def test_official_code_stops_at_the_first_alias_that_matches() -> None:
    assert exist_match("x", ["x", None]).is_match  # type: ignore[list-item]


def test_an_answer_that_spells_the_empty_alias_list_counts_as_correct() -> None:
    found = exist_match("[]", [])
    assert (found.is_match, found.is_correct) == (False, True)
    assert not exist_match("['x']", ["y"]).is_correct


@pytest.mark.parametrize(
    ("answer", "alias", "same"),
    [
        pytest.param("The Velmora!", "velmora", True, id="article-case-punctuation"),
        pytest.param("a  cat", "The Cat", True, id="articles-differ"),
        pytest.param("It is Velmora", "Velmora", False, id="more-words"),
        pytest.param("well-known", "wellknown", True, id="hyphen-vanishes"),
        pytest.param("北京。", "北京", False, id="only-ascii-punctuation"),
        pytest.param("theatre", "atre", False, id="article-inside-a-word"),
    ],
)
def test_same_answer(answer: str, alias: str, same: bool) -> None:
    assert is_same_answer(answer, alias) is same


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        pytest.param("fine. Rating: [[7]]", 7, id="plain"),
        pytest.param("[[4]] then [[8]]", 4, id="first-wins"),
        pytest.param("[[0]]", 0, id="no-range-low"),
        pytest.param("[[100]]", 100, id="no-range-high"),
        pytest.param("[[[3]]]", 3, id="triple"),
        pytest.param("[[７]]", 7, id="full-width"),
        pytest.param("[[09]]", 9, id="leading-zero"),
        pytest.param("[[6.5]] [[ 6 ]] [6] [[-3]] [ [4]]", None, id="none-of-these"),
        pytest.param("", None, id="empty"),
    ],
)
def test_judge_rating(reply: str, rating: int | None) -> None:
    assert judge_rating(reply) == rating


@given(st.text(), st.integers(0, 10**6))
def test_a_reply_that_ends_in_a_rating_has_one(before: str, rating: int) -> None:
    found = judge_rating(f"{before} [[{rating}]]")
    assert found == (judge_rating(before) if judge_rating(before) is not None else rating)


@pytest.mark.parametrize("read", [judge_rating, judge_prefers_first])
def test_no_reply_is_no_verdict(read: Any) -> None:
    with pytest.raises(DataError, match="not text"):
        read(None)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        pytest.param("[{'model': 'model_1', 'rank': 2}]", True, id="order-not-rank"),
        pytest.param("[{'model': 'model_2'}, {'model': 'model_1'}]", False, id="second"),
        pytest.param("```python\n[{'model': 'model_1'}]\n```", True, id="python-fence"),
        pytest.param("```\n[{'model': 'model_2'}]\n```", False, id="bare-fence"),
        pytest.param("{'any': [{'model': 'model_1'}], 'more': 3}", True, id="first-value-of-a-dict"),
    ],
)
def test_judge_prefers_first(reply: str, verdict: bool) -> None:
    assert judge_prefers_first(reply) is verdict


@pytest.mark.parametrize(
    "reply",
    [
        "```json\n[{'model': 'model_1'}]\n```",
        "Here: []",
        "",
        "[]",
        "{}",
        "7",
        "[{'rank': 1}]",
        "['model']",
        "\0",
    ],
)
def test_anything_else_is_no_ranking(reply: str) -> None:
    with pytest.raises(DataError, match="no ranking"):
        judge_prefers_first(reply)


@given(st.text())
def test_prose_is_no_ranking(reply: str) -> None:
    with pytest.raises(DataError, match="no ranking"):
        judge_prefers_first(reply)


def test_output_field() -> None:
    assert output_field(' {"text": "hi"}\n', "text") == "hi"
    assert output_field({"text": None}, "text") is None
    assert output_field("plain ", "text") == "plain "
    assert output_field("{}", "audio", default="none.wav") == "none.wav"


@pytest.mark.parametrize("output", ["42", "[1]", "null", '"text"', '{"audio": 1}', None, 7])
def test_an_output_without_the_field_is_refused(output: Any) -> None:
    with pytest.raises(DataError, match="the model's output"):
        output_field(output, "text")


def test_failures_leave_the_official_denominator() -> None:
    score = mean_rating([7, 10, None, 4])
    assert (score.value, score.fail_rate, score.total, score.scored, score.failed) == (70.0, 25.0, 4, 3, 1)
    assert accuracy([True, False, None, None]).value == 50.0


def test_with_failures_counted_wrong() -> None:
    assert accuracy([True, False, None, None]).value_with_failures_as_zero == 25.0
    assert accuracy([None]).value_with_failures_as_zero == 0.0


def test_no_scored_item_has_no_value() -> None:
    assert accuracy([None]).value is None
    nothing = accuracy([])
    assert (nothing.value, nothing.fail_rate, nothing.value_with_failures_as_zero) == (None, 0.0, None)
