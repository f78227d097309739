from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, MissingExtra, MissingResource
from fac_eval.metrics.mmau_pro_aif import AIF_CHECKS, check_aif

TWO = {"N": 2}


def test_there_are_27_checks() -> None:
    assert len(AIF_CHECKS) == 27


@pytest.mark.parametrize(
    ("identifier", "kwargs", "response", "followed"),
    [
        pytest.param("Include Keywords", {"keywords": "a, B"}, "xAb", True, id="keywords"),
        pytest.param("Include Keywords", {"keywords": "a,b"}, "a b", False, id="keywords-without-blank"),
        pytest.param("Forbidden Words", {"forbidden_words": "art, z"}, "start", False, id="forbidden-inside"),
        pytest.param("Forbidden Words", {}, "x", False, id="forbidden-missing"),
        pytest.param("Keyword Frequency", {"keyword": "Sea", "N": 2.0}, "SEA sea seas", True, id="frequency"),
        pytest.param("Keyword Frequency", {"keyword": "sea", "N": "1"}, "sea", False, id="frequency-text-n"),
        pytest.param(
            "Keyword Frequency", {"keyword": "c++", "N": 1}, "c++ c++x", True, id="frequency-symbol"
        ),
        pytest.param("Number Paragraphs", TWO, "a\n\nb***c*** ", True, id="paragraphs"),
        pytest.param("Number Words (at least)", TWO, "a b", True, id="words-at-least"),
        pytest.param("Number Words (at most)", TWO, "a b c", False, id="words-at-most"),
        pytest.param("Number Words (range)", {"N1": 1}, "a " * 999, True, id="words-range-default"),
        pytest.param("Number Words (range)", {"N1": 1}, "a " * 1000, False, id="words-range-beyond"),
        pytest.param(
            "Number Words (range)", {"N1": 2, "N2": None}, "a", False, id="words-range-short-circuit"
        ),
        pytest.param("Postscript", {"postscript_marker": "P.S."}, "maps", True, id="postscript-letters-only"),
        pytest.param("Number Placeholder", TWO, "[a] [] [b]", True, id="placeholders"),
        pytest.param("Number Bullets", TWO, "* a\n * b *\nc", True, id="bullets"),
        pytest.param("Title", None, "<<a b>> x", True, id="title"),
        pytest.param("Title", None, "<<>>", False, id="title-empty"),
        pytest.param("Minimum Number Highlighted Section", TWO, "*a\nb* **c**", True, id="highlights"),
        pytest.param("Multiple Sections", {"section_splitter": "X", "N": 2}, "X aXb", True, id="sections"),
        pytest.param("Multiple Sections", {"N": 3}, "a bc", True, id="sections-empty-splitter"),
        pytest.param("Repeat Prompt", None, " say IT now", True, id="prompt"),
        pytest.param("Repeat Prompt", None, "ok, say it", False, id="prompt-later"),
        pytest.param("Two Responses", None, "a ****** A", False, id="two-equal"),
        pytest.param("Two Responses", None, "a******", True, id="two-one-empty"),
        pytest.param("All Uppercase", None, "A1 你", True, id="upper"),
        pytest.param("All Lowercase", None, "123", False, id="lower-nothing-cased"),
        pytest.param("All-capital Words (at least)", {"N": 3}, "A B2 2 OK. No", True, id="capitals"),
        pytest.param("All-capital Words (range)", {"N1": 1, "N2": 2}, "A B C", False, id="capitals-range"),
        pytest.param("Start Checker", {"start_phrase": "Well, then"}, '"well then!', True, id="start"),
        pytest.param("Start Checker", {"start_phrase": "well"}, " well", False, id="start-blank"),
        pytest.param("End Checker", {"end_phrase": "the end"}, "The End.", True, id="end"),
        pytest.param("End Checker", {"end_phrase": "the end"}, "the end ", False, id="end-blank"),
        pytest.param("Quotation", None, ' " ', True, id="quotation-single"),
        pytest.param("Quotation", None, "“a”", False, id="quotation-curly"),
        pytest.param("No Commas", None, "a，b", True, id="commas-full-width"),
        pytest.param("no commas", None, "a", False, id="unknown-identifier"),
    ],
)
def test_check(identifier: str, kwargs: dict[str, Any] | None, response: str, followed: bool) -> None:
    assert check_aif(response, task_identifier=identifier, kwargs=kwargs, prompt="Say it ") is followed


@pytest.mark.parametrize(
    ("bounds", "kind", "followed"),
    [({"N": 2}, "at least", True), ({"N": 1}, "at most", False), ({"N1": 2, "N2": 2}, "range", True)],
)
def test_sentences(bounds: dict[str, int], kind: str, followed: bool) -> None:
    try:
        got = check_aif("It rains. Take care!", task_identifier=f"Number Sentences ({kind})", kwargs=bounds)
    except (MissingExtra, MissingResource) as error:
        pytest.skip(str(error))
    assert got is followed


@pytest.mark.parametrize(
    ("identifier", "kwargs", "named"),
    [
        ("Number Words (at least)", {"N": "3"}, "N is no number but '3'"),
        ("Number Words (at most)", {"N": None}, "N is no number but None"),
        ("Include Keywords", {"keywords": None}, "keywords is NoneType"),
        ("Start Checker", {"start_phrase": 3}, "start_phrase is int"),
        ("Repeat Prompt", {}, "the prompt is NoneType"),
    ],
)
def test_arguments_that_crash_official_code_are_named(
    identifier: str, kwargs: dict[str, Any], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        check_aif("a b", task_identifier=identifier, kwargs=kwargs, prompt=None)


def test_a_missing_reply_is_refused() -> None:
    with pytest.raises(DataError, match="not text"):
        check_aif(None, task_identifier="No Commas", kwargs=None)  # type: ignore[arg-type]


@given(st.sampled_from(sorted(name for name in AIF_CHECKS if "Sentences" not in name)), st.text())
def test_any_reply_has_a_verdict(identifier: str, response: str) -> None:
    assert isinstance(check_aif(response, task_identifier=identifier, kwargs={}), bool)
