"""`fac-eval completion`: the script, and the names that it completes to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fac_eval.cli import complete
from fac_eval.store import Store
from tests.support.command_line import CommandLine


@pytest.mark.parametrize(
    ("shell", "marks"),
    [
        ("bash", ("complete -o nosort -F", "bash_complete")),
        ("zsh", ("#compdef fac-eval", "zsh_complete")),
        ("fish", ("complete --no-files --command fac-eval", "fish_complete")),
    ],
)
def test_the_script_of_each_shell(shell: str, marks: tuple[str, ...], cli: CommandLine) -> None:
    done = cli("completion", shell)
    assert done.code == 0
    assert "_FAC_EVAL_COMPLETE" in done.out
    for mark in marks:
        assert mark in done.out


def test_the_shell_in_use_is_the_default(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert cli("completion").out == cli("completion", "fish").out


@pytest.mark.parametrize("shell", ["/bin/tcsh", ""])
def test_another_shell_is_refused(shell: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", shell)
    done = cli("completion")
    assert done.code == 2
    assert "Name it: fac-eval completion bash | zsh | fish." in done.err


def test_the_help_says_how_to_install_it(cli: CommandLine) -> None:
    assert "~/.config/fish/completions/fac-eval.fish" in cli("completion", "--help").out


def completed(words: str, folder: Path) -> list[str]:
    """What bash is offered after `words`, as the installed script would ask."""
    done = subprocess.run(
        [sys.executable, "-c", "from fac_eval.cli.main import main; main()"],
        env={
            **os.environ,
            "_FAC_EVAL_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


def test_bash_completes_commands_options_and_names(tmp_path: Path) -> None:
    assert completed("fac-eval res", tmp_path) == ["rescore"]
    assert "--max-cost" in completed("fac-eval run --max-", tmp_path)
    assert completed("fac-eval run -m ora", tmp_path) == ["oracle"]
    assert list(tmp_path.iterdir()) == []


NOWHERE = click.Context(click.Command("show"))
PARAMETER = click.Argument(["name"])


@pytest.mark.parametrize(
    ("function", "incomplete", "expected"),
    [
        (complete.complete_models, "em", ["empty"]),
        (complete.complete_models, "oracle,em", ["oracle,empty"]),
        (complete.complete_models, "zz", []),
        (complete.complete_tasks, "voicebench/b", ["voicebench/bbh"]),
        (complete.complete_tasks, "file,voicebench/b", ["file,voicebench/bbh"]),
        (complete.completer("judge"), "zz", []),
        (complete.complete_anything, "orac", ["oracle"]),
        (complete.complete_runs, "", []),
    ],
)
def test_names(function: object, incomplete: str, expected: list[str], cli: CommandLine) -> None:
    assert function(NOWHERE, PARAMETER, incomplete) == expected  # type: ignore[operator]


def test_runs_of_the_store_that_is_named(cli: CommandLine, finished_store: Path) -> None:
    context = click.Context(click.Command("export"))
    context.params["store"] = str(finished_store)
    with Store.reader(finished_store) as store:
        (run,) = store.runs()
    assert complete.complete_runs(context, PARAMETER, "") == ["latest", run.id]
    assert complete.complete_anything(context, PARAMETER, run.id[:5]) == [run.id]
