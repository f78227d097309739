"""`fac-eval rescore`: a run of its own from stored answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_store, tmp_path / "store"))


def main_values(result: dict[str, list[dict[str, object]]]) -> dict[tuple[object, object], object]:
    return {(row["model"], row["task"]): row["value"] for row in result["results"] if row.get("main")}


def test_other_options_give_another_run(cli: CommandLine, store: Path) -> None:
    parent = cli("show", "latest", "--store", store, "--json").json
    found = cli(
        "rescore", parent["run"], "--set", "voicebench.fallback=wrong", "--store", store, "--json"
    ).json
    assert found["parent"] == parent["run"]
    assert found["run"] != parent["run"]
    assert main_values(parent)["empty", "voicebench/bbh"] != 0
    assert main_values(found)["empty", "voicebench/bbh"] == 0
    assert main_values(found)["oracle", "voicebench/bbh"] == 100
    assert [run["parent"] for run in cli("runs", "--store", store, "--json").json] == [None, parent["run"]]


def test_the_latest_run_is_rescored_as_it_was(cli: CommandLine, store: Path) -> None:
    before = main_values(cli("show", "latest", "--store", store, "--json").json)
    done = cli("rescore", "--store", store)
    assert done.code == 0
    assert "100.00 %" in done.out
    assert main_values(cli("show", "latest", "--store", store, "--json").json) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "voicebench.fallbck=wrong"], "unknown option 'voicebench.fallbck'"),
        (["--set", "voicebench.fallback=never"], "It is one of: random, wrong."),
        (["--set", "voicebench.fallback"], "Write key=value,key=value."),
        (["0123456789ab"], "unknown run '0123456789ab'"),
        (["--store", "nowhere"], "there is no store in nowhere."),
    ],
    ids=["option", "value", "syntax", "run", "store"],
)
def test_what_cannot_be_rescored_is_said(
    arguments: list[str], said: str, cli: CommandLine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAC_EVAL_STORE", str(store))
    done = cli("rescore", *arguments)
    assert done.code == 2
    assert said in done.err
    assert not Path("nowhere").exists()


def test_failed_samples_beyond_the_allowance_make_the_exit_code_1(cli: CommandLine) -> None:
    Path("q.jsonl").write_text(
        "".join(f'{{"id": "{i}", "text": "{i}?", "reference": "{i}"}}\n' for i in range(4))
    )
    Path("answers.jsonl").write_text('{"id": "0", "output": "0"}\n')
    ran = ("run", "-m", "replay:answers.jsonl", "-t", "file:q.jsonl")
    assert cli(*ran).code == 1
    assert cli("rescore").code == 1
    assert cli(*ran, "--max-failed", "0.8", "--store", "other").code == 0
    assert cli("rescore", "--store", "other").code == 0
