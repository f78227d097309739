from __future__ import annotations

import math

import pytest

from fac_eval.errors import DataError
from fac_eval.metrics.voicebench_overall import (
    TERMS_7,
    TERMS_9,
    Overall,
    OverallWithheld,
    SplitCount,
    ifeval_final,
    mmsu_pool,
    overall7,
    overall9,
    sdqa_official,
)

FUN_AUDIO_CHAT_8B = {
    "alpacaeval": 4.80,
    "commoneval": 4.42,
    "sd-qa": 66.27,
    "mmsu": 71.08,
    "openbookqa": 83.52,
    "ifeval": 78.52,
    "advbench": 98.65,
}


def test_overall_of_the_report() -> None:
    result = overall7(FUN_AUDIO_CHAT_8B)
    assert isinstance(result, Overall)
    assert result.value == pytest.approx(83.2057, abs=5e-5)
    assert result.terms == TERMS_7


def test_overall_of_the_leaderboard_takes_nine_terms() -> None:
    result = overall9({**FUN_AUDIO_CHAT_8B, "wildvoice": 4.0, "bbh": 50.0})
    assert isinstance(result, Overall)
    assert result.value == pytest.approx((83.20571428571428 * 7 + 80 + 50) / 9)
    assert result.terms == TERMS_9


def test_further_scores_do_not_change_the_report_figure() -> None:
    assert overall7({**FUN_AUDIO_CHAT_8B, "wildvoice": 1.0}) == overall7(FUN_AUDIO_CHAT_8B)


@pytest.mark.parametrize("value", [None, math.nan, math.inf], ids=["none", "nan", "inf"])
def test_a_term_without_a_score_withholds_overall(value: float | None) -> None:
    scores = {**FUN_AUDIO_CHAT_8B, "mmsu": value}
    assert overall7(scores) == OverallWithheld(missing=("mmsu",))


def test_the_reason_names_every_missing_term() -> None:
    result = overall9(FUN_AUDIO_CHAT_8B)
    assert isinstance(result, OverallWithheld)
    assert result.reason == "no score for wildvoice, bbh"


def test_a_zero_is_a_score() -> None:
    assert overall7(dict.fromkeys(TERMS_7, 0.0)) == Overall(0.0, TERMS_7)


def test_ifeval_final_is_the_mean_of_four() -> None:
    final = ifeval_final(strict_prompt=0.5, strict_instruction=2 / 3, loose_prompt=1, loose_instruction=1)
    assert final == pytest.approx(0.791667, abs=1e-6)


def test_sdqa_official_is_the_mean_of_both_figures() -> None:
    assert sdqa_official(panda=47.74, gpt=52.26) == pytest.approx(50.0)


def test_mmsu_is_pooled_over_items() -> None:
    assert mmsu_pool([SplitCount(1, 1), SplitCount(3, 0)]) == 25.0


@pytest.mark.parametrize(
    "splits",
    [[], [SplitCount(0, 0)], [SplitCount(2, 3)], [SplitCount(2, -1)]],
    ids=["no-split", "no-item", "too-many-right", "negative"],
)
def test_mmsu_splits_that_have_no_accuracy(splits: list[SplitCount]) -> None:
    with pytest.raises(DataError):
        mmsu_pool(splits)
