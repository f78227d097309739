"""Codes to waveforms: how an utterance is cut, and how many pieces are made at once.

The cutting rule is that of the published driver (FunAudioLLM/Fun-Audio-Chat, utils/cosyvoice_detokenizer.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fac_eval.errors import DataError, ModelOutOfMemory

from .flow import Flow
from .hift import F0_LOOK_AHEAD, F0_LOOK_BACK, HiFT, look_ahead, look_back
from .noise import SourceNoise

SEGMENT = 750
"""Codes of a full segment: 30 seconds."""

_SHORTEST_TAIL = 50

_log = logging.getLogger(__name__)
_Piece = TypeVar("_Piece")


@dataclass(frozen=True, slots=True)
class Call:
    """One pass over a segment: its first `codes` codes, of which those from `offset` on are new."""

    codes: int
    offset: int
    finalize: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """Codes that are spoken in one piece, and the speaker's vector `[1, 192]`."""

    codes: Sequence[int]
    embedding: Tensor


@dataclass(slots=True)
class Budget:
    """What goes through a network at once, in rows and in codes with their padding; less once memory ran out."""

    rows: int
    codes: int


@dataclass(frozen=True, slots=True)
class Engine:
    """The loaded networks with the noise that they start from."""

    flow: Flow
    hift: HiFT
    flow_noise: Tensor
    source_noise: SourceNoise

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.flow.input_embedding.weight.device


