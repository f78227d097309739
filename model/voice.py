"""The vocoder behind the model: loaded when something is first said, shared by whole and streamed answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .detokenizer import SpeechDetokenizer
    from .detokenizer.stream import SpeechStream
    from .detokenizer.worker import SpeechWorker

SAMPLE_RATE = 24000


class Sound(Protocol):
    """An answer's sound in the making; times are those of `time.monotonic`."""

    first: float | None
    """When the first of it was there, where it comes in pieces."""
    ready: float | None
    """When all of it was there."""

    def push(self, codes: Sequence[int]) -> None:
        """Take the codes of one more step."""

    def finish(self) -> None:
        """No more codes come."""

    def wave(self) -> Tensor | None:
        """The whole of it, waited for; None where nothing was said."""


class Voice:
    """A speech detokenizer that takes no memory until it is needed."""

    def __init__(self, source: str | os.PathLike[str], device: str = "auto") -> None:
        self._source, self._device = os.fspath(source), device
        self._detokenizer: SpeechDetokenizer | None = None

    @property
    def detokenizer(self) -> SpeechDetokenizer:
        """The `SpeechDetokenizer`, loaded at first use."""
        if self._detokenizer is None:
            from .detokenizer import SpeechDetokenizer

            self._detokenizer = SpeechDetokenizer.from_pretrained(self._source, device=self._device)
        return self._detokenizer

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return SAMPLE_RATE if self._detokenizer is None else self._detokenizer.sample_rate

    @contextmanager
    def speaking(self, *, streamed: bool) -> Iterator[Callable[[], Sound]]:
        """What begins the sound of an answer: one that is spoken along with its codes, or else when it has them
        all, by a worker beside the decoding.
        """
        if streamed:
            yield lambda: StreamedSound(self.open_stream())
            return
        with self.detokenizer.worker() as worker:
            yield lambda: WholeSound(worker)

    def open_stream(self) -> SpeechStream:
        """A stream that takes codes and gives chunks of sound."""
        return self.detokenizer.open_stream()


class WholeSound:
    """Spoken at once, when the last code is there."""

    def __init__(self, worker: SpeechWorker) -> None:
        self._worker = worker
        self._codes: list[int] = []
        self._future: Future[Tensor] | None = None
        self.first: float | None = None
        self.ready: float | None = None

    def push(self, codes: Sequence[int]) -> None:
        """Keep the codes."""
        self._codes += codes

    def finish(self) -> None:
        """Hand all codes to the worker."""
        if self._codes:
            self._future = self._worker.submit(self._codes)
            self._future.add_done_callback(self._note)

    def wave(self) -> Tensor | None:
        """The whole sound, waited for."""
        if self._future is None:
            return None
        wave = self._future.result()
        if self.ready is None:  # who waits is told before the note is made
            self.ready = time.monotonic()
        return wave

    def _note(self, _: Any) -> None:
        self.ready = time.monotonic()


class StreamedSound:
    """Spoken in chunks, each as soon as its codes are there."""

    def __init__(self, stream: SpeechStream) -> None:
        self._stream = stream
        self._chunks: list[Tensor] = []
        self.first: float | None = None
        self.ready: float | None = None

    def push(self, codes: Sequence[int]) -> None:
        """Speak what can be spoken."""
        self._add(self._stream.push(codes))

    def finish(self) -> None:
        """Speak the rest."""
        self._add(self._stream.finish())
        self.ready = time.monotonic()

    def wave(self) -> Tensor | None:
        """All chunks, joined."""
        return torch.cat(self._chunks) if self._chunks else None

    def _add(self, chunks: Sequence[Tensor]) -> None:
        self._chunks += chunks
        if self._chunks and self.first is None:
            self.first = time.monotonic()
