"""What a chat-completions endpoint answers, whole or as a stream of events, read into plain values."""

from __future__ import annotations

import base64
import binascii
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fac_eval.audio import Audio
from fac_eval.errors import AudioError
from fac_eval.remote.prices import Tokens
from fac_eval.remote.retry import AttemptError
from fac_eval.vocabulary import FailureKind, ToolCall

STREAM_RATE = 24000
"""The sample rate of the pcm16 audio that comes in a stream."""

_CONTAINERS = (b"RIFF", b"ID3", b"OggS", b"fLaC")
_RAW_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Reply:
    """A readable answer."""

    text: str
    speech: Audio | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    tokens: Tokens | None
    details: Mapping[str, Any]
    first_token: float | None = None
    """When the first piece of text came, on the reader's clock; only of a stream."""
    first_audio: float | None = None


class EmbeddedError(Exception):
    """An answer under status 200 that holds an error instead, as gateways send it."""

    def __init__(self, error: object) -> None:
        super().__init__(error)
        self.error = error

    @property
    def status(self) -> int:
        """The status that the error names, or 500."""
        code = self.error.get("code") if isinstance(self.error, Mapping) else None
        text = str(code)
        if text.isdigit() and 400 <= int(text) <= 599:
            return int(text)
        return 429 if text in ("rate_limit_exceeded", "insufficient_quota") else 500


class _Part(msgspec.Struct):
    text: str | None = None


class _Sound(msgspec.Struct):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    audio: _Sound | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Counts(msgspec.Struct):
    audio_tokens: int | None = None
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Counts | None = None
    completion_tokens_details: _Counts | None = None


class _Body(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Body)


