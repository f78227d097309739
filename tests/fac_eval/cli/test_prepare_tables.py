"""`fac-eval prepare` on data sets whose rows and clips are files of their own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fac_eval.data.hub_dataset import HubDataset
from fac_eval.resolve import resolve_tasks
from tests.support.command_line import CommandLine
from tests.support.hub_server import FakeHub, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOUND = (".ogg", ".wav", ".flac")
TASKS = {
    "openaudiobench/web_questions": (12, {"web_questions": 1000}),
    "speech_fc/bfcl_single": (8, {"SpeechFC_BFCL_Single": 578}),
    "vstyle/en": (16, {}),
}
"""Items that are shipped, and rows that are published."""


def prepared(
    name: str, files: dict[str, bytes], cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, Any]:
    """The exit code, and what is told of the data set, where the hub has these files."""
    dataset = dataset_of(name)
    commit = dataset.revision if re.fullmatch("[0-9a-f]{40}", dataset.revision) else COMMIT
    with serve(FakeHub(dataset.repo, {commit: files}, {dataset.revision: commit})) as server:
        monkeypatch.setattr("fac_eval.data._hub_api._endpoint", lambda: server.url)
        done = cli("prepare", name, "--json")
    return done.code, next(one for one in done.json["needs"] if one["kind"] == "data set")


def dataset_of(name: str) -> HubDataset:
    (task,) = resolve_tasks([name])
    (dataset,) = task.datasets()
    return dataset


def shipped(dataset: HubDataset) -> dict[str, bytes]:
    folder = dataset.sample
    assert folder is not None
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("name", TASKS)
def test_rows_are_counted(name: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, (items, published) = dataset_of(name), TASKS[name]
    _, found = prepared(name, shipped(dataset), cli, monkeypatch)
    assert (found["rows"], found["expected_rows"]) == ({dataset.config: items}, published)
    assert found["errors"] == []
    told = [f"{split}: {items} rows, but the published data set has {n}." for split, n in published.items()]
    assert found["warnings"] == told


@pytest.mark.parametrize("name", TASKS)
def test_a_clip_that_is_missing_is_an_error(
    name: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(name)
    files, folder = shipped(dataset), dataset.table.rpartition("/")[0]
    lost = next(path for path in files if path.endswith(SOUND) and re.match(folder.replace("?", "."), path))
    del files[lost]
    code, found = prepared(name, files, cli, monkeypatch)
    assert code == 2
    (error,) = found["errors"]
    assert error.startswith(f"{dataset.config}: 1 clips are not there, e.g. ")
    assert lost.rpartition("/")[2] in error
