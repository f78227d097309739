"""The example of docs/writing-a-task.md and docs/writing-a-model.md, installed as a third party's package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.doc_blocks import code_block
from tests.support.example_plugin import ROOT, SOURCE, environment, install_plugin


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("plugin")
    return environment(folder, site=install_plugin(folder))


def fac_eval(folder: Path, variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fac_eval", *arguments]
    return subprocess.run(
        command, cwd=folder, env=dict(variables), capture_output=True, text=True, check=False
    )


def results(
    folder: Path, variables: Mapping[str, str], *arguments: str
) -> dict[tuple[str, str], dict[str, Any]]:
    done = fac_eval(folder, variables, "run", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return {(row["model"], row["metric"]): row for row in json.loads(done.stdout)["results"]}


def test_the_oracle_scores_the_maximum_in_a_table(tmp_path: Path, outside: Mapping[str, str]) -> None:
    done = fac_eval(tmp_path, outside, "run", "-m", "oracle", "-t", "spoken_sums")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("oracle"))
    assert row.split()[:4] == ["oracle", "spoken_sums", "ask=text", "accuracy"]
    assert "100.00 %" in row
    assert row.split()[-3:] == ["0", "0", "49"]


def test_sanity_models_on_both_variants(tmp_path: Path, outside: Mapping[str, str]) -> None:
    for ask in ("text", "beeps"):
        found = results(tmp_path, outside, "-m", "oracle,empty,random", "-t", f"spoken_sums:ask={ask}")
        assert found["oracle", "accuracy"]["value"] == 100
        assert found["oracle", "distance"]["value"] == 0
        assert found["empty", "accuracy"]["value"] == 0
        assert found["empty", "distance"]["value"] is None
        assert found["empty", "no number"]["value"] == 100
        chance = 100 * sum(min(total - 3, 17 - total) for total in range(4, 17)) / 49 / 13
        assert found["random", "accuracy"]["low"] < chance < found["random", "accuracy"]["high"]


def test_the_model_counts_beeps_and_its_threshold_matters(tmp_path: Path, outside: Mapping[str, str]) -> None:
    deaf = "beep_counter:threshold=0.9"
    found = results(tmp_path, outside, "-m", "beep_counter", "-m", deaf, "-t", "spoken_sums:ask=beeps")
    assert found["beep_counter", "accuracy"]["value"] == 100
    assert found["beep_counter#2", "accuracy"]["value"] == 0


def test_a_wrong_option_is_refused(tmp_path: Path, outside: Mapping[str, str]) -> None:
    done = fac_eval(tmp_path, outside, "run", "-m", "oracle", "-t", "spoken_sums:largest=30")
    assert done.returncode == 2
    assert "largest must be from 2 to 20, not 30" in done.stderr


@pytest.mark.parametrize(("kind", "name"), [("tasks", "spoken_sums"), ("models", "beep_counter")])
def test_it_is_listed_with_its_package(
    kind: str, name: str, tmp_path: Path, outside: Mapping[str, str]
) -> None:
    done = fac_eval(tmp_path, outside, "ls", kind)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.split()[:1] == [name]]
    assert "spoken-sums" in line


@pytest.mark.parametrize(
    ("page", "language", "name"),
    [
        ("writing-a-task.md", "python", "spoken_sums.py"),
        ("writing-a-task.md", "toml", "pyproject.toml"),
        ("writing-a-model.md", "python", "beep_counter.py"),
    ],
)
def test_the_docs_show_the_files_as_they_are(page: str, language: str, name: str) -> None:
    text = (SOURCE / name).read_text("utf-8")
    shown = code_block((ROOT / "docs" / page).read_text("utf-8"), language, text.splitlines()[0])
    assert shown == text
