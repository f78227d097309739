from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import UsageError
from fac_eval.metrics.vstyle import (
    ABILITIES,
    StyleAnswer,
    category_of,
    first_score,
    is_in_range,
    score_text,
    score_value,
    style_scores,
    weights,
)

ROWS = [f"{category}/{sub_type}" for category, sub_types in ABILITIES.items() for sub_type in sub_types]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param("Final score: [[4]]", "4", id="plain"),
        pytest.param("[[4]]. Others were [[1]] and [[2]].", "2", id="last-wins"),
        pytest.param("[[4]] then [[text]]", "4", id="last-number-wins"),
        pytest.param("[[\n4.5\u00a0]]", "4.5", id="blanks-are-cut"),
        pytest.param("[[４]]", "４", id="full-width"),
        pytest.param("[[1_0]]", "1_0", id="python-float"),
        pytest.param("[[nan]]", "nan", id="nan"),
        pytest.param(" -1\n", "-1", id="bare-number"),
        pytest.param("[[4/5]] [[3-4]] [4] 【【4】】 [[]]", None, id="no-number"),
        pytest.param("[[[4]]]", None, id="triple"),
        pytest.param("[[ [[4]] ]]", None, id="nested"),
        pytest.param("Final score: 4", None, id="sentence"),
        pytest.param("", None, id="empty"),
    ],
)
def test_score_text(reply: str, text: str | None) -> None:
    assert score_text(reply) == text


@given(st.text())
def test_a_score_text_is_a_stripped_number(reply: str) -> None:
    text = score_text(reply)
    assert text is None or (text == text.strip() and score_value(text) is not None)


@given(st.text(alphabet="ab[] 5\n").filter(lambda text: "[[" not in text), st.integers(1, 5))
def test_a_verdict_at_the_end_is_found(before: str, score: int) -> None:
    assert score_text(f"{before.rstrip('[')} [[{score}]]") == str(score)


@pytest.mark.parametrize(
    ("recorded", "value"),
    [
        (" 4 ", 4.0),
        (True, 1.0),
        (3, 3.0),
        (None, None),
        ("API failed: 429", None),
        ([], None),
        (10**400, None),
    ],
)
def test_score_value(recorded: object, value: float | None) -> None:
    assert score_value(recorded) == value


def test_range() -> None:
    assert [is_in_range(score) for score in (1, 5, 0.99, 5.01, math.nan, math.inf)] == [True, True] + [
        False
    ] * 4


@pytest.mark.parametrize(
    ("attempts", "score", "reply", "calls"),
    [
        pytest.param(["ok [[4]]"], "4", "ok [[4]]", 1, id="first"),
        pytest.param([RuntimeError("503"), None, "", "hm", "3"], "3", "3", 5, id="fifth"),
        pytest.param(["a", RuntimeError("quota")], None, "quota", 2, id="error-last"),
        pytest.param([RuntimeError("quota"), "a"], None, "Unable to parse score", 2, id="unparsable-last"),
        pytest.param(["a", None], None, "Model failed to generate response", 2, id="silent-last"),
        pytest.param(["a"] * 5 + ["[[4]]"], None, "Unable to parse score", 5, id="no-sixth-call"),
    ],
)
def test_first_score(
    attempts: list[str | Exception | None], score: str | None, reply: str, calls: int
) -> None:
    verdict = first_score(attempts)
    assert verdict == (score, reply, calls)
    assert verdict.recorded_score == (score if score is not None else f"API failed: {reply}")


def test_calls_stop_at_the_first_score() -> None:
    attempts = iter(["[[4]]", "never asked"])
    first_score(attempts)
    assert next(attempts) == "never asked"


def test_weights_add_up_by_category() -> None:
    assert math.isclose(sum(weights().values()), 1)
    for category in ABILITIES:
        share = sum(weight for ability, weight in weights().items() if category_of(ability) == category)
        assert math.isclose(share, 0.25)
    assert weights()["acoustic_attributes/composite_properties"] == 0.125
    assert math.isclose(weights()["acoustic_attributes/age"], 1 / 48)


