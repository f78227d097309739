from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.voicebench_mcq import (
    CHOICES,
    McqScore,
    extract_choice,
    extract_choices,
    official_score,
    template_phrases,
    ultraeval_score,
)

# Text that is likely to meet a template, mixed with arbitrary Unicode.
PIECES = st.sampled_from(template_phrases("official") + template_phrases("ultraeval")).flatmap(
    lambda phrase: st.sampled_from(CHOICES).map(lambda choice: phrase.replace("[CHOICE]", choice))
)
REPLIES = st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=4).map(" ".join)


def plain_extract(response: str, templates: str) -> str | None:
    """The rule as it is written down, without any shortcut."""
    text = response.lower()
    if text.startswith(("<1>", "<2>", "<3>")):
        text = text[3:].strip()
    for phrase in template_phrases(templates):
        for letter in "abcd":
            if phrase.replace("[CHOICE]", letter) in text:
                return letter.upper()
    for letter in "abcd":
        if text == letter or text.startswith(tuple(letter + end for end in ".,:)")):
            return letter.upper()
    return None


@pytest.mark.parametrize(
    ("response", "choice"),
    [
        pytest.param("Neither A. nor B. but C.", "A", id="letter-order-beats-position"),
        pytest.param("is most likely **A, ; is \\( \\textbf{B)", "B", id="template-order-beats-position"),
        pytest.param("the answer is about rivers", "A", id="no-word-boundary"),
        pytest.param("rich in vitamin c, and more", "C", id="substring-inside-text"),
        pytest.param("b", "B", id="bare-letter"),
        pytest.param("d) because", "D", id="letter-and-bracket-first"),
        pytest.param("C ", None, id="trailing-blank-is-not-stripped"),
        pytest.param("<1> c ", "C", id="marker-strips"),
        pytest.param("<4> c ", None, id="unknown-marker-kept"),
        pytest.param("<1><2> c", None, id="one-marker-only"),
        pytest.param("答案是D", "D", id="chinese"),
        pytest.param("Ｂ．", None, id="full-width-letter"),
        pytest.param("\\boxed{B}", None, id="boxed-alone"),
        pytest.param("Answer: B", None, id="unpunctuated-end"),
        pytest.param("E.", None, id="fifth-letter"),
        pytest.param("a scorpion", None, id="starts-with-letter-and-blank"),
        pytest.param("would be a.", "A", id="last-resort-phrase-is-a-template-anyway"),
        pytest.param("", None, id="empty"),
        pytest.param("x" * 100_000 + " d.", "D", id="very-long"),
    ],
)
def test_extract_choice(response: str, choice: str | None) -> None:
    assert extract_choice(response) == choice
    assert extract_choice(response, templates="kimi_vb_mcq") == choice


@pytest.mark.parametrize(
    ("response", "official", "ultraeval"),
    [
        ("答案是‘A", "A", None),
        ("答案是:A", None, "A"),
        ("答案是：A", None, "A"),
        ("答案是'A", None, "A"),
    ],
    ids=["curly-quote", "ascii-colon", "full-width-colon", "ascii-quote"],
)
def test_the_two_template_lists_differ(response: str, official: str | None, ultraeval: str | None) -> None:
    assert extract_choice(response, templates="ultraeval") == ultraeval
    assert extract_choice(response) == official


def test_template_lists_have_the_documented_lengths() -> None:
    assert len(template_phrases("official")) == 163
    assert template_phrases("kimi_vb_mcq") == template_phrases("official")
    assert len(template_phrases("ultraeval")) == 165


@given(REPLIES, st.sampled_from(["official", "ultraeval"]))
def test_the_fast_path_agrees_with_the_plain_rule(response: str, templates: str) -> None:
    assert extract_choice(response, templates=templates) == plain_extract(response, templates)  # type: ignore[arg-type]


@given(st.lists(st.text(), max_size=5))
def test_any_text_gives_a_letter_or_none_alone_or_in_a_batch(responses: list[str]) -> None:
    choices = extract_choices(responses)
    assert choices == [extract_choice(response) for response in responses]
    assert set(choices) <= {"A", "B", "C", "D", None}


@pytest.mark.parametrize("response", [None, 5, ["A"]], ids=["none", "number", "list"])
def test_a_reply_that_is_not_text_is_refused(response: object) -> None:
    with pytest.raises(DataError, match="not text"):
        extract_choice(response)  # type: ignore[arg-type]


def test_unknown_templates_are_refused() -> None:
    with pytest.raises(UsageError, match="lmms"):
        extract_choice("B", templates="lmms")  # type: ignore[arg-type]


def test_official_score_draws_one_letter_per_unparsed_item_in_order() -> None:
    generator = random.Random(561)
    draws = [generator.choice(["A", "B", "C", "D"]) for _ in range(3)]
    score = official_score([None, "B", None, None, "C"], [draws[0], "B", "x", draws[2], "D"], seed=561)
    assert score == McqScore(total=5, unparsed=3, correct_parsed=1, correct_drawn=2, seed=561)
    assert (score.correct, score.accuracy, score.fail, score.strict_accuracy) == (3, 60.0, 60.0, 20.0)


def test_official_score_ignores_the_global_generator() -> None:
    state = random.getstate()
    scores = {official_score([None] * 50, ["A"] * 50, seed=7) for _ in range(2)}
    assert len(scores) == 1
    assert random.getstate() == state


def test_case_of_the_reference_matters_only_to_official() -> None:
    assert official_score(["A"], ["a"], seed=0).accuracy == 0
    assert ultraeval_score(["A"], ["a"]).accuracy == 100


def test_ultraeval_counts_unparsed_as_wrong() -> None:
    score = ultraeval_score(["A", None], ["A", "B"])
    assert (score.accuracy, score.strict_accuracy, score.fail, score.seed) == (50.0, 50.0, 50.0, None)


@pytest.mark.parametrize(
    ("choices", "references", "message"),
    [([], [], "empty set"), (["A"], [], "1 choices but 0"), (["A"], [None], "reference")],
    ids=["empty", "lengths", "missing-reference"],
)
def test_sets_that_have_no_score(choices: list[str], references: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        official_score(choices, references, seed=0)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        ultraeval_score(choices, references)  # type: ignore[arg-type]
