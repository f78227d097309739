from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import MissingResource
from fac_eval.metrics.ifeval_checks import INSTRUCTION_IDS, InstructionError, read_instruction
from fac_eval.metrics.text_resources import sentence_tokenizer

FOX = "the quick brown fox jumps over the lazy dog and then runs home through the forest."
NTH = {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "Bread"}
LONGER, FEWER = {"num_words": 3, "relation": "at least"}, {"num_words": 3, "relation": "less than"}
SENTENCES = {"num_sentences": 2, "relation": "at least"}
CAPITALS = {"capital_frequency": 2, "capital_relation": "at least"}
LETTERS = {"letter": "Q", "let_frequency": 2, "let_relation": "at least"}
SPLIT = {"section_spliter": "SECTION ", "num_sections": 2}

# instruction, arguments, texts that follow it, texts that do not
CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("keywords:existence", {"keywords": ["river", "oc.an"]}, ["OCEAN Rivers"], ["river", "oc\nan river"]),
    (
        "keywords:frequency",
        {"keyword": " art ", "frequency": 2, "relation": "at least"},
        ["pARTy art"],
        ["art"],
    ),
    ("keywords:frequency", {"keyword": "art", "frequency": 1, "relation": "less than"}, ["x"], ["start"]),
    ("keywords:forbidden_words", {"forbidden_words": ["river"]}, ["rivers", "小河"], ["(RIVER)"]),
    ("keywords:letter_frequency", LETTERS, ["Qq", "qqq"], ["q"]),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a *** b", "***\na***b\n***"],
        ["a\n\nb", "a******b"],
    ),
    ("length_constraints:number_words", LONGER, ["don't go", "a b c d"], ["我们一起 去"]),
    ("length_constraints:number_words", FEWER, ["a b"], ["a b c"]),
    (
        "length_constraints:nth_paragraph_first_word",
        NTH,
        ["a\n\nBread b\n\nc", "a\n\n''\"bread, b\n\nc", "a\n\n BREAD's\n\nc"],
        ["a\n\nbread-like\n\nc", "a\n\nbread", "a", "a\n\n\n\nbread\n\nc", "a\n\nbread\n\nc\n\nd"],
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[] [x]"], ["[[x]]", "[a\nb] [c]"]),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S. "},
        ["x p. s. y", "P.P.S. z"],
        ["PS y", "p .s."],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["p.p. s"], ["p.s. x"]),
    ("detectable_content:postscript", {"postscript_marker": "NOTE:"}, ["a\nnote: b"], ["a"]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n- b", " *a\n---"],
        ["* a", "**a**\n- b"],
    ),
    ("detectable_format:constrained_response", {}, ["so My answer is maybe. ok"], ["my answer is yes."]),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* *b*", "***a***", "**a** **b**"],
        ["**a**", "* * ** **", "*a\nb*"],
    ),
    (
        "detectable_format:multiple_sections",
        SPLIT,
        ["SECTION1 a SECTION 2 b"],
        ["Section 1 Section 2", "SECTION  1 SECTION  2"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "S(e)c", "num_sections": 2},
        ["Sec 1 a"],
        ["a"],
    ),
    (
        "detectable_format:json_format",
        {},
        ["NaN", "```JSON\n[1]\n```", "7", "```json```[]```"],
        ["{'a': 1}", "x {}"],
    ),
    ("detectable_format:title", {}, ["a <<T>> b"], ["<<>>", "<< >>", "<<a\nb>>", "<<<>>>"]),
    (
        "combination:two_responses",
        {},
        ["a******b", "******a******b******"],
        ["a****** a", "a", "a************b", "a******b******c"],
    ),
    ("combination:repeat_prompt", {"prompt_to_repeat": " Tell me. "}, [" TELL ME. ok"], ["ok Tell me."]),
    (
        "startend:end_checker",
        {"end_phrase": " The End. "},
        ['"x the end."', "x THE END. \n"],
        ["the end. x", '"the end. "'],
    ),
    ("startend:quotation", {}, ['""', ' "a" \n'], ['"', "“a”", '"a']),
    (
        "change_case:english_capital",
        {},
        [FOX.upper()],
        [FOX, "123", "DER SCHNELLE BRAUNE FUCHS SPRINGT NACH HAUSE"],
    ),
    (
        "change_case:english_lowercase",
        {},
        [FOX],
        [FOX.upper(), "12", "le renard brun saute par-dessus le chien paresseux"],
    ),
    ("punctuation:no_comma", {}, ["你好，世界"], ["1,000"]),
    (
        "language:response_language",
        {"language": "en"},
        [FOX, "12345"],
        ["Der schnelle braune Fuchs springt nach Hause"],
    ),
    (
        "length_constraints:number_sentences",
        SENTENCES,
        ["Well... maybe so. Fine."],
        ["Rain fell.Wind blew", "天气很好。我们出门。"],
    ),
    ("change_case:capital_word_frequency", CAPITALS, ["I saw A", "DON'T"], ["WELL-KNOWN", "a b"]),
]


