"""The GitHub Action, run as the shell steps that it consists of, on the shipped data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import fac_eval
from fac_eval.engine.export import sample_rows
from fac_eval.store import Store

ROOT = Path(__file__).parents[3]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
TASKS = ("speech_fc/bfcl_single", "voicebench/advbench")
POLICY = """\
required = ["speech_fc", "voicebench/advbench"]

[[rule]]
max_drop = 5
significant_drop = 0.05
"""
# How GitHub starts the bash of a composite action's step.
BASH = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"]


@dataclass(frozen=True)
class Finished:
    """What the steps came to."""

    code: int
    ran: list[str]
    printed: str
    outputs: dict[str, str]
    summary: str


def filled_in(text: str, inputs: Mapping[str, str]) -> str:
    """A text of action.yml with its inputs in place."""
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: inputs[match[1]], text)


def wanted(step: Mapping[str, Any], inputs: Mapping[str, str]) -> bool:
    """Whether a step's condition holds; action.yml has comparisons of inputs with texts and nothing else."""
    if "if" not in step:
        return True
    match = re.fullmatch(r"\$\{\{ (?:always\(\) && )?inputs\.([\w-]+) (==|!=) '(.*)' \}\}", step["if"])
    assert match, step["if"]
    return (inputs[match[1]] == match[3]) == (match[2] == "==")


