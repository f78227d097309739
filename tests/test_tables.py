"""Tables 1 to 4 as a user runs them: every task on the shipped items, with a judge behind a local endpoint.

The model knows nothing, so that every score is one of a wrong or lucky answer; what is tested is that each row is
filled, that a killed run loses nothing, and that no question is put to the judge twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fac_eval.errors import MissingResource
from fac_eval.metrics.text_resources import find_punkt
from fac_eval.resolve import resolve_tasks
from fac_eval.store import Store
from tests.support.judge_server import JudgeServer

COMMAND = Path(__file__).parent / "support" / "killed_command.py"
TABLES = ("table1", "table2", "table3", "table4")
TASKS = [task.name for task in resolve_tasks(TABLES)]
DEATHS = (1, 50, 30)
"""Three processes die, one after the other, before they can keep so many of the judge's replies."""

NOT_MEASURED = {
    ("Model", "LLM Size"),
    ("Model", "Frame Rate-In"),
    ("Model", "Frame Rate-Out"),
    # Section 3.2 needs a meter of sound, and a model that speaks.
    ("Speech quality on UltraEval-Audio Llama Q.", "UTMOS"),
}
"""Rows of the tables that a model's authors fill, or that take what is not asked for here."""


@pytest.fixture(scope="module", autouse=True)
def _sentences() -> None:
    try:
        find_punkt()
    except MissingResource as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def server() -> Iterator[JudgeServer]:
    with JudgeServer() as running:
        yield running


@dataclass
class Workplace:
    """A folder with a store, and the command line in it."""

    folder: Path
    server: JudgeServer

    @property
    def store(self) -> Path:
        return self.folder / ".fac-eval"

    def call(self, *arguments: str, death: int = 0) -> subprocess.CompletedProcess[str]:
        """`fac-eval ARGUMENTS`, on this machine alone, with nothing of the user's around it."""
        kept = {
            name: held for name, held in os.environ.items() if not name.startswith(("OPENAI", "FAC_EVAL"))
        }
        own = {"FAC_EVAL_CACHE": str(self.folder / "cache"), "FAC_EVAL_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(
            [sys.executable, str(COMMAND), str(death), *arguments],
            cwd=self.folder,
            env=kept | own,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run(self, *options: str, death: int = 0) -> subprocess.CompletedProcess[str]:
        """The tables, with what each of their tasks needs."""
        return self.call(
            *("run", "-m", "random", "-t", ",".join(TABLES), "--data", "sample"),
            *("--judge", f"{self.server.spec},api_key=k"),
            *("--transcriber", "pocketsphinx", "--set", "mmau_pro.closed=string_match", *options),
            death=death,
        )

    def verdicts(self) -> int:
        """How many of the judge's replies are kept."""
        if not (self.store / "store.sqlite").exists():
            return 0
        with (
            Store.reader(self.store) as store,
            closing(store._query("SELECT count(*) FROM work WHERE stage = 'judge'")) as rows,
        ):
            return int(rows.fetchone()[0])

    def contents(self) -> dict[str, Any]:
        """All that the last run comes to, without times and row numbers."""
        with Store.reader(self.store) as store:
            run = store.run("latest")
            return {
                "run": run.id,
                "work": sorted(
                    store._query("SELECT key, stage, body FROM work WHERE stage = 'judge'").fetchall()
                ),
                "cells": {
                    cell.task: (cell.protocol_id, cell.figures, cell.counts, list(store.items(cell.id)))
                    for cell in store.cells(run.id)
                },
            }

    def leaderboard(self) -> Mapping[str, Any]:
        done = self.call("leaderboard", "--tables", "1-4", "--to", "json")
        assert done.returncode == 0, done.stderr
        tables: Mapping[str, Any] = json.loads(done.stdout)
        return tables


@dataclass
class Finished:
    """A run without an accident."""

    place: Workplace
    out: str
    asked: int
    contents: Mapping[str, Any]


@pytest.fixture(scope="module")
def finished(server: JudgeServer, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    place = Workplace(tmp_path_factory.mktemp("finished"), server)
    before = len(server.seen)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return Finished(place, done.stdout, len(server.seen) - before, place.contents())


def test_every_task_of_the_tables_has_its_figures(finished: Finished) -> None:
    cells = finished.contents["cells"]
    assert list(cells) == TASKS
    for task, (_, figures, counts, _) in cells.items():
        main = [figure for figure in figures if figure.main]
        assert [figure.value is None for figure in main] == [False], task
        assert counts.scored == counts.total - counts.n_skipped > 0, task
        assert task in finished.out


def test_every_benchmark_of_the_tables_has_its_total(finished: Finished) -> None:
    for benchmark in ("openaudiobench", "voicebench", "ultraeval_audio", "speech_fc"):
        (line,) = [line for line in finished.out.splitlines() if line.startswith(f"random  {benchmark}  ")][
            :1
        ]
        assert "Overall" in line


def test_the_judge_knows_every_question_and_hears_it_once(finished: Finished, server: JudgeServer) -> None:
    assert finished.asked == finished.place.verdicts() > 100
    assert server.counts["unknown"] == 0
    bodies = [json.dumps(seen.body, sort_keys=True) for seen in server.seen[: finished.asked]]
    assert len(set(bodies)) == finished.asked


def test_every_row_of_the_tables_is_filled_or_says_why_not(finished: Finished) -> None:
    empty = set()
    for table in finished.place.leaderboard()["tables"]:
        assert table["columns"][-1]["title"] == "random"
        for row in table["rows"]:
            cell = row["cells"][-1]
            if cell["text"] is None:
                assert cell["missing"]
                assert "not run" not in cell["missing"]
                empty.add((row["block"], row["label"]))
    assert empty == NOT_MEASURED


def test_the_same_command_again_shows_the_same_and_asks_nothing(
    finished: Finished, server: JudgeServer
) -> None:
    before = len(server.seen)
    again = finished.place.run()
    assert (again.returncode, again.stdout) == (0, finished.out)
    # Another variant is another run with figures of its own, from the same answers and replies.
    other = finished.place.run("--set", "voicebench.invalid=count_wrong")
    assert other.returncode == 0, other.stderr
    assert "invalid=count_wrong" in other.stdout
    assert len(server.seen) == before


def test_a_run_killed_three_times_loses_nothing_and_asks_nothing_twice(
    finished: Finished, server: JudgeServer, tmp_path: Path
) -> None:
    place = Workplace(tmp_path, server)
    for death in DEATHS:
        kept, before = place.verdicts(), len(server.seen)
        assert place.run(death=death).returncode == -9
        assert kept <= place.verdicts() <= kept + len(server.seen) - before <= finished.asked
    kept, before = place.verdicts(), len(server.seen)
    assert kept > 0
    assert place.run().returncode == 0
    assert len(server.seen) - before == finished.asked - kept
    assert place.contents() == finished.contents
