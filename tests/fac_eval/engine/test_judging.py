"""Judging: every question asked once, every reply kept, every failure counted under its name."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import fac_eval
from fac_eval import Request, Response, RunResult, Sample
from fac_eval.errors import AudioError, BudgetReached, UnknownName, UsageError
from fac_eval.rubric import Rubric
from fac_eval.store import ItemRow, Store
from fac_eval.vocabulary import Evidence, Failure, Question, Usage, Verdict
from tests.support.judges import ENTRIES, Critic, JudgedOptions, JudgedTask, costing
from tests.support.plugins import install
from tests.support.toys import AsyncEcho, Echo, ToyTask


@pytest.fixture(autouse=True)
def rubrics(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rubric", ENTRIES)


def judged(**options: Any) -> JudgedTask:
    return JudgedTask(JudgedOptions(**options))


def run(judge: Any, *tasks: Any, store: Path, model: Any = None, **options: Any) -> RunResult:
    return fac_eval.run(
        model or Echo(),
        list(tasks) or [judged(n=6)],
        judge=judge,
        store=str(store),
        progress=False,
        **options,
    )


def items(result: RunResult, cell: int = 0) -> dict[str, ItemRow]:
    with Store.reader(result.store) as store:
        return {row.sample_id: row for row in store.items(result.cells[cell].id)}


def only(reply: str, *answers: str) -> Any:
    """A judge's script: `reply` to questions about these answers, 5 to the others."""
    return lambda question: reply if question.inputs["answer"] in answers else "5"


def test_each_question_is_asked_once_and_its_verdict_says_where_it_comes_from(tmp_path: Path) -> None:
    judge = Critic(lambda question: str(5 - question.draw))
    result = run(judge, store=tmp_path)
    assert Counter(judge.answers) == {str(i): 2 for i in range(6)}
    assert result.cells[0].figures[0].value == 450.0
    verdicts = items(result)["s3"].evidence["verdicts"]
    assert [(one["reply"], one["rubric"], one["prompt"]) for one in verdicts] == [
        ("5", "toy/rate", "own"),
        ("4", "toy/rate", "own"),
    ]
    with Store.reader(tmp_path) as store:
        assert len(store.works([bytes.fromhex(one["key"]) for one in verdicts])) == 2
    assert judge.closed == 1

    again = Critic()
    assert run(again, store=tmp_path).cells[0].figures == result.cells[0].figures
    assert again.asked == []


def test_equal_questions_of_several_samples_are_one_call(tmp_path: Path) -> None:
    class Alike(JudgedTask):
        def questions(self, sample: Sample, response: Response, evidence: Evidence) -> list[Question]:
            return [Question("toy/rate", {"answer": "same"}), Question("toy/rate", {"answer": "same"})]

    judge = Critic()
    result = run(judge, Alike(JudgedOptions(n=900)), store=tmp_path, workers=4)
    assert len(judge.asked) == 1
    assert result.counts.scored == 900


@pytest.mark.parametrize("workers", [1, 7])
def test_as_many_questions_are_in_flight_as_workers_also_when_answers_trickle_in(
    workers: int, tmp_path: Path
) -> None:
    judge = Critic()
    result = run(judge, judged(n=60), store=tmp_path, model=AsyncEcho(concurrency=1), workers=workers)
    assert judge.most == workers
    assert result.counts.scored == 60


