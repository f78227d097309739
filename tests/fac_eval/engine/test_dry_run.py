"""What a run would take, found out without asking anything or leaving anything behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Sample, Settings
from fac_eval.config import RunConfig
from fac_eval.engine.api import prepare_plan
from fac_eval.engine.dry_run import Estimate, estimate_text, estimates
from fac_eval.engine.progress import Silent
from fac_eval.engine.tools import Tools
from fac_eval.errors import DataError, UsageError
from fac_eval.models.openai import OpenAIModel
from fac_eval.remote.prices import Price
from tests.support.judges import ENTRIES, RATE, Critic, JudgedOptions, JudgedTask
from tests.support.plugins import install
from tests.support.toys import AsyncEcho, Echo, ToyTask


class Partial(ToyTask):
    """Leaves out one sample and cannot read another."""

    name = "partial"

    def skip(self, sample: Sample) -> str | None:
        if sample.id == "s4":
            raise DataError("a bad row")
        return "left out" if sample.id == "s3" else None


class Priced(Critic):
    """A judge that costs money."""

    budget: Any = None
    price = Price(input=1.0, output=10.0)

    def remarks(self) -> list[str]:
        return []


class Deaf(AsyncEcho):
    name = "deaf"
    capabilities = fac_eval.Capabilities(inputs=frozenset({"text"}))

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = Deaf.capabilities


def dry_run(
    models: Any, tasks: Any, *, store: Path, tools: Tools | None = None, **config: Any
) -> list[Estimate]:
    plan = prepare_plan(
        RunConfig(store=str(store), **config), models=models, tasks=tasks, tools=tools or Tools()
    )
    found = estimates(plan, Silent())
    assert "nothing was asked, nothing was written" in estimate_text(plan, found)
    return found


def test_every_sample_counts_once_and_nothing_is_left_behind(tmp_path: Path) -> None:
    model = Echo()
    found = dry_run([model, AsyncEcho()], [ToyTask()], store=tmp_path / "store")
    assert [(one.model, one.items, one.known, one.to_ask) for one in found] == [
        ("echo", 20, 0, 20),
        ("async-echo", 20, 0, 20),
    ]
    assert model.asked == []
    assert model.loads == 0
    assert os.listdir(tmp_path) == []


def test_the_limit_holds(tmp_path: Path) -> None:
    (found,) = dry_run([Echo()], [ToyTask()], store=tmp_path, limit=7)
    assert found.items == 7
    (found,) = dry_run([Echo()], [ToyTask()], store=tmp_path, limit=0.25)
    assert found.items == 5


def test_what_the_store_holds_is_known_also_to_another_run(tmp_path: Path) -> None:
    fac_eval.run(Echo(), ToyTask(), limit=5, store=str(tmp_path), progress=False)
    before = (tmp_path / "store.sqlite").read_bytes()
    (found,) = dry_run([Echo()], [ToyTask()], store=tmp_path)
    assert (found.items, found.known, found.to_ask) == (20, 5, 15)
    (other,) = dry_run([Echo()], [ToyTask()], store=tmp_path, seed=1)
    assert other.known == 0
    assert (tmp_path / "store.sqlite").read_bytes() == before


def test_a_finished_run_has_nothing_left_to_ask(tmp_path: Path) -> None:
    fac_eval.run(Echo(), ToyTask(), store=str(tmp_path), progress=False)
    (found,) = dry_run([Echo()], [ToyTask()], store=tmp_path)
    assert (found.known, found.to_ask, found.audio_seconds) == (20, 0, 0.0)


def test_samples_that_are_not_asked_are_told_apart(tmp_path: Path) -> None:
    (found,) = dry_run([Echo()], [Partial()], store=tmp_path)
    assert (found.items, found.skipped, found.unreadable, found.to_ask) == (20, 1, 1, 18)


def test_the_audio_of_the_requests_is_added_up(tmp_path: Path) -> None:
    (found,) = dry_run(["oracle"], ["voicebench/bbh"], store=tmp_path, data="sample")
    assert 60 < found.audio_seconds < 200


@pytest.fixture
def rubrics(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rubric", ENTRIES)


@pytest.mark.usefixtures("rubrics")
def test_judge_calls_that_the_store_cannot_answer(tmp_path: Path) -> None:
    task = JudgedTask()
    judge = Critic()
    (found,) = dry_run([Echo()], [task], store=tmp_path, tools=Tools(judge=judge))
    assert (found.judge_calls, found.judge_cost) == (40, 0.0)
    assert found.variant.endswith("judge=critic,prompt=own")
    fac_eval.run(Echo(), task, judge=Critic(), limit=5, store=str(tmp_path), progress=False)
    (found,) = dry_run([Echo()], [task], store=tmp_path, tools=Tools(judge=judge))
    assert found.judge_calls == 30
    (found,) = dry_run([Echo()], [task], store=tmp_path, tools=Tools(judge=judge), judge_refresh=True)
    assert found.judge_calls == 40
    (found,) = dry_run([Echo()], [task], store=tmp_path, tools=Tools(judge=judge), limit=5)
    assert found.judge_calls == 0
    assert judge.asked == []


@pytest.mark.usefixtures("rubrics")
def test_what_judging_costs_about(tmp_path: Path) -> None:
    task = JudgedTask(JudgedOptions(n=1))
    task.settings = Settings(max_tokens=100)
    (found,) = dry_run([Echo()], [task], store=tmp_path, tools=Tools(judge=Priced()))
    prompt = len("say 0 ") + len('"0"') + 100 + len(RATE.own)
    assert found.judge_cost == pytest.approx(2 * (prompt * 1 + 8 * 10) / 1e6)

    class Unpriced(Priced):
        price = None

    (found,) = dry_run([Echo()], [task], store=tmp_path, tools=Tools(judge=Unpriced()))
    assert found.judge_cost is None


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> OpenAIModel:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = OpenAIModel("toy-model")
    model.__dict__["price"] = Price(input=1.0, output=10.0)
    return model


def test_the_cost_is_bounded_where_the_price_is_known(tmp_path: Path, priced: OpenAIModel) -> None:
    task = ToyTask()
    task.settings = Settings(max_tokens=100)
    found = dry_run([priced, OpenAIModel("nobody-knows"), Echo()], [task], store=tmp_path)
    characters = sum(len(f"say {i} " + "x" * (i % 7)) for i in range(20))
    assert found[0].cost == pytest.approx((characters * 1 + 20 * 100 * 10) / 1e6)
    assert [one.cost for one in found[1:]] == [None, 0.0]


def test_a_model_that_cannot_hear_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot hear"):
        dry_run([Deaf()], ["voicebench/bbh"], store=tmp_path, data="sample")


def test_the_text_says_what_is_unknown_and_whether_there_is_a_store(tmp_path: Path) -> None:
    config = RunConfig(store=str(tmp_path / "store"))
    plan = prepare_plan(config, models=[AsyncEcho(), Echo()], tasks=[Partial()])
    text = estimate_text(plan, estimates(plan, Silent()))
    assert "cost at most unknown" in text
    assert "unreadable samples would fail as bad_input" in text
    assert f"run {plan.run_id}, store {tmp_path / 'store'} (not made yet)" in text
    assert "in all: 36 to ask (0 known)" in text
