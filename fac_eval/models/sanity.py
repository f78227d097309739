"""Models that check the harness itself: `oracle` must score the maximum, `empty` the minimum, `random` chance."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from fac_eval.interfaces import Capabilities, SampleModel
from fac_eval.vocabulary import Request, Response, Sample

if TYPE_CHECKING:
    from fac_eval.task import Task

_ANYTHING = Capabilities(outputs=frozenset({"text", "speech"}), tools=True, batch_size=256)


class Oracle(SampleModel):
    """Answers with the reference. A sample without one fails as `missing_prediction`."""

    name = "oracle"
    fingerprint = "oracle/1"
    capabilities = _ANYTHING

    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        """The task's ideal answer to each sample."""
        return [self._answer(task, sample) for sample in samples]

    def _answer(self, task: Task, sample: Sample) -> Response:
        ideal = task.ideal(sample)
        if ideal is None:
            return Response.failed("missing_prediction", "the task knows no ideal answer to this sample")
        return ideal if isinstance(ideal, Response) else Response(text=ideal, finish_reason="stop")


class Empty(SampleModel):
    """Answers every sample with an empty text."""

    name = "empty"
    fingerprint = "empty/1"
    capabilities = _ANYTHING

    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        """An empty text a sample."""
        return [Response(text="", finish_reason="stop")] * len(samples)


class Random(SampleModel):
    """Guesses blindly: one of the choices where there are choices, a made-up word elsewhere.

    A guess depends on the request's seed alone, so it is the same in any order and any batch.
    """

    name = "random"
    fingerprint = "random/1"
    capabilities = _ANYTHING

    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        """A guess a sample."""
        return [
            Response(text=self._guess(task, sample, request.seed), finish_reason="stop")
            for sample, request in zip(samples, requests, strict=True)
        ]

    def _guess(self, task: Task, sample: Sample, seed: int) -> str:
        number = int.from_bytes(blake2b(f"{seed}:{sample.id}".encode(), digest_size=8).digest(), "little")

        def pick(options: Sequence[str]) -> str:
            return options[number % len(options)]

        guess = task.guess(sample, pick)
        return guess if guess is not None else f"zq{number % 10**6:06d}"