def test_the_judge_decides_how_many_unless_the_user_does(tmp_path: Path) -> None:
    judge = Critic()
    judge.concurrency = 3
    run(judge, judged(n=60), store=tmp_path)
    assert judge.most == 3


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Failure("judge_error", "no answer", "<html>"), "no answer"),
        (Failure("rate_limited", "too many", "slow down"), "rate_limited: too many"),
        (Failure("timeout", "60 s"), "timeout: 60 s"),
    ],
    ids=lambda value: value.kind if isinstance(value, Failure) else "",
)
def test_a_failed_call_is_a_judge_error_of_its_sample_and_tried_again(
    failure: Failure, message: str, tmp_path: Path
) -> None:
    judge = Critic(
        lambda question: (
            Verdict(error=failure) if (question.inputs["answer"], question.draw) == ("4", 1) else "5"
        )
    )
    result = run(judge, store=tmp_path)
    assert result.counts.failed == {"judge_error": 1}
    row = items(result)["s4"]
    assert (row.detail or "").startswith(message)
    assert failure.raw is None or failure.raw in (row.detail or "")
    assert [one["reply"] for one in row.evidence["verdicts"]] == ["5"]

    mended = Critic()
    again = run(mended, store=tmp_path)
    assert [(question.inputs["answer"], question.draw) for question in mended.asked] == [("4", 1)]
    assert again.counts.scored == 6


@pytest.mark.parametrize("error", [RuntimeError("bang"), AudioError("cannot decode")], ids=["any", "audio"])
def test_what_a_judge_throws_fails_the_question_at_fault(error: Exception, tmp_path: Path) -> None:
    def throw(question: Question) -> str:
        if question.inputs["answer"] == "2":
            raise error
        return "5"

    result = run(Critic(throw), store=tmp_path)
    assert result.counts.failed == {"judge_error": 1}
    assert str(error) in (items(result)["s2"].detail or "")


def test_an_unreadable_reply_is_kept_and_read_again_but_not_asked_again(tmp_path: Path) -> None:
    result = run(Critic(only("hard to say", "3")), store=tmp_path)
    assert result.counts.failed == {"judge_error": 1}
    detail = items(result)["s3"].detail or ""
    assert "hard to say" in detail
    assert "--judge-refresh asks the judge again" in detail
    again = Critic()
    assert run(again, store=tmp_path).counts.failed == {"judge_error": 1}
    assert again.asked == []


def test_a_task_that_cannot_form_its_questions_fails_the_sample(tmp_path: Path) -> None:
    class Confused(JudgedTask):
        def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Any:
            if sample.id == "s1":
                raise KeyError("which")
            if sample.id == "s2":
                return [Question("toy/vote", {"answer": ""})]
            return super().questions(sample, response, evidence)

    result = run(Critic(), Confused(JudgedOptions(n=6)), store=tmp_path)
    assert result.counts.failed == {"score_error": 2}
    assert "'toy/vote', which its `rubrics` do not name" in (items(result)["s2"].detail or "")


def test_a_sample_without_questions_is_scored(tmp_path: Path) -> None:
    class Sure(JudgedTask):
        def questions(self, *held: Any) -> list[Question]:
            return []

        def score(self, *held: Any) -> Any:
            return fac_eval.Score(1.0)

    judge = Critic()
    assert run(judge, Sure(JudgedOptions(n=3)), store=tmp_path).counts.scored == 3
    assert judge.asked == []


# What is checked before anything runs.


def test_a_missing_judge_is_told_with_the_flag(tmp_path: Path) -> None:
    model = Echo()
    with pytest.raises(UsageError, match=r"judged needs a judge, .*\n.*--judge openai:model=gpt-4o-mini"):
        run(None, store=tmp_path / "none", model=model)
    assert model.batches == []
    assert not (tmp_path / "none").exists()


