"""Reading what endpoints answer: whole bodies, streams cut anywhere, and nonsense."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fac_eval.audio import Audio
from fac_eval.models.openai_reply import EmbeddedError, EventReader, Reply, ReplyBuilder
from fac_eval.remote.prices import Tokens
from fac_eval.remote.retry import AttemptError
from fac_eval.vocabulary import ToolCall

WAV = Audio.from_samples(np.linspace(-0.5, 0.5, 2400, dtype=np.float32), 24000).encoded("wav")


def body(message: dict[str, Any], finish: str | None = "stop", **rest: Any) -> bytes:
    return json.dumps(
        {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **rest}
    ).encode()


def read(data: bytes, *, speech: bool = False) -> Reply:
    builder = ReplyBuilder()
    builder.feed(data)
    return builder.finish(speech=speech, raw=data)


@pytest.mark.parametrize(
    ("message", "finish", "text"),
    [
        ({"content": "hello"}, "stop", "hello"),
        ({"content": ""}, "stop", ""),
        ({"content": "  你好\u2028\n"}, "stop", "  你好\u2028\n"),
        ({"content": "cut o"}, "length", "cut o"),
        ({"content": None}, "length", ""),
        ({"content": "half"}, "content_filter", "half"),
        ({"content": None, "refusal": "I can't help with that."}, "stop", "I can't help with that."),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "stop", "ab"),
        ({"content": "hello"}, None, "hello"),
        ({"role": "assistant", "content": "x", "annotations": [], "reasoning_content": "y"}, "stop", "x"),
    ],
    ids=repr,
)
def test_texts(message: dict[str, Any], finish: str | None, text: str) -> None:
    reply = read(body(message, finish))
    assert (reply.text, reply.finish_reason) == (text, finish)


@pytest.mark.parametrize(
    ("data", "kind", "again", "says"),
    [
        (b"", "bad_response", True, "protocol"),
        (b"<html>", "bad_response", True, "protocol"),
        (b'{"choices": [{"message": {"content": "ab', "bad_response", True, "protocol"),
        (b"[]", "bad_response", True, "protocol"),
        (b"null", "bad_response", True, "protocol"),
        (b"{}", "bad_response", True, "no choices"),
        (b'{"choices": null}', "bad_response", True, "no choices"),
        (b'{"choices": []}', "bad_response", True, "no choices"),
        (b'{"choices": [{}]}', "bad_response", True, "no text"),
        (b'{"choices": "many"}', "bad_response", True, "choices"),
        (b'\xff\xfe{"choices": []}', "bad_response", True, "protocol"),
        (body({"content": None}), "bad_response", True, "no text"),
        (body({"content": 7}), "bad_response", True, "content"),
        (body({"content": None}, "content_filter"), "refused", False, "content filter"),
        (body({"content": ""}, "content_filter"), "refused", False, "content filter"),
    ],
    ids=repr,
)
def test_unreadable_bodies(data: bytes, kind: str, again: bool, says: str) -> None:
    with pytest.raises(AttemptError, match=says) as caught:
        read(data)
    assert (caught.value.kind, caught.value.again, caught.value.billed) == (kind, again, True)
    assert (caught.value.raw or "") == data.decode("utf-8", "replace")[:2000]


def test_only_the_beginning_of_a_long_body_is_kept() -> None:
    with pytest.raises(AttemptError) as caught:
        read(b"x" * 50_000)
    assert caught.value.raw == "x" * 2000


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"message": "m", "code": 502}, 502),
        ({"message": "m", "code": "429"}, 429),
        ({"message": "m", "code": "rate_limit_exceeded"}, 429),
        ({"message": "m", "code": 7}, 500),
        ({"message": "m"}, 500),
        ("text", 500),
    ],
    ids=repr,
)
def test_errors_under_status_200(error: object, status: int) -> None:
    with pytest.raises(EmbeddedError) as caught:
        read(json.dumps({"error": error}).encode())
    assert caught.value.status == status


def test_usage_with_and_without_details() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    assert read(body({"content": "x"}, usage=usage)).tokens == Tokens(20, 9)
    usage["prompt_tokens_details"] = {"audio_tokens": 12, "cached_tokens": 4, "text_tokens": 8}
    usage["completion_tokens_details"] = {"audio_tokens": 6, "reasoning_tokens": 0}
    assert read(body({"content": "x"}, usage=usage)).tokens == Tokens(20, 9, 12, 6, 4)
    usage["prompt_tokens_details"] = usage["completion_tokens_details"] = None
    assert read(body({"content": "x"}, usage=usage)).tokens == Tokens(20, 9)
    assert read(body({"content": "x"}, usage=None)).tokens is None
    assert read(body({"content": "x"}, usage={})).tokens is None


def test_tool_calls_keep_the_arguments_as_written() -> None:
    written = '{"city": "Köln",  "n": 1'
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": written}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": {"already": "parsed"}}},
    ]
    reply = read(body({"content": None, "tool_calls": calls}, "tool_calls"))
    assert reply.tool_calls == (ToolCall("f", written, "a"), ToolCall("g", '{"already":"parsed"}', "b"))


def sound(data: bytes | str, transcript: str = "hi") -> dict[str, Any]:
    encoded = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"content": None, "audio": {"id": "audio_1", "data": encoded, "transcript": transcript}}


def test_sound_and_its_transcript() -> None:
    reply = read(body(sound(WAV)), speech=True)
    assert reply.text == "hi"
    assert reply.speech is not None
    assert reply.speech.data() == WAV


@pytest.mark.parametrize(
    ("message", "says", "again"),
    [
        ({"content": "only text"}, "holds none", False),
        (sound("not base64!"), "base64", True),
        (sound("QUJ"), "base64", True),
        (sound(b"not a sound file"), "decoded", True),
        (sound(WAV[:20]), "decoded", True),
    ],
    ids=["text only", "no base64", "cut base64", "no sound", "cut sound"],
)
def test_sound_that_is_none(message: dict[str, Any], says: str, again: bool) -> None:
    with pytest.raises(AttemptError, match=says) as caught:
        read(body(message), speech=True)
    assert (caught.value.kind, caught.value.again) == ("bad_response", again)


def test_a_tool_call_may_stand_in_for_sound() -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
    reply = read(body({"content": None, "tool_calls": calls}, "tool_calls"), speech=True)
    assert reply.speech is None
    assert len(reply.tool_calls) == 1


EVENTS = [b'{"a": 1}', b"[DONE]", '{"text": "\u2028 \x85 é 你"}'.encode(), b"two\nlines"]


def as_stream(events: list[bytes], newline: bytes) -> bytes:
    lines = [b": comment", b"event: message"]
    for event in events:
        lines += [b"data: " + line for line in event.split(b"\n")] + [b"id: 7", b""]
    return newline.join(lines) + newline


@given(cuts=st.lists(st.integers(0, 200)), newline=st.sampled_from([b"\n", b"\r\n"]), closed=st.booleans())
@example(cuts=list(range(200)), newline=b"\r\n", closed=False)
def test_events_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int], newline: bytes, closed: bool) -> None:
    stream = as_stream(EVENTS, newline)
    if not closed:
        stream = stream.rstrip()[: -len(b"id: 7")].rstrip()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = EventReader()
    found = [event for start, end in pairwise(places) for event in reader.feed(stream[start:end])]
    assert found + reader.finish() == EVENTS


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_typed_failure(data: bytes) -> None:
    with suppress(AttemptError, EmbeddedError):
        read(data)


NAMES = ["choices", "message", "delta", "content", "audio", "data", "tool_calls", "function", "name"]
NAMES += [
    "index",
    "refusal",
    "arguments",
    "error",
    "usage",
    "prompt_tokens",
    "prompt_tokens_details",
    "finish_reason",
    "id",
    "text",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_any_json_is_an_answer_or_a_typed_failure(value: object, speech: bool) -> None:
    with suppress(AttemptError, EmbeddedError):
        read(json.dumps(value).encode(), speech=speech)


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    builder = ReplyBuilder(pcm=True)
    builder.feed(b'{"choices": [{"delta": {"content": "The capital of"}}]}', 1.0)
    with pytest.raises(AttemptError, match="broke off") as caught:
        builder.finish(speech=False, whole=False)
    assert caught.value.again


def test_a_stream_may_lack_its_mark_of_the_end_once_the_answer_is_finished() -> None:
    builder = ReplyBuilder(pcm=True)
    builder.feed(b'{"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}]}', 1.0)
    assert builder.finish(speech=False, whole=False).text == "yes"


def test_streamed_sound_is_bare_samples_unless_it_comes_as_a_file() -> None:
    for data, seconds in ((b"\0\0" * 2400, 0.1), (WAV, 0.1)):
        builder = ReplyBuilder(pcm=True)
        half = len(data) // 2 // 3 * 3
        for number, piece in enumerate((data[:half], data[half:])):
            encoded = base64.b64encode(piece).decode()
            builder.feed(
                json.dumps({"choices": [{"delta": {"audio": {"data": encoded}}}]}).encode(), number + 1.0
            )
        reply = builder.finish(speech=True)
        assert reply.speech is not None
        assert reply.speech.seconds == pytest.approx(seconds)
        assert reply.speech.rate == 24000
        assert (reply.first_token, reply.first_audio) == (None, 1.0)
