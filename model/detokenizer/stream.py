"""Speech as its codes come: the chunks of the published demo server, or the same without its losses.

FunAudioLLM/Fun-Audio-Chat, web_demo/server/server.py: a chunk is made as soon as its codes and the three that they
look ahead to are there. Attention being unrestricted, a chunk of the mel depends on how many codes came before it:
the sound is close to that of the whole made at once, but not the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fac_eval.errors import UsageError

from .driver import Call, Engine, Segment, VocoderState, speak_call


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How a stream is cut; the defaults are the demo server's, but for what it loses."""

    hop: int = 15
    """Codes of a chunk."""
    context: int = 200
    """Codes after which the flow forgets as many: it works through all it remembers for each chunk."""
    reset: int = 500
    """Forgotten codes after which the vocoder starts anew, too."""
    lossless: bool = True
    """Speak everything. The demo server drops a tail of 4 codes or fewer past the last chunk, and 8 mel frames (0.16 s)
    at each new start of the vocoder."""

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.context <= self.reset:
            raise UsageError(
                f"stream settings: hop {self.hop}, context {self.context} and reset {self.reset} must be positive "
                "and in this order of size"
            )


DEMO = StreamSettings(lossless=False)
"""Sample for sample what the published demo server sends."""

_DROPPED_TAIL = 4


class SpeechStream:
    """One utterance in the making. Made by `SpeechDetokenizer.open_stream`; belongs to one thread."""

    last_call: Call | None = None
    """The pass that made the last chunk."""

    def __init__(self, engine: Engine, embedding: Tensor, settings: StreamSettings) -> None:
        self._engine, self._embedding, self._settings = engine, embedding, settings
        self._ahead = engine.flow.config.pre_lookahead_len
        self._codes: list[int] = []
        self._offset = 0
        self._forgotten = 0
        self._vocoder = VocoderState(engine)
        self._finished = False

    @torch.inference_mode()
    def push(self, codes: Iterable[int]) -> list[Tensor]:
        """Add codes and return the chunks `[samples]` that they complete, often none.

        Ids that are no speech codes, such as those that end a reply, are passed over.
        """
        self._must_be_open()
        known = self._engine.flow.config.vocab_size
        chunks = []
        for code in codes:
            if 0 <= code < known:
                self._codes.append(code)
                if len(self._codes) >= self._offset + self._settings.hop + self._ahead:
                    chunks.append(self._chunk())
        return chunks

    @torch.inference_mode()
    def finish(self) -> list[Tensor]:
        """Speak what is left, if anything is. The stream takes no codes after it."""
        self._must_be_open()
        self._finished = True
        dropped = 0 if self._settings.lossless else _DROPPED_TAIL
        return [self._speak(finalize=True)] if len(self._codes) > self._offset + dropped else []

    def _speak(self, *, finalize: bool) -> Tensor:
        self.last_call = Call(len(self._codes), self._offset, finalize)
        segment = Segment(self._codes, self._embedding)
        return speak_call(self._engine, self._vocoder, segment, self.last_call).cpu()

    def _chunk(self) -> Tensor:
        chunk = self._speak(finalize=False)
        self._offset += self._settings.hop
        if self._offset < self._settings.context:
            return chunk
        self._offset -= self._settings.context
        self._forgotten += self._settings.context
        del self._codes[: self._settings.context]
        if self._forgotten < self._settings.reset:
            return chunk
        self._forgotten = 0
        spent, self._vocoder = self._vocoder, VocoderState(self._engine)
        return torch.cat([chunk, spent.rest().cpu()]) if self._settings.lossless else chunk

    def _must_be_open(self) -> None:
        if self._finished:
            raise UsageError("the speech stream is finished: open another one for the next utterance")
