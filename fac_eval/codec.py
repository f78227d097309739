"""Values of the vocabulary to canonical JSON and back, and the content keys made from it.

The JSON holds only what differs from a value's defaults, so that a field added later changes no key and no stored
row. Audio is written as its content hash; its bytes live beside the store.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from hashlib import blake2b
from typing import Any

import msgspec

from fac_eval.audio import Audio
from fac_eval.errors import AudioError
from fac_eval.vocabulary import (
    Evidence,
    Failure,
    Figure,
    Message,
    Request,
    Response,
    Sample,
    Score,
    Text,
    Timings,
    Tool,
    ToolCall,
    Usage,
    Verdict,
)

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder().decode

KEY_BYTES = 16


def to_json(value: Any) -> bytes:
    """Canonical JSON of plain data: sorted keys, no blanks."""
    return _encode(value)


def from_json(data: bytes | str) -> Any:
    """Plain data from JSON."""
    return _decode(data)


def digest(*pieces: bytes) -> bytes:
    """A content key over byte strings; each piece's length counts, so that borders cannot shift."""
    state = blake2b(digest_size=KEY_BYTES)
    for piece in pieces:
        state.update(len(piece).to_bytes(8, "little"))
        state.update(piece)
    return state.digest()


def content_key(kind: str, *parts: Any) -> bytes:
    """The key of a piece of work: what kind it is and everything that can change its result."""
    return digest(kind.encode(), *(part if isinstance(part, bytes) else _encode(part) for part in parts))


Shape = Callable[[Any], Any]


def plain(value: Any) -> Any:
    """A vocabulary value as plain data without its defaults."""
    shape = _shapes.get(type(value)) or _shape_of(value)
    return shape(value)


def _shape_of(value: Any) -> Shape:
    """How a type that has not been met before becomes plain."""
    cls = type(value)
    if dataclasses.is_dataclass(cls):
        return _shapes.setdefault(cls, _dataclass_shape(cls))
    if isinstance(value, Mapping):
        return _plain_mapping
    if hasattr(value, "item"):  # a numpy scalar
        return _plain_scalar
    if isinstance(value, int | float | str):
        return _itself
    raise TypeError(f"{cls.__name__} cannot be stored; use text, numbers, lists and dictionaries")


def _dataclass_shape(cls: Any) -> Shape:
    pairs = tuple((field.name, _default(field)) for field in dataclasses.fields(cls))

    def shape(value: Any) -> dict[str, Any]:
        found = {}
        for name, default in pairs:
            held = getattr(value, name)
            if held is not default and held != default:
                found[name] = plain(held)
        return found

    return shape


def _default(field: dataclasses.Field[Any]) -> Any:
    """A field's default; MISSING, which nothing equals, where it has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _itself(value: Any) -> Any:
    return value


def _plain_list(value: Iterable[Any]) -> list[Any]:
    return [plain(part) for part in value]


def _plain_mapping(value: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: plain(part) for key, part in value.items()}


def _plain_scalar(value: Any) -> Any:
    return value.item()


def _plain_clip(clip: Audio) -> dict[str, Any]:
    # Its length makes a clip useful where only its hash is left; what cannot be decoded has none.
    try:
        return {"audio": clip.key, "seconds": clip.seconds}
    except AudioError:
        return {"audio": clip.key}


_shapes: dict[type, Shape] = {
    **dict.fromkeys((str, int, float, bool, type(None)), _itself),
    **dict.fromkeys((list, tuple), _plain_list),
    dict: _plain_mapping,
    Audio: _plain_clip,
}
"""How each type becomes plain. Dataclasses are added as they are met: this runs several times a sample."""


def encode(value: Any) -> bytes:
    """Canonical JSON of a vocabulary value."""
    return _encode(plain(value))


def message_from(data: Mapping[str, Any]) -> Message:
    """A message from its plain form; its clips are known by hash and length alone."""
    return Message(
        data["role"],
        tuple(
            Audio.reference(part["audio"], seconds=part.get("seconds"))
            if "audio" in part
            else Text(part["text"])
            for part in data.get("parts", ())
        ),
        tuple(ToolCall(**call) for call in data.get("tool_calls", ())),
        data.get("tool_call_id"),
    )


def sample_from(data: Mapping[str, Any]) -> Sample:
    """A sample from its plain form; its clips are known by hash and length alone."""
    return Sample(
        id=data["id"],
        messages=tuple(message_from(message) for message in data["messages"]),
        reference=data.get("reference"),
        choices=tuple(data.get("choices", ())),
        tools=tuple(Tool(**tool) for tool in data.get("tools", ())),
        metadata=data.get("metadata", {}),
        cluster=data.get("cluster"),
    )


def response_from(data: Mapping[str, Any], audio: Callable[[str], Audio]) -> Response:
    """A response from its plain form; `audio` finds the spoken answer by its hash."""
    held: dict[str, Any] = dict(data)
    if "speech" in held:
        held["speech"] = audio(held["speech"]["audio"])
    if "tool_calls" in held:
        held["tool_calls"] = tuple(ToolCall(**call) for call in held["tool_calls"])
    if "usage" in held:
        held["usage"] = Usage(**held["usage"])
    if "timings" in held:
        held["timings"] = Timings(**held["timings"])
    if "error" in held:
        held["error"] = Failure(**held["error"])
    return Response(**held)


def verdict_from(data: Mapping[str, Any]) -> Verdict:
    """A verdict from its plain form."""
    held: dict[str, Any] = dict(data)
    if "usage" in held:
        held["usage"] = Usage(**held["usage"])
    if "error" in held:
        held["error"] = Failure(**held["error"])
    return Verdict(**held)


def evidence_from(data: Mapping[str, Any]) -> Evidence:
    """Evidence from its plain form."""
    verdicts = tuple(verdict_from(verdict) for verdict in data.get("verdicts", ()))
    similarities = tuple(data.get("similarities", ()))
    return Evidence(data.get("transcript"), data.get("quality", {}), verdicts, similarities)


def score_from(data: Mapping[str, Any]) -> Score:
    """A score from its plain form."""
    return Score(**{name: held for name, held in data.items() if name != "cluster"})


def figure_from(data: Mapping[str, Any]) -> Figure:
    """A figure from its plain form."""
    return Figure(**{"value": None, **data})


def request_key(fingerprint: str, request: Request, seen: bytes = b"") -> bytes:
    """The key of a generation; `seen` is what a model goes by besides the request, if anything."""
    return digest(b"generate", fingerprint.encode(), _encode(plain(request)), seen)