@pytest.mark.parametrize(
    ("row", "overall"),
    [
        pytest.param(
            [4.04, 3.45, 3.33, 4.13, 3.20, 3.95, 3.17, 3.70, 4.09, 3.06, 2.50, 3.06, 3.64, 4.10, 2.90, 3.69],
            3.35146,
            id="fun-audio-chat-8b-en",
        ),
        pytest.param(
            [3.88, 4.35, 3.25, 4.65, 4.35, 4.70, 3.77, 3.90, 3.96, 2.88, 4.45, 3.79, 4.59, 4.72, 4.80, 4.83],
            4.1046,
            id="doubao-zh",
        ),
    ],
)
def test_published_rows(row: list[float], overall: float) -> None:
    scores = style_scores(StyleAnswer(ability, mean) for ability, mean in zip(ROWS, row, strict=True))
    assert scores.overall == pytest.approx(overall, abs=5e-5)
    assert scores.coverage == pytest.approx(1)


def test_categories_of_a_published_row() -> None:
    row = [4.04, 3.45, 3.33, 4.13, 3.20, 3.95, 3.17, 3.70, 4.09, 3.06, 2.50, 3.06, 3.64, 4.10, 2.90, 3.69]
    scores = style_scores(StyleAnswer(ability, mean) for ability, mean in zip(ROWS, row, strict=True))
    means = [category.mean for category in scores.categories.values()]
    assert means == pytest.approx([3.42667, 3.61667, 2.78, 3.5825], abs=1e-5)


def test_missing_sub_types_renormalise_and_show_in_the_coverage() -> None:
    scores = style_scores(
        [StyleAnswer("role_play/scenario", 2.0), StyleAnswer("empathy/joy_excitement", 5.0)]
    )
    assert scores.overall == pytest.approx((0.125 * 2 + 0.0625 * 5) / 0.1875)
    assert scores.coverage == pytest.approx(0.1875)
    assert scores.categories["role_play"].coverage == pytest.approx(0.5)
    assert scores.categories["instruction"].mean is None


def test_failures_are_left_out_but_counted() -> None:
    answers = [StyleAnswer("role_play/scenario", 4.0), StyleAnswer("role_play/scenario", None)]
    left_out, as_one = style_scores(answers), style_scores(answers, failures="as_one")
    assert (left_out.overall, left_out.sub_types["role_play/scenario"].n, left_out.failed) == (4.0, 1, 1)
    assert (as_one.overall, as_one.sub_types["role_play/scenario"].n, as_one.failed) == (2.5, 2, 1)


def test_a_sub_type_of_failures_alone_has_no_mean_and_no_coverage() -> None:
    scores = style_scores([StyleAnswer("empathy/anger", None), StyleAnswer("empathy/anger", None)])
    assert (scores.overall, scores.coverage, scores.failed) == (None, 0.0, 2)


def test_odd_scores_are_averaged_as_they_are_and_flagged() -> None:
    scores = style_scores([StyleAnswer("empathy/anger", score) for score in (10.0, -1.0, 3.0, math.nan)])
    assert scores.overall == 4.0
    assert (scores.sub_types["empathy/anger"].n, scores.out_of_range) == (4, 3)


@pytest.mark.parametrize("ability", ["acoustic_properties/age", "empathy", "", None])
def test_unknown_abilities_count_nowhere(ability: str | None) -> None:
    scores = style_scores([StyleAnswer(ability, 1.0), StyleAnswer("empathy/anger", 5.0)])
    assert (scores.overall, scores.unknown) == (5.0, 1)


def test_an_unknown_rule_for_failures_is_refused() -> None:
    with pytest.raises(UsageError, match="as_two"):
        style_scores([], failures="as_two")  # type: ignore[arg-type]