def _ready(instruction_id: str) -> None:
    if instruction_id in ("length_constraints:number_sentences", "change_case:capital_word_frequency"):
        pytest.importorskip("nltk")
        try:
            sentence_tokenizer()
        except MissingResource as error:
            pytest.skip(error.message)
    if instruction_id.startswith(("change_case:english", "language:")):
        pytest.importorskip("langdetect")


def test_every_instruction_has_a_case() -> None:
    assert len(INSTRUCTION_IDS) == 25
    assert {case[0] for case in CASES} == set(INSTRUCTION_IDS)


@pytest.mark.parametrize(
    ("instruction_id", "kwargs", "followed", "violated"), CASES, ids=[case[0] for case in CASES]
)
def test_check(instruction_id: str, kwargs: dict[str, Any], followed: list[str], violated: list[str]) -> None:
    _ready(instruction_id)
    instruction = read_instruction(instruction_id, kwargs)
    assert {text: instruction.is_followed_by(text) for text in followed} == dict.fromkeys(followed, True)
    assert {text: instruction.is_followed_by(text) for text in violated} == dict.fromkeys(violated, False)
    assert not instruction.is_followed_by("")
    assert not instruction.is_followed_by(" \n\t")


@given(st.sampled_from(CASES), st.text())
def test_any_text_gets_an_answer(case: tuple[str, dict[str, Any], list[str], list[str]], text: str) -> None:
    instruction_id, kwargs, *_ = case
    if instruction_id.startswith(("change_case", "language")) or "sentences" in instruction_id:
        return  # these lean on optional packages, whose own property test stands in test_text_resources
    assert read_instruction(instruction_id, kwargs).is_followed_by(text) in (True, False)


