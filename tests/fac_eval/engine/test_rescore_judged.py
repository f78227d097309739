"""Stored replies under other rules: read again, never asked again, and refused where they answer other questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

import fac_eval
from fac_eval import Response, RunResult, Sample, Score
from fac_eval.errors import UsageError
from fac_eval.store import Store
from fac_eval.vocabulary import Evidence, Failure, Question, Verdict
from tests.fac_eval.engine.test_instruments import Alike, Letters
from tests.support.judges import ENTRIES, Critic, JudgedOptions, JudgedTask
from tests.support.plugins import install
from tests.support.toys import Echo, ToyOptions

HERE = "tests.fac_eval.engine.test_rescore_judged"


class Choosy(Alike):
    """Compares with other texts in its strict mode."""

    name = "choosy"

    def comparison(self, sample: Sample, response: Response) -> tuple[str, Sequence[str]]:
        text, candidates = super().comparison(sample, response)
        return text, candidates if self.options.mode == "plain" else candidates[::-1]


class Optional(JudgedTask):
    """Needs its judge in one mode only."""

    name = "optional"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.mode == "strict":
            self.needs, self.rubrics = frozenset(), ()

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        return Score(1.0) if self.options.mode == "strict" else super().score(sample, response, evidence)


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rubric", ENTRIES)
    entries = {
        "judged": "tests.support.judges:JudgedTask",
        "choosy": f"{HERE}:Choosy",
        "optional": f"{HERE}:Optional",
    }
    install(monkeypatch, "task", entries)


def unclear(question: Question) -> str | Verdict:
    if question.inputs["answer"] == "2":
        return "hard to say"
    if question.inputs["answer"] == "3" and question.draw == 1:
        return Verdict(error=Failure("timeout", "60 s"))
    return str(5 - question.draw)


def first(store: Path, say: Any = unclear, task: Any = None, **options: Any) -> RunResult:
    task = task or JudgedTask(JudgedOptions(n=6, **options))
    return fac_eval.run(Echo(), task, judge=Critic(say), store=str(store), progress=False)


def rescore(store: Path, **options: Any) -> RunResult:
    return fac_eval.rescore(
        set={f"judged.{name}": value for name, value in options.items()}, store=str(store)
    )


def test_unreadable_replies_are_read_under_the_new_rules_and_failed_calls_stay_failed(tmp_path: Path) -> None:
    run = first(tmp_path)
    assert run.counts.failed == {"judge_error": 2}
    again = rescore(tmp_path, invalid="count_wrong")
    assert again.counts.failed == {"judge_error": 1}
    assert again.counts.scored == 5
    with Store.reader(tmp_path) as store:
        rows = {row.sample_id: row for row in store.items(again.cells[0].id)}
    assert (rows["s2"].score or {})["label"] == "invalid"
    assert (rows["s3"].detail or "").startswith("timeout: 60 s")
    assert again.cells[0].figures[0].value == pytest.approx(100 * 4 * 4.5 / 5)
    assert again.judge_cost == 0.0


def test_judge_and_wording_are_told_of_a_rescored_run_too_and_a_direct_run_comes_to_the_same(
    tmp_path: Path,
) -> None:
    run = first(tmp_path)
    again = rescore(tmp_path, invalid="count_wrong")
    direct = first(tmp_path / "direct", invalid="count_wrong")
    assert run.cells[0].variant.endswith("judge=critic,prompt=own")
    assert again.cells[0].variant == direct.cells[0].variant
    assert again.cells[0].protocol_id == direct.cells[0].protocol_id
    assert again.cells[0].figures == direct.cells[0].figures


def test_fewer_draws_are_a_part_of_what_is_stored(tmp_path: Path) -> None:
    first(tmp_path, lambda question: str(5 - question.draw))
    assert rescore(tmp_path, draws="1").cells[0].figures[0].value == 500.0


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("draws", "3", "asks the judge other questions"), ("ask", "vote", "asks the judge by toy/vote")],
)
def test_questions_that_were_not_asked_are_refused_with_what_to_do(
    option: Literal["draws", "ask"], value: str, told: str, tmp_path: Path
) -> None:
    first(tmp_path, lambda question: "5")
    with pytest.raises(UsageError, match=rf"{told}, which the stored run did not\nRun it with a judge"):
        rescore(tmp_path, **{option: value})


def test_what_needs_no_judge_any_more_carries_none(tmp_path: Path) -> None:
    run = first(tmp_path, task=Optional(JudgedOptions(n=6)))
    assert run.counts.failed == {"judge_error": 2}
    again = fac_eval.rescore(set={"optional.mode": "strict"}, store=str(tmp_path))
    assert again.counts.scored == 6
    assert "judge" not in again.cells[0].variant
    assert "judge" not in again.cells[0].protocol
    with pytest.raises(UsageError, match="needs a judge, which the stored run did not have"):
        fac_eval.rescore(again.id, set={"optional.mode": "plain"}, store=str(tmp_path))


def test_other_candidates_are_refused(tmp_path: Path) -> None:
    task = Choosy(ToyOptions(n=4))
    fac_eval.run(Echo(), task, embedder=Letters(), store=str(tmp_path), progress=False)
    with pytest.raises(UsageError, match="compared with"):
        fac_eval.rescore(set={"choosy.mode": "strict"}, store=str(tmp_path))
    again = fac_eval.rescore(store=str(tmp_path))
    assert again.cells[0].figures[0].value == 100.0
    assert again.cells[0].variant.endswith("embedder=letters")


def test_a_refreshed_run_leaves_a_rescored_one_as_it_is(tmp_path: Path) -> None:
    run = first(tmp_path, lambda question: "5")
    again = rescore(tmp_path, invalid="count_wrong")
    fac_eval.run(
        Echo(),
        JudgedTask(JudgedOptions(n=6)),
        judge=Critic(lambda question: "1"),
        judge_refresh=True,
        store=str(tmp_path),
        progress=False,
    )
    with Store.reader(tmp_path) as store:
        assert RunResult.load(store, run.id).cells[0].figures[0].value == 100.0
        assert RunResult.load(store, again.id).cells[0].figures[0].value == 500.0
