from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.audio import Audio
from fac_eval.errors import DataError, UsageError
from fac_eval.file_task.task import FileOptions, FileTask
from fac_eval.models.replay import TEXT_COLUMNS, Replay
from fac_eval.resolve import resolve_model
from fac_eval.vocabulary import Request, Response, Sample, ToolCall, user


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))


def jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def replay(tmp_path: Path, *rows: Mapping[str, Any], **arguments: Any) -> Replay:
    return Replay(str(jsonl(tmp_path / "pred.jsonl", rows)), **arguments)


def task(name: str = "t") -> FileTask:
    return FileTask(FileOptions(f"{name}.jsonl"))


def ask(model: Replay, *ids: str, start: int = 0, name: str = "t") -> list[Response]:
    samples = [Sample(identity, (user("question"),)) for identity in ids]
    requests = [Request(sample.messages) for sample in samples]
    return model.respond(task(name), samples, requests, range(start, start + len(ids)))


def said(responses: Sequence[Response]) -> list[str | None]:
    """The texts, or the kinds of failure."""
    return [response.error.kind if response.error else response.text for response in responses]


MISSING = "missing_prediction"


@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_answers_are_found_under_any_usual_name(column: str, tmp_path: Path) -> None:
    model = replay(tmp_path, {"id": "b", column: "two"}, {"id": "a", column: "one"})
    assert said(ask(model, "a", "b")) == ["one", "two"]


@pytest.mark.parametrize(
    ("rows", "arguments", "expected"),
    [
        pytest.param([{"sample_id": "a", "text": "x"}], {}, ["x", MISSING], id="sample_id"),
        pytest.param([{"dataset_key": "b", "index": 0, "text": "x"}], {}, [MISSING, "x"], id="dataset_key"),
        pytest.param([{"key": "b", "text": "x"}], {"id": "key"}, [MISSING, "x"], id="named-id"),
        pytest.param([{"text": "x"}, {"text": "y"}], {}, ["x", "y"], id="no-ids-by-index"),
        pytest.param([{"id": "b", "text": "x"}], {"match": "index"}, ["x", MISSING], id="told-by-index"),
        pytest.param([{"id": "a", "said": "x"}], {"text": "said"}, ["x", MISSING], id="named-text"),
        pytest.param(
            [{"id": "a", "text": "x", "output": "y"}], {"text": "output"}, ["y", MISSING], id="of-two"
        ),
        pytest.param([{"id": "a", "text": 4.0}, {"id": "b", "text": 0.5}], {}, ["4", "0.5"], id="numbers"),
        pytest.param(
            [{"id": "a", "text": ""}, {"id": "b", "text": None}], {}, ["", MISSING], id="empty-and-null"
        ),
    ],
)
def test_matching(
    rows: list[dict[str, Any]], arguments: dict[str, Any], expected: Any, tmp_path: Path
) -> None:
    assert said(ask(replay(tmp_path, *rows, **arguments), "a", "b")) == expected


def test_whole_numbers_are_ids(tmp_path: Path) -> None:
    assert said(ask(replay(tmp_path, {"id": 7, "text": "x"}), "7")) == ["x"]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "pred.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "prediction"], ["a", "x, y"], ["b", ""]])
    assert said(ask(Replay(str(path)), "a", "b", "c")) == ["x, y", "", MISSING]


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"id": ["a", "b"], "text": ["x", None]}), tmp_path / "pred.parquet")
    assert said(ask(Replay(str(tmp_path / "pred.parquet")), "a", "b")) == ["x", MISSING]


def test_index_counts_places_in_the_data_set(tmp_path: Path) -> None:
    model = replay(tmp_path, *({"text": str(n)} for n in range(5)))
    assert said(ask(model, "x", "y", start=3)) == ["3", "4"]
    assert said(ask(model, "z", start=5)) == [MISSING]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    (response,) = ask(replay(tmp_path, {"id": "a", "text": "x"}), "q7")
    assert response.error is not None
    assert response.error.message == "pred.jsonl has no prediction for the sample 'q7'"
    (response,) = ask(replay(tmp_path, {"id": "a", "text": None}), "a")
    assert response.error is not None
    assert "line 1" in response.error.message


def test_several_tasks_in_one_file(tmp_path: Path) -> None:
    rows = [
        {"sample_id": "0", "task": "file:one", "output": "x"},
        {"sample_id": "0", "task": "file:two", "output": "y"},
        {"sample_id": "1", "task": "file:two", "output": "z"},
    ]
    model = replay(tmp_path, *rows)
    assert said(ask(model, "0", "1", name="one")) == ["x", MISSING]
    assert said(ask(model, "0", "1", name="two")) == ["y", "z"]
    with pytest.raises(
        DataError, match=r"(?s)no predictions for file:three.*'file:one', 'file:two'.*task=none"
    ):
        ask(model, "0", name="three")
    by_index = replay(tmp_path, *rows, match="index")
    assert said(ask(by_index, "p", "q", name="two")) == ["y", "z"]


