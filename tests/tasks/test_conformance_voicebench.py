from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fac_eval.errors import FacEvalError, MissingExtra, MissingResource
from fac_eval.tasks.conformance import voicebench

GOLDEN = Path(__file__).parents[1] / "golden"
ADAPTERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]] = {
    "mcq": voicebench.mcq,
    "harm": voicebench.harm,
    "bbh": voicebench.bbh,
    "ifeval": voicebench.ifeval,
    "aggregate": voicebench.aggregate,
    "judge_parse": voicebench.judge_parse,
}


def _lines(name: str) -> list[dict[str, Any]]:
    text = (GOLDEN / f"voicebench_{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]  # replies hold other line breaks


def _cases() -> Iterator[Any]:
    for name in ADAPTERS:
        header, *cases = _lines(name)
        for case in cases:
            yield pytest.param(name, header["header"], case, id=case["id"])


@pytest.mark.parametrize(("name", "header", "case"), list(_cases()))
def test_golden_case(name: str, header: dict[str, Any], case: dict[str, Any]) -> None:
    adapter, expected = ADAPTERS[name], case["expected"]
    try:
        if "error" in expected:
            with pytest.raises(FacEvalError):
                adapter(case["input"], header)
            return
        got = adapter(case["input"], header)
    except (MissingExtra, MissingResource) as error:
        pytest.skip(str(error))
    assert {key: got[key] for key in expected} == _close(expected, header["tolerance"]), case["case"]


def _close(expected: Any, tolerance: float) -> Any:
    if isinstance(expected, dict):
        return {key: _close(value, tolerance) for key, value in expected.items()}
    return pytest.approx(expected, abs=tolerance, rel=0) if isinstance(expected, float) else expected


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_file_holds_cases_that_fail_a_wrong_scorer(name: str) -> None:
    _, *cases = _lines(name)
    assert len({json.dumps(case["expected"], sort_keys=True) for case in cases}) > 1


def test_a_missing_term_raises_and_gives_no_overall() -> None:
    with pytest.raises(FacEvalError, match="no score for commoneval"):
        voicebench.aggregate({"kind": "overall7", "scores": {"alpacaeval": 5.0}}, {})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(FacEvalError, match="overall8"):
        voicebench.aggregate({"kind": "overall8"}, {})
