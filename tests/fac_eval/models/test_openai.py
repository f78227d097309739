"""The `openai` model against a real local server that behaves, and misbehaves, as it is told."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import ModelUnavailable
from fac_eval.models.openai import OpenAIModel
from fac_eval.vocabulary import Request, Tool, ToolCall, Usage, user
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
from tests.support.openai_models import HELLO, KEY, ask, make, slept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLIP = Audio.from_samples(np.sin(np.arange(4800) / 10).astype(np.float32) * 0.3, 24000)
WAV = CLIP.encoded("wav")


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
        text = "много слов 很多 " * 2_000
        server.answer = Answer(text)
        (response,) = ask(make(server, stream=stream), HELLO)
        assert response.text == text

    def test_an_answer_that_a_filter_held_back(self, server: ChatServer, stream: bool) -> None:
        server.answer = Answer("" if stream else None, finish_reason="content_filter")
        (response,) = ask(make(server, stream=stream), HELLO)
        assert response.error is not None
        assert response.error.kind == "refused"
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
    assert late.error is not None
    assert late.error.kind == "timeout"
    assert "0.15 s" in late.error.message
    server.script(action)
    (patient,) = ask(make(server, stream=stream, timeout=0.3), HELLO)
    assert patient.text == "ok"
    assert patient.timings.attempts == 2


def test_a_slow_body_within_the_timeout_is_fine(server: ChatServer) -> None:
    server.script(Slow(Answer("one two three"), 0.1))
    (response,) = ask(make(server, stream=True), HELLO)
    assert response.text == "one two three"
    assert response.timings.first_token is not None
    assert response.timings.total is not None
    assert response.timings.first_token < response.timings.total


def test_a_stream_that_breaks_off_is_asked_again(server: ChatServer) -> None:
    server.script(Answer("half of", done=False))
    (response,) = ask(make(server, stream=True), HELLO)
    assert response.text == "ok"
    assert len(server.chats) == 2


def test_an_error_within_a_stream_is_asked_again(server: ChatServer) -> None:
    event = b'data: {"error": {"message": "lost the worker", "code": 500}}\n\n'
    server.script(Raw(event, content_type="text/event-stream"))
    # The only connection has to be given back although the stream was not read to its end.
    (response,) = ask(make(server, stream=True, concurrency=1, timeout=2, max_retries=1), HELLO)
    assert response.text == "ok"


def test_an_endpoint_that_does_not_stream_is_understood(server: ChatServer) -> None:
    sound = {"data": base64.b64encode(b"\0\0" * 2400).decode(), "transcript": "whole"}
    whole = {"choices": [{"message": {"audio": sound}, "finish_reason": "stop"}]}
    server.script(Raw(json.dumps(whole).encode()))
    (response,) = ask(make(server, stream=True), replace(HELLO, output="speech"))
    assert response.text == "whole"
    assert response.speech is not None
    assert response.speech.seconds == pytest.approx(0.1)
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
    assert response.error is not None
    assert response.error.kind == "bad_response"
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
        # The second one was held back, although its turn had come.
        assert [seconds >= 20 for seconds in slept(model)] == [True, True]
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
            {"prompt_tokens": 1, "completion_tokens": 1},
            {"prompt_tokens": 1, "completion_tokens": 500},
        )
        waited = []
        for usage in (small, large):
            server.answer = Answer("ok", usage=usage)
            model = make(server, tokens_per_minute=600, concurrency=1)
            ask(model, *[replace(HELLO, seed=seed) for seed in range(3)])
            waited.append(model.clock.now())
        assert waited[1] > waited[0] + 90

    def test_calls_in_flight_are_capped_and_cut_on_429(self, server: ChatServer) -> None:
        async def scenario() -> tuple[int, list[str | None]]:
            server.latency = 0.02
            model = make(server, concurrency=8)
            server.script(*[rate_limited()] * 8)
            work = [model.generate(replace(HELLO, seed=seed)) for seed in range(8)]
            first = await asyncio.gather(*work)
            assert model._session is not None
            limit = model._session.slots.limit
            rest = await asyncio.gather(*(model.generate(replace(HELLO, seed=seed)) for seed in range(32)))
            await model.aclose()
            return limit, [response.text for response in (*first, *rest)]

        limit, texts = asyncio.run(scenario())
        assert limit < 8
        assert server.peak == 8
        assert texts == ["ok"] * 40

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
        assert KEY not in str(response)
        assert token not in str(response)
    assert server.chats[0].headers["x-token"] == token
    assert KEY not in json.dumps(model.describe()) + model.fingerprint + repr(model._address)


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
