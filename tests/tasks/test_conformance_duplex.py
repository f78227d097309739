from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fac_eval.conformance import CannotRunError
from fac_eval.tasks.conformance import duplex

GOLDEN = Path(__file__).parents[1] / "golden" / "duplex.jsonl"
CASES = {case.id: case for case in duplex.cases(GOLDEN)}


def _file(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "duplex.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ({"header": {}}, *rows)), encoding="utf-8")
    return path


def test_every_golden_case_agrees() -> None:
    differences = {}
    for case in CASES.values():
        if found := case.check():
            differences[case.id] = found
    assert differences == {}


def test_a_wrong_record_disagrees(tmp_path: Path) -> None:
    row = {"id": "x", "kind": "pause", "input": {"samples": [[]]}, "expected": {"average_take_turn": 1.0}}
    (case,) = duplex.cases(_file(tmp_path, row))
    assert case.check() == ["average_take_turn: expected 1.0, got 0.0"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param({"kind": "tone", "input": {}}, "tone", id="unknown-kind"),
        pytest.param({"input": {}}, "None", id="no-kind"),
        pytest.param({"kind": "session_agg", "input": {"members": ["gone"]}}, "gone", id="absent-session"),
    ],
)
def test_what_has_no_function_cannot_run(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    (case,) = duplex.cases(_file(tmp_path, {"id": "x", "expected": {}, **row}))
    with pytest.raises(CannotRunError, match=reason):
        case.check()


def test_a_judge_who_never_rates_cannot_run() -> None:
    chunks = [{"text": "w", "timestamp": [1.0, 3.0]}]
    sample = {"chunks": chunks, "timestamp": [0.0, 0.5]}
    with pytest.raises(CannotRunError, match="never gives a rating"):
        duplex.interruption({"samples": [sample], "judge_replies": ["no"]})
