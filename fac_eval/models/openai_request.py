"""A request in the words of the chat-completions protocol."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fac_eval.audio import Audio
from fac_eval.remote.estimate import Size
from fac_eval.vocabulary import Message, Request, Settings, Text, Tool, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping

AudioFormat = Literal["wav", "mp3"]
MaxTokensField = Literal["max_tokens", "max_completion_tokens"]

_SEED_BITS = 0x7FFF_FFFF  # some servers read the seed as a signed 32-bit number
_MESSAGE_OVERHEAD = 16  # role, separators and the like, generously


class UnsendableError(ValueError):
    """The protocol, or this endpoint, has no way to send what the request holds."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one endpoint wants its requests written."""

    model: str
    audio_format: AudioFormat = "wav"
    audio_rate: int | None = 16000
    text_only: bool = False
    voice: str = "alloy"
    stream: bool = False
    seed: bool = True
    max_tokens_field: MaxTokensField = "max_tokens"
    extra_body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The body to send, the same bytes for each attempt, and how much it holds."""

    body: bytes
    size: Size


def holds_audio(request: Request) -> bool:
    """Whether encoding the request means encoding sound."""
    return any(isinstance(part, Audio) for message in request.messages for part in message.parts)


def encode(request: Request, dialect: Dialect) -> Encoded:
    """Write the request's body.

    Raises:
        UnsendableError: it holds audio where none can be sent.
        AudioError: a clip cannot be decoded.
    """
    text_bytes, seconds, messages = 0, 0.0, []
    for message in request.messages:
        messages.append(_message(message, dialect))
        text_bytes += _MESSAGE_OVERHEAD + sum(
            len(part.text.encode()) for part in message.parts if isinstance(part, Text)
        )
        text_bytes += sum(len(call.arguments.encode()) + len(call.name) for call in message.tool_calls)
        seconds += sum(part.seconds for part in message.parts if isinstance(part, Audio))
    body: dict[str, Any] = {"model": dialect.model, "messages": messages}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        text_bytes += len(msgspec.json.encode(body["tools"]))
    body |= _settings(request.settings, dialect)
    if dialect.seed:
        body["seed"] = request.seed & _SEED_BITS
    if request.output == "speech":
        body["modalities"] = ["text", "audio"]
        body["audio"] = {"voice": dialect.voice, "format": "pcm16" if dialect.stream else "wav"}
    if dialect.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= {**dialect.extra_body, **request.settings.extra}
    size = Size(text_bytes, seconds, request.settings.max_tokens, request.output == "speech")
    return Encoded(msgspec.json.encode(body), size)


def _settings(settings: Settings, dialect: Dialect) -> dict[str, Any]:
    values = {
        dialect.max_tokens_field: settings.max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,  # no official parameter, but the common servers know it by this name
        "stop": list(settings.stop) or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _message(message: Message, dialect: Dialect) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": _content(message, dialect)}
    if message.tool_calls:
        written["tool_calls"] = [_tool_call(call, number) for number, call in enumerate(message.tool_calls)]
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written


def _content(message: Message, dialect: Dialect) -> str | list[dict[str, Any]] | None:
    """Plain text wherever that says it all: more servers take it than take lists of parts."""
    if message.role == "assistant":
        # The protocol takes no sound back from the assistant, only the text of what it said.
        if message.text or not message.parts:
            return message.text or (None if message.tool_calls else "")
        raise UnsendableError(
            "an assistant message holds audio without text, and only its text can be sent back"
        )
    if all(isinstance(part, Text) for part in message.parts):
        return message.text
    if dialect.text_only:
        raise UnsendableError("the request holds audio, and this model was given as text_only")
    return [_part(part, dialect) for part in message.parts]


def _part(part: Text | Audio, dialect: Dialect) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    sound = part.encoded(dialect.audio_format, rate=dialect.audio_rate)
    data = base64.b64encode(sound).decode("ascii")
    return {"type": "input_audio", "input_audio": {"data": data, "format": dialect.audio_format}}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = tool.parameters
    return {"type": "function", "function": function}


def _tool_call(call: ToolCall, number: int) -> dict[str, Any]:
    return {
        "id": call.id or f"call_{number}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
