"""Judges, rubrics and instruments on the command line: named by flags, listed, shown, and their files prepared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fac_eval import Settings
from fac_eval.data.assets import Asset
from fac_eval.rubric import Rubric, UpstreamPrompt
from fac_eval.task import Need
from tests.fac_eval.engine.test_efficiency import Timed
from tests.support.command_line import CommandLine
from tests.support.judges import RATE, BatchCritic, Critic, JudgedTask
from tests.support.plugins import install
from tests.support.toys import ToyTask

HERE = "tests.fac_eval.cli.test_tools"
PROMPT = b"Rate it, upstream says."
UPSTREAM = Asset(
    "a prompt of others",
    "https://example.invalid/prompt.txt",
    hashlib.sha256(PROMPT).hexdigest(),
    "others/prompt.txt",
)
OFFICIAL = Rubric(
    "toy/official",
    own="Rate {answer}",
    settings=Settings(max_tokens=8, temperature=0.0),
    upstream=UpstreamPrompt(UPSTREAM, lambda path: path.read_text(), hashlib.sha256(PROMPT).hexdigest()),
    system="You are strict.",
    decisions={"right": "yes", "wrong": "no"},
    hears=True,
)
RUBRICS = (RATE, OFFICIAL)


class Officially(JudgedTask):
    """A task whose judge is asked in upstream's words."""

    name = "officially"

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        self.rubrics = ("toy/official",)


class Astray(JudgedTask):
    """A task whose rubric no package brings."""

    name = "astray"

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        self.rubrics = ("nobody/rate",)


class Compared(ToyTask):
    """A task that needs an embedder."""

    name = "compared"
    needs: frozenset[Need] = frozenset({"similarity"})


class Fast(Timed):
    """A model that says how long it took."""

    name = "fast"
    fingerprint = "fast/1"


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {
        "judged": "tests.support.judges:JudgedTask",
        "toy": "tests.support.toys:ToyTask",
        **{cls.name: f"{HERE}:{cls.__name__}" for cls in (Officially, Astray, Compared)},
    }
    install(monkeypatch, "task", tasks)
    install(monkeypatch, "model", {"echo": "tests.support.toys:Echo", "fast": f"{HERE}:Fast"})
    install(monkeypatch, "judge", {"critic": f"{HERE}:Critic", "batches": f"{HERE}:BatchCritic"})
    install(monkeypatch, "rubric", {"toy": f"{HERE}:RUBRICS"})
    install(monkeypatch, "embedder", {"letters": "tests.fac_eval.engine.test_instruments:Letters"})


def test_a_judged_run_by_flags(cli: CommandLine) -> None:
    assert {Critic.name, BatchCritic.name} == {"critic"}
    run = ("run", "-m", "echo", "-t", "judged:n=3", "--json")
    first = cli(*run, "--judge", "critic")
    assert first.code == 0, first.err
    assert (
        first.json["cells"][0]["variant"]
        == "n=3,mode=plain,ask=rate,invalid=official,judge=critic,prompt=own"
    )
    assert first.json["judge_cost"] == 0.0
    again = cli(*run, "--judge", "batches", "--judge-mode", "batch", "--judge-refresh")
    assert again.json["run"] == first.json["run"]
    assert "critic has 6 questions in batch batch-1" in again.err
    idle = cli(*run, "--judge", "batches", "--judge-mode", "batch")
    assert "batch-1" not in idle.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-t", "judged"], "--judge openai:model=gpt-4o-mini; 'fac-eval ls judges' lists them."),
        (["-t", "judged", "--judge", "crtic"], "unknown judge 'crtic'\nDid you mean 'critic'?"),
        (["-t", "judged", "--judge", "critic", "--judge-mode", "batch"], "the judge critic takes no batches"),
        (["-t", "astray", "--judge", "critic"], "unknown rubric 'nobody/rate' in task astray"),
        (["-t", "toy", "--transcriber", "nobody"], "unknown transcriber 'nobody'"),
        (["-t", "toy", "--quality", "nobody"], "unknown meter 'nobody'"),
        (["-t", "compared"], "--embedder nv-embed"),
        (["-t", "toy", "--speech-metrics", "utmos,mos"], "speech_metrics"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said(arguments: list[str], said: str, cli: CommandLine) -> None:
    done = cli("run", "-m", "echo", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_file_can_say_it_too_and_a_zero_flag_wins_over_it(cli: CommandLine) -> None:
    Path("run.toml").write_text(
        'models = ["echo"]\ntasks = ["judged:n=2"]\nseed = 7\njudge = {name = "critic"}\nembedder = "letters"\n'
    )
    found = cli("run", "--config", "run.toml", "--json").json
    assert found["config"]["judge"] == {"name": "critic"}
    assert found["config"]["seed"] == 7
    assert "seed" not in cli("run", "--config", "run.toml", "--seed", "0", "--json").json["config"]


def test_a_dry_run_counts_judge_calls(cli: CommandLine) -> None:
    done = cli("run", "-m", "echo", "-t", "judged:n=3", "--judge", "critic", "--dry-run")
    assert "judge calls" in done.out
    assert "the judge about $0.00" in done.out


def test_a_rubric_in_full(cli: CommandLine) -> None:
    done = cli("show", "toy/official")
    assert done.code == 0
    assert done.out.startswith("toy/official: how a judge is asked\n")
    for said in (
        "max_tokens=8, temperature=0.0",
        "yes, no",
        "a prompt of others",
        "You are strict.",
        "Rate {answer}",
    ):
        assert said in done.out
    assert cli("show", "toy/rate", "--json").json["upstream"] is None


def test_a_name_that_is_a_task_and_a_judge_shows_either(cli: CommandLine) -> None:
    assert "this is the judge" not in cli("show", "critic").err
    shown = cli("show", "letters", "--json").json
    assert (shown["kind"], shown["describe"]["fingerprint"]) == ("embedder", "letters/1")


def test_a_task_shows_its_rubrics_and_their_files(cli: CommandLine) -> None:
    done = cli("show", "officially")
    assert "rubrics      toy/official" in done.out
    assert "a prompt of others" in done.out


def test_the_prompts_of_judges_are_prepared(cli: CommandLine, tmp_path: Path) -> None:
    lacking = cli("prepare", "officially")
    assert lacking.code == 2
    assert "a prompt of others" in lacking.out
    there = tmp_path / "cache" / "assets" / "others" / "prompt.txt"
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(PROMPT)
    done = cli("prepare", "officially", "--json")
    assert (done.code, [one["status"] for one in done.json["needs"]]) == (0, ["kept"])
    assert "here" in cli("ls", "rubrics").out


def test_a_rubric_that_nobody_brings_is_said_when_preparing(cli: CommandLine) -> None:
    done = cli("prepare", "astray")
    assert done.code == 2
    assert "unknown rubric 'nobody/rate' in task astray" in done.err


def test_a_run_shows_how_quickly_answers_came(cli: CommandLine) -> None:
    assert cli("run", "-m", "fast,echo", "-t", "toy:n=24").code == 0
    shown = cli("show", "latest").out
    table = shown.partition("\nefficiency\n")[2].partition("\n\n")[0]
    assert "first_token" in table
    assert "generation_rtf" not in table
    rows = cli("show", "latest", "--json").json["efficiency"]
    assert {row["measure"] for row in rows if row["n"] == 0} > {"first_audio", "generation_rtf"}
    assert cli("run", "-m", "echo", "-t", "toy:n=2").code == 0
    assert "\nefficiency\n" not in cli("show", "latest").out
