"""The request as it goes over the wire."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import AudioError
from fac_eval.models.openai_request import Dialect, UnsendableError, encode, holds_audio
from fac_eval.vocabulary import Message, Request, Settings, Text, Tool, ToolCall, system, user

CLIP = Audio.from_samples(np.sin(np.arange(4800) / 10).astype(np.float32) * 0.3, 24000)
TEXT = Request((user("hi"),))


def written(request: Request, **dialect: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(request, Dialect("m", **dialect)).body)
    return body


def test_the_plainest_request() -> None:
    assert written(TEXT) == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 0}


def test_text_and_sound_go_out_as_parts_in_order() -> None:
    request = Request((system("Be brief."), user("Listen:", CLIP, "What was that?")))
    first, second = written(request)["messages"]
    assert first == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in second["content"]] == ["text", "input_audio", "text"]
    sound = second["content"][1]["input_audio"]
    assert sound["format"] == "wav"
    sent = Audio.from_bytes(base64.b64decode(sound["data"]))
    assert sent.rate == 16000
    assert sent.seconds == pytest.approx(0.2)
    assert holds_audio(request)
    assert not holds_audio(TEXT)


def test_the_format_and_rate_of_sound_are_the_users() -> None:
    part = written(Request((user(CLIP),)), audio_format="mp3", audio_rate=None)["messages"][0]["content"][0]
    assert part["input_audio"]["format"] == "mp3"
    assert Audio.from_bytes(base64.b64decode(part["input_audio"]["data"])).rate == 24000


def test_settings_go_out_under_the_protocols_names() -> None:
    settings = Settings(
        max_tokens=7, temperature=0.0, top_p=0.5, top_k=3, stop=("a", "b"), extra={"n_best": 1}
    )
    body = written(Request((user("hi"),), settings=settings))
    del body["model"], body["messages"], body["seed"]
    assert body == {
        "max_tokens": 7, "temperature": 0.0, "top_p": 0.5, "top_k": 3, "stop": ["a", "b"], "n_best": 1
    }  # fmt: skip


def test_the_endpoints_own_ways() -> None:
    request = Request((user("hi"),), settings=Settings(max_tokens=7, extra={"b": 2}), seed=2**40 + 5)
    body = written(request, max_tokens_field="max_completion_tokens", extra_body={"a": 1, "b": 1})
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body
    assert (body["a"], body["b"], body["seed"]) == (1, 2, 5)
    assert "seed" not in written(request, seed=False)


@pytest.mark.parametrize(("stream", "format"), [(False, "wav"), (True, "pcm16")])
def test_spoken_answers(stream: bool, format: str) -> None:
    body = written(Request((user("hi"),), output="speech"), voice="verse", stream=stream)
    assert body["modalities"] == ["text", "audio"]
    assert body["audio"] == {"voice": "verse", "format": format}
    assert body.get("stream_options") == ({"include_usage": True} if stream else None)


def test_tools_and_a_conversation_with_calls() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    request = Request(
        (
            user("weather?"),
            Message("assistant", (), (ToolCall("weather", '{"city":"Ulm"}'),)),
            Message("tool", (Text("rain"),), tool_call_id="call_0"),
            Message("assistant", (Text("It rains."), CLIP)),
            user(CLIP),
        ),
        tools=(Tool("weather", "Tells it.", schema), Tool("noop")),
    )
    body = written(request)
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tells it.", "parameters": schema},
        },
        {"type": "function", "function": {"name": "noop"}},
    ]
    call = {
        "id": "call_0",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Ulm"}'},
    }
    assert body["messages"][1:4] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "call_0"},
        {"role": "assistant", "content": "It rains."},
    ]


def test_equal_requests_are_equal_bytes() -> None:
    request = Request((user("hi", CLIP),), seed=3)
    assert encode(request, Dialect("m")).body == encode(request, Dialect("m")).body


def test_the_size_is_measured() -> None:
    size = encode(Request((user("你好", CLIP),), settings=Settings(max_tokens=9)), Dialect("m")).size
    assert 6 <= size.text_bytes < 60
    assert size.audio_seconds == pytest.approx(0.2)
    assert (size.max_tokens, size.speech) == (9, False)


@pytest.mark.parametrize(
    ("request_", "dialect", "error"),
    [
        (Request((user(CLIP),)), {"text_only": True}, UnsendableError),
        (Request((Message("assistant", (CLIP,)), user("hi"))), {}, UnsendableError),
        (Request((user(Audio.from_bytes(b"no sound")),)), {}, AudioError),
        (Request((user(Audio.from_bytes(b"")),)), {}, AudioError),
    ],
    ids=["text only", "assistant's sound", "corrupt", "empty"],
)
def test_what_cannot_be_sent(request_: Request, dialect: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(request_, Dialect("m", **dialect))
