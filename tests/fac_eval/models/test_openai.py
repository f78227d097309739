"""The `openai` model against a real local server that behaves, and misbehaves, as it is told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import BudgetReached, FacEvalError, ModelUnavailable, UsageError
from fac_eval.models.openai import OpenAIModel
from fac_eval.remote.budget import Budget
from fac_eval.specs import build, parse_spec
from fac_eval.vocabulary import Request, Response, Settings, Tool, ToolCall, Usage, user
from tests.support.chat_server import (
    Action,
    Answer,
    ChatServer,
    Drop,
    Hang,
    Raw,
    Slow,
    no_choices,
    no_quota,
    rate_limited,
    too_long,
    trouble,
    truncated,
    web_page,
)
from tests.support.clocks import FakeClock

KEY = "sk-test-0123456789abcdef"
CLIP = Audio.from_samples(np.sin(np.arange(4800) / 10).astype(np.float32) * 0.3, 24000)
WAV = CLIP.encoded("wav")
HELLO = Request((user("hello"),), settings=Settings(max_tokens=20))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FAC_EVAL_PRICES"):
        monkeypatch.delenv(name, raising=False)
    with ChatServer() as running:
        yield running


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(
        '[models."test-model"]\ninput = 1000\noutput = 2000\naudio_input = 4000\naudio_output = 8000\n'
    )
    return file


def make(server: ChatServer, **arguments: Any) -> OpenAIModel:
    model = OpenAIModel("test-model", **{"base_url": server.base_url, "api_key": KEY, **arguments})
    model.clock = FakeClock()
    return model


def ask(model: OpenAIModel, *requests: Request) -> list[Response]:
    async def scenario() -> list[Response]:
        try:
            return list(await asyncio.gather(*(model.generate(request) for request in requests)))
        finally:
            await model.aclose()

    return asyncio.run(scenario())


def slept(model: OpenAIModel) -> list[float]:
    assert isinstance(model.clock, FakeClock)
    return model.clock.slept


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
class TestAnswers:
    def test_text(self, server: ChatServer, stream: bool) -> None:
        server.answer = Answer("The capital is Paris.")
        (response,) = ask(make(server, stream=stream), HELLO)
        assert response.error is None
        assert response.text == "The capital is Paris."
        assert response.finish_reason == "stop"
        assert response.usage == Usage(10, 5, 0, 0, None)
        assert response.timings.attempts == 1
        assert response.timings.total is not None
        assert (response.timings.first_token is not None) == stream
        if response.timings.first_token is not None:
            assert 0 < response.timings.first_token <= response.timings.total
        assert response.details["request_id"] == "req-1"
        assert response.details["model"] == "test-model"
        assert server.chats[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.chats[0].headers["content-type"] == "application/json"

    def test_speech(self, server: ChatServer, stream: bool, prices: Path) -> None:
        details = {"audio_tokens": 4}
        usage = {"prompt_tokens": 10, "completion_tokens": 6, "completion_tokens_details": details}
        server.answer = Answer("la la la", audio=WAV, usage=usage)
        request = Request((user("Sing!", CLIP),), output="speech")
        (response,) = ask(make(server, stream=stream, prices=prices), request)
        assert response.error is None
        assert response.text == "la la la"
        assert response.speech is not None
        assert response.speech.rate == 24000
        np.testing.assert_allclose(response.speech.samples(), CLIP.samples(), atol=1e-4)
        assert (response.timings.first_audio is not None) == stream
        assert response.usage.output_audio_tokens == 4
        assert response.usage.cost == pytest.approx((10 * 1000 + 2 * 2000 + 4 * 8000) / 1e6)

    def test_tool_calls(self, server: ChatServer, stream: bool) -> None:
        server.answer = Answer(None, tool_calls=(("weather", '{"city": "Ulm"}'), ("stop", "{}")))
        (response,) = ask(make(server, stream=stream), replace(HELLO, tools=(Tool("weather"),)))
        assert response.error is None
        assert response.tool_calls == (
            ToolCall("weather", '{"city": "Ulm"}', "call_0"),
            ToolCall("stop", "{}", "call_1"),
        )

    def test_no_usage(self, server: ChatServer, stream: bool, prices: Path) -> None:
        server.answer = Answer("hi", usage=None)
        model = make(server, stream=stream, prices=prices)
        (response,) = ask(model, HELLO)
        assert response.text == "hi"
        assert response.usage == Usage()
        assert model.spent.unpriced == 1
        assert "no usage" in model.remarks()[0]

    def test_a_long_answer(self, server: ChatServer, stream: bool) -> None:
        text = "много слов 很多 " * 20_000
        server.answer = Answer(text)
        (response,) = ask(make(server, stream=stream), HELLO)
        assert response.text == text

    def test_an_answer_that_a_filter_held_back(self, server: ChatServer, stream: bool) -> None:
        server.answer = Answer("" if stream else None, finish_reason="content_filter")
        (response,) = ask(make(server, stream=stream), HELLO)
        assert response.error is not None and response.error.kind == "refused"
        assert len(server.chats) == 1


TROUBLE: dict[str, tuple[Sequence[Action], str | None, int]] = {
    "429": ([rate_limited()], None, 2),
    "429 with Retry-After": ([rate_limited(3)], None, 2),
    "500": ([trouble(500, "oops")], None, 2),
    "502, 503": ([trouble(502, "bad gateway"), trouble(503, "overloaded")], None, 3),
    "error page": ([Raw(b"<h1>Bad Gateway</h1>", 502, "text/html")], None, 2),
    "truncated": ([truncated()], None, 2),
    "no choices": ([no_choices()], None, 2),
    "web page": ([web_page()], None, 2),
    "empty body": ([Raw(b"")], None, 2),
    "closed before the answer": ([Drop()], None, 2),
    "closed within the answer": ([Drop(150)], None, 2),
    "error under status 200": ([Raw(b'{"error": {"message": "provider is busy", "code": 503}}')], None, 2),
    "always 429": ([rate_limited()] * 9, "rate_limited", 7),
    "always 500": ([trouble(500, "oops")] * 9, "model_error", 7),
    "always truncated": ([truncated()] * 9, "bad_response", 3),
    "always a web page": ([web_page()] * 9, "bad_response", 3),
    "always no choices": ([no_choices()] * 9, "bad_response", 3),
    "always closed": ([Drop()] * 9, "model_error", 7),
    "400": ([trouble(400, "unknown field")], "model_error", 1),
    "422": ([trouble(422, "unknown field")], "model_error", 1),
    "too long": ([too_long()], "refused", 1),
    "content policy": ([trouble(400, "no", code="content_policy_violation")], "refused", 1),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("actions", "kind", "attempts"), TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble(
    server: ChatServer, actions: Sequence[Action], kind: str | None, attempts: int, stream: bool
) -> None:
    server.script(*actions)
    model = make(server, stream=stream)
    (response,) = ask(model, HELLO)
    assert (response.error.kind if response.error else None) == kind
    assert response.text == (None if kind else "ok")
    assert response.timings.attempts == attempts
    assert len(slept(model)) >= attempts - 1
    assert [request.raw for request in server.chats] == [server.chats[0].raw] * attempts


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("action", [Hang(), Slow(Answer("one two three"), 5)], ids=["hang", "slow body"])
def test_timeouts(server: ChatServer, action: Action, stream: bool) -> None:
    server.script(action)
    (late,) = ask(make(server, stream=stream, timeout=0.15, max_retries=0), HELLO)
    assert late.error is not None and late.error.kind == "timeout"
    assert "0.15 s" in late.error.message
    server.script(action)
    (patient,) = ask(make(server, stream=stream, timeout=0.3), HELLO)
    assert patient.text == "ok"
    assert patient.timings.attempts == 2


def test_a_slow_body_within_the_timeout_is_fine(server: ChatServer) -> None:
    server.script(Slow(Answer("one two three"), 0.1))
    (response,) = ask(make(server, stream=True), HELLO)
    assert response.text == "one two three"
    assert response.timings.first_token is not None and response.timings.total is not None
    assert response.timings.first_token < response.timings.total


def test_a_stream_that_breaks_off_is_asked_again(server: ChatServer) -> None:
    server.script(Answer("half of", done=False))
    (response,) = ask(make(server, stream=True), HELLO)
    assert response.text == "ok"
    assert len(server.chats) == 2


def test_an_error_within_a_stream_is_asked_again(server: ChatServer) -> None:
    event = b'data: {"error": {"message": "lost the worker", "code": 500}}\n\n'
    server.script(Raw(event, content_type="text/event-stream"))
    (response,) = ask(make(server, stream=True), HELLO)
    assert response.text == "ok"


def test_an_endpoint_that_does_not_stream_is_understood(server: ChatServer) -> None:
    whole = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
    server.script(Raw(json.dumps(whole).encode()))
    (response,) = ask(make(server, stream=True), HELLO)
    assert response.text == "whole"
    assert response.timings.first_token is None


def test_what_came_back_is_kept_and_named(server: ChatServer) -> None:
    server.script(*[web_page()] * 3)
    (response,) = ask(make(server), HELLO)
    assert response.error is not None
    assert response.error.raw == "<html><body>Please log in</body></html>"
    assert "text/html" in response.error.message
    assert "asked 3 times" in response.error.message


def test_spoken_answers_without_sound(server: ChatServer) -> None:
    (response,) = ask(make(server), replace(HELLO, output="speech"))
    assert response.error is not None and response.error.kind == "bad_response"
    assert len(server.chats) == 1


def test_sound_that_cannot_be_read(server: ChatServer) -> None:
    message = {"audio": {"id": "a", "data": "###", "transcript": "la"}}
    broken = Raw(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    server.script(broken, Answer("la", audio=WAV))
    (response,) = ask(make(server), replace(HELLO, output="speech"))
    assert response.speech is not None
    assert response.timings.attempts == 2


def test_a_corrupt_clip_fails_alone_and_is_never_sent(server: ChatServer) -> None:
    responses = ask(make(server), Request((user(Audio.from_bytes(b"noise", name="clip 7")),)), HELLO)
    assert [r.error.kind if r.error else None for r in responses] == ["bad_input", None]
    assert len(server.chats) == 1


class TestWaiting:
    def test_retry_after_is_honoured(self, server: ChatServer) -> None:
        server.script(rate_limited(20))
        model = make(server)
        ask(model, HELLO)
        assert 20 <= slept(model)[0] <= 21

    def test_everyone_waits_when_one_is_told_to(self, server: ChatServer) -> None:
        server.script(rate_limited(20))
        model = make(server, concurrency=1)
        ask(model, HELLO, replace(HELLO, seed=1))
        assert isinstance(model.clock, FakeClock)
        assert sum(slept(model)) >= 20
        # The second one was not sent before the wait was over, although its turn had come.
        assert len(server.chats) == 3

    def test_a_very_long_wait_ends_the_run(self, server: ChatServer) -> None:
        server.script(rate_limited(7200))
        with pytest.raises(ModelUnavailable, match="120 minutes"):
            ask(make(server), HELLO)

    def test_a_rate_is_kept(self, server: ChatServer) -> None:
        model = make(server, requests_per_minute=60)
        ask(model, *[replace(HELLO, seed=seed) for seed in range(5)])
        assert model.clock.now() == pytest.approx(4)

    def test_tokens_are_corrected_by_the_usage(self, server: ChatServer) -> None:
        small, large = (
            dict(prompt_tokens=1, completion_tokens=1),
            dict(prompt_tokens=1, completion_tokens=500),
        )
        waited = []
        for usage in (small, large):
            server.answer = Answer("ok", usage=usage)
            model = make(server, tokens_per_minute=600, concurrency=1)
            ask(model, *[replace(HELLO, seed=seed) for seed in range(3)])
            waited.append(model.clock.now())
        assert waited[1] > waited[0] + 90

    def test_calls_in_flight_are_capped_and_cut_on_429(self, server: ChatServer) -> None:
        server.latency = 0.02
        model = make(server, concurrency=8)
        server.script(*[rate_limited()] * 8)
        responses = ask(model, *[replace(HELLO, seed=seed) for seed in range(40)])
        assert [response.text for response in responses] == ["ok"] * 40
        assert server.peak == 8

    def test_many_at_once_share_one_pool(self, server: ChatServer) -> None:
        server.latency = 0.05
        responses = ask(make(server), *[replace(HELLO, seed=seed) for seed in range(64)])
        assert [response.text for response in responses] == ["ok"] * 64
        assert server.peak > 32


class TestUnavailable:
    @pytest.mark.parametrize(
        ("action", "remedy"),
        [
            (trouble(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
            (trouble(403, "Not for you"), "OPENAI_API_KEY"),
            (trouble(404, "The model `test-model` does not exist", code="model_not_found"), "model="),
            (no_quota(), "credit"),
        ],
        ids=["401", "403", "404", "no quota"],
    )
    def test_what_no_request_can_overcome(self, server: ChatServer, action: Action, remedy: str) -> None:
        server.script(action)
        with pytest.raises(ModelUnavailable) as caught:
            ask(make(server), HELLO)
        assert remedy in str(caught.value)
        assert len(server.chats) == 1
        assert KEY not in str(caught.value)

    def test_nobody_at_the_address(self, server: ChatServer) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        model = make(server, base_url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(ModelUnavailable, match=f"127.0.0.1:{port}/v1"):
            ask(model, HELLO)
        assert len(slept(model)) == 2

    def test_an_endpoint_that_went_away(self) -> None:
        async def scenario() -> None:
            with ChatServer() as server:
                model = make(server)
                assert (await model.generate(HELLO)).text == "ok"
            with pytest.raises(ModelUnavailable, match="nobody answers"):
                await model.generate(HELLO)
            assert len(slept(model)) == model.max_retries
            await model.aclose()

        asyncio.run(scenario())

    def test_no_key_for_the_official_endpoint(self, server: ChatServer) -> None:
        with pytest.raises(ModelUnavailable, match="no API key"):
            ask(OpenAIModel("gpt-audio"), HELLO)


def test_a_local_endpoint_needs_no_key(server: ChatServer) -> None:
    (response,) = ask(make(server, api_key=None), HELLO)
    assert response.text == "ok"
    assert server.chats[0].headers["authorization"] == "Bearer none"


def test_secrets_are_never_echoed(server: ChatServer) -> None:
    token = "very-private-value"
    server.script(*[Raw(f"bad key {KEY}, token {token}".encode(), content_type="text/plain")] * 3)
    server.script(trouble(400, f"you sent {KEY} and {token}"))
    model = make(server, headers={"X-Token": token})
    for response in [*ask(model, HELLO), *ask(model, HELLO)]:
        assert response.error is not None
        assert KEY not in str(response) and token not in str(response)
    assert server.chats[0].headers["x-token"] == token
    assert KEY not in json.dumps(model.describe()) + model.fingerprint + repr(model._address)


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
        assert "2 of 2 calls" in model.remarks()[0] and "prices=" in model.remarks()[0]
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
            f"openai:model=m,base_url={server.base_url},audio_rate=none,timeout=9,stream=true,concurrency=4,"
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
        with pytest.raises(FacEvalError):
            model = build(OpenAIModel, parse_spec(f"openai:model=m,{argument}"), kind="model")
            model.describe()

    def test_the_fingerprint_holds_what_changes_answers_and_no_more(self, server: ChatServer) -> None:
        base = make(server).fingerprint
        for same in (
            {"stream": True}, {"timeout": 3}, {"max_retries": 1}, {"concurrency": 2}, {"api_key": "other"},
            {"requests_per_minute": 5}, {"max_tokens_field": "max_completion_tokens"}, {"headers": {"A": "b"}},
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


def test_one_model_may_serve_several_event_loops(server: ChatServer) -> None:
    model = make(server)
    for _ in range(2):
        assert asyncio.run(model.generate(HELLO)).text == "ok"  # not closed in between
    assert ask(model, HELLO)[0].text == "ok"


def test_a_cancelled_call_gives_back_its_place_and_its_connection(server: ChatServer) -> None:
    async def scenario() -> None:
        model = make(server, concurrency=1)
        server.script(Hang())
        task = asyncio.create_task(model.generate(HELLO))
        while not server.chats:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await asyncio.wait_for(model.generate(HELLO), 5)).text == "ok"
        await model.aclose()

    asyncio.run(scenario())
