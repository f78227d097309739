"""A thread that speaks while its owner goes on generating; what waits together is spoken in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch import Tensor

from fac_eval.errors import UsageError

if TYPE_CHECKING:
    from .detokenizer import Speaker, SpeechDetokenizer


class _Job(NamedTuple):
    codes: list[int]
    speaker: Speaker | None
    future: Future[Tensor]


class SpeechWorker:
    """Takes utterances and gives futures of their waveforms.

        with detokenizer.worker() as worker:
            future = worker.submit(codes)
            ...
            waveform = future.result()

    On a GPU the thread has a stream of its own, so that its work and the caller's overlap.
    """

    def __init__(self, detokenizer: SpeechDetokenizer, max_batch: int = 8) -> None:
        if max_batch < 1:
            raise UsageError(f"max_batch {max_batch} is less than 1")
        self._detokenizer, self._max_batch = detokenizer, max_batch
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._closing = Lock()
        self._thread = Thread(target=self._work, name="speech-worker", daemon=True)
        self._thread.start()

    def submit(self, codes: Iterable[int], *, speaker: Speaker | None = None) -> Future[Tensor]:
        """Queue an utterance; the future holds its waveform, or what went wrong with it."""
        job = _Job(list(codes), speaker, Future())
        with self._closing:
            if self._closed:
                raise UsageError("the speech worker is closed")
            self._jobs.put(job)
        return job.future

    def close(self, *, cancel: bool = False) -> None:
        """Wait until everything submitted is spoken; with `cancel` what has not begun is given up."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if cancel:
                for job in self._at_once():
                    if job is not None:
                        job.future.cancel()
            self._jobs.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(cancel=kind is not None)

    def _work(self) -> None:
        with self._own_stream():
            job = self._jobs.get()
            while job is not None:
                following = list(self._at_once(self._max_batch - 1))
                jobs = [job, *(each for each in following if each is not None)]
                self._speak([each for each in jobs if each.future.set_running_or_notify_cancel()])
                job = None if None in following else self._jobs.get()

    def _at_once(self, most: int | None = None) -> Iterator[_Job | None]:
        """What waits in the queue now, `most` at most, and nothing after the end mark."""
        while most is None or most > 0:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            yield job
            if job is None:
                return
            most = None if most is None else most - 1

    def _speak(self, jobs: Sequence[_Job]) -> None:
        if not jobs:
            return
        try:
            waves = self._detokenizer.decode_batch(
                [job.codes for job in jobs], speakers=[job.speaker for job in jobs]
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for the result
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            # One utterance must not take its neighbours down with it.
            for job in jobs:
                self._speak([job])
            return
        for job, wave in zip(jobs, waves, strict=True):
            job.future.set_result(wave)

    def _own_stream(self) -> AbstractContextManager[object]:
        device = self._detokenizer.device
        if device.type != "cuda":
            return nullcontext()
        stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # What was loaded on the caller's stream must be there before this one reads it.
        stream.wait_stream(torch.cuda.current_stream(device))
        return torch.cuda.stream(stream)
