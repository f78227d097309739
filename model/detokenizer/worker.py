"""A thread that speaks while its owner goes on generating; what waits together is spoken in one batch."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from fac_eval.errors import UsageError

if TYPE_CHECKING:
    from .detokenizer import Speaker, SpeechDetokenizer

_Job = tuple[list[int], "Speaker | None", Future[Tensor]]


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
        self._thread = Thread(target=self._work, name="speech-worker", daemon=True)
        self._thread.start()

    def submit(self, codes: Iterable[int], *, speaker: Speaker | None = None) -> Future[Tensor]:
        """Queue an utterance; the future holds its waveform, or what went wrong with it."""
        if self._closed:
            raise UsageError("the speech worker is closed")
        future: Future[Tensor] = Future()
        self._jobs.put((list(codes), speaker, future))
        return future

    def close(self, *, cancel: bool = False) -> None:
        """Wait until everything submitted is spoken, or with `cancel` only for what is being spoken."""
        if self._closed:
            return
        self._closed = True
        if cancel:
            for _, _, future in self._waiting():
                future.cancel()
        self._jobs.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(cancel=kind is not None)

    def _work(self) -> None:
        with self._own_stream():
            while (job := self._jobs.get()) is not None:
                jobs = [job]
                ended = False
                while len(jobs) < self._max_batch and not ended:
                    try:
                        following = self._jobs.get_nowait()
                    except Empty:
                        break
                    if following is None:
                        ended = True
                    else:
                        jobs.append(following)
                self._speak([job for job in jobs if job[2].set_running_or_notify_cancel()])
                if ended:
                    return

    def _speak(self, jobs: list[_Job]) -> None:
        try:
            waves = self._detokenizer.decode_batch(
                [job[0] for job in jobs], speakers=[job[1] for job in jobs]
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for the result
            if len(jobs) == 1:
                jobs[0][2].set_exception(error)
                return
            # One utterance must not take its neighbours down with it.
            for job in jobs:
                self._speak([job])
            return
        for job, wave in zip(jobs, waves, strict=True):
            job[2].set_result(wave)

    def _waiting(self) -> list[_Job]:
        jobs = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return jobs
            if job is not None:
                jobs.append(job)

    def _own_stream(self) -> AbstractContextManager[object]:
        device = self._detokenizer.device
        if device.type != "cuda":
            return nullcontext()
        stream = torch.cuda.Stream(device)
        # What was loaded on the caller's stream must be there before this one reads it.
        stream.wait_stream(torch.cuda.current_stream(device))
        return torch.cuda.stream(stream)
