"""Upstream's function-calling predictions scored by `fac-eval run -m replay:file=... -t speech_fc/...` alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import RunResult
from fac_eval.data.hub import DataFinder
from fac_eval.errors import MissingResource
from fac_eval.resolve import resolve_tasks
from tests.support.tool_records import call, record, tool

TOOL = tool("weather.forecast", {"city": "string"}, ["city"])
ANSWER = [{"weather.forecast": {"city": ["Oslo"]}}]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")


def predictions(path: Path, *cities: str) -> str:
    rows = [
        {**record([TOOL], ANSWER, call("weather.forecast", {"city": city})), "dataset_key": str(number)}
        for number, city in enumerate(cities)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return f"replay:file={path}"


def run(models: Any, tmp_path: Path, task: str = "speech_fc/bfcl_single", **options: Any) -> RunResult:
    return fac_eval.run(models, task, store=str(tmp_path / "store"), progress=False, **options)


def test_a_file_that_brings_its_items_needs_no_data_set(tmp_path: Path) -> None:
    model = predictions(tmp_path / "pred.jsonl", "Oslo", "Rome", "oslo")
    result = run(model, tmp_path)
    (cell,) = result.cells
    assert {figure.name: round(figure.value or 0, 2) for figure in cell.figures} == {
        "accuracy": 66.67,
        "value": 33.33,
    }
    assert cell.variant.endswith("items=records")
    assert run(model, tmp_path).id == result.id
    again = fac_eval.rescore(result.id, set={"speech_fc.malformed": "fail"}, store=str(tmp_path / "store"))
    assert again.cells[0].figures[0].value == 66.67


def test_the_oracle_may_stand_beside_it(tmp_path: Path) -> None:
    cells = run([predictions(tmp_path / "pred.jsonl", "Rome"), "oracle"], tmp_path).cells
    assert [cell.figures[0].value for cell in cells] == [0.0, 100.0]


def test_a_data_set_that_is_named_is_used(tmp_path: Path) -> None:
    (cell,) = run(predictions(tmp_path / "pred.jsonl", "Oslo"), tmp_path, data="sample").cells
    assert cell.counts.failed == {"missing_prediction": 8}


def test_answers_without_items_need_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "pred.jsonl").write_text('{"id": "0", "predict": ""}\n', "utf-8")
    with pytest.raises(MissingResource):
        run(f"replay:file={tmp_path / 'pred.jsonl'}", tmp_path)


def test_files_of_two_models_need_the_data_set(tmp_path: Path) -> None:
    models = [predictions(tmp_path / f"{name}.jsonl", "Oslo") for name in "ab"]
    with pytest.raises(MissingResource):
        run(models, tmp_path)


def test_tasks_that_read_no_items_from_predictions_are_left_as_they_are(tmp_path: Path) -> None:
    (task,) = resolve_tasks(["voicebench/bbh"])
    assert task.over_items_of(tmp_path / "pred.jsonl") is task
    assert next(task.samples(DataFinder("sample"))).id == "bbh/test/0"
