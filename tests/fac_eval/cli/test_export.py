"""`fac-eval export`: every sample of a run in a file that others can read."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import fac_eval
from fac_eval import Audio, Request, Response, Sample
from fac_eval.engine import export
from fac_eval.engine.export import COLUMNS, sample_rows
from fac_eval.store import Store
from fac_eval.vocabulary import Timings, ToolCall, Usage
from tests.support.command_line import CommandLine
from tests.support.toys import Echo, ToyTask

NESTED = ("reference", "metadata", "tool_calls", "parts", "evidence", "quality", "verdicts")


class Odd(ToyTask):
    """Samples with everything that is hard to write: line breaks, quotes, Chinese, emoji, nesting."""

    name = "odd"

    def samples(self, data: object) -> Any:
        for sample in super().samples(data):
            metadata = {"words": ["好", 'a "quote", and\na line'], "nested": {"x": None}}
            yield Sample(
                sample.id, sample.messages, sample.reference, metadata=metadata, cluster=f"c{sample.id[-1]}"
            )

    def skip(self, sample: Sample) -> str | None:
        return "left out" if sample.id == "s3" else None


class Talking(Echo):
    """Speaks, and fails at the second sample."""

    name = "talking"

    def _answer(self, request: Request) -> Response:
        if request.messages[0].text.startswith("say 2 "):
            raise RuntimeError("tongue-tied")
        tone = np.sin(np.arange(800) * 0.05).astype(np.float32) / 2
        return Response(
            text=f'{request.messages[0].text.split()[1]}\r\n"好" 🎤',
            speech=Audio.from_samples(tone, 16000),
            tool_calls=(ToolCall("f", '{"a": 1}'),),
            finish_reason="stop",
            usage=Usage(input_tokens=11, output_tokens=5, cost=0.25),
            timings=Timings(total=1.5, first_token=0.5),
        )


@pytest.fixture
def odd_run(cli: CommandLine) -> str:
    """A run in .fac-eval with spoken, failed and skipped samples."""
    return fac_eval.run(Talking(speech=True), Odd(), limit=5, progress=False).id


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of an exported file with nested values read back, empty ones as None."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows: Sequence[dict[str, Any]] = list(csv.DictReader(file))
        numbers = (
            "position",
            "input_tokens",
            "output_tokens",
            "score",
            "cost",
            "seconds",
            "first_token_seconds",
        )
        rows = [{key: value or None for key, value in row.items()} for row in rows]
        rows = [row | {key: row[key] and float(row[key]) for key in numbers} for row in rows]
    else:
        rows = pq.read_table(path).to_pylist()
    return [row | {key: row[key] and json.loads(row[key]) for key in NESTED} for row in rows]


def without_empties(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, {}, [])}


def test_a_row_a_sample_in_order(cli: CommandLine, finished_store: Path) -> None:
    done = cli("export", "--to", "jsonl", "--out", "samples.jsonl", "--store", finished_store)
    assert done.code == 0
    rows = read(Path("samples.jsonl"))
    assert f"48 samples of run {rows[0]['run']} written to samples.jsonl" in done.out
    assert [tuple(row) for row in rows] == [COLUMNS] * 48
    tasks = ("voicebench/mmsu", "voicebench/bbh")
    assert [(row["model"], row["task"], row["position"]) for row in rows] == [
        (model, task, position) for model in ("oracle", "empty") for task in tasks for position in range(12)
    ]
    first = rows[0]
    assert first["output"] == first["reference"]
    assert first["prompt"] == first["metadata"]["prompt"]
    assert (first["outcome"], first["score"], first["label"]) == ("scored", 1.0, first["reference"])
    assert first["parts"]["unparsed"] == 0.0
    assert first["error"] is None


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_every_format_holds_the_same(suffix: str, cli: CommandLine, odd_run: str) -> None:
    path = Path(f"rows.{suffix}")
    assert cli("export", odd_run, "--out", path).code == 0
    found = read(path)
    with Store.reader(".fac-eval") as store:
        expected = list(sample_rows(store, odd_run))
    assert [without_empties(row) for row in found] == [without_empties(row) for row in expected]
    assert tuple(found[0]) == COLUMNS


def test_scored_failed_and_skipped_samples_tell_what_became_of_them(cli: CommandLine, odd_run: str) -> None:
    cli("export", "--out", "rows.jsonl")
    scored, _, failed, skipped, _ = read(Path("rows.jsonl"))
    assert scored["output"] == '0\r\n"好" 🎤'
    assert scored["cluster"] == "c0"
    assert scored["metadata"]["words"] == ["好", 'a "quote", and\na line']
    assert scored["prompt"].startswith("say 0 ")
    assert scored["tool_calls"] == [{"name": "f", "arguments": '{"a": 1}'}]
    assert (scored["input_tokens"], scored["output_tokens"], scored["cost"]) == (11, 5, 0.25)
    assert (scored["seconds"], scored["first_token_seconds"]) == (1.5, 0.5)
    assert scored["finish_reason"] == "stop"
    assert Path(scored["speech"]).is_absolute()
    assert Audio.from_file(scored["speech"]).seconds == 0.05
    assert (failed["outcome"], failed["error"], failed["score"]) == ("failed", "model_error", None)
    assert "tongue-tied" in failed["error_message"]
    assert failed["skip_reason"] is None
    assert (skipped["outcome"], skipped["skip_reason"], skipped["error"]) == ("skipped", "left out", None)
    assert skipped["prompt"].startswith("say 3 ")


def test_parquet_has_one_schema_whatever_the_run_holds(
    cli: CommandLine, odd_run: str, finished_store: Path
) -> None:
    cli("export", "--out", "odd.parquet")
    cli("export", "--out", "plain.parquet", "--store", finished_store)
    odd, plain = (pq.read_schema(name) for name in ("odd.parquet", "plain.parquet"))
    assert odd == plain
    assert str(odd.field("score").type) == "double"
    assert str(odd.field("position").type) == "int64"


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_many_rows_are_written_group_by_group(
    suffix: str, cli: CommandLine, finished_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_CHUNK", 5)
    monkeypatch.setattr(export, "_ROW_GROUP", 7)
    cli("export", "--out", f"rows.{suffix}", "--store", finished_store)
    assert len(read(Path(f"rows.{suffix}"))) == 48


def test_only_some_tasks_and_models(cli: CommandLine, finished_store: Path) -> None:
    def exported(*arguments: str) -> set[tuple[str, str]]:
        done = cli("export", "--to", "jsonl", "--out", "-", "--store", finished_store, *arguments)
        assert done.code == 0, done.err
        return {(row["model"], row["task"]) for row in map(json.loads, done.out.splitlines())}

    assert exported("-t", "voicebench/bbh", "-m", "empty") == {("empty", "voicebench/bbh")}
    assert exported("-t", "*mmsu", "-m", "o*") == {("oracle", "voicebench/mmsu")}
    assert len(exported("-t", "voicebench")) == 4


def test_standard_output_holds_the_rows_alone(cli: CommandLine, finished_store: Path) -> None:
    done = cli("export", "--to", "csv", "--out", "-", "--store", finished_store)
    assert done.out.startswith("run,model,task,")
    assert len(list(csv.DictReader(done.out.splitlines(keepends=True)))) == 48


def test_an_existing_file_is_replaced_as_a_whole(cli: CommandLine, finished_store: Path) -> None:
    Path("rows.jsonl").write_text("old\n" * 1000)
    Path("link.jsonl").symlink_to("rows.jsonl")
    assert cli("export", "--out", "link.jsonl", "--store", finished_store).code == 0
    assert Path("link.jsonl").is_symlink()
    assert len(read(Path("rows.jsonl"))) == 48
    assert sorted(os.listdir()) == ["link.jsonl", "rows.jsonl"]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    cli: CommandLine, finished_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Store, cell: int) -> Any:
        raise fac_eval.FacEvalError("the disk has a bad sector")
        yield

    Path("rows.csv").write_text("old")
    monkeypatch.setattr(Store, "items", broken)
    done = cli("export", "--out", "rows.csv", "--store", finished_store)
    assert (done.code, done.err) == (2, "fac-eval: the disk has a bad sector\n")
    assert Path("rows.csv").read_text() == "old"
    assert os.listdir() == ["rows.csv"]


def test_a_device_is_written_to_not_replaced(cli: CommandLine, finished_store: Path) -> None:
    assert cli("export", "--to", "jsonl", "--out", os.devnull, "--store", finished_store).code == 0
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "rows.txt"], "Name it: --to parquet, csv or jsonl."),
        (["--out", "-", "--to", "parquet"], "Parquet cannot be written to standard output."),
        (["--out", "-"], "cannot tell the format"),
        (["--out", "nowhere/rows.csv"], "there is no folder nowhere."),
        (["--out", "folder", "--to", "csv"], "folder is a folder."),
        (["--out", "/dev/full", "--to", "csv"], "cannot write /dev/full: No space left on device."),
        (["--out", "rows.csv", "-t", "voicebench/bbhh"], "Did you mean 'voicebench/bbh'"),
        (["--out", "rows.csv", "-m", "emty"], "Did you mean 'empty'?"),
        (["123456789abc", "--out", "rows.csv"], "unknown run '123456789abc'"),
        (["--out", "rows.csv", "--store", "nowhere"], "there is no store in nowhere."),
        (["--to", "csv"], "Missing option '-o' / '--out'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_exported_is_said(
    arguments: list[str],
    said: str,
    cli: CommandLine,
    finished_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAC_EVAL_STORE", str(finished_store))
    Path("folder").mkdir()
    done = cli("export", *arguments)
    assert done.code == 2
    assert said in done.err
    assert os.listdir() == ["folder"]


def test_a_missing_package_is_said_before_a_file_is_begun(
    cli: CommandLine, finished_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    done = cli("export", "--out", "rows.parquet", "--store", finished_store)
    assert done.code == 2
    assert "pip install 'fac-eval[data]'" in done.err
    assert os.listdir() == []


def test_what_is_exported_can_be_replayed(cli: CommandLine, finished_store: Path) -> None:
    cli("export", "--out", "rows.jsonl", "--model", "oracle", "--store", finished_store)
    done = cli(
        "run",
        "-m",
        "replay:rows.jsonl",
        "-t",
        "voicebench/mmsu:mode=official",
        "-t",
        "voicebench/bbh",
        "--data",
        "sample",
        "--json",
    )
    assert done.code == 0
    assert [
        row["value"] for row in done.json["results"] if row.get("main") and row["metric"] == "accuracy"
    ] == [
        100,
        100,
    ]


def test_the_samples_of_a_result_as_a_data_frame(finished_store: Path) -> None:
    from fac_eval.engine.result import RunResult

    with Store.reader(finished_store) as store:
        frame = RunResult.load(store).samples
    assert len(frame) == 48
    assert list(frame.columns) == list(COLUMNS)
    assert frame.groupby("model")["score"].mean()["oracle"] == 1
