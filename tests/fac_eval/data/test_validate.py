"""What a data set has against what its benchmark expects."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fac_eval.data.hub import DataFinder, HubDataset
from fac_eval.data.validate import Finding, validate
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


def test_ids_that_repeat(tmp_path: Path) -> None:
    rows = rows_of("test", 3)
    rows[2]["id"] = rows[0]["id"]
    assert of_rows(tmp_path, rows) == [Finding("error", "test", "1 rows repeat a 'id', e.g. 'test-0'.")]
    assert of_rows(tmp_path, rows, dataclasses.replace(ONE, id_column=None)) == []


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
