"""Stored answers under other rules: nothing asked, nothing lost, and what cannot be rescored is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Request, Response, RunResult, Sample, Score
from fac_eval.errors import UnknownName, UsageError
from fac_eval.store import Store
from fac_eval.vocabulary import Evidence, user
from tests.support.plugins import install
from tests.support.toys import Echo, ToyOptions, ToyTask


class Shouting(ToyTask):
    """A toy whose strict mode asks another question."""

    name = "shouting"

    def request(self, sample: Sample) -> Request:
        request = super().request(sample)
        if self.options.mode == "plain":
            return request
        return Request((user(request.messages[0].text.upper()),))


class Moody(ToyTask):
    """A toy that leaves out a sample in its strict mode, and whose scorer trips in its plain one."""

    name = "moody"

    def skip(self, sample: Sample) -> str | None:
        return "odd" if self.options.mode == "strict" and sample.id == "s1" else None

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        if self.options.mode == "plain" and sample.id == "s2":
            raise ValueError("two")
        return super().score(sample, response, evidence)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.fac_eval.engine.test_rescore"
    entries = {"toy": "tests.support.toys:ToyTask", "shouting": f"{here}:Shouting", "moody": f"{here}:Moody"}
    install(monkeypatch, "task", entries)


class Padding(Echo):
    """Answers rightly, with a blank before."""

    def _answer(self, request: Request) -> Response:
        return Response(text=" " + (super()._answer(request).text or ""))


def first(task: ToyTask, store: Path, model: Any = None) -> RunResult:
    return fac_eval.run(model or Padding(), task, store=str(store), progress=False)


def test_the_same_answers_score_differently_under_other_rules(tmp_path: Path) -> None:
    run = first(ToyTask(ToyOptions(n=5)), tmp_path)
    again = fac_eval.rescore(run.id, set={"toy.mode": "strict"}, store=str(tmp_path))
    assert run.cells[0].figures[0].value == 100.0
    assert again.cells[0].figures[0].value == 0.0
    assert again.id != run.id
    assert again.run.parent == run.id
    assert again.run.config["set"] == {"toy.mode": "strict"}
    assert RunResult.load(Store.reader(tmp_path), run.id).cells[0].figures == run.cells[0].figures


def test_a_run_under_the_new_rules_comes_to_the_same(tmp_path: Path) -> None:
    run = first(ToyTask(ToyOptions(n=5)), tmp_path)
    again = fac_eval.rescore("latest", set={"toy.mode": "strict"}, store=str(tmp_path))
    direct = first(ToyTask(ToyOptions(n=5, mode="strict")), tmp_path / "direct")
    assert again.cells[0].figures == direct.cells[0].figures
    assert again.cells[0].protocol_id == direct.cells[0].protocol_id
    assert again.id != direct.id != run.id


def test_options_that_change_the_question_are_refused(tmp_path: Path) -> None:
    first(Shouting(ToyOptions(n=5)), tmp_path)
    with pytest.raises(UsageError, match="change what shouting asks the model"):
        fac_eval.rescore(set={"shouting.mode": "strict"}, store=str(tmp_path))


def test_skips_are_decided_anew_and_score_errors_tried_again(tmp_path: Path) -> None:
    run = first(Moody(ToyOptions(n=5)), tmp_path)
    assert run.counts.failed == {"score_error": 1}
    again = fac_eval.rescore(run.id, set={"moody.mode": "strict"}, store=str(tmp_path))
    assert again.counts.failed == {}
    assert again.counts.skipped == {"odd": 1}
    assert again.counts.scored == 4


def test_what_the_stored_run_skipped_has_no_answer_to_score(tmp_path: Path) -> None:
    run = first(Moody(ToyOptions(n=5, mode="strict")), tmp_path)
    again = fac_eval.rescore(run.id, set={"moody.mode": "plain"}, store=str(tmp_path))
    assert again.counts.failed == {"missing_prediction": 1, "score_error": 1}


def test_failed_answers_stay_failed(tmp_path: Path) -> None:
    run = first(ToyTask(ToyOptions(n=5)), tmp_path, Echo(fits=0))
    again = fac_eval.rescore(run.id, set={"toy.mode": "strict"}, store=str(tmp_path))
    assert again.counts.failed == {"out_of_memory": 5}


def test_an_option_that_no_task_has_is_named(tmp_path: Path) -> None:
    first(ToyTask(ToyOptions(n=5)), tmp_path)
    with pytest.raises(UnknownName, match=r"Did you mean 'toy\.mode'"):
        fac_eval.rescore(set={"toy.mod": "strict"}, store=str(tmp_path))
    with pytest.raises(UsageError, match="one of: plain, strict"):
        fac_eval.rescore(set={"toy.mode": "stern"}, store=str(tmp_path))
    with pytest.raises(UnknownName, match="unknown run 'zzz'"):
        fac_eval.rescore("zzz", store=str(tmp_path))
