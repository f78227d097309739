"""Many conversations at once: the rows of one decoder, each of which takes the next conversation when it is free."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from fac_eval.errors import ModelOutOfMemory

from .answers import vocoder_codes
from .decoding import Decoder, Prompt, Row, Step
from .drop_in import seeded
from .modeling import FunAudioChatForConditionalGeneration
from .sampling import GenerationSettings
from .voice import Sound


@dataclass(slots=True)
class Job:
    """One conversation on its way to an answer; times are those of `time.monotonic`."""

    number: int
    ids: tuple[int, ...]
    embeds: torch.Tensor
    seed: int
    limit: int | None
    started: float
    batch: int = 1
    """The most that were decoded beside it, itself included."""
    row: Row | None = None
    sound: Sound | None = None
    finish: str | None = None
    first: float | None = None
    ended: float = 0.0

    def note(self, row: Row, step: Step, cut: bool) -> None:
        """Take one step of its row; `cut` ends it here."""
        self.row, self.ended = row, time.monotonic()
        self.first = self.first or self.ended
        self.finish = "stop" if cut else step.finished
        if self.sound is not None:
            if step.group is not None:
                self.sound.push(vocoder_codes(step.group))
            if self.finish is not None:
                self.sound.finish()

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.finish is not None and (self.sound is None or self.sound.ready is not None)


def decoded(
    model: FunAudioChatForConditionalGeneration,
    settings: GenerationSettings,
    jobs: Iterator[Job],
    *,
    batch_size: int,
    is_cut: Callable[[Row], bool],
    new_sound: Callable[[], Sound] | None,
) -> Iterator[Job]:
    """Jobs as they are done, with their sound; each is taken from `jobs` when a row is free for it.

    Raises:
        ModelOutOfMemory: The rows at work do not fit. What was not given back is not done.
    """
    decoder = Decoder(model, settings, batch_size=batch_size)
    at_work: dict[int, Job] = {}
    to_be_heard: list[Job] = []

    def take() -> None:
        while len(at_work) < batch_size and (job := next(jobs, None)) is not None:
            job.sound = None if new_sound is None else new_sound()
            generator = seeded(job.seed, model.device)
            at_work[decoder.add(Prompt(job.ids, job.embeds, generator, job.limit))] = job
        for job in at_work.values():
            job.batch = max(job.batch, len(at_work))

    with memory_watched():
        take()
        for steps in decoder:
            for row, step in steps:
                cut = step.finished is None and is_cut(row)
                job = at_work[step.row]
                job.note(row, step, cut)
                if cut:
                    decoder.cancel(step.row)
                if job.finish is not None:
                    to_be_heard.append(at_work.pop(step.row))
            take()
            yield from [job for job in to_be_heard if job.is_done]
            to_be_heard = [job for job in to_be_heard if not job.is_done]
    yield from to_be_heard


@contextmanager
def memory_watched() -> Iterator[None]:
    """Turn whatever says that memory is used up into `ModelOutOfMemory`."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ModelOutOfMemory(str(error).split("\n", 1)[0]) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the machine has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
