"""ctrl-C: what is under way is finished and kept, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fac_eval
from fac_eval import Request
from fac_eval.store import Store
from tests.support.toys import AsyncEcho, Echo, ToyOptions, ToyTask, answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-C", "SIGTERM"])
def test_a_signal_stops_cleanly_and_the_run_goes_on(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Echo(batch_size=2)

    def interrupt(request: Request) -> None:
        if len(model.asked) == 10:
            os.kill(os.getpid(), number)

    model.on_request = interrupt
    task = ToyTask(ToyOptions(n=100))
    result = fac_eval.run(model, task, store=str(tmp_path), progress=False)
    assert not result.finished
    assert "stopping" in capsys.readouterr().err
    assert result.sessions[-1].outcome == "interrupted"
    assert result.counts.scored == len(model.asked) < 100
    assert result.counts.n_failed == 0

    rest = Echo()
    finished = fac_eval.run(rest, task, store=str(tmp_path), progress=False)
    assert finished.finished
    assert finished.id == result.id
    assert sorted(model.asked + rest.asked, key=int) == [str(i) for i in range(100)]


def test_requests_in_flight_are_paid_for_and_kept(tmp_path: Path) -> None:
    model = AsyncEcho(concurrency=8)

    def interrupt(request: Request) -> None:
        if answer(request) == "20":
            os.kill(os.getpid(), signal.SIGINT)

    model.on_request = interrupt
    result = fac_eval.run(model, ToyTask(ToyOptions(n=200)), store=str(tmp_path), progress=False)
    assert not result.finished
    assert result.counts.scored == len(model.asked)
    with Store.reader(tmp_path) as store:
        assert store._query("SELECT count(*) FROM work").fetchone()[0] == len(model.asked)


def test_signal_handlers_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    fac_eval.run(Echo(), ToyTask(), store=str(tmp_path), progress=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_command_line_says_how_to_go_on(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from fac_eval.models import sanity\n"
        "from fac_eval.cli.main import main\n"
        "guess = sanity.Random._guess\n"
        "def slow(self, task, sample, seed):\n"
        "    if sample.id == 's700': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return guess(self, task, sample, seed)\n"
        "sanity.Random._guess = slow\n"
        "main(sys.argv[1:])\n"
    )
    questions = tmp_path / "q.jsonl"
    questions.write_text(
        "".join(f'{{"id": "s{i}", "text": "hm?", "reference": "a"}}\n' for i in range(20_000))
    )
    command = ["run", "-m", "random", "-t", f"file:{questions}", "--store", str(tmp_path / "store")]
    first = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=False
    )
    assert first.returncode == 130, first.stderr
    assert "run the same command again to go on" in first.stderr
    assert "still to do" in first.stdout or "total" in first.stdout
    again = subprocess.run(
        [sys.executable, "-m", "fac_eval", *command], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "20,000" in again.stdout
