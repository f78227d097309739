"""Judging in batches: handed over once, waited for across sessions, each question ends in a verdict or an error."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import RunResult
from fac_eval.engine.stop import Stop
from fac_eval.errors import BatchFailed, BudgetReached, FacEvalError, ModelUnavailable, UsageError
from fac_eval.interfaces import BatchJudge
from fac_eval.store import Store
from fac_eval.vocabulary import Failure, Question, Verdict
from tests.support.judges import ENTRIES, BatchCritic, Critic, JudgedOptions, JudgedTask, costing
from tests.support.plugins import install
from tests.support.toys import Echo

CHILD = Path(__file__).parents[2] / "support" / "killed_batch.py"


@pytest.fixture(autouse=True)
def rubrics(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rubric", ENTRIES)


def run(judge: Any, n: int = 20, *, store: Path, **options: Any) -> RunResult:
    given = {"judge_mode": "batch", **options}
    task = given.pop("task", None) or JudgedTask(JudgedOptions(n=n))
    model = given.pop("model", None) or Echo()
    return fac_eval.run(model, task, judge=judge, store=str(store), progress=False, **given)


def batches(store: Path, judge: str = "critic/1") -> dict[str, list[bytes]]:
    with Store.reader(store) as opened:
        return opened.batches(judge)


def test_all_questions_go_in_one_batch_and_the_figures_are_those_of_single_calls(tmp_path: Path) -> None:
    def say(question: Question) -> str:
        return str(int(question.inputs["answer"]) % 5 + question.draw)

    judge = BatchCritic(say, patience=3)
    result = run(judge, store=tmp_path)
    assert [len(batch) for batch in judge.batches.values()] == [40]
    assert judge.polls == {"batch-1": 4}
    assert judge.asked == []
    assert batches(tmp_path) == {}
    single = run(Critic(say), store=tmp_path / "single", judge_mode="live")
    assert result.cells[0].figures == single.cells[0].figures
    assert result.cells[0].protocol_id == single.cells[0].protocol_id
    assert result.id == single.id
    with Store.reader(tmp_path) as one, Store.reader(tmp_path / "single") as other:
        assert list(one.items(1)) == list(other.items(1))

    again = BatchCritic()
    assert run(again, store=tmp_path).finished
    assert again.batches == {}


def test_a_full_batch_is_handed_over_while_others_are_under_way(tmp_path: Path) -> None:
    judge = BatchCritic(max_questions=15, patience=5)
    result = run(judge, store=tmp_path)
    assert [len(batch) for batch in judge.batches.values()] == [15, 15, 10]
    assert sum(len(batch) for batch in judge.batches.values()) == 40
    assert result.counts.scored == 20


def test_a_judge_that_takes_no_batches_is_told_before_the_run(tmp_path: Path) -> None:
    assert not isinstance(Critic(), BatchJudge)
    with pytest.raises(UsageError, match="critic takes no batches"):
        run(Critic(), store=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_batch_that_fails_makes_its_questions_errors_and_the_next_run_tries_again(tmp_path: Path) -> None:
    judge = BatchCritic(max_questions=15)

    def expire(batch: str) -> None:
        if batch == "batch-2":
            raise BatchFailed("it expired after 24 h")

    judge.on_collect = expire
    result = run(judge, store=tmp_path)
    failed = result.counts.failed["judge_error"]
    assert failed >= 7
    assert result.counts.scored == 20 - failed
    assert "the batch batch-2 failed: it expired after 24 h" in str(result)
    assert batches(tmp_path) == {}
    later = BatchCritic()
    assert run(later, store=tmp_path).counts.scored == 20
    assert [len(batch) for batch in later.batches.values()] == [15]


def test_errors_and_lost_replies_within_a_batch_fail_their_questions_alone(tmp_path: Path) -> None:
    class Leaky(BatchCritic):
        async def collect(self, batch: str) -> Mapping[str, Verdict] | None:
            found = dict(await super().collect(batch) or {})
            lost = next(key for key, one in self.batches[batch].items() if one.inputs["answer"] == "3")
            del found[lost]
            return found

    def say(question: Question) -> str | Verdict:
        if question.inputs["answer"] == "7":
            return Verdict(error=Failure("refused", "content filter", "{...}"))
        return "5"

    result = run(Leaky(say, patience=0), store=tmp_path)
    assert result.counts.failed == {"judge_error": 2}
    with Store.reader(tmp_path) as store:
        details = {row.sample_id: row.detail for row in store.items(1) if row.detail}
    assert details["s3"] == "the batch batch-1 came back without this reply"
    assert details["s7"] == "refused: content filter\n--- what came back ---\n{...}"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("no space in the queue"),
            "the batch was not taken: RuntimeError: no space in the queue",
        ),
        (BatchFailed("none can be sent"), "the batch was not taken: none can be sent"),
    ],
    ids=["any", "told"],
)
def test_what_submit_throws_fails_the_questions_at_hand(error: Exception, told: str, tmp_path: Path) -> None:
    class Shut(BatchCritic):
        async def submit(self, questions: Sequence[tuple[str, Question]]) -> str:
            raise error

    result = run(Shut(), store=tmp_path)
    assert result.counts.failed == {"judge_error": 20}
    assert told in str(result)


def test_a_spent_budget_stops_before_the_batch(tmp_path: Path) -> None:
    class Poor(BatchCritic):
        async def submit(self, questions: Sequence[tuple[str, Question]]) -> str:
            if self.batches:
                raise BudgetReached("the next batch could exceed it")
            return await super().submit(questions)

    with pytest.raises(BudgetReached):
        run(Poor(max_questions=16), store=tmp_path)
    with Store.reader(tmp_path) as store:
        kept = store._query("SELECT count(*) FROM work WHERE stage = 'judge'").fetchone()[0]
    assert kept + sum(map(len, batches(tmp_path).values())) == 16


@pytest.mark.parametrize(
    ("error", "told"),
    [(ModelUnavailable("the key was withdrawn"), "withdrawn"), (OSError("unreachable"), "asks for it again")],
    ids=["told", "any"],
)
def test_a_batch_is_not_given_up_where_the_judge_cannot_be_reached(
    error: Exception, told: str, tmp_path: Path
) -> None:
    judge = BatchCritic()

    def unreachable(batch: str) -> None:
        raise error

    judge.on_collect = unreachable
    with pytest.raises(FacEvalError, match=told):
        run(judge, store=tmp_path)
    assert len(batches(tmp_path)["batch-1"]) == 40
    judge.on_collect = None
    assert run(judge, store=tmp_path).counts.scored == 20
    assert len(judge.batches) == 1


def test_ctrl_c_ends_the_wait_at_once_and_the_next_run_waits_on(tmp_path: Path) -> None:
    judge = BatchCritic(patience=3)
    judge.poll_seconds = 3600.0  # the test would hang if a stop did not cut it short

    def interrupt(batch: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    judge.on_collect = interrupt
    cut = run(judge, store=tmp_path)
    assert not cut.finished
    assert list(batches(tmp_path)) == ["batch-1"]

    judge.on_collect, judge.poll_seconds = None, 0.0
    model = Echo()
    result = run(judge, store=tmp_path, model=model)
    assert result.counts.scored == 20
    assert len(judge.batches) == 1
    assert model.asked == []
    assert batches(tmp_path) == {}
    with Store.reader(tmp_path) as store:
        (verdict, _) = next(iter(store.items(1))).evidence["verdicts"]
    assert (verdict["rubric"], verdict["prompt"]) == ("toy/rate", "own")


def test_another_run_takes_what_it_needs_from_a_batch_under_way(tmp_path: Path) -> None:
    judge = BatchCritic(patience=3)
    judge.on_collect = lambda batch: os.kill(os.getpid(), signal.SIGINT)
    run(judge, 10, store=tmp_path)
    judge.on_collect = None
    result = run(judge, 12, store=tmp_path)
    assert result.counts.scored == 12
    assert [len(batch) for batch in judge.batches.values()] == [20, 4]


def test_a_batch_whose_replies_nobody_needs_is_left_alone(tmp_path: Path) -> None:
    judge = BatchCritic(patience=3)
    judge.on_collect = lambda batch: os.kill(os.getpid(), signal.SIGINT)
    run(judge, 10, store=tmp_path)
    judge.on_collect = None
    other = JudgedTask(JudgedOptions(n=10, ask="vote"))
    assert run(judge, store=tmp_path, task=other).counts.scored == 10
    assert judge.polls["batch-1"] == 1
    assert list(batches(tmp_path)) == ["batch-1"]


def test_what_batches_cost_is_booked(tmp_path: Path) -> None:
    result = run(BatchCritic(lambda question: costing("5", 0.25)), store=tmp_path)
    assert result.judge_cost == 10.0


@pytest.mark.parametrize("place", ["collected", "kept"])
def test_a_killed_run_never_pays_for_a_batch_twice(place: str, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "server"
    folder.mkdir()

    def start(*more: str) -> int:
        command = [sys.executable, str(CHILD), str(store), str(folder), *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in (0, -9), done.stderr
        return done.returncode

    assert start(place) == -9
    handed_over = len(list(folder.iterdir()))
    assert handed_over >= 1
    assert start() == 0
    keys = [key for file in folder.iterdir() for key in json.loads(file.read_text())]
    assert len(keys) == len(set(keys)) == 80
    with Store.reader(store) as opened:
        assert opened.counts(1).scored == 40
        assert opened.batches("critic/1") == {}


def test_a_wait_ends_when_a_stop_is_requested_from_anywhere() -> None:
    async def main() -> None:
        stop = Stop()
        asyncio.get_running_loop().call_soon(stop.request)
        await stop.wait(3600)
        await stop.wait(3600)
        await Stop().wait(0)

    asyncio.run(main())
