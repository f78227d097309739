"""What a data set has against what its benchmark expects."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import ALL_SPLITS, HubDataset
from fac_eval.data.validate import Finding, validate
from fac_eval.resolve import all_tasks, resolve_tasks
from tests.support.hub_data import DATASET, parquet, repository, rows_of, write_files

ONE = dataclasses.replace(DATASET, splits=("test",), expected_rows={"test": 3})


def findings(folder: Path, dataset: HubDataset, files: dict[str, bytes]) -> list[Finding]:
    return validate(dataset, DataFinder(write_files(folder / "given", files), offline=True))


def of_rows(folder: Path, rows: list[dict[str, Any]], dataset: HubDataset = ONE) -> list[Finding]:
    return findings(folder, dataset, {"cfg/test-00000-of-00001.parquet": parquet(rows)})


def test_a_data_set_as_published_has_nothing_to_tell(tmp_path: Path) -> None:
    assert findings(tmp_path / "all", DATASET, repository()) == []
    assert of_rows(tmp_path, rows_of("test", 3)) == []


def test_other_numbers_of_rows_and_splits_that_are_not_there(tmp_path: Path) -> None:
    dataset = dataclasses.replace(
        DATASET, expected_rows={"test": 4, "dev": 1, "more": 3}, splits=("test", "dev", "more")
    )
    assert findings(tmp_path, dataset, repository()) == [
        Finding("warning", "more", "not there."),
        Finding("warning", "test", "5 rows, but the published data set has 4."),
    ]


def test_numbers_that_were_not_published_are_not_compared(tmp_path: Path) -> None:
    assert of_rows(tmp_path, rows_of("test", 2), dataclasses.replace(ONE, expected_rows={})) == []


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (6, []),
        (7, [Finding("warning", None, "6 rows, but the published data set has 7.")]),
    ],
)
def test_the_number_of_all_splits_together(tmp_path: Path, total: int, told: list[Finding]) -> None:
    dataset = dataclasses.replace(DATASET, expected_rows={ALL_SPLITS: total})
    assert findings(tmp_path, dataset, repository()) == told
    partly = dataclasses.replace(dataset, splits=("test", "dev", "more"))
    assert findings(tmp_path / "partly", partly, repository()) == [Finding("warning", "more", "not there.")]


def test_ids_that_repeat(tmp_path: Path) -> None:
    rows = rows_of("test", 3)
    rows[2]["id"] = rows[0]["id"]
    assert of_rows(tmp_path, rows) == [Finding("error", "test", "1 rows repeat a 'id', e.g. 'test-0'.")]
    # Without such a column a row repeats another if all of it does.
    plain = dataclasses.replace(ONE, id_column=None)
    assert of_rows(tmp_path, rows, plain) == []
    rows[2] = {**rows[0], "audio": {**rows[0]["audio"], "path": "under another name.wav"}}
    assert of_rows(tmp_path, rows, plain) == [
        Finding("warning", "test", "1 rows are the same as earlier ones, e.g. row 3 as row 1.")
    ]


@pytest.mark.parametrize(
    "cell", [None, {"bytes": None, "path": None}, {"bytes": b"", "path": ""}], ids=["null", "nulls", "empty"]
)
def test_rows_without_audio(tmp_path: Path, cell: Any) -> None:
    rows = rows_of("test", 3)
    rows[1]["audio"] = cell
    assert of_rows(tmp_path, rows) == [
        Finding("error", "test", "1 rows hold no audio, the first of them row 2.")
    ]
    assert of_rows(tmp_path, rows, dataclasses.replace(ONE, audio=None)) == []


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    [finding] = of_rows(tmp_path, rows_of("test", 3), dataclasses.replace(ONE, columns=("id", "promt")))
    assert (finding.level, finding.split) == ("error", "test")
    assert "lacks the column 'promt'" in finding.problem
    assert "Did you mean 'prompt'?" in finding.problem


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    files = repository() | {"cfg/dev-00000-of-00001.parquet": b"PAR1 broken PAR1"}
    [finding] = findings(tmp_path, DATASET, files)
    assert (finding.level, finding.split) == ("error", "dev")
    assert "no readable Parquet file" in finding.problem


def test_a_data_set_that_is_nowhere() -> None:
    [finding] = validate(DATASET, DataFinder(offline=True))
    assert (finding.level, finding.split) == ("error", None)
    assert "not on this machine" in finding.problem


def test_sound_in_files_beside_the_rows(tmp_path: Path) -> None:
    rows = rows_of("test", 3)
    for number, row in enumerate(rows):
        row["audio"] = {"bytes": None, "path": f"wav/{number}.wav"}
    files = {
        "cfg/test-00000-of-00001.parquet": parquet(rows),
        "wav/0.wav": b"sound",
        "cfg/wav/1.wav": b"sound",
        "wav/2.wav": b"",
    }
    assert findings(tmp_path, ONE, files) == [
        Finding("error", "test", "1 clips are not there, e.g. 'wav/2.wav' of row 3.")
    ]


# Rows in a table of another kind.

SPOKEN = HubDataset(
    "org/name",
    "en",
    files=("en/**",),
    table="en/metadata.jsonl",
    columns=("id", "text"),
    audio="file",
    id_column="id",
    clips="wav",
    expected_rows={"en": 3},
)
LINES = [{"id": number, "text": f"say {number}", "file": f"{number}.wav"} for number in range(3)]
CLIPS = {f"en/wav/{number}.wav": b"sound" for number in range(3)}


def table(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    return {"en/metadata.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()}


def test_a_table_as_published_has_nothing_to_tell(tmp_path: Path) -> None:
    files = table(LINES) | CLIPS
    assert findings(tmp_path / "whole", SPOKEN, files) == []
    finder = DataFinder(tmp_path / "whole" / "given", offline=True)
    assert (finder.splits(SPOKEN), finder.count(SPOKEN)) == (("en",), 3)
    assert list(finder.rows(SPOKEN, "en")) == [{"id": row["id"], "text": row["text"]} for row in LINES]
    assert finder.audio_of(SPOKEN, "0.wav").key
    # A clip may lie as its name says below the data set's own folder.
    files["wav/2.wav"] = files.pop("en/wav/2.wav")
    rows = [*LINES[:2], {**LINES[2], "file": "wav/2.wav"}]
    assert findings(tmp_path / "elsewhere", SPOKEN, files | table(rows)) == []


def lines(change: Callable[[list[dict[str, Any]]], Any]) -> dict[str, bytes]:
    rows = [dict(row) for row in LINES]
    change(rows)
    return table(rows) | CLIPS


@pytest.mark.parametrize(
    ("files", "level", "said"),
    [
        pytest.param(
            lines(lambda rows: rows.pop()),
            "warning",
            "2 rows, but the published data set has 3.",
            id="too-few",
        ),
        pytest.param(
            lines(lambda rows: rows[1].pop("text")),
            "error",
            "1 row lacks the column 'text', the first of them row 2.",
            id="a-cell-missing",
        ),
        pytest.param(
            lines(lambda rows: [row.pop("text") for row in rows]),
            "error",
            "lacks the column 'text'",
            id="a-column-missing",
        ),
        pytest.param(
            lines(lambda rows: rows[2].update(file="")),
            "error",
            "1 rows hold no audio, the first of them row 3.",
            id="no-clip",
        ),
        pytest.param(
            lines(lambda rows: rows[2].update(file="9.wav")),
            "error",
            "1 clips are not there, e.g. '9.wav' of row 3.",
            id="a-clip-missing",
        ),
        pytest.param(
            lines(lambda rows: rows[2].update(file="nul\0.wav")),
            "error",
            "1 clips are not there",
            id="no-name-of-a-file",
        ),
        pytest.param(
            table(LINES) | CLIPS | {"en/wav/1.wav": b""},
            "error",
            "1 clips are not there, e.g. '1.wav' of row 2.",
            id="an-empty-clip",
        ),
        pytest.param(
            lines(lambda rows: rows[1].update(id=0)),
            "error",
            "1 rows repeat a 'id', e.g. 0.",
            id="an-id-twice",
        ),
        pytest.param(
            table(LINES) | CLIPS | {"en/metadata.jsonl": b"{broken"}, "error", "line 1", id="not-readable"
        ),
        pytest.param(CLIPS, "error", "has no en/metadata.jsonl", id="no-table"),
    ],
)
def test_a_table_with_a_fault(tmp_path: Path, files: dict[str, bytes], level: str, said: str) -> None:
    [finding] = findings(tmp_path, SPOKEN, files)
    assert finding.level == level
    assert said in finding.problem


def archived(*names: str) -> bytes:
    sink = io.BytesIO()
    with ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, b"sound")
    return sink.getvalue()


PACKED = dataclasses.replace(
    SPOKEN, files=("en/**", "clips.zip"), archive="clips.zip", clips="", expected_rows={}
)
SEVERAL = table([{"id": 0, "text": "", "file": ["a.wav", "b.wav"]}, {"id": 1, "text": "", "file": "c.wav"}])


def test_clips_in_an_archive(tmp_path: Path) -> None:
    files = SEVERAL | {"clips.zip": archived("a.wav", "c.wav")}
    assert findings(tmp_path / "packed", PACKED, files) == [
        Finding("error", "en", "1 clips are not there, e.g. 'b.wav' of row 1.")
    ]
    assert findings(tmp_path / "partly", PACKED, files | {"b.wav": b"unpacked"}) == []
    broken = findings(tmp_path / "broken", PACKED, SEVERAL | {"clips.zip": b"PK cut off"})
    assert "no whole archive" in broken[0].problem
    assert "3 clips are not there" in broken[1].problem


# The data sets of the tasks that ship.

READY = [name for name in all_tasks() if name not in ("file", "styleset")]


@pytest.mark.parametrize("name", READY)
def test_shipped_items_differ_from_the_published_ones_in_number_alone(name: str) -> None:
    (task,) = resolve_tasks([name])
    assert task.datasets()
    for dataset in task.datasets():
        finder = DataFinder("sample")
        assert set(dataset.expected_rows) <= {*finder.splits(dataset), ALL_SPLITS}
        told = validate(dataset, finder)
        assert {finding.level for finding in told} <= {"warning"}, told
        assert all("published" in finding.problem or "not there" in finding.problem for finding in told)
