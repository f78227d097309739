"""MMAU-Pro's table and clips: the archive, the unpacked folder, and what is wrong with either."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import fac_eval
from fac_eval import RunResult, Sample
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError
from fac_eval.resolve import resolve_tasks
from tests.support.sample_tables import SAMPLE_DATA, changed_copy, main_figure

RULES = {"mmau_pro.open": "skip", "mmau_pro.closed": "string_match"}


def samples(data: str | Path = "sample") -> dict[str, Sample]:
    (task,) = resolve_tasks(["mmau_pro"])
    return {sample.id: sample for sample in task.samples(DataFinder(data))}


def run(tmp_path: Path, data: Path) -> RunResult:
    store = str(tmp_path / "store")
    return fac_eval.run("oracle", "mmau_pro", data=str(data), set=RULES, store=store, progress=False)


def unpacked(target: Path) -> Path:
    shutil.copytree(SAMPLE_DATA / "mmau_pro", target)
    with ZipFile(target / "data.zip") as archive:
        archive.extractall(target)
    (target / "data.zip").unlink()
    return target


def test_clips_are_read_from_the_archive_or_from_beside_it(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "data")
    packed, loose = (samples(data) for data in ("sample", folder))
    assert packed == loose
    assert main_figure(run(tmp_path, folder)).value == 100.0


def test_a_clip_that_is_missing_fails_its_sample_alone(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "data")
    (folder / "data" / "item-sound-beeps.ogg").unlink()
    (cell,) = run(tmp_path, folder).cells
    assert (cell.counts.scored, cell.counts.failed) == (11, {"bad_input": 1})
    assert "item-sound-beeps.ogg" in cell.failures["bad_input"]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(SAMPLE_DATA / "mmau_pro", tmp_path / "data")
    (folder / "data.zip").write_bytes(b"PK" + b"\0" * 50)
    with pytest.raises(DataError, match="no whole archive"):
        run(tmp_path, folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": None}, "a sound item without an answer"),
        ({"audio_path": []}, "no clip is named"),
        ({"audio_path": None}, "column 'audio_path'"),
        ({"audio_path": ["../secret.wav"]}, "leads out of the data set's folder"),
        ({"question": None}, "column 'question'"),
        ({"category": None}, "column 'category'"),
    ],
    ids=["no answer", "no clip", "null clips", "a path that leads out", "no question", "no category"],
)
def test_a_wrong_row_is_named_before_anything_runs(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = changed_copy("mmau_pro", "test.parquet", tmp_path / "data", lambda rows: rows[0].update(changes))
    with pytest.raises(DataError, match="row 0") as raised:
        run(tmp_path, data)
    assert message in str(raised.value)


def test_arguments_are_those_of_the_row_and_not_the_nulls_of_all_rows() -> None:
    found = samples()
    assert found["item-follow-words"].metadata["kwargs"] == {"N": 12}
    assert found["item-follow-keywords"].metadata["kwargs"] == {"keywords": "frost, morning"}
    assert "kwargs" not in found["item-follow-commas"].metadata