@pytest.mark.parametrize(
    ("instruction_id", "kwargs", "message"),
    [
        pytest.param("keywords:unknown", {}, "unknown instruction", id="unknown-id"),
        pytest.param(
            "punctuation:no_comma", {"num_words": 4}, "takes no argument 'num_words'", id="unexpected"
        ),
        pytest.param("punctuation:no_comma", None, "not a mapping", id="kwargs-not-a-mapping"),
        pytest.param("combination:repeat_prompt", {}, "prompt_to_repeat", id="prompt-missing"),
        pytest.param(
            "combination:repeat_prompt", {"prompt_to_repeat": ""}, "prompt_to_repeat", id="prompt-empty"
        ),
        pytest.param(
            "length_constraints:number_words", {**LONGER, "relation": "exactly"}, "exactly", id="relation"
        ),
        pytest.param("language:response_language", {"language": "zh"}, "'zh'", id="language"),
        pytest.param("language:response_language", {"language": ["en"]}, "not text", id="language-type"),
        pytest.param(
            "length_constraints:number_words", {**LONGER, "num_words": "3"}, "whole number", id="count-type"
        ),
        pytest.param(
            "length_constraints:number_words", {**LONGER, "num_words": 2.5}, "whole number", id="fraction"
        ),
        pytest.param("keywords:existence", {"keywords": "river"}, "list of texts", id="keywords-not-a-list"),
        pytest.param("keywords:existence", {"keywords": [1]}, "not text", id="keyword-not-text"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(instruction_id: str, kwargs: Any, message: str) -> None:
    with pytest.raises(InstructionError, match=message):
        read_instruction(instruction_id, kwargs)


@pytest.mark.parametrize(
    ("instruction_id", "kwargs"),
    [
        pytest.param("keywords:existence", {"keywords": ["(open"]}, id="keywords"),
        pytest.param(
            "keywords:frequency", {"keyword": "*", "frequency": 1, "relation": "at least"}, id="keyword"
        ),
        pytest.param("keywords:forbidden_words", {"forbidden_words": ["[x"]}, id="forbidden"),
        pytest.param("detectable_content:postscript", {"postscript_marker": "(x"}, id="marker"),
        pytest.param(
            "detectable_format:multiple_sections", {"section_spliter": "(", "num_sections": 1}, id="splitter"
        ),
    ],
)
def test_an_invalid_expression_is_refused_once_a_text_is_checked(
    instruction_id: str, kwargs: dict[str, Any]
) -> None:
    instruction = read_instruction(instruction_id, kwargs)
    assert not instruction.is_followed_by(" ")
    with pytest.raises(InstructionError, match="invalid regular expression") as caught:
        instruction.is_followed_by("text")
    assert isinstance(caught.value.__cause__, re.error)


def test_keywords_are_tried_in_sorted_order_up_to_the_first_that_is_missing() -> None:
    # Upstream sorts them, so a broken one behind a missing one is never compiled.
    instruction = read_instruction("keywords:existence", {"keywords": ["dog(", "cat"]})
    assert not instruction.is_followed_by("a bird")
    with pytest.raises(InstructionError):
        instruction.is_followed_by("a cat")


@pytest.mark.parametrize(
    ("instruction_id", "kwargs", "named"),
    [
        pytest.param(
            "keywords:frequency",
            {"keyword": "a", "frequency": 0, "relation": "at least"},
            "frequency",
            id="zero",
        ),
        pytest.param("keywords:frequency", {"frequency": 1, "relation": "at least"}, "keyword", id="absent"),
        pytest.param("keywords:existence", {"keywords": []}, "keywords", id="empty-list"),
        pytest.param(
            "keywords:frequency", {"keyword": "a", "frequency": 1, "relation": None}, "relation", id="none"
        ),
        pytest.param(
            "length_constraints:number_words", {**LONGER, "num_words": -1}, "num_words", id="negative"
        ),
        pytest.param("keywords:letter_frequency", {**LETTERS, "letter": "qq"}, "letter", id="two-letters"),
        pytest.param("keywords:letter_frequency", {**LETTERS, "letter": "!"}, "letter", id="no-letter"),
        pytest.param(
            "length_constraints:nth_paragraph_first_word",
            {**NTH, "nth_paragraph": 4},
            "nth_paragraph",
            id="nth-too-large",
        ),
    ],
)
def test_what_upstream_draws_at_random_is_refused_unless_the_text_is_blank(
    instruction_id: str, kwargs: dict[str, Any], named: str
) -> None:
    instruction = read_instruction(instruction_id, kwargs)
    assert not instruction.is_followed_by("\n")
    with pytest.raises(InstructionError, match=f"'{named}'.*at random"):
        instruction.is_followed_by("some text")


def test_empty_values_count_as_absent() -> None:
    kwargs = {"num_bullets": 0, "keywords": [], "language": "", "relation": None}
    assert read_instruction("detectable_format:json_format", kwargs).is_followed_by("{}")


def test_whole_floats_from_data_frames_are_counts() -> None:
    assert read_instruction("length_constraints:number_words", {**LONGER, "num_words": 3.0}).is_followed_by(
        "a b c"
    )


def test_json_that_is_nested_too_deeply_is_an_error_not_a_verdict() -> None:
    with pytest.raises(InstructionError, match="nested"):
        read_instruction("detectable_format:json_format", {}).is_followed_by("[" * 200_000)
