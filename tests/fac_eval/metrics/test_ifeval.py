from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.ifeval import (
    IfevalFlags,
    check_ifeval,
    clean_response,
    ifeval_rates,
    last_response_per_prompt,
    loose_views,
)
from fac_eval.metrics.ifeval_checks import InstructionError


@pytest.mark.parametrize(
    ("response", "cleaned"),
    [
        ("<1> hi ", "hi"),
        ("<3>hi<|user|>", "hi"),
        ("<2>hi <|user|> ", "hi"),
        ("hi <|user|>", "hi"),
        ("hi<|user|> ", "hi<|user|> "),
        ("<4>hi", "<4>hi"),
        (" <1>hi", " <1>hi"),
        (" hi ", " hi "),
    ],
)
def test_clean_response(response: str, cleaned: str) -> None:
    assert clean_response(response) == cleaned


def test_loose_views_are_the_eight_texts_without_repeats() -> None:
    assert loose_views("*a*\nb\n*c") == ["*a*\nb\n*c", "b\n*c", "*a*\nb", "b", "a\nb\nc", "b\nc", "a\nb"]
    assert loose_views("one") == ["one", ""]


@given(st.text(alphabet="ab*\n "))
def test_loose_views_hold_the_response_first_and_each_text_once(response: str) -> None:
    views = loose_views(response)
    assert views[0] == response
    assert len(views) == len(set(views)) <= 8


def test_views_are_tried_per_instruction() -> None:
    flags = check_ifeval(
        ["startend:end_checker", "punctuation:no_comma"],
        [{"end_phrase": "The end."}, {}],
        "Sure, fine\nRivers carve the land slowly The end.\nBye",
        clean=False,
    )
    assert flags == IfevalFlags(strict=(False, False), loose=(True, True))
    assert (flags.strict_all, flags.loose_all) == (False, True)


def test_cleaning_is_a_choice() -> None:
    item = (["startend:quotation"], [{}], '<1> "rivers"')
    assert check_ifeval(*item, clean=True).strict == (True,)
    assert check_ifeval(*item, clean=False).strict == (False,)


def test_an_item_without_instructions_is_followed() -> None:
    flags = check_ifeval([], [], "x", clean=False)
    assert flags == IfevalFlags((), ())
    assert flags.strict_all
    assert flags.loose_all


def test_too_few_kwargs_are_refused_and_surplus_is_ignored() -> None:
    with pytest.raises(InstructionError, match="2 instruction ids but only 1 kwargs"):
        check_ifeval(["punctuation:no_comma"] * 2, [{}], "x", clean=False)
    assert check_ifeval(["punctuation:no_comma"], [{}, {"odd": 1}], "x", clean=False).strict == (True,)


def test_a_reply_that_is_not_text_is_refused() -> None:
    with pytest.raises(DataError, match="not text"):
        check_ifeval([], [], None, clean=True)  # type: ignore[arg-type]


def test_the_four_rates_and_their_mean() -> None:
    rates = ifeval_rates([IfevalFlags((True,), (True,)), IfevalFlags((True, False), (True, True))])
    assert rates.strict_prompt == 0.5
    assert rates.strict_instruction == pytest.approx(2 / 3)
    assert (rates.loose_prompt, rates.loose_instruction) == (1, 1)
    assert (rates.prompts, rates.instructions) == (2, 3)
    assert rates.final == pytest.approx(0.791667, abs=1e-6)


@pytest.mark.parametrize("flags", [[], [IfevalFlags((), ())]], ids=["no-item", "no-instruction"])
def test_rates_over_nothing_do_not_exist(flags: list[IfevalFlags]) -> None:
    with pytest.raises(DataError, match="do not exist"):
        ifeval_rates(flags)


def test_equal_prompts_share_the_last_reply() -> None:
    assert last_response_per_prompt(["p", "q", "p"], ["1", "2", "3"]) == ["3", "2", "3"]
