"""`fac-eval ls`: everything installed, whatever is wrong with some of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fac_eval import Task, registry
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.task import Benchmark, Group
from tests.support.command_line import CommandLine
from tests.support.judges import ENTRIES
from tests.support.plugins import install


class Nameable(Task):
    """A third party's task; this line stands for its title."""

    name = "nameable"
    needs = frozenset({"judge"})

    def samples(self, data: object) -> Iterator[object]:  # type: ignore[override]
        yield from ()

    def score(self, *held: object) -> object:  # type: ignore[override]
        return held


class Raising(Nameable):
    """Whose data sets cannot even be named."""

    name = "raising"

    def datasets(self) -> tuple[HubDataset, ...]:
        raise RuntimeError("no such luck")


GROUP = Group("spoken", "Everything spoken", ("voicebench", "nameable"))
NOT_A_TASK = SimpleNamespace(title="nothing")
BENCHMARK = Benchmark("broken-inside", "Broken inside", (Raising,))


def line(text: str, name: str) -> str:
    """The only line that begins with a name."""
    (found,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return found


def test_tasks_with_their_benchmark_and_sample_data(cli: CommandLine) -> None:
    done = cli("ls", "tasks")
    assert done.code == 0
    assert done.err == ""
    assert "VoiceBench (" in line(done.out, "voicebench")
    assert done.out.index("\nvoicebench ") < done.out.index("\n  voicebench/bbh ")
    assert line(done.out, "voicebench/bbh").split() == ["voicebench/bbh", "VoiceBench", "BBH", "yes"]
    assert "Your own questions" in line(done.out, "file")


def test_tasks_as_json(cli: CommandLine) -> None:
    found = cli("ls", "tasks", "--json").json
    tasks = {task["name"]: task for task in found["tasks"]}
    assert tasks["voicebench/ifeval"]["benchmark"] == "voicebench"
    assert tasks["voicebench/ifeval"]["sample_data"] is True
    assert tasks["file"]["sample_data"] is None
    (benchmark,) = [one for one in found["benchmarks"] if one["name"] == "voicebench"]
    assert {"voicebench/mmsu", "voicebench/bbh"} <= set(benchmark["tasks"])
    assert found["broken"] == []


def test_third_party_tasks_and_groups_name_their_members_and_package(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = "tests.fac_eval.cli.test_ls"
    install(monkeypatch, "task", {"nameable": f"{here}:Nameable", "spoken": f"{here}:GROUP"})
    done = cli("ls", "tasks")
    alone = line(done.out.partition("\nspoken ")[0], "nameable")
    assert alone.split()[-2:] == ["judge", "?"]
    assert "this line stands for its title" in alone
    group = done.out.splitlines().index(line(done.out, "spoken"))
    assert done.out.splitlines()[group + 1 : group + 3] == ["  voicebench", "  nameable"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:X", "ModuleNotFoundError"),
        ("tests.fac_eval.cli.test_ls:NOT_A_TASK", "must be a Task subclass, a Benchmark or a Group"),
        ("tests.fac_eval.cli.test_ls:Raising", "no such luck"),
        ("tests.fac_eval.cli.test_ls:BENCHMARK", "no such luck"),
    ],
    ids=["no module", "no task", "raises", "raises in a benchmark"],
)
def test_a_broken_plugin_is_told_at_the_end_and_breaks_nothing(
    value: str, reason: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "task", {"bad": value})
    done = cli("ls", "tasks")
    assert done.code == 0
    assert line(done.out, "voicebench/bbh")
    table, _, end = done.out.partition("Cannot be loaded:")
    assert reason not in table
    assert "'bad'" in end
    assert reason in end
    (broken,) = cli("ls", "tasks", "--json").json["broken"]
    assert (broken["kind"], broken["name"]) == ("task", "bad")


def test_models(cli: CommandLine) -> None:
    done = cli("ls", "models")
    assert line(done.out, "openai").endswith("remote")
    assert "Answers with the reference." in line(done.out, "oracle")
    assert {model["name"] for model in cli("ls", "models", "--json").json["models"]} >= {"oracle", "replay"}


@pytest.mark.parametrize("kind", ["judge", "transcriber", "meter", "embedder", "synthesizer"])
def test_instruments_and_judges(
    kind: registry.Kind, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {"ears": "tests.fac_eval.engine.test_instruments:Ears", "broken": "no_such_module:Thing"}
    install(monkeypatch, kind, entries)
    done = cli("ls", f"{kind}s")
    assert line(done.out.partition("\n\n")[0], "ears").endswith("?")
    assert f"the {kind} 'broken'" in done.out


def test_rubrics(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entries", lambda kind: {})
    install(monkeypatch, "rubric", {**ENTRIES, "odd": "math:pi"})
    done = cli("ls", "rubrics")
    assert line(done.out, "toy/rate").split() == ["toy/rate", "gpt-4o-mini", "none", "?"]
    assert "the rubrics 'odd' of package ? are a float; they must be a tuple of Rubric" in done.out
    assert [one["name"] for one in cli("ls", "rubrics", "--json").json["rubrics"]] == ["toy/rate", "toy/vote"]


def test_what_is_not_installed_is_said(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entries", lambda kind: {})
    assert cli("ls", "judges").out == "No judges are installed.\n"
    assert cli("ls", "judges", "--json").json == {"judges": [], "broken": []}


def test_everything_without_a_kind(cli: CommandLine) -> None:
    done = cli("ls")
    assert any(held.startswith("  voicebench/mmsu ") for held in done.out.splitlines())
    assert line(done.out, "oracle")
    assert set(cli("ls", "--json").json) == {
        *("tasks", "benchmarks", "groups", "models", "judges", "transcribers", "meters", "embedders"),
        *("synthesizers", "rubrics", "reports", "broken"),
    }


def test_an_unknown_kind_is_refused(cli: CommandLine) -> None:
    done = cli("ls", "task")
    assert done.code == 2
    assert "'tasks', 'models', 'judges', 'transcribers'" in done.err


def test_listing_leaves_the_folder_as_it_was(cli: CommandLine, tmp_path: Path) -> None:
    cli("ls")
    assert list(tmp_path.iterdir()) == []