def test_a_column_of_tasks_can_be_named_or_ignored(tmp_path: Path) -> None:
    rows = [{"id": "a", "task": "reasoning", "set": "file:t", "text": "x"}]
    assert said(ask(replay(tmp_path, *rows, task="none"), "a")) == ["x"]
    assert said(ask(replay(tmp_path, *rows, task="set"), "a")) == ["x"]


def test_spoken_answers(tmp_path: Path) -> None:
    clip = Audio.from_samples(np.zeros(160, dtype=np.float32), 16_000)
    (tmp_path / "a.wav").write_bytes(clip.encoded())
    model = replay(tmp_path, {"id": "a", "wav": "a.wav"}, {"id": "b", "wav": "", "text": "x"}, audio="wav")
    first, second = ask(model, "a", "b")
    assert model.capabilities.outputs == {"text", "speech"}
    assert first.speech == Audio.from_file(tmp_path / "a.wav")
    assert (first.text, second.text, second.speech) == (None, "x", None)


def test_without_a_column_of_clips_only_text_is_offered(tmp_path: Path) -> None:
    assert replay(tmp_path, {"id": "a", "text": "x"}).capabilities.outputs == {"text"}


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([{"name": "f", "arguments": {"x": 1}, "id": "c1"}], id="ours"),
        pytest.param([{"name": "f", "arguments": '{"x":1}', "id": "c1"}], id="arguments-as-text"),
        pytest.param(
            [{"id": "c1", "function": {"name": "f", "arguments": '{"x":1}'}}], id="chat-completions"
        ),
        pytest.param('[{"name": "f", "arguments": {"x": 1}, "id": "c1"}]', id="json-in-a-cell"),
    ],
)
def test_tool_calls(calls: Any, tmp_path: Path) -> None:
    (response,) = ask(replay(tmp_path, {"id": "a", "tool_calls": calls}), "a")
    assert response.tool_calls == (ToolCall("f", '{"x":1}', "c1"),)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        pytest.param(
            [{"id": "a", "text": "x"}, {"id": "b", "text": "x"}, {"id": "a", "text": "y"}],
            {},
            "line 3: the id 'a' is that of line 1, too.*one row a sample",
            id="id-twice",
        ),
        pytest.param(
            [{"id": "a", "text": "x", "model": "m1"}, {"id": "a", "text": "y", "model": "m2"}],
            {},
            "several models' predictions, make a file for each",
            id="several-models",
        ),
        pytest.param(
            [{"id": "a", "text": "x"}, {"text": "x"}], {}, "line 2: the column 'id' is empty", id="no-id"
        ),
        pytest.param([{"id": [], "text": "x"}], {}, "line 1, column 'id': expected text", id="id-type"),
        pytest.param(
            [{"id": "a", "text": ["x"]}], {}, "line 1, column 'text': expected text", id="text-type"
        ),
        pytest.param(
            [{"id": "a", "text": "x", "wav": 3}], {"audio": "wav"}, "line 1, column 'wav'", id="clip"
        ),
        pytest.param([{"id": "a", "tool_calls": ["f"]}], {}, "line 1, column 'tool_calls'", id="call-type"),
        pytest.param(
            [{"id": "a", "tool_calls": [{}]}], {}, "line 1, column 'tool_calls'", id="call-without-name"
        ),
        pytest.param([{"id": "a", "tool_calls": "{"}], {}, "line 1, column 'tool_calls'", id="calls-no-json"),
        pytest.param([{"id": "a", "tool_calls": 3}], {}, "line 1, column 'tool_calls'", id="calls-type"),
    ],
)
def test_faulty_rows(
    rows: list[dict[str, Any]], arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"(?s)pred.jsonl.*{message}"):
        ask(replay(tmp_path, *rows, **arguments), "a")


