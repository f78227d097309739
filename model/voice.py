"""The vocoder behind the model: loaded when something is first said, shared by whole and streamed answers."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

SAMPLE_RATE = 24000


class Voice:
    """A speech detokenizer that takes no memory until it is needed."""

    def __init__(self, source: str | os.PathLike[str], device: str = "auto") -> None:
        self._source, self._device = os.fspath(source), device
        self._detokenizer: Any = None

    @property
    def detokenizer(self) -> Any:
        """The `SpeechDetokenizer`, loaded at first use."""
        if self._detokenizer is None:
            from .detokenizer import SpeechDetokenizer

            self._detokenizer = SpeechDetokenizer.from_pretrained(self._source, device=self._device)
        return self._detokenizer

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return SAMPLE_RATE if self._detokenizer is None else int(self._detokenizer.sample_rate)

    def speaking(self) -> AbstractContextManager[Any]:
        """A worker that turns codes into sound while decoding goes on."""
        worker: AbstractContextManager[Any] = self.detokenizer.worker()
        return worker

    def open_stream(self) -> Any:
        """A stream that takes codes and gives chunks of sound."""
        return self.detokenizer.open_stream()
