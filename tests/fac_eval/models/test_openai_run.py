"""The `openai` model as a run uses it: built from a spec, told apart by its fingerprint, kept to a budget."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fac_eval.errors import BudgetReached, FacEvalError, ModelUnavailable, UsageError
from fac_eval.models.openai import OpenAIModel
from fac_eval.remote.budget import Budget
from fac_eval.specs import build, parse_spec
from fac_eval.vocabulary import Request, Response, Settings, user
from tests.support.chat_server import (
    Answer,
    ChatServer,
    Drop,
    no_choices,
    rate_limited,
    too_long,
    trouble,
)
from tests.support.clocks import FakeClock
from tests.support.openai_models import HELLO, KEY, ask, make

if TYPE_CHECKING:
    from pathlib import Path


class TestMoney:
    def test_the_running_total(self, server: ChatServer, prices: Path) -> None:
        model = make(server, prices=prices)
        server.script(rate_limited(), no_choices())
        responses = ask(model, HELLO, replace(HELLO, seed=1))
        cost = (10 * 1000 + 5 * 2000) / 1e6
        assert [response.usage.cost for response in responses] == [pytest.approx(cost)] * 2
        assert model.spent.calls == 3  # the unreadable answer is paid for as well, the 429 is not
        assert model.spent.cost == pytest.approx(3 * cost)
        assert (model.spent.input_tokens, model.spent.output_tokens, model.spent.unpriced) == (30, 15, 0)
        assert model.remarks() == []

    def test_an_unknown_price(self, server: ChatServer) -> None:
        model = make(server)
        ask(model, HELLO, HELLO)
        assert model.spent.unpriced == 2
        assert "2 of 2 calls" in model.remarks()[0]
        assert "prices=" in model.remarks()[0]
        with pytest.raises(UsageError, match="prices=FILE"):
            model.budget = Budget(1.0)

    @pytest.mark.parametrize("max_tokens", [20, None], ids=["bounded", "unbounded"])
    def test_max_cost_stops_before_it_is_passed(
        self, server: ChatServer, prices: Path, max_tokens: int | None
    ) -> None:
        server.latency = 0.005
        usage = {"prompt_tokens": 15, "completion_tokens": 20}
        server.answer = Answer("ok", usage=usage)
        budget = Budget(5.0)
        models = [make(server, prices=prices) for _ in range(2)]
        for model in models:
            model.budget = budget

        async def scenario() -> list[Response | BaseException]:
            settings = Settings(max_tokens=max_tokens)
            work = [
                model.generate(Request((user("hello"),), settings=settings, seed=seed))
                for seed in range(100)
                for model in models
            ]
            try:
                return await asyncio.gather(*work, return_exceptions=True)
            finally:
                for model in models:
                    await model.aclose()

        results = asyncio.run(scenario())
        answered = [result for result in results if isinstance(result, Response)]
        assert all(isinstance(result, BudgetReached) for result in results if result not in answered)
        cost = (15 * 1000 + 20 * 2000) / 1e6
        assert all(response.text == "ok" for response in answered)
        assert budget.spent == pytest.approx(len(server.chats) * cost) == pytest.approx(len(answered) * cost)
        assert budget.spent <= 5.0
        assert budget.spent > (4.8 if max_tokens else 4.5)

    def test_calls_of_unknown_cost_count_with_their_estimate(self, server: ChatServer, prices: Path) -> None:
        server.script(Drop(), Answer("ok", usage=None))
        model = make(server, prices=prices)
        model.budget = budget = Budget(1.0)
        ask(model, HELLO)
        assert budget.spent > 2 * 20 * 2000 / 1e6
        assert budget.reserved == pytest.approx(0)

    def test_a_call_that_is_cancelled_before_it_is_sent_costs_nothing(
        self, server: ChatServer, prices: Path
    ) -> None:
        async def scenario() -> None:
            model = OpenAIModel("test-model", base_url=server.base_url, prices=prices, requests_per_minute=1)
            model.budget = budget = Budget(1.0)
            await model.generate(HELLO)
            spent = budget.spent
            waiting = asyncio.create_task(model.generate(HELLO))
            await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert (budget.spent, budget.reserved) == (spent, 0)
            await model.aclose()

        asyncio.run(scenario())
        assert len(server.chats) == 1

    def test_refusals_cost_nothing(self, server: ChatServer, prices: Path) -> None:
        server.script(trouble(500, "oops"), too_long(), trouble(401, "no"))
        model = make(server, prices=prices)
        model.budget = budget = Budget(1.0)
        ask(model, HELLO)
        with pytest.raises(ModelUnavailable):
            ask(model, HELLO)
        assert (budget.spent, budget.reserved) == (0, 0)


class TestArguments:
    def test_a_spec_builds_it(self, server: ChatServer, prices: Path) -> None:
        spec = parse_spec(
            f"openai:model=m,base_url={server.base_url},audio_rate=null,timeout=9,stream=true,concurrency=4,"
            f'requests_per_minute=60,max_tokens_field=max_completion_tokens,prices={prices},headers={{"A":"b"}},'
            'extra_body={"top":{"x":1},"y":[1,2]}'
        )
        model = build(OpenAIModel, spec, kind="model")
        assert (model.name, model.timeout, model.capabilities.concurrency) == ("m", 9.0, 4)
        model.clock = FakeClock()
        ask(model, HELLO)
        sent = server.chats[0].body
        assert (sent["top"], sent["y"], sent["max_completion_tokens"]) == ({"x": 1}, [1, 2], 20)

    @pytest.mark.parametrize(
        "argument",
        ["timeout=0", "requests_per_minute=-1", "concurrency=-2", "base_url=localhost:8000", "api_key=ключ",
         "base_url=http://h:port/v1", "audio_format=ogg", "sream=true", "prices=nowhere.toml"],
    )  # fmt: skip
    def test_senseless_arguments(self, argument: str, server: ChatServer) -> None:
        spec = parse_spec(f"openai:model=m,{argument}")
        with pytest.raises(FacEvalError):
            build(OpenAIModel, spec, kind="model").describe()

    def test_the_fingerprint_holds_what_changes_answers_and_no_more(self, server: ChatServer) -> None:
        base = make(server).fingerprint
        for same in (
            {"stream": True}, {"timeout": 3}, {"max_retries": 1}, {"concurrency": 2}, {"api_key": "other"},
            {"requests_per_minute": 5}, {"headers": {"A": "b"}},
            {"max_tokens_field": "max_completion_tokens"},
        ):  # fmt: skip
            assert make(server, **same).fingerprint == base, same
        for other in (
            {"audio_format": "mp3"}, {"audio_rate": 24000}, {"voice": "verse"}, {"text_only": True},
            {"extra_body": {"a": 1}}, {"seed": False}, {"base_url": "http://elsewhere/v1"},
        ):  # fmt: skip
            assert make(server, **other).fingerprint != base, other

    def test_what_it_can_take_and_give(self, server: ChatServer) -> None:
        assert make(server).capabilities.inputs == {"text", "audio"}
        assert make(server, text_only=True).capabilities.outputs == {"text"}

    def test_the_environment_completes_the_address(
        self, server: ChatServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
        model = OpenAIModel("test-model")
        assert ask(model, HELLO)[0].text == "ok"
        assert server.chats[0].headers["authorization"] == f"Bearer {KEY}"
