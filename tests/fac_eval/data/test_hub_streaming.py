"""The library that streams from the hub gives the rows that the files give.

It runs in a process of its own, because it reads its settings when it is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from tests.support.hub_data import CARD, COMMIT, repository, rows_of, write_files
from tests.support.hub_server import FakeHub, serve

PROBE = """
import json, sys
from pathlib import Path
from fac_eval.data._hub_api import stream_rows
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.errors import FacEvalError

def plain(value):
    return {"hex": value.hex()} if isinstance(value, bytes) else str(value)

def attempt(ask):
    try:
        return ask()
    except FacEvalError as error:
        return f"{type(error).__name__}: {error}"

local, sample, commit = sys.argv[1:]
finder, dataset = DataFinder(), HubDataset("org/name", "cfg", ("test", "dev"), "main")
print(json.dumps({
    "hub": [row for split in dataset.splits for row in finder.rows(dataset, split)],
    "local": [row for split in dataset.splits for row in stream_rows(local, "cfg", split)],
    "some columns": list(stream_rows(local, "cfg", "dev", columns=["prompt", "id"])),
    "sample": list(stream_rows(sample, "ifeval", "test")),
    "source": str(finder.source(dataset)),
    "counts": [finder.count(dataset), finder.count(dataset, "dev")],
    "fingerprint": finder.fingerprint(dataset),
    "column": attempt(lambda: list(stream_rows(local, "cfg", "dev", columns=["nope"]))),
    "split": attempt(lambda: list(stream_rows(local, "cfg", "nope"))),
    "config": attempt(lambda: list(stream_rows(local, "nope", "test"))),
    "broken": attempt(lambda: list(stream_rows(local, "broken", "test"))),
}, default=plain))
"""


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("streamed")
    card = CARD.replace(
        "dataset_info:",
        "- config_name: broken\n  data_files:\n  - {split: test, path: b.parquet}\ndataset_info:",
    )
    files = {**repository(), "README.md": card.encode(), "b.parquet": b"PAR1 broken PAR1"}
    local = write_files(folder / "local", files)
    sample = Path(__file__).parents[3] / "tasks" / "sample_data" / "voicebench"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "FAC_EVAL_")) and "proxy" not in name.lower()
    }
    hub = FakeHub("org/name", {COMMIT: repository()}, {"main": COMMIT})
    with serve(hub) as running:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, str(local), str(sample), COMMIT],
            env={
                **environment,
                "HF_ENDPOINT": running.url,
                "HF_HOME": str(folder / "hf"),
                "FAC_EVAL_CACHE": str(folder / "cache"),
                "PYTHONPATH": str(Path(__file__).parents[3]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def as_json(rows: list[dict[str, Any]]) -> Any:
    return json.loads(json.dumps(rows, default=lambda value: {"hex": value.hex()}))


@pytest.mark.parametrize("route", ["hub", "local"])
def test_streaming_gives_the_rows_that_the_files_give(streamed: dict[str, Any], route: str) -> None:
    assert streamed[route] == as_json(rows_of("test", 5) + rows_of("dev", 1))


def test_streaming_gives_the_sample_set_as_the_files_do(streamed: dict[str, Any]) -> None:
    sample = Path(__file__).parents[3] / "tasks" / "sample_data"
    found = DataFinder(sample, offline=True)
    from_files = list(found.rows(HubDataset("hlt-lab/voicebench", "ifeval", ("test",)), "test"))
    assert len(from_files) > 0
    assert streamed["sample"] == as_json(from_files)


def test_streaming_knows_columns_counts_and_identity(streamed: dict[str, Any]) -> None:
    assert streamed["some columns"] == [{"prompt": "say 0", "id": "dev-0"}]
    assert streamed["counts"] == [6, 1]
    assert streamed["fingerprint"] == f"org/name@{COMMIT}"
    assert "kind='hub'" in streamed["source"]


def test_faults_while_streaming_are_told(streamed: dict[str, Any]) -> None:
    assert "no column 'nope'" in streamed["column"]
    assert "prompt" in streamed["column"]
    for ask in ("split", "config", "broken"):
        assert streamed[ask].startswith("DataError: "), streamed[ask]
    assert "nope" in streamed["split"]
    assert "nope" in streamed["config"]