def run_action(folder: Path, *, first: str = "", **given: str) -> Finished:
    """Run the steps in order, up to the first that fails; `first` is a folder to look for commands in first."""
    inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    assert all(inputs[name] for name, one in ACTION["inputs"].items() if one.get("required"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAC_EVAL_")}
    environment |= {
        "PATH": os.pathsep.join(filter(None, [first, str(Path(sys.executable).parent), os.environ["PATH"]])),
        "GITHUB_ACTION_PATH": str(ROOT),
        "FAC_EVAL_CACHE": str(folder / "cache"),
        "FAC_EVAL_OFFLINE": "1",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(folder / "step-summary"),
        "GITHUB_OUTPUT": str(folder / "step-outputs"),
    }
    code, ran, printed = 0, [], ""
    for step in ACTION["runs"]["steps"]:
        if "run" not in step or not wanted(step, inputs):
            continue
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input within a script would be executed"
        variables = {name: filled_in(value, inputs) for name, value in step.get("env", {}).items()}
        script = folder / "step.sh"
        script.write_text(step["run"], "utf-8")
        done = subprocess.run(
            [*BASH, str(script)],
            cwd=folder,
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ran.append(step["name"])
        printed += done.stdout
        code = done.returncode
        if code:
            break
    return Finished(code, ran, printed, _outputs(folder), _text(folder / "step-summary"))


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def _outputs(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in _text(folder / "step-outputs").splitlines())


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Right answers to the shipped items of two benchmarks."""
    store = tmp_path_factory.mktemp("oracle") / "store"
    fac_eval.run("oracle", list(TASKS), data="sample", store=str(store), progress=False)
    with Store.reader(store) as opened:
        return [
            {"task": row["task"], "id": row["sample_id"], "text": row["output"]}
            for row in sample_rows(opened)
        ]


@pytest.fixture
def project(tmp_path: Path, answers: list[dict[str, Any]]) -> Path:
    """A repository with a policy, a baseline file of right answers, and the same answers as the candidate's."""
    (tmp_path / "gate.toml").write_text(POLICY, "utf-8")
    write_answers(tmp_path, answers)
    from fac_eval.reports.compare.sides import choices, load_side
    from fac_eval.reports.gate.baseline import baseline_text

    store = str(tmp_path / "elsewhere")
    fac_eval.run(f"replay:{tmp_path}/answers.jsonl", list(TASKS), data="sample", store=store, progress=False)
    (choice,) = choices("latest", store)
    (tmp_path / "baseline.json").write_text(baseline_text(load_side(choice), "content"), "utf-8")
    return tmp_path


def write_answers(folder: Path, answers: list[dict[str, Any]], *, wrong: str = "", count: int = 0) -> None:
    """The candidate's answers; the first of one task may be spoilt."""
    spoilt = [row["id"] for row in answers if row["task"] == wrong][:count]
    rows = [
        {**row, "text": "Sure!"} if row["task"] == wrong and row["id"] in spoilt else row for row in answers
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def gated(folder: Path, **given: str) -> Finished:
    tasks = " ".join(f"-t {task}" for task in TASKS)
    inputs = {
        "baseline": "baseline.json",
        "install": "false",
        "run": f'-m "replay:answers.jsonl,name=my model"\n{tasks} --data sample',
    }
    return run_action(folder, **{**inputs, **given})


def test_the_same_answers_pass(project: Path) -> None:
    done = gated(project)
    assert done.code == 0, done.printed
    assert done.ran == ["Run the candidate", "Gate"]
    assert done.outputs == {"verdict": "passed"}
    assert done.summary.startswith("## gate PASSED")
    assert (project / "fac-eval-summary.md").read_text("utf-8") == done.summary
    assert ElementTree.parse(project / "fac-eval-junit.xml").getroot().get("failures") == "0"
    assert "::error" not in done.printed


def test_a_planted_regression_fails(project: Path, answers: list[dict[str, Any]]) -> None:
    write_answers(project, answers, wrong="voicebench/advbench", count=6)
    done = gated(project)
    assert done.code == 1, done.printed
    assert done.outputs == {"verdict": "failed"}
    assert "## gate FAILED: 2 failed" in done.summary
    assert "voicebench/advbench, max\\_drop" in done.summary
    assert (
        "::error file=gate.toml,line=4,title=fac-eval gate%3A voicebench/advbench%2C max_drop::"
        in done.printed
    )
    root = ElementTree.parse(project / "fac-eval-junit.xml").getroot()
    assert (root.get("failures"), root.get("errors")) == ("2", "0")


def test_answers_that_are_missing_are_for_the_policy_to_judge(
    project: Path, answers: list[dict[str, Any]]
) -> None:
    write_answers(project, answers[1:])
    done = gated(project)
    assert (done.code, done.ran) == (1, ["Run the candidate", "Gate"])
    assert "1 missing\\_prediction" in done.summary
    (project / "gate.toml").write_text(POLICY + "max_error_rate = 0.2\n", "utf-8")
    assert gated(project).code == 0


def test_a_stored_run_needs_no_run(project: Path) -> None:
    done = gated(project, run="", store="elsewhere")
    assert (done.code, done.ran) == (0, ["Gate"])


def test_a_run_that_cannot_be_done_stops_the_action(project: Path) -> None:
    done = gated(project, run="-m replay:none.jsonl -t voicebench/advbench")
    assert (done.code, done.ran) == (2, ["Run the candidate"])


def test_a_policy_with_a_mistake_says_where(project: Path) -> None:
    (project / "gate.toml").write_text("[[rule]]\nmax_dorp = 1\n", "utf-8")
    done = gated(project)
    assert (done.code, done.outputs) == (2, {"verdict": "error"})
    assert "::error file=gate.toml,line=2" in done.printed
    assert "CANNOT BE TOLD" in done.summary


def test_inputs_are_never_executed(project: Path) -> None:
    done = gated(project, run="-m 'replay:$(touch hacked).jsonl' -t `touch hacked`; touch hacked")
    assert done.code == 2
    assert not (project / "hacked").exists()


def test_the_version_of_the_action_is_what_is_installed(project: Path) -> None:
    tools = project / "tools"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" >{project}/called\nexit 3\n', "utf-8")
    (tools / "python").chmod(0o755)
    done = gated(project, install="true", first=str(tools))
    assert (done.code, done.ran) == (3, ["Install fac-eval"])
    assert (project / "called").read_text("utf-8").split() == [
        *("-m", "pip", "install", "--quiet"),
        f"{ROOT}[api,data]",
    ]


def test_every_input_is_used_and_every_used_one_is_declared() -> None:
    text = json.dumps(ACTION["runs"])
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(ACTION["inputs"])
    assert all(one.get("description") for one in ACTION["inputs"].values())
    assert ACTION["outputs"]["verdict"]["value"] == "${{ steps.gate.outputs.verdict }}"
