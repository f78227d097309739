from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fac_eval.conformance import Case, check_answer, read_golden
from fac_eval.errors import DataError
from fac_eval.metrics.toolcall_check import ScorerError
from fac_eval.tasks.conformance import speech_fc

GOLDEN = Path(__file__).parents[1] / "golden"
CHECKERS = {
    "bfcl_check": speech_fc.bfcl_check,
    "acebench_check": speech_fc.acebench_check,
    "smartinteract_check": speech_fc.smartinteract_check,
}
FUNCTIONS = {"toolcall_parse": speech_fc.toolcall_parse, "table4_aggregate": speech_fc.table4_aggregate}


def _cases() -> Iterator[Any]:
    for name, checker in CHECKERS.items():
        for case in checker.cases(GOLDEN / f"{name}.jsonl"):
            yield pytest.param(case, id=case.id)
    for name, adapter in FUNCTIONS.items():
        golden = read_golden(GOLDEN / f"{name}.jsonl")
        for row in golden.cases:
            answer = partial(adapter, row["input"], golden.header)
            check = partial(check_answer, answer, row["expected"], golden.tolerance)
            yield pytest.param(Case(row["id"], row["case"], check), id=row["id"])


@pytest.mark.parametrize("case", list(_cases()))
def test_golden_case(case: Case) -> None:
    assert case.check() == [], case.label


@pytest.mark.parametrize("name", CHECKERS)
def test_records_that_stop_the_official_scorer_name_its_exception(name: str) -> None:
    crashes = [row for row in read_golden(GOLDEN / f"{name}.jsonl").cases if "error" in row["expected"]]
    assert crashes
    for row in crashes:
        with pytest.raises(ScorerError) as raised:
            CHECKERS[name].answer(row["input"])
        assert raised.value.crash == row["expected"]["error"], row["case"]


@pytest.mark.parametrize("name", CHECKERS)
def test_a_wrong_verdict_or_label_disagrees(name: str, tmp_path: Path) -> None:
    changed = tmp_path / f"{name}.jsonl"
    golden = read_golden(GOLDEN / f"{name}.jsonl")
    rows = [
        {**row, "expected": {"valid": not expected["valid"], "error_type": "other", "errors": []}}
        for row in golden.cases
        if "valid" in (expected := row["expected"])
    ]
    lines = [json.dumps(line) for line in [{"header": golden.header}, *rows]]
    changed.write_text("\n".join(lines), encoding="utf-8")
    for case in CHECKERS[name].cases(changed):
        assert len(case.check()) == 2


def test_a_missing_sub_set_gives_no_overall() -> None:
    counts = {"correct": {"bfcl_single": 1}, "total": {"bfcl_single": 2}}
    with pytest.raises(DataError, match="no score for acebench_single"):
        speech_fc.table4_aggregate(counts, {})
