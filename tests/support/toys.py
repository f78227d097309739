"""Small tasks and models whose every answer is known, for tests of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

from fac_eval import (
    AsyncModel,
    Audio,
    Capabilities,
    ContinuousModel,
    Model,
    Request,
    Response,
    Sample,
    Score,
    Task,
)
from fac_eval.errors import ModelOutOfMemory
from fac_eval.scores import Metric
from fac_eval.vocabulary import Evidence, user


@dataclass(frozen=True, slots=True)
class ToyOptions:
    """Options of the toy task."""

    n: int = 20
    mode: Literal["plain", "strict"] = "plain"
    speech: bool = False


class ToyTask(Task):
    """Sample i asks `say i`; the right answer is `i`."""

    name = "toy"
    Options = ToyOptions
    options: ToyOptions
    metrics = (Metric("accuracy", main=True), Metric("length", of="length", scale=1, unit="characters"))

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.speech:
            self.output = "speech"

    def samples(self, data: object) -> Iterator[Sample]:
        for i in range(self.options.n):
            yield Sample(id=f"s{i}", messages=(user(f"say {i} " + "x" * (i % 7)),), reference=str(i))

    def size(self, data: object) -> int:
        return self.options.n

    def data_fingerprint(self, data: object) -> str:
        return f"toy-{self.options.n}"

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        text = response.text or ""
        right = text == sample.reference or (
            self.options.mode == "plain" and text.strip() == sample.reference
        )
        return Score(float(right), label=text, parts={"length": float(len(text))})


def answer(request: Request) -> str:
    """The right answer to a toy request."""
    return request.messages[-1].text.split()[1]


class Echo(Model):
    """Answers toy requests rightly, in batches, and remembers what it was asked."""

    name = "echo"
    fingerprint = "echo/1"

    def __init__(self, *, speech: bool = False, fits: int | None = None, batch_size: int = 8) -> None:
        outputs = frozenset({"text", "speech"}) if speech else frozenset({"text"})
        self.capabilities = Capabilities(outputs=outputs, batch_size=batch_size)
        self.fits = fits
        self.batches: list[list[str]] = []
        self.seeds: dict[str, int] = {}
        self.loads = 0
        self.closed = 0
        self.on_request: Callable[[Request], None] | None = None

    def load(self) -> None:
        self.loads += 1

    def close(self) -> None:
        self.closed += 1

    @property
    def asked(self) -> list[str]:
        return [text for batch in self.batches for text in batch]

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        if self.fits is not None and len(requests) > self.fits:
            raise ModelOutOfMemory(f"{len(requests)} requests")
        self.batches.append([answer(request) for request in requests])
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if self.on_request is not None:
            self.on_request(request)
        text = answer(request)
        self.seeds[text] = request.seed
        speech = None
        if request.output == "speech":
            tone = np.sin(np.arange(1600) * (0.01 + 0.001 * int(text))).astype(np.float32) / 2
            speech = Audio.from_samples(tone, 16000)
        return Response(text=text, speech=speech, finish_reason="stop")


class Relay(Echo, ContinuousModel):
    """Works at a few requests at once, each of which takes 1 to 5 turns, and takes the next when one is finished."""

    name = "relay"
    fingerprint = "relay/1"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.taken: list[str] = []
        self.turns: list[int] = []
        """How many were at work in each turn."""

    def answers(self, requests: Iterable[Request], batch_size: int) -> Iterator[tuple[int, Response]]:
        numbered = enumerate(requests)
        at_work: dict[int, tuple[Request, int]] = {}
        while True:
            for number, request in islice(numbered, batch_size - len(at_work)):
                self.taken.append(answer(request))
                at_work[number] = request, int(answer(request)) % 5
            if not at_work:
                return
            if self.fits is not None and len(at_work) > self.fits:
                raise ModelOutOfMemory(f"{len(at_work)} requests")
            self.turns.append(len(at_work))
            finished = [number for number, (_, left) in at_work.items() if not left]
            at_work = {number: (request, left - 1) for number, (request, left) in at_work.items()}
            for number in finished:
                yield number, self._answer(at_work.pop(number)[0])


class AsyncEcho(AsyncModel):
    """Answers toy requests rightly, many at once, yielding to the loop each time."""

    name = "async-echo"
    fingerprint = "async-echo/1"

    def __init__(self, *, concurrency: int = 4) -> None:
        self.capabilities = Capabilities(concurrency=concurrency)
        self.asked: list[str] = []
        self.running = 0
        self.most = 0
        self.closed = 0
        self.on_request: Callable[[Request], Response | None] | None = None

    async def generate(self, request: Request) -> Response:
        self.asked.append(answer(request))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        special = self.on_request(request) if self.on_request is not None else None
        return special or Response(text=answer(request), finish_reason="stop")

    async def aclose(self) -> None:
        self.closed += 1
