"""`fac-eval show`: tasks, benchmarks, groups, models, judges and runs in full."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from fac_eval import Judge
from fac_eval.cli import describe
from fac_eval.task import Group
from fac_eval.vocabulary import Question, Verdict
from tests.support.command_line import CommandLine
from tests.support.plugins import install

GROUP = Group("puzzles", "Puzzles alone", ("voicebench/bbh",))
HERE = "tests.fac_eval.cli.test_show"


class Echoing(Judge):
    """Says what it is told.

    Args:
        verdict: the number
            that it gives.
        style (str): how it talks.
    """

    name = "echoing"
    fingerprint = "echoing/1"

    def __init__(self, verdict: float, style: Literal["plain", "florid"] | None = None) -> None:
        self.verdict = verdict

    async def judge(self, question: Question) -> Verdict:
        return Verdict(str(self.verdict))


def test_a_task_in_full(cli: CommandLine) -> None:
    done = cli("show", "voicebench/mmsu:mode=official")
    assert done.code == 0
    assert done.out.startswith("voicebench/mmsu: VoiceBench MMSU\n")
    assert "official | kimi_vb_mcq | ultraeval  [default " in done.out
    assert "Seeds the random letters." in done.out
    assert "accuracy (main), strict accuracy, unparsed (lower is better)" in done.out
    assert "max_tokens=2048" in done.out
    assert "not here; it is read from the hub, or fetched by: fac-eval prepare voicebench/mmsu" in done.out


def test_the_data_that_is_here_is_counted(cli: CommandLine) -> None:
    done = cli("show", "voicebench/bbh", "--data", "sample")
    assert "rows there       test 12" in done.out
    assert "published rows   test 1,000" in done.out


def test_the_protocol_is_the_one_that_a_run_has(cli: CommandLine, finished_store: Path) -> None:
    from fac_eval.store import Store

    shown = cli("show", "voicebench/bbh", "--json").json
    with Store.reader(finished_store) as store:
        cell = next(cell for cell in store.cells(store.run("latest").id) if cell.task == "voicebench/bbh")
    assert shown["protocol_id"] == cell.protocol_id
    assert shown["protocol"] == cell.protocol


def test_an_option_changes_the_protocol_shown(cli: CommandLine) -> None:
    default = cli("show", "voicebench/mmsu", "--json").json
    other = cli("show", "voicebench/mmsu:mode=ultraeval", "--json").json
    assert other["variant"].startswith("mode=ultraeval")
    assert other["protocol_id"] != default["protocol_id"]
    assert [metric["name"] for metric in other["metrics"]] == ["accuracy", "unparsed"]


def test_a_task_that_needs_options_shows_these_alone(cli: CommandLine) -> None:
    done = cli("show", "file")
    assert "path     str  [required]" in done.out
    assert "fac-eval show file:path=..." in done.out
    assert "protocol" not in cli("show", "file", "--json").json


def test_a_file_of_questions(cli: CommandLine) -> None:
    Path("q.jsonl").write_text('{"id": "1", "text": "2 + 2?", "reference": "4"}\n')
    done = cli("show", "file:q.jsonl")
    assert done.out.startswith("file:q: Your own questions")
    assert "metric=exact" in done.out


def test_a_benchmark_and_a_group(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cli("show", "voicebench")
    assert "Overall (report, 7 terms)" in done.out
    assert "voicebench/ifeval" in done.out
    install(monkeypatch, "task", {"puzzles": f"{HERE}:GROUP"})
    done = cli("show", "puzzles")
    assert done.out.startswith("puzzles: Puzzles alone")
    assert [task["name"] for task in cli("show", "puzzles", "--json").json["tasks"]] == ["voicebench/bbh"]


def test_a_model_before_and_after_its_arguments_are_known(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("show", "openai")
    assert "model                str  [required]" in done.out
    assert "the model id as the endpoint knows it." in done.out
    assert "Args:" not in done.out
    assert cli("show", "openai", "--json").json["capabilities"] is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-indeed")
    done = cli("show", "openai:model=gpt-audio,text_only=true")
    assert "takes         text\n" in done.out
    assert "secret" not in done.out


def test_a_model_without_arguments(cli: CommandLine) -> None:
    done = cli("show", "oracle")
    assert "gives        speech, text, tool calls" in done.out
    assert "It has no arguments." in done.out


def test_a_judge(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "judge", {"echoing": f"{HERE}:Echoing"})
    done = cli("show", "echoing")
    assert done.out.startswith("echoing: judge\n\nSays what it is told.\n")
    arguments = {one["name"]: one for one in cli("show", "echoing", "--json").json["arguments"]}
    assert arguments["verdict"]["doc"] == "the number that it gives."
    assert arguments["style"]["type"] == "plain | florid | null"
    assert "fingerprint  echoing/1" in cli("show", "echoing:verdict=1").out


def test_what_names_several_things_is_the_task(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "judge", {"voicebench": f"{HERE}:Echoing"})
    done = cli("show", "voicebench")
    assert done.out.startswith("voicebench: VoiceBench\n")
    assert "this is the task (--kind judge)" in done.err
    assert cli("show", "voicebench", "--kind", "judge").out.startswith("voicebench: judge\n")


@pytest.mark.parametrize("shorten", [12, 6])
def test_a_run(shorten: int, cli: CommandLine, finished_store: Path) -> None:
    run = cli("show", "latest", "--store", finished_store, "--json").json["run"]
    done = cli("show", run[:shorten], "--store", finished_store)
    assert done.code == 0
    assert f"run {run}, stored in {finished_store}" in done.out
    assert 'tasks   ["voicebench/mmsu' in done.out
    assert "finished" in done.out
    assert "numpy=" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["orcale"], "unknown task, model, judge, rubric or run 'orcale'\nDid you mean 'oracle'?"),
        (["voicebench/mmsuu"], "Did you mean 'voicebench/mmsu'"),
        (["voicebench/mmsu:mdoe=official"], "Did you mean 'mode'?"),
        (["voicebench/mmsu:mode=offical"], "official, kimi_vb_mcq, ultraeval."),
        (["voicebench:fallback_seed=1"], "voicebench:fallback_seed=1 stands for"),
        (["openai:modle=x"], "Did you mean 'model'?"),
        (["oracle", "--kind", "judge"], "unknown judge 'oracle'"),
        (["latest"], "there is no store in .fac-eval."),
        (["abcdef"], "unknown task, model, judge, rubric or run 'abcdef'"),
        (["voicebench/bbh", "--data", "nowhere"], "--data nowhere is no folder."),
        (["file:nothing.jsonl"], "nothing.jsonl does not exist."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_shown_is_said(arguments: list[str], said: str, cli: CommandLine) -> None:
    done = cli("show", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert said in done.err


def test_a_broken_plugin_is_one_clear_message(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "model", {"broken": "no_such_module:X"})
    done = cli("show", "broken")
    assert done.code == 2
    assert "cannot be loaded: ModuleNotFoundError" in done.err


def test_no_store_is_made_by_looking(cli: CommandLine, tmp_path: Path) -> None:
    cli("show", "abcdef")
    assert not (tmp_path / ".fac-eval").exists()


@dataclass(frozen=True)
class Base:
    first: int = 1
    """Over
    two lines."""
    second: int = 2


@dataclass(frozen=True)
class Derived(Base):
    second: int = 3
    """Said later."""
    third: str = "x"


def test_docstrings_under_fields_those_of_bases_included() -> None:
    assert describe.field_docs(Derived) == {"first": "Over two lines.", "second": "Said later."}


def test_without_source_there_are_no_field_docs() -> None:
    made: dict[str, Any] = {}
    exec("from dataclasses import dataclass\n@dataclass\nclass Typed:\n    a: int = 1\n    'doc'", made)
    assert describe.field_docs(made["Typed"]) == {}
    assert describe.option_facts(made["Typed"])[0]["name"] == "a"


@pytest.mark.parametrize(
    ("doc", "found"),
    [
        ("", {}),
        ("A thing.", {}),
        ("A thing.\n\nArgs:\n    a: one.\n    b: two\n        and a half.\n\nReturns:\n    c: no.", None),
        ("A thing.\n\nArgs:\n\n    a: one.\n\n    b: two\n      and a half.", None),
    ],
    ids=["empty", "none", "followed", "spaced"],
)
def test_the_arguments_of_a_docstring(doc: str, found: dict[str, str] | None) -> None:
    expected = {"a": "one.", "b": "two and a half."} if found is None else found
    assert describe.argument_docs(doc) == expected


@pytest.mark.parametrize(
    "name",
    [
        "whisper",
        "whisper:path=some/where",
        "nv-embed",
        "fun-audio-chat:path=some/where",
        "transformers:path=some/where",
    ],
)
def test_the_hub_is_not_asked(name: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def snapshot(path: str, *, local_files_only: bool = False, **rest: Any) -> str:
        asked.append(local_files_only)
        raise FileNotFoundError("not cached")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    shown = cli("show", name, "--json").json
    assert "(not looked up)" in shown["describe"]["fingerprint"]
    assert shown["problem"] is None
    assert asked
    assert all(asked)