@pytest.mark.parametrize(
    ("row", "arguments", "message"),
    [
        pytest.param(
            {"id": "a", "text": "x", "answer": "y"}, {}, "'text', 'answer'.*text=text", id="two-texts"
        ),
        pytest.param({"id": "a", "said": "x"}, {}, "no column of answers.*text=COLUMN", id="no-text"),
        pytest.param(
            {"id": "a", "text": "x"}, {"text": "outptu"}, "lacks the column 'outptu'", id="text-absent"
        ),
        pytest.param({"id": "a", "text": "x"}, {"id": "key"}, "lacks the column 'key'", id="id-absent"),
        pytest.param({"text": "x"}, {"match": "id"}, "lacks the column 'id'", id="ids-wanted"),
        pytest.param({"id": "a", "text": "x"}, {"audio": "wav"}, "lacks the column 'wav'", id="audio-absent"),
        pytest.param({"id": "a", "text": "x"}, {"task": "set"}, "lacks the column 'set'", id="task-absent"),
    ],
)
def test_columns_are_checked_before_anything_runs(
    row: dict[str, Any], arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = replay(tmp_path, row, **arguments)
    with pytest.raises((DataError, UsageError), match=f"(?s){message}"):
        _ = model.fingerprint


def test_constructing_reads_nothing(tmp_path: Path) -> None:
    assert Replay(str(tmp_path / "absent.jsonl")).name == "absent"


# What no sample asked for.

ROWS = [{"id": name, "text": "x"} for name in "abcd"]


@pytest.mark.parametrize(
    ("asked", "remark"),
    [
        pytest.param(["a", "b", "c", "d"], None, id="all"),
        pytest.param(["a", "b", "d", "z"], "1 prediction of pred.jsonl matched no sample .*: 'c'$", id="one"),
        pytest.param(["a", "z"], "3 predictions of pred.jsonl .*: 'b', 'c', 'd'$", id="several"),
        pytest.param(["z"], "4 predictions of pred.jsonl .*: 'a', 'b', 'c', ...$", id="none-matched"),
    ],
)
def test_extra_predictions_are_remarked(asked: list[str], remark: str | None, tmp_path: Path) -> None:
    model = replay(tmp_path, *ROWS)
    ask(model, *asked)
    remarks = model.finish(task())
    if remark is None:
        assert remarks == []
    else:
        assert re.search(remark, remarks[0])
        assert len(remarks) == (2 if asked == ["z"] else 1)


def test_extra_rows_are_remarked_by_line(tmp_path: Path) -> None:
    model = replay(tmp_path, {"text": "x"}, {"text": "y"})
    ask(model, "a")
    (remark,) = model.finish(task())
    assert "1 prediction" in remark
    assert remark.endswith("pred.jsonl, line 2")


def test_no_remark_where_other_samples_were_answered_before(tmp_path: Path) -> None:
    model = replay(tmp_path, *ROWS)
    assert model.finish(task()) == []
    ask(model, "c", start=2)
    assert model.finish(task()) == []


# Identity.


def test_the_fingerprint_is_the_content_and_how_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    row = {"id": "a", "text": "x", "output": "y"}
    base = replay(tmp_path, row, text="text").fingerprint
    assert replay(tmp_path / "other", row, text="text", name="other").fingerprint == base
    different = [
        replay(tmp_path, row, text="output").fingerprint,
        replay(tmp_path, row, text="text", match="index").fingerprint,
        replay(tmp_path, row | {"text": "z"}, text="text").fingerprint,
    ]
    assert len({base, *different}) == 4


def test_a_changed_clip_changes_the_fingerprint(tmp_path: Path) -> None:
    row = {"id": "a", "wav": "a.wav"}
    found = set()
    for content in (b"one", b"two", None):
        if content is None:
            (tmp_path / "a.wav").unlink()
        else:
            (tmp_path / "a.wav").write_bytes(content)
        found.add(replay(tmp_path, row, audio="wav").fingerprint)
    assert len(found) == 3


def test_spec(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "pred.jsonl", [{"id": "a", "text": "x"}])
    model = resolve_model(f"replay:file={path},match=index,name=mine")
    assert isinstance(model, Replay)
    assert model.name == "mine"
    assert model.describe()["match"] == "index"
    assert str(tmp_path) not in json.dumps(dict(model.describe()))
    assert isinstance(resolve_model(f"replay:{path}"), Replay)
    with pytest.raises(UsageError, match="auto, id, index"):
        resolve_model(f"replay:file={path},match=text")


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=6), min_size=1, max_size=8),
    st.lists(st.text(min_size=1, max_size=4), max_size=8),
)
def test_each_sample_gets_its_own_prediction_or_none(
    tmp_path_factory: pytest.TempPathFactory, predictions: dict[str, str], asked: list[str]
) -> None:
    rows = [{"id": name, "text": text} for name, text in predictions.items()]
    model = replay(tmp_path_factory.mktemp("rows"), *rows)
    ids = [*asked, *predictions]
    assert said(ask(model, *ids)) == [predictions.get(name, MISSING) for name in ids]
