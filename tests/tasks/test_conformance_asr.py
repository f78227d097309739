from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fac_eval.conformance import Adapter, CannotRunError, check_answer, read_golden
from fac_eval.errors import MissingExtra
from fac_eval.tasks.conformance import asr

GOLDEN = Path(__file__).parents[1] / "golden"
ADAPTERS: dict[str, Adapter] = {
    "asr_normalize_en": asr.normalized_en,
    "asr_normalize_zh": asr.normalized_zh,
    "asr_wer": asr.wer,
    "ultraeval_asr_wer": asr.ultraeval_wer,
}
CASES = [
    pytest.param(name, case, id=f"{name}-{case['id']}")
    for name in ADAPTERS
    for case in read_golden(GOLDEN / f"{name}.jsonl").cases
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_golden_case(name: str, case: dict[str, Any]) -> None:
    try:
        found = check_answer(lambda: ADAPTERS[name](case["input"], {}), case["expected"])
    except MissingExtra as error:
        pytest.skip(str(error))
    assert found == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_file_holds_cases_that_fail_a_wrong_scorer(name: str) -> None:
    cases = read_golden(GOLDEN / f"{name}.jsonl").cases
    assert len({json.dumps(case["expected"], sort_keys=True) for case in cases}) > 1


def test_a_text_that_a_normaliser_fails_on_agrees_with_a_recorded_error() -> None:
    pytest.importorskip("whisper_normalizer")
    expected = {
        "whisper_normalizer": {"error": "AssertionError"},
        "openai_whisper": {"error": "AssertionError"},
    }
    assert check_answer(lambda: asr.normalized_en({"text": "9" * 5000}, {}), expected) == []


def test_what_an_adapter_does_not_know_cannot_be_run() -> None:
    with pytest.raises(CannotRunError, match="'yue'"):
        asr.wer({"lang": "yue", "pairs": []}, {})
    with pytest.raises(CannotRunError, match="'norm_ja'"):
        asr.ultraeval_wer({"kind": "norm_ja"}, {})