def test_a_judge_that_cannot_be_asked_so_is_told_before_the_run(tmp_path: Path) -> None:
    class Narrow(Critic):
        def check(self, rubric: Rubric) -> None:
            if rubric.name == "toy/vote":
                raise UsageError("it does not vote")

    with pytest.raises(UsageError, match="does not vote"):
        run(Narrow(), judged(ask="vote"), store=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert run(Narrow(), store=tmp_path).finished


@pytest.mark.parametrize(
    ("rubric", "told"),
    [("toy/rat", "Did you mean 'toy/rate'"), ("tax/rate", "unknown rubric 'tax/rate' in task judged")],
)
def test_a_rubric_that_nobody_brings_is_told(rubric: str, told: str, tmp_path: Path) -> None:
    task = judged()
    task.rubrics = (rubric,)
    with pytest.raises(UnknownName, match=told):
        run(Critic(), task, store=tmp_path)


def test_a_task_without_rubrics_is_told(tmp_path: Path) -> None:
    task = judged()
    task.rubrics = ()
    with pytest.raises(UsageError, match="does not say how it is asked"):
        run(Critic(), task, store=tmp_path)


# Identity.


def test_who_judged_and_in_whose_words_is_told_and_part_of_the_protocol(tmp_path: Path) -> None:
    own = run(Critic(), store=tmp_path).cells[0]
    official = run(Critic(prompt="official"), store=tmp_path).cells[0]
    assert own.variant.endswith("judge=critic,prompt=own")
    assert official.variant.endswith("judge=critic")
    assert own.protocol_id != official.protocol_id
    assert own.protocol["judge"]["toy/rate"] == {
        "judge": "critic/1",
        "prompt": "own",
        "text": "Rate this answer: {answer}",
    }
    assert set(own.protocol["judge"]) == {"toy/rate"}


def test_another_wording_is_another_question(tmp_path: Path) -> None:
    run(Critic(), store=tmp_path)
    other = Critic(prompt="official")
    run(other, store=tmp_path)
    assert len(other.asked) == 12


def test_a_task_without_a_judge_does_not_carry_one(tmp_path: Path) -> None:
    judge = Critic()
    result = run(judge, ToyTask(), judged(n=2), store=tmp_path)
    assert result.cells[0].variant == "mode=plain"
    assert "judge" not in result.cells[0].protocol
    assert {question.inputs["answer"] for question in judge.asked} == {"0", "1"}


# Money.


def test_the_judges_cost_is_told_apart_and_counts_once(tmp_path: Path) -> None:
    model = AsyncEcho()
    model.on_request = lambda request: Response(
        text=request.messages[0].text.split()[1], usage=Usage(cost=0.25)
    )
    result = run(Critic(lambda question: costing("5", 0.5)), store=tmp_path, model=model)
    assert (result.cost, result.judge_cost) == (7.5, 6.0)
    assert "cost $7.5000 (judge $6.0000)" in str(result)
    assert {key: result.to_dict()[key] for key in ("cost", "judge_cost")} == {"cost": 7.5, "judge_cost": 6.0}
    other = run(Critic(lambda question: costing("5", 0.5)), judged(n=7), store=tmp_path, model=model)
    assert (other.cost, other.judge_cost) == (1.25, 1.0)


def test_a_failed_call_that_was_paid_for_counts(tmp_path: Path) -> None:
    failed = Verdict(usage=Usage(cost=0.1), error=Failure("judge_error", "cut off"))
    assert run(Critic(lambda question: failed), store=tmp_path).judge_cost == pytest.approx(1.2)


class Spending(Critic):
    """A judge with a purse."""

    budget: Any = None

    def remarks(self) -> list[str]:
        return ["judged without a price"]


def test_the_budget_counts_what_earlier_sessions_paid_the_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def die(question: Question) -> Verdict:
        if len(judge.asked) > 10:
            raise BudgetReached("the next call could exceed it")
        return costing("5", 0.5)

    judge = Spending(die)
    with pytest.raises(BudgetReached):
        run(judge, store=tmp_path, max_cost=10.0, workers=1)
    assert judge.budget.spent == 0.0
    assert judge.closed == 1
    assert "without a price" not in capsys.readouterr().err
    later = Spending()
    result = run(later, store=tmp_path, max_cost=10.0)
    assert later.budget.spent == pytest.approx(5.0)
    assert len(later.asked) == 2
    assert result.counts.scored == 6
    assert "judged without a price" in capsys.readouterr().err


# Asking again on purpose.


def test_a_refresh_asks_the_judge_again_and_the_model_not(tmp_path: Path) -> None:
    first = run(Critic(only("1", "2")), ToyTask(), judged(n=6), store=tmp_path)
    model, judge = Echo(), Critic()
    again = run(judge, ToyTask(), judged(n=6), store=tmp_path, model=model, judge_refresh=True)
    assert again.id == first.id
    assert len(judge.asked) == 12
    assert model.asked == []
    assert [cell.figures[0].value for cell in again.cells] == [100.0, 500.0]
    later = Critic()
    assert run(later, ToyTask(), judged(n=6), store=tmp_path).cells[1].figures[0].value == 500.0
    assert later.asked == []


def test_a_refresh_does_not_take_another_runs_verdicts(tmp_path: Path) -> None:
    run(Critic(only("1", "2")), judged(n=6), store=tmp_path)
    judge = Critic()
    result = run(judge, judged(n=6), store=tmp_path, limit=3, judge_refresh=True)
    assert len(judge.asked) == 6
    assert result.cells[0].figures[0].value == 500.0


def test_a_refresh_that_is_interrupted_goes_on_without_the_flag(tmp_path: Path) -> None:
    run(Critic(only("1", "2")), judged(n=30), store=tmp_path)

    def interrupt(question: Question) -> str:
        if question.inputs["answer"] == "10":
            os.kill(os.getpid(), signal.SIGINT)
        return "4"

    stopped = Critic(interrupt)
    model = Echo()
    cut = run(stopped, judged(n=30), store=tmp_path, model=model, judge_refresh=True, workers=1)
    assert not cut.finished
    assert 0 < len(stopped.asked) < 60

    rest = Critic(lambda question: "4")
    result = run(rest, judged(n=30), store=tmp_path, model=model)
    assert result.finished
    assert result.cells[0].figures[0].value == 400.0
    assert Counter(stopped.answers + rest.answers) == {str(i): 2 for i in range(30)}
    assert model.asked == []


def test_money_spent_before_a_refresh_stays_spent(tmp_path: Path) -> None:
    for total in (6.0, 12.0):
        result = run(Critic(lambda question: costing("5", 0.5)), store=tmp_path, judge_refresh=total > 6.0)
        assert result.judge_cost == total


def test_several_models_share_one_judge_that_is_closed_once(tmp_path: Path) -> None:
    class Other(Echo):
        name = "other"
        fingerprint = "other/1"

    loops = set()
    judge = Critic(lambda question: str(loops.add(id(asyncio.get_running_loop())) or 5))
    result = fac_eval.run([Echo(), Other()], judged(n=4), judge=judge, store=str(tmp_path), progress=False)
    assert result.counts.scored == 8
    assert len(judge.asked) == 8
    assert (judge.closed, len(loops)) == (1, 1)


def test_requests_are_left_alone(tmp_path: Path) -> None:
    """A judged task asks its model what it would ask without a judge."""
    plain, with_judge = Echo(), Echo()
    seen: dict[str, list[Request]] = {"plain": [], "judged": []}
    plain.on_request = seen["plain"].append
    with_judge.on_request = seen["judged"].append
    run(None, ToyTask(), store=tmp_path / "a", model=plain)
    run(Critic(), judged(), store=tmp_path / "b", model=with_judge)
    assert seen["plain"] == seen["judged"]


@dataclass(frozen=True, slots=True)
class SparingOptions(JudgedOptions):
    """Whether a judge is asked at all."""

    match: Literal["judge", "both", "exact"] = "judge"


class Sparing(JudgedTask):
    """Does without a judge under one of its choices; another does not go with the rest."""

    Options = SparingOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.match == "both":
            raise UsageError("not together")
        if self.options.match == "exact":
            self.needs = frozenset()


def test_the_choice_that_needs_no_judge_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Or run judged:match=exact, which needs none."):
        run(None, Sparing(SparingOptions(n=3)), store=tmp_path)
    with pytest.raises(UsageError) as caught:
        run(None, judged(), store=tmp_path)
    assert "Or run" not in str(caught.value)