class EventReader:
    """Cuts a stream of server-sent events into the data of each event, however the bytes are chunked."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that `chunk` completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [data for line in lines if (data := self._line(line)) is not None]

    def finish(self) -> list[bytes]:
        """The data of a last event that no blank line closes."""
        found = [self._line(self._rest), self._line(b"")]
        self._rest = b""
        return [data for data in found if data is not None]

    def _line(self, line: bytes) -> bytes | None:
        line = line.removesuffix(b"\r")
        if not line:
            data, self._data = self._data, []
            return b"\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None


@dataclass(slots=True)
class _CallBuilder:
    id: str | None = None
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class ReplyBuilder:
    """Puts an answer together from one whole body or from the events of a stream."""

    pcm: bool = False
    """Sound comes as bare samples, unless it is seen to come in a container all the same."""
    _text: list[str] = field(default_factory=list)
    _transcript: list[str] = field(default_factory=list)
    _refusal: list[str] = field(default_factory=list)
    _has_text: bool = False
    _sound: bytearray = field(default_factory=bytearray)
    _calls: dict[int, _CallBuilder] = field(default_factory=dict)
    _finish_reason: str | None = None
    _tokens: Tokens | None = None
    _details: dict[str, Any] = field(default_factory=dict)
    _choices: int = 0
    _first_token: float | None = None
    _first_audio: float | None = None

    def feed(self, data: bytes, now: float | None = None) -> None:
        """Add a whole body, or one event of a stream that came at `now`.

        Raises:
            AttemptError: the data cannot be read.
            EmbeddedError: it is an error.
        """
        try:
            body = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(f"the answer is not what the protocol asks for: {error}", data) from error
        if body.error:
            raise EmbeddedError(body.error)
        for name in ("id", "model", "system_fingerprint"):
            if value := getattr(body, name):
                self._details.setdefault(name, value)
        if body.usage is not None:
            self._tokens = _tokens(body.usage) or self._tokens
        for choice in body.choices or ():
            self._choices += 1
            self._finish_reason = choice.finish_reason or self._finish_reason
            message = choice.message or choice.delta
            if message is not None:
                self._add(message, now, data)
            break  # one answer was asked for

    def _add(self, message: _Message, now: float | None, data: bytes) -> None:
        if message.content is not None:
            self._has_text = True
            content = message.content
            text = content if isinstance(content, str) else "".join(part.text or "" for part in content)
            self._text.append(text)
            self._token_came(text, now)
        if message.refusal:
            self._refusal.append(message.refusal)
            self._token_came(message.refusal, now)
        for position, call in enumerate(message.tool_calls or ()):
            self._add_call(call, position)
            self._token_came("call", now)
        if message.audio is not None:
            self._transcript.append(message.audio.transcript or "")
            self._token_came(message.audio.transcript, now)
            if message.audio.data:
                self._add_sound(message.audio.data, data)
                self._first_audio = now if self._first_audio is None else self._first_audio

    def _token_came(self, text: str | None, now: float | None) -> None:
        if text and self._first_token is None:
            self._first_token = now

    def _add_call(self, call: _Call, position: int) -> None:
        built = self._calls.setdefault(position if call.index is None else call.index, _CallBuilder())
        built.id = call.id or built.id
        if call.function is not None:
            built.name = built.name or call.function.name or ""
            arguments = call.function.arguments
            if arguments is not None:
                built.arguments += (
                    arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
                )

    def _add_sound(self, encoded: str, data: bytes) -> None:
        try:
            self._sound += base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise unreadable(
                f"the answer's audio is not valid base64: {error}", data, self._tokens
            ) from error

    def finish(self, *, speech: bool, raw: bytes = b"", whole: bool = True) -> Reply:
        """The answer, once everything was fed.

        Args:
            speech: sound was asked for.
            raw: what came, to be shown if it is no answer.
            whole: the body or the stream came to its proper end.

        Raises:
            AttemptError: there is no answer in it, or not the one that was asked for.
        """
        if not whole and self._finish_reason is None:
            raise unreadable("the stream broke off before the answer was finished", raw, self._tokens)
        if not self._choices:
            raise unreadable("the answer holds no choices", raw, self._tokens)
        text = self._answer_text()
        if text is None and not self._sound and not self._calls:
            raise self._nothing(raw)
        if speech and not self._sound and not self._calls:
            raise self._final("bad_response", "sound was asked for, and the answer holds none", raw)
        calls = tuple(ToolCall(call.name, call.arguments, call.id) for _, call in sorted(self._calls.items()))
        return Reply(
            text=text or "",
            speech=self._speech(raw),
            tool_calls=calls,
            finish_reason=self._finish_reason,
            tokens=self._tokens,
            details=self._details,
            first_token=self._first_token,
            first_audio=self._first_audio,
        )

    def _answer_text(self) -> str | None:
        text, transcript, refusal = "".join(self._text), "".join(self._transcript), "".join(self._refusal)
        if self._finish_reason == "content_filter" and not (text or transcript or refusal):
            return None
        # Reasoning may use up max_tokens before a word is said: a cut answer is empty, not missing.
        said = self._has_text or self._finish_reason == "length"
        return text or transcript or refusal or ("" if said else None)

    def _nothing(self, raw: bytes) -> AttemptError:
        if self._finish_reason == "content_filter":
            return self._final("refused", "the endpoint's content filter held the answer back", raw)
        return unreadable("the answer holds no text, no sound and no tool call", raw, self._tokens)

    def _final(self, kind: FailureKind, message: str, raw: bytes) -> AttemptError:
        return AttemptError(kind, message, shown(raw), billed=True, tokens=self._tokens)

    def _speech(self, raw: bytes) -> Audio | None:
        if not self._sound:
            return None
        sound = bytes(self._sound)
        if self.pcm and not sound.startswith(_CONTAINERS):
            sound = _wav(sound)
        clip = Audio.from_bytes(sound, name="answer")
        try:
            playable = clip.seconds > 0
        except AudioError as error:
            raise unreadable(f"the answer's audio cannot be decoded: {error}", raw, self._tokens) from error
        if not playable:
            raise unreadable("the answer's audio is empty", raw, self._tokens)
        return clip


def unreadable(message: str, raw: bytes, tokens: Tokens | None = None) -> AttemptError:
    """The failure of an answer that makes no sense; it may make sense the next time."""
    return AttemptError("bad_response", message, shown(raw), again=True, billed=True, tokens=tokens)


def shown(raw: bytes) -> str | None:
    """The beginning of what came back, as text."""
    return raw[: 4 * _RAW_SHOWN].decode("utf-8", "replace")[:_RAW_SHOWN] or None


def _tokens(usage: _Usage) -> Tokens | None:
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    taken, given = usage.prompt_tokens_details or _Counts(), usage.completion_tokens_details or _Counts()
    return Tokens(
        usage.prompt_tokens or 0,
        usage.completion_tokens or 0,
        taken.audio_tokens or 0,
        given.audio_tokens or 0,
        taken.cached_tokens or 0,
    )


def _wav(pcm: bytes) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(STREAM_RATE)
        file.writeframes(pcm[: len(pcm) // 2 * 2])
    return held.getvalue()