def split_segments(codes: Sequence[int], length: int = SEGMENT) -> list[Sequence[int]]:
    """Cut into segments of `length`; a last one under two seconds shares evenly with the one before."""
    segments = [codes[start : start + length] for start in range(0, len(codes), length)]
    if len(segments) > 1 and len(segments[-1]) < _SHORTEST_TAIL:
        rest = codes[(len(segments) - 2) * length :]
        segments[-2:] = [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
    return segments


def plan_calls(codes: int, hop: int = SEGMENT, ahead: int = 3) -> Iterator[Call]:
    """The passes over a segment of `codes` codes: one, unless `hop` is shorter than it.

    With a short hop the published driver makes one pass too many where 1 to `ahead` codes remain after a hop: the
    pass before has already spoken them, and they are spoken again. Kept: it is what that driver gives.
    """
    for offset in range(0, codes, hop):
        given = min(offset + hop + ahead, codes)
        yield Call(given, offset, given == codes)


def token2wav(engine: Engine, segment: Segment, hop: int = SEGMENT, ahead: int = 3) -> list[Tensor]:
    """The waveform pieces `[samples]` of one segment, a piece a call, as the published driver makes them.

    Raises:
        DataError: There are no codes, or one is outside the vocabulary.
    """
    if not segment.codes:
        raise DataError("there are no speech codes to speak")
    vocoder = VocoderState(engine)
    return [speak_call(engine, vocoder, segment, call) for call in plan_calls(len(segment.codes), hop, ahead)]


def speak_call(engine: Engine, vocoder: VocoderState, segment: Segment, call: Call) -> Tensor:
    """The samples that one pass adds: the flow sees all codes up to the pass's end, the vocoder what is new."""
    codes = segment.codes[: call.codes]
    mel = engine.flow([codes], segment.embedding, engine.flow_noise, finalize=call.finalize)[0]
    return vocoder.speak(mel[:, engine.flow.config.token_mel_ratio * call.offset :], finalize=call.finalize)


class VocoderState:
    """The vocoder within one utterance whose mel comes bit by bit.

    The published driver keeps all mel frames and makes the whole waveform again for each piece. Here only as many
    frames are kept as the next sample can depend on, with the f0 and the phase reached: the same samples up to
    rounding, at a cost that does not grow.
    """

    def __init__(self, engine: Engine) -> None:
        config = engine.hift.config
        self._engine = engine
        self._back, self._ahead = look_back(config), look_ahead(config)
        self._hop = config.samples_per_frame
        device = engine.device
        self._mel = torch.zeros(config.in_channels, 0, device=device)
        self._f0 = torch.zeros(0, device=device)
        self._turns = torch.zeros(1, config.nb_harmonics + 1, dtype=torch.float64, device=device)
        self._first = 0
        self._spoken = 0

    def speak(self, mel: Tensor, *, finalize: bool = False) -> Tensor:
        """Append mel frames `[mel bins, frames]` and return the samples that they make ready, in float32.

        Without `finalize` the last eight frames wait for more; with it they are spoken as well.
        """
        self._mel = torch.cat([self._mel, mel], dim=1)
        total = self._first + self._mel.shape[1]
        ready = total if finalize else total - self._ahead
        if ready <= self._spoken:
            if ready < 0:
                raise DataError(
                    f"{total} mel frames are too few to begin with: at least {self._ahead} are needed"
                )
            return torch.zeros(0, device=mel.device)
        f0 = self._extended_f0(finalize)
        source = self._source(f0)
        wave = self._engine.hift.decode(self._mel[None], source, finalize=finalize)[0]
        wave = wave[(self._spoken - self._first) * self._hop :]
        self._spoken = ready
        self._forget(f0)
        return wave

    def rest(self) -> Tensor:
        """The samples of the frames that still wait."""
        return self.speak(self._mel[:, :0], finalize=True)

    def _extended_f0(self, finalize: bool) -> Tensor:
        """f0 of all kept frames, `[frames]`: only that of new ones is computed."""
        known = len(self._f0)
        begin = max(0, known - F0_LOOK_BACK)
        # At the start of an utterance there is nothing before; later there is, and it must be seen.
        new = self._engine.hift.predict_f0(self._mel[None, :, begin:], finalize=finalize)[0, known - begin :]
        f0 = torch.cat([self._f0, new])
        # The last frames saw zeros in place of frames that may yet come: they are not kept.
        self._f0 = f0[: max(self._mel.shape[1] - F0_LOOK_AHEAD, 0)]
        return f0

    def _source(self, f0: Tensor) -> Tensor:
        begin = self._first * self._hop
        noise = self._engine.source_noise.rows(begin, begin + len(f0) * self._hop)
        source: Tensor = self._engine.hift.m_source(f0[None], noise.to(f0.device), self._turns)
        return source

    def _forget(self, f0: Tensor) -> None:
        """Drop frames that no further sample depends on."""
        dropped = max(
            0, min(self._spoken - self._back - F0_LOOK_BACK, self._first + len(self._f0)) - self._first
        )
        turns = self._engine.hift.m_source.turns(f0[None, :dropped])
        self._turns = self._turns + turns.double().sum(1)
        self._mel, self._f0 = self._mel[:, dropped:], self._f0[dropped:]
        self._first += dropped


def speak_all(
    engine: Engine, segments: Sequence[Segment], flow_budget: Budget, vocoder_budget: Budget
) -> list[Tensor]:
    """The waveform `[samples]` of each segment, many at once; those of like length go together.

    Raises:
        ModelOutOfMemory: A single segment does not fit.
    """
    codes = [len(segment.codes) for segment in segments]
    mels = _in_batches(partial(_mels, engine), segments, codes, flow_budget)
    return _in_batches(partial(_waves, engine), mels, codes, vocoder_budget)


def _mels(engine: Engine, segments: Sequence[Segment]) -> list[Tensor]:
    embedding = torch.cat([segment.embedding for segment in segments])
    mels: list[Tensor] = engine.flow([segment.codes for segment in segments], embedding, engine.flow_noise)
    return mels


def _waves(engine: Engine, mels: Sequence[Tensor]) -> list[Tensor]:
    frames = [mel.shape[1] for mel in mels]
    hop = engine.hift.config.samples_per_frame
    padded = pad_sequence([mel.mT for mel in mels], batch_first=True).mT
    noise = engine.source_noise.rows(0, max(frames) * hop)
    uneven = None if len(set(frames)) == 1 else frames
    wave = engine.hift(padded, noise, frames=uneven).wave
    return [row[: count * hop] for row, count in zip(wave, frames, strict=True)]


def _in_batches(
    make: Callable[[Sequence[_Piece]], list[Tensor]],
    pieces: Sequence[_Piece],
    codes: Sequence[int],
    budget: Budget,
) -> list[Tensor]:
    """What `make` returns for each piece. Where memory runs out, the budget shrinks for good and the work goes on."""
    results: dict[int, Tensor] = {}
    waiting = sorted(range(len(pieces)), key=lambda index: -codes[index])
    while waiting:
        count = min(budget.rows, len(waiting), max(1, budget.codes // codes[waiting[0]]))
        batch = waiting[:count]
        try:
            made = make([pieces[index] for index in batch])
        except torch.OutOfMemoryError as error:
            if count == 1:
                raise ModelOutOfMemory(
                    f"the detokenizer ran out of memory on a single segment: {error}"
                ) from error
            budget.rows = count // 2
            _log.warning("out of memory with %d segments at once: going on with %d", count, budget.rows)
            continue
        results.update(zip(batch, made, strict=True))
        del waiting[:count]
    return [results[index] for index in range(len(pieces))]
