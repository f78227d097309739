from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fac_eval.conformance import Adapter, CannotRunError, check_answer, read_golden
from fac_eval.tasks.conformance import spokenqa, ultraeval_audio, vstyle

GOLDEN = Path(__file__).parents[1] / "golden"
ADAPTERS: dict[str, Adapter] = {
    "spokenqa_aggregate": spokenqa.aggregate,
    "ultraeval_exact_match": ultraeval_audio.exact_match,
    "ultraeval_judge_parse": ultraeval_audio.judge_parse,
    "vstyle_aggregate": vstyle.aggregate,
    "vstyle_align": vstyle.align,
    "vstyle_parse": vstyle.parse,
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_golden_case_agrees(name: str) -> None:
    golden = read_golden(GOLDEN / f"{name}.jsonl")
    adapter = ADAPTERS[name]
    found = {
        case["id"]: check_answer(
            partial(adapter, case["input"], golden.header), case["expected"], golden.tolerance
        )
        for case in golden.cases
    }
    assert {key: differences for key, differences in found.items() if differences} == {}


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_file_holds_cases_that_fail_a_wrong_scorer(name: str) -> None:
    golden = read_golden(GOLDEN / f"{name}.jsonl")
    assert len({json.dumps(case["expected"], sort_keys=True) for case in golden.cases}) > 1


@pytest.mark.parametrize(
    ("adapter", "case_input"),
    [
        pytest.param(spokenqa.aggregate, {"kind": "median"}, id="sum"),
        pytest.param(spokenqa.aggregate, {"kind": "task", "metric": "wer", "items": []}, id="metric"),
        pytest.param(ultraeval_audio.exact_match, {"kind": "median"}, id="match"),
        pytest.param(ultraeval_audio.judge_parse, {"kind": "median"}, id="judge"),
    ],
)
def test_an_unknown_kind_is_refused(adapter: Any, case_input: dict[str, Any]) -> None:
    with pytest.raises(CannotRunError, match="median|wer"):
        adapter(case_input, {})
