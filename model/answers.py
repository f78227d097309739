"""What a person gets: an answer, its text without the speech's marks, its codes for the vocoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from fac_eval.vocabulary import Timings

from .prompts import AUDIO, AUDIO_BOS, AUDIO_EOS, AUDIO_PAD, IM_END, SILENCE

SPEECH_CODES = 6561
"""Codes that have a sound; the ids above them mark begin, end and padding."""
MARKS = (AUDIO, AUDIO_BOS, AUDIO_EOS, AUDIO_PAD, SILENCE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to one conversation."""

    text: str
    waveform: NDArray[np.float32] | None
    """At `sample_rate`; None where no speech was asked for or none was said."""
    sample_rate: int
    codes: tuple[int, ...]
    """The speech codes that have a sound, 25 a second."""
    text_ids: tuple[int, ...]
    speech_ids: tuple[int, ...]
    """All emitted speech ids, marks included."""
    prompt_tokens: int
    audio_positions: int
    """How many of the prompt's positions hold sound."""
    finish_reason: str
    seed: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class StreamStep:
    """What one step added: a fragment of text, a chunk of sound, or both."""

    text: str
    audio: NDArray[np.float32] | None
    text_id: int | None = None
    codes: tuple[int, ...] = ()
    finish_reason: str | None = None


def vocoder_codes(speech: Iterable[int]) -> list[int]:
    """The codes that have a sound, in order; there may be none."""
    return [code for code in speech if 0 <= code < SPEECH_CODES]


def speech_string(tokenizer: PreTrainedTokenizerBase, speech: Sequence[int]) -> str:
    """The written form of speech ids, as a conversation's history may hold it; an id without a name has none."""
    return "".join(token for token in tokenizer.convert_ids_to_tokens(list(speech)) if token is not None)


def cleaned(raw: str) -> str:
    """The demo's clean-up of a raw decode: marks at the beginning and at the end go, those within stay."""
    raw = _stripped(raw, (AUDIO_BOS, SILENCE), start=True)
    return _stripped(raw, (AUDIO_EOS, SILENCE, IM_END), start=False)


@lru_cache(maxsize=8)  # a vocabulary of 150,000 entries is not to be gone through for every answer
def mark_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids that are never text, whether or not the tokenizer flags them as special."""
    known = tokenizer.get_vocab()
    return frozenset(known[mark] for mark in MARKS if mark in known)


@lru_cache(maxsize=8)
def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids that the tokenizer flags as special, which is what decoding without special tokens leaves out."""
    return frozenset(number for number, token in tokenizer.added_tokens_decoder.items() if token.special)


def text_length(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int]) -> int:
    """How many of new ids are text: no special tokens, no marks of the speech, no fillers beside it."""
    others = mark_ids(tokenizer) | special_ids(tokenizer)
    return sum(number not in others for number in ids)


def text_of(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int]) -> str:
    """The text of new ids; tool calls stay, special tokens and the speech's marks go."""
    marks = mark_ids(tokenizer)
    return str(tokenizer.decode([number for number in ids if number not in marks], skip_special_tokens=True))


def _stripped(text: str, marks: Sequence[str], *, start: bool) -> str:
    while True:
        mark = next((m for m in marks if (text.startswith(m) if start else text.endswith(m))), None)
        if mark is None:
            return text
        text = text.removeprefix(mark) if start else text.removesuffix(mark)
