"""Values to canonical JSON and back; keys depend on content and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval import Audio, Message, Request, Response, Sample, Score, Settings, Text
from fac_eval.codec import (
    content_key,
    digest,
    encode,
    evidence_from,
    from_json,
    plain,
    request_key,
    response_from,
    sample_from,
    score_from,
    to_json,
    verdict_from,
)
from fac_eval.vocabulary import Evidence, Failure, Timings, Tool, ToolCall, Usage, Verdict

texts = st.text(max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(texts, data, max_size=3)
calls = st.builds(ToolCall, name=texts, arguments=texts, id=st.none() | texts)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    parts=st.lists(st.builds(Text, texts), max_size=3).map(tuple),
    tool_calls=st.lists(calls, max_size=2).map(tuple),
    tool_call_id=st.none() | texts,
)
samples = st.builds(
    Sample,
    id=texts,
    messages=st.lists(messages, max_size=3).map(tuple),
    reference=data,
    choices=st.lists(texts, max_size=3).map(tuple),
    tools=st.lists(st.builds(Tool, name=texts, description=texts, parameters=tables), max_size=2).map(tuple),
    metadata=tables,
    cluster=st.none() | texts,
)
counts = st.none() | st.integers(0, 10**9)
responses = st.builds(
    Response,
    text=st.none() | texts,
    tool_calls=st.lists(calls, max_size=2).map(tuple),
    finish_reason=st.none() | texts,
    usage=st.builds(Usage, input_tokens=counts, output_tokens=counts, cost=st.none() | numbers),
    timings=st.builds(Timings, total=st.none() | numbers, attempts=st.integers(1, 9)),
    details=tables,
    error=st.none() | st.builds(Failure, kind=st.just("timeout"), message=texts, raw=st.none() | texts),
)
settings = st.builds(
    Settings,
    max_tokens=st.none() | st.integers(1, 4096),
    temperature=st.none() | numbers,
    stop=st.lists(texts, max_size=2).map(tuple),
    extra=tables,
)
requests = st.builds(
    Request,
    messages=st.lists(messages, max_size=2).map(tuple),
    settings=settings,
    seed=st.integers(0, 2**31 - 1),
)


@given(samples)
def test_samples_survive(sample: Sample) -> None:
    assert sample_from(from_json(encode(sample))) == sample


@given(responses)
def test_responses_survive(response: Response) -> None:
    assert response_from(from_json(encode(response)), Audio.reference) == response


@given(
    st.builds(
        Score, value=numbers, label=st.none() | texts, parts=st.dictionaries(texts, numbers, max_size=3)
    )
)
def test_scores_survive(score: Score) -> None:
    assert score_from(from_json(encode(score))) == score


@given(
    st.builds(
        Evidence,
        transcript=st.none() | texts,
        quality=st.dictionaries(texts, numbers, max_size=2),
        verdicts=st.lists(st.builds(Verdict, reply=texts, rubric=texts, key=texts), max_size=2).map(tuple),
        similarities=st.lists(numbers, max_size=3).map(tuple),
    )
)
def test_evidence_survives(evidence: Evidence) -> None:
    assert evidence_from(from_json(encode(evidence))) == evidence
    for verdict in evidence.verdicts:
        assert verdict_from(from_json(encode(verdict))) == verdict


@given(requests, requests)
def test_requests_share_a_key_only_if_they_are_equal(one: Request, other: Request) -> None:
    same_key = request_key("m", one) == request_key("m", other)
    assert same_key == (plain(one) == plain(other))


@given(requests)
def test_the_model_the_seed_and_the_sample_are_part_of_the_key(request: Request) -> None:
    key = request_key("m", request)
    assert key == request_key("m", request)
    assert key != request_key("n", request)
    assert key != request_key("m", request, b"sample")


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_digests_keep_pieces_apart(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@given(st.dictionaries(texts, data, min_size=2, max_size=5))
def test_the_order_of_a_table_does_not_matter(table: dict[str, Any]) -> None:
    backwards = dict(reversed(table.items()))
    assert to_json(table) == to_json(backwards)
    assert content_key("k", table) == content_key("k", backwards)


def test_defaults_are_not_written_so_that_new_fields_change_no_key() -> None:
    assert encode(Response(text="hi")) == b'{"text":"hi"}'
    assert plain(Request(())) == {"messages": []}


def test_audio_is_written_by_hash_and_length() -> None:
    clip = Audio.from_samples(np.zeros(1600, dtype=np.float32), 16000)
    message = Message("user", (Text("listen"), clip))
    held = plain(message)
    assert held["parts"] == [{"text": "listen"}, {"audio": clip.key, "seconds": 0.1}]
    sample = sample_from(plain(Sample("x", (message,))))
    known = sample.messages[0].parts[1]
    assert isinstance(known, Audio)
    assert (known.key, known.seconds) == (clip.key, 0.1)
    assert plain(sample) == plain(Sample("x", (message,)))


def test_broken_audio_is_written_by_hash_alone() -> None:
    clip = Audio.from_bytes(b"no sound at all")
    assert plain(Message("user", (clip,)))["parts"] == [{"audio": clip.key}]


def test_numpy_numbers_are_plain_numbers() -> None:
    assert plain({"a": np.float64(0.5), "b": np.int64(3), "c": np.bool_(True)}) == {
        "a": 0.5,
        "b": 3,
        "c": True,
    }


def test_what_is_no_data_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="object cannot be stored"):
        plain({"a": object()})
