"""The golden files of MMAU, MMAU-Pro, MMSU and OpenAudioBench."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fac_eval.conformance import Adapter, CannotRunError, Case, check_answer, read_golden
from fac_eval.errors import MissingExtra, MissingResource
from fac_eval.tasks.conformance import mmau, mmau_pro, mmsu, openaudiobench

GOLDEN = Path(__file__).parents[1] / "golden"
FUNCTIONS: dict[str, Adapter] = {
    "mmau_match": mmau.match,
    "mmau_aggregate": mmau.aggregate,
    "mmsu_match": mmsu.match,
    "openaudiobench_parse": openaudiobench.parse,
}


def _cases() -> Iterator[Any]:
    for case in mmau_pro.cases(GOLDEN / "mmau_pro_match.jsonl"):
        yield pytest.param(case, id=case.id)
    for name, adapter in FUNCTIONS.items():
        golden = read_golden(GOLDEN / f"{name}.jsonl")
        for row in golden.cases:
            answer = partial(adapter, row["input"], golden.header)
            check = partial(check_answer, answer, row["expected"], golden.tolerance)
            yield pytest.param(Case(row["id"], row["case"], check), id=f"{name}-{row['id']}")


@pytest.mark.parametrize("case", list(_cases()))
def test_golden_case(case: Case) -> None:
    try:
        found = case.check()
    except (MissingExtra, MissingResource) as error:
        pytest.skip(str(error))
    assert found == [], case.label


@pytest.mark.parametrize("name", [*FUNCTIONS, "mmau_pro_match"])
def test_every_file_holds_cases_that_fail_a_wrong_scorer(name: str) -> None:
    golden = read_golden(GOLDEN / f"{name}.jsonl")
    assert len({json.dumps(case["expected"], sort_keys=True) for case in golden.cases}) > 1


def test_a_wrong_record_disagrees(tmp_path: Path) -> None:
    changed = tmp_path / "mmau_pro_match.jsonl"
    golden = read_golden(GOLDEN / "mmau_pro_match.jsonl")
    rows = [
        {**row, "expected": {**row["expected"], "confidence": row["expected"]["confidence"] + 0.01}}
        for row in golden.cases
        if "confidence" in row["expected"]
    ]
    lines = [json.dumps(line) for line in [{"header": golden.header}, *rows]]
    changed.write_text("\n".join(lines), encoding="utf-8")
    assert all(len(case.check()) == 1 for case in mmau_pro.cases(changed))


@pytest.mark.parametrize(
    ("adapter", "case_input"),
    [
        pytest.param(mmau.match, {"op": "median"}, id="mmau-match"),
        pytest.param(mmau.aggregate, {"op": "median"}, id="mmau-aggregate"),
        pytest.param(openaudiobench.parse, {"kind": "median"}, id="openaudiobench"),
    ],
)
def test_an_unknown_operation_is_refused(adapter: Adapter, case_input: dict[str, Any]) -> None:
    with pytest.raises(CannotRunError, match="median"):
        adapter(case_input, {})


def test_an_unknown_operation_of_mmau_pro_is_refused() -> None:
    with pytest.raises(CannotRunError, match="median"):
        mmau_pro.answer({"op": "median"})
    with pytest.raises(CannotRunError, match="letters27"):
        mmau_pro.answer({"op": "closed_embed", "embedding": "letters27", "choices": ["a", "b"]})
