"""The rubrics that come with fac-eval: named as the tasks expect, fillable, and answered in a form that is read."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from fac_eval.judges.readings import reading_of
from fac_eval.resolve import find_rubric
from fac_eval.rubric import Rubric
from tests.support.judge_server import FORMS, all_rubrics

RUBRICS = all_rubrics()
NAMES = {
    *(f"voicebench/{name}" for name in ("open", "open-official", "qa", "qa-official", "mcq")),
    *(
        f"openaudiobench/{name}"
        for name in ("alpaca_eval", "llama_questions", "reasoning_qa", "trivia_qa", "web_questions")
    ),
    "mmau/judge",
    "mmau_pro/open",
    "ultraeval_audio/chatbot",
    *(
        f"vstyle/{category}-{language}"
        for category in ("acoustic_attributes", "instruction", "role_play", "empathy")
        for language in ("en", "zh")
    ),
}
INPUTS = {"question", "reference", "answer", "instruction_type", "input_instruction"}
each = pytest.mark.parametrize("rubric", RUBRICS.values(), ids=RUBRICS)


def test_the_names_are_those_that_tasks_ask_by() -> None:
    assert set(RUBRICS) == NAMES


@each
def test_a_rubric_is_found_by_its_name(rubric: Rubric) -> None:
    assert find_rubric(rubric.name) is rubric


@each
def test_our_own_wording_takes_the_known_inputs_and_nothing_else(rubric: Rubric) -> None:
    wanted = {name for _, name, _, _ in Formatter().parse(rubric.own) if name is not None}
    if rubric.hears:
        assert wanted == {"instruction_type", "input_instruction"}
    else:
        assert {"question", "answer"} <= wanted <= INPUTS
    if rubric.decisions:
        assert {rubric.reference, rubric.answer} <= wanted


@each
def test_the_upstream_prompt_is_pinned(rubric: Rubric) -> None:
    assert rubric.upstream is not None
    asset = rubric.upstream.asset
    assert re.fullmatch("[0-9a-f]{64}", asset.sha256)
    assert re.fullmatch("[0-9a-f]{64}|", rubric.upstream.sha256)
    assert re.fullmatch(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/[\w/.]+", asset.url)
    assert set(rubric.upstream.names) <= INPUTS


def test_no_two_files_share_a_place() -> None:
    assets = {rubric.upstream.asset for rubric in RUBRICS.values() if rubric.upstream}
    assert len({asset.path_in_cache for asset in assets}) == len(assets)


@pytest.mark.parametrize("name", [*FORMS, "vstyle/empathy-zh"])
def test_the_form_that_our_wording_asks_for_is_read(name: str) -> None:
    best, worst = FORMS.get(name) or FORMS["vstyle"]
    reading = reading_of(name)
    assert reading.read(best) == reading.high
    assert reading.read(worst) == max(reading.low, 1 if "reasoning" in name else 0)


@pytest.mark.parametrize("rubric", [r for r in RUBRICS.values() if r.decisions], ids=lambda r: r.name)
def test_a_rules_decisions_are_read(rubric: Rubric) -> None:
    read = reading_of(rubric.name).read
    assert (read(rubric.decisions["right"]), read(rubric.decisions["wrong"])) == (1, 0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("voicebench/open", (0.5, 0.95, 1024)),
        ("voicebench/open-official", (0.5, 0.95, 1024)),
        ("voicebench/qa", (0.0, 0.95, 1024)),
        ("voicebench/qa-official", (0.5, 0.95, 1024)),
        ("voicebench/mcq", (0.0, 0.95, 1024)),
        ("openaudiobench/trivia_qa", (0.0, 0.95, 1024)),
        ("mmau/judge", (0.0, 0.95, 1024)),
        ("mmau_pro/open", (0.1, None, 512)),
        ("ultraeval_audio/chatbot", (0.0, None, 2048)),
        ("vstyle/empathy-en", (None, None, None)),
    ],
)
def test_the_settings_are_the_protocols(name: str, settings: tuple[float | None, ...]) -> None:
    held = RUBRICS[name].settings
    assert (held.temperature, held.top_p, held.max_tokens) == settings


def test_a_chinese_set_is_asked_about_in_chinese() -> None:
    for name in ("openaudiobench/reasoning_qa", "vstyle/acoustic_attributes-zh"):
        assert len(re.findall("[一-鿿]", RUBRICS[name].own)) > 200


@pytest.mark.parametrize(
    ("name", "reply", "value"),
    [
        ("mmau_pro/open", "nothing of the kind", None),
        ("mmau_pro/open", "CORRECTNESS: 4 - a", 3.25),
        ("somebody/elses", "I say [[2]]", 2.0),
        ("vstyle/empathy-en", "[[4]] ... [[none]]", 4.0),
        ("voicebench/qa", "maybe", None),
    ],
)
def test_readings(name: str, reply: str, value: float | None) -> None:
    assert reading_of(name).read(reply) == value
