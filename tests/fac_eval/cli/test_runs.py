"""`fac-eval runs`: what the store holds, and in which state."""

from __future__ import annotations

from pathlib import Path

import pytest

import fac_eval
from fac_eval.store import Store
from tests.support.command_line import CommandLine
from tests.support.toys import Echo, ToyTask


def begin(store: Store, run: str) -> int:
    """Enter a run that somebody has begun to work on."""
    store.save_run(run, {"models": [{"name": "toy", "speed": 2}], "tasks": ["toy"]})
    return store.start_session(run, {})


def states(cli: CommandLine) -> list[str]:
    return [run["state"] for run in cli("runs", "--json").json]


def test_a_finished_run(cli: CommandLine, finished_store: Path) -> None:
    done = cli("runs", "--store", finished_store)
    assert done.code == 0
    (row,) = done.out.splitlines()[2:]
    assert "oracle, empty" in row
    assert "voicebench/mmsu:mode=official, voicebench/bbh" in row
    assert row.split()[-2:] == ["finished", "48/48"]
    (run,) = cli("runs", "--store", finished_store, "--json").json
    assert (run["done"], run["failed"], run["total"], run["sessions"]) == (48, 0, 48, 1)


def test_the_store_can_be_named_by_the_environment(
    cli: CommandLine, finished_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAC_EVAL_STORE", str(finished_store))
    assert "48/48" in cli("runs").out


def test_the_newest_is_last_and_a_rescored_one_names_its_parent(cli: CommandLine) -> None:
    first = fac_eval.run(Echo(), ToyTask(), limit=2, progress=False)
    second = fac_eval.run(Echo(), ToyTask(), limit=3, progress=False)
    assert [run["run"] for run in cli("runs", "--json").json] == [first.id, second.id]


def test_failed_samples_are_counted(cli: CommandLine) -> None:
    model = Echo()
    model.on_request = lambda request: 1 / 0 if request.messages[0].text.startswith("say 1 ") else None  # type: ignore[assignment]
    fac_eval.run(model, ToyTask(), limit=3, progress=False)
    (run,) = cli("runs", "--json").json
    assert (run["done"], run["failed"], run["total"]) == (2, 1, 3)
    assert "2/3" in cli("runs").out


def test_a_run_is_running_while_its_writer_lives_and_killed_afterwards(cli: CommandLine) -> None:
    with Store.writer(".fac-eval") as store:
        begin(store, "a" * 12)
        assert states(cli) == ["running"]
        assert "toy:speed=2" in cli("runs").out
        assert "0/?" in cli("runs").out
    assert states(cli) == ["killed"]


def test_a_killed_writer_leaves_its_name_but_not_its_lock(cli: CommandLine) -> None:
    with Store.writer(".fac-eval") as store:
        begin(store, "a" * 12)
    Path(".fac-eval/writer.lock").write_text("process 1 on a machine since then")
    assert states(cli) == ["killed"]
    Store.writer(".fac-eval").close()


@pytest.mark.parametrize(
    ("outcome", "state"), [("interrupted", "stopped"), ("failed", "stopped"), ("finished", "finished")]
)
def test_how_the_last_session_ended(outcome: str, state: str, cli: CommandLine) -> None:
    with Store.writer(".fac-eval") as store:
        store.end_session(begin(store, "a" * 12), "interrupted")
        store.end_session(store.start_session("a" * 12, {}), outcome)
    assert states(cli) == [state]


def test_an_empty_store(cli: CommandLine) -> None:
    Store.writer(".fac-eval").close()
    assert cli("runs").out == "The store .fac-eval holds no run yet.\n"
    assert cli("runs", "--json").json == []


def test_a_missing_or_foreign_store(cli: CommandLine) -> None:
    done = cli("runs", "--store", "nowhere")
    assert done.code == 2
    assert "there is no store in nowhere." in done.err
    assert not Path("nowhere").exists()
    Path("foreign").mkdir()
    Path("foreign/store.sqlite").write_text(
        "this is something else entirely, and long enough to be read as one"
    )
    assert "is damaged or no store of fac-eval" in cli("runs", "--store", "foreign").err
