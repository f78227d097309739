"""Models that fill a place of their batch as soon as it is free."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Request, Response
from fac_eval.engine.result import RunResult
from fac_eval.errors import AudioError, FacEvalError
from tests.support.toys import Relay, ToyOptions, ToyTask, answer

ALL = sorted(map(str, range(50)))


def run(model: Relay, store: Path, n: int = 50, **options: Any) -> RunResult:
    return fac_eval.run(model, ToyTask(ToyOptions(n=n)), store=str(store), progress=False, **options)


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_every_sample_is_answered_once(batch: int, tmp_path: Path) -> None:
    model = Relay()
    result = run(model, tmp_path, batch_size=batch)
    assert (result.finished, result.counts.scored, result.cells[0].figures[0].value) == (True, 50, 100.0)
    assert sorted(model.taken) == ALL
    assert model.batches == []
    assert model.loads == model.closed == 1


def test_the_batch_stays_full_until_nothing_waits(tmp_path: Path) -> None:
    model = Relay(batch_size=7)
    run(model, tmp_path)
    assert set(model.turns[:-5]) == {7}


def test_it_says_how_many_it_takes_at_once(tmp_path: Path) -> None:
    model = Relay(batch_size=3)
    run(model, tmp_path)
    assert max(model.turns) == 3


def test_out_of_memory_halves_what_is_at_work_and_asks_nothing_answered_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Relay(batch_size=16, fits=5)
    result = run(model, tmp_path)
    assert result.counts.scored == 50
    told = capsys.readouterr().err
    assert "out of memory with a batch of 16: going on with 8" in told
    assert "out of memory with a batch of 8: going on with 4" in told
    assert max(model.turns) == 4
    assert len(model.taken) == 50 + 16 + 8


def test_a_sample_that_does_not_fit_alone_fails_alone(tmp_path: Path) -> None:
    model = Relay(batch_size=2, fits=0)
    result = run(model, tmp_path, n=3)
    assert result.counts.failed == {"out_of_memory": 3}


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError("odd"), "model_error"), (AudioError("no sound"), "bad_input")]
)
def test_a_sample_at_fault_fails_alone(error: Exception, kind: str, tmp_path: Path) -> None:
    model = Relay(batch_size=4)

    def refuse(request: Request) -> None:
        if answer(request) == "13":
            raise error

    model.on_request = refuse
    result = run(model, tmp_path)
    assert (result.counts.scored, result.counts.failed) == (49, {kind: 1})


def test_an_error_of_the_harness_stops_the_run(tmp_path: Path) -> None:
    model = Relay()

    def refuse(request: Request) -> None:
        raise FacEvalError("the licence has expired")

    model.on_request = refuse
    with pytest.raises(FacEvalError, match="licence"):
        run(model, tmp_path)


class Forgetful(Relay):
    """Drops an answer."""

    def answers(self, requests: Iterable[Request], batch_size: int) -> Iterator[tuple[int, Response]]:
        return (
            (number, response) for number, response in super().answers(requests, batch_size) if number != 3
        )


class Confused(Relay):
    """Gives an answer twice."""

    def answers(self, requests: Iterable[Request], batch_size: int) -> Iterator[tuple[int, Response]]:
        for found in super().answers(requests, batch_size):
            yield from (found, found)


@pytest.mark.parametrize(
    ("model", "message"),
    [(Forgetful(), "no answer to 1 of 50 requests"), (Confused(), "which waits for none")],
)
def test_a_defective_adapter_stops_the_run(model: Relay, message: str, tmp_path: Path) -> None:
    with pytest.raises(FacEvalError, match=message) as caught:
        run(model, tmp_path)
    assert "defect of the model's adapter" in str(caught.value)


def test_a_signal_lets_what_is_at_work_finish(tmp_path: Path) -> None:
    model = Relay(batch_size=4)

    def interrupt(request: Request) -> None:
        if len(model.seeds) == 10:
            os.kill(os.getpid(), signal.SIGINT)

    model.on_request = interrupt
    result = run(model, tmp_path)
    assert not result.finished
    assert result.counts.scored == len(model.taken) < 50
    rest = Relay()
    assert run(rest, tmp_path).finished
    assert sorted(model.taken + rest.taken) == ALL


def test_one_generates_for_two_that_ask_the_same(tmp_path: Path) -> None:
    model = Relay()
    tasks = [ToyTask(ToyOptions(n=20)), ToyTask(ToyOptions(n=30, mode="plain"))]
    result = fac_eval.run(model, tasks, store=str(tmp_path), progress=False)
    assert result.counts.scored == 50
    assert len(set(model.taken)) == 30
