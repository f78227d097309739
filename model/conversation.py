"""Conversations as people write them, to templated turns and clips at 16 kHz."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fac_eval.audio import Audio
from fac_eval.errors import AudioError, UsageError
from fac_eval.vocabulary import Message, Text, ToolCall

from .prompts import AUDIO, AUDIO_TEMPLATE

RATE = 16000
SHORTEST = 640
"""Samples below which a clip fills not even one frame: the model hears nothing of it."""

Conversation = Sequence[Any]
"""Turns: `Message`s, or mappings with `role` and `content`. Content is a text or a list of parts; a part is a text,
a clip (`Audio`, a path, samples at 16 kHz, or a pair of samples and their rate), or a mapping with `type`."""

Overflow = Literal["warn", "error", "truncate"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as the template takes it, with the clips that its placeholders stand for."""

    role: str
    content: str
    clips: tuple[NDArray[np.float32], ...] = ()


def turns_of(conversation: Conversation, system_prompt: str | None = None) -> list[Turn]:
    """All turns in order; `system_prompt` opens the conversation unless it has a system turn of its own."""
    if isinstance(conversation, str | Mapping | Message):
        raise UsageError("a conversation is a list of turns, not a single turn")
    turns = [_turn(entry) for entry in conversation]
    if not turns:
        raise UsageError("a conversation needs at least one turn")
    if system_prompt is not None and turns[0].role != "system":
        turns.insert(0, Turn("system", system_prompt))
    return turns


def last_rounds(turns: Sequence[Turn], rounds: int) -> list[Turn]:
    """The system turn and the last rounds, each of which begins with a user's turn."""
    head = list(turns[:1]) if turns and turns[0].role == "system" else []
    body = list(turns[len(head) :])
    starts = [index for index, turn in enumerate(body) if turn.role == "user"]
    return head + (body[starts[-rounds] :] if len(starts) > rounds else body)


def round_count(turns: Sequence[Turn]) -> int:
    """How many rounds a conversation has."""
    return sum(turn.role == "user" for turn in turns)


def clip_samples(part: Any) -> NDArray[np.float32]:
    """A clip's samples at 16 kHz. A clip that holds none is refused."""
    if isinstance(part, Audio):
        samples = part.samples(RATE)
    elif isinstance(part, str | os.PathLike):
        samples = Audio.from_file(part).samples(RATE)
    elif isinstance(part, tuple) and len(part) == 2:
        samples = Audio.from_samples(np.asarray(part[0]), int(part[1])).samples(RATE)
    else:
        samples = np.asarray(part, dtype=np.float32)
    if samples.ndim != 1:
        raise AudioError(f"a clip must be 1-D (mono) at {RATE} Hz, got an array of shape {samples.shape}")
    if not len(samples):
        raise AudioError("a clip holds no samples", remedy="Leave it out, or ask without audio.")
    return samples


def tool_call_text(call: ToolCall) -> str:
    """A call in the form that the model writes it."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = call.arguments
    body = json.dumps({"name": call.name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _turn(entry: Any) -> Turn:
    if isinstance(entry, Message):
        parts: Sequence[Any] = [part.text if isinstance(part, Text) else part for part in entry.parts]
        texts, clips = _parts(parts)
        texts += [tool_call_text(call) for call in entry.tool_calls]
        return _tool_answer(Turn(entry.role, "\n".join(texts), clips))
    if not isinstance(entry, Mapping) or "role" not in entry or "content" not in entry:
        raise UsageError(f"a turn needs `role` and `content`, got {entry!r:.80}")
    content = entry["content"]
    texts, clips = _parts(content if isinstance(content, list) else [content])
    # Scripts for the reference put the template into the text and hand the clips over beside it.
    beside = tuple(clip_samples(clip) for clip in entry.get("audio", ()))
    placeholders = "\n".join(texts).count(AUDIO)
    if placeholders != len(clips) + len(beside):
        raise UsageError(f"a turn has {placeholders} {AUDIO} but {len(clips) + len(beside)} clips")
    return _tool_answer(Turn(str(entry["role"]), "\n".join(texts), clips + beside))


def _parts(parts: Sequence[Any]) -> tuple[list[str], tuple[NDArray[np.float32], ...]]:
    texts: list[str] = []
    clips: list[NDArray[np.float32]] = []
    for part in parts:
        value = part
        if isinstance(part, Mapping):
            kind = part.get("type", "text")
            if kind not in ("text", "audio") or kind not in part:
                raise UsageError(
                    f"a part is {{'type': 'text', 'text': ...}} or with 'audio', got {part!r:.80}"
                )
            value = part[kind] if kind == "text" else _Clip(part[kind])
        if isinstance(value, str):
            texts.append(value)
        else:
            texts.append(AUDIO_TEMPLATE)
            clips.append(clip_samples(value.source if isinstance(value, _Clip) else value))
    return texts, tuple(clips)


@dataclass(frozen=True, slots=True)
class _Clip:
    """Marks a part as a clip even if it is given as text, which is then a path."""

    source: str | Path | Any


def _tool_answer(turn: Turn) -> Turn:
    """The backbone reads a tool's answer as a user's turn between tags."""
    if turn.role != "tool":
        return turn
    return Turn("user", f"<tool_response>\n{turn.content}\n</tool_response>", turn.clips)
