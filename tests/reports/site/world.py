"""A small world for the site's tests: speech with transcripts, a judge, failures, whatever a page shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fac_eval
from fac_eval import Audio, Capabilities, Model, Request, Response, Sample, Score, Task
from fac_eval.interfaces import Judge, QualityMeter, Transcriber
from fac_eval.scores import Metric
from fac_eval.vocabulary import (
    Evidence,
    Failure,
    Question,
    Text,
    Timings,
    ToolCall,
    Usage,
    Verdict,
    system,
    user,
)

RATE = 16000
SENTENCES = (
    "the train to the coast leaves at nine from the second platform",
    "most rivers of the north run dry in the late summer",
    "she put the letter under the door and went home",
    "a recipe for bread needs flour water salt and time",
)


def tone(pitch: float, seconds: float = 1.5) -> Audio:
    """A rising tone with a beat, so that outline and spectrum have a shape."""
    t = np.arange(int(RATE * seconds)) / RATE
    sound = np.sin(2 * np.pi * (pitch + 300 * t) * t) * (0.35 + 0.3 * np.sin(2 * np.pi * 3 * t))
    return Audio.from_samples(sound.astype(np.float32), RATE)


@dataclass(frozen=True, slots=True)
class SpokenOptions:
    """How many there are."""

    n: int = 24


class Spoken(Task):
    """Says a sentence again; what is heard in the answer is compared word by word."""

    name = "world/spoken"
    title = "Sentences said again"
    Options = SpokenOptions
    options: SpokenOptions
    output = "speech"
    needs = frozenset({"transcript", "quality", "judge"})
    rubrics = ("voicebench/open",)
    metrics = (
        Metric("wer", of="errors", per="words", higher_is_better=False, main=True),
        Metric("liked", of="liked", scale=1, unit="points"),
    )

    def samples(self, data: object) -> Iterator[Sample]:
        for i in range(self.options.n):
            sentence = SENTENCES[i % len(SENTENCES)]
            yield Sample(
                id=f"spoken/{i:03d}",
                messages=(system("Say it again."), user(Text(f"Say: {sentence}"), tone(200 + 10 * i))),
                reference=sentence,
                metadata={"speaker": f"speaker {i % 3}", "room": "quiet" if i % 2 else "loud"},
                cluster=f"c{i % 8}",
            )

    def size(self, data: object) -> int:
        return self.options.n

    def data_fingerprint(self, data: object) -> str:
        return f"world-{self.options.n}"

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        return (Question("voicebench/open", {"heard": evidence.transcript, "id": sample.id}),)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        from fac_eval.metrics.alignment import edit_counts

        counts = edit_counts(sample.reference.split(), (evidence.transcript or "").split())
        parts = {
            "errors": float(counts.errors),
            "words": float(counts.reference_tokens),
            "liked": float(evidence.verdicts[0].reply[-1]),
        }
        return Score(
            counts.errors / counts.reference_tokens, parts=parts, evidence={"heard": evidence.transcript}
        )


class Speaker(Model):
    """Says what it is asked to, leaving out every `skips`-th word and failing at every `fails`-th request."""

    def __init__(self, name: str, *, skips: int = 0, fails: int = 0, slow: float = 0.4) -> None:
        self.name, self.skips, self.fails, self.slow = name, skips, fails, slow
        self.capabilities = Capabilities(outputs=frozenset({"text", "speech"}), batch_size=4)

    @property
    def fingerprint(self) -> str:
        return f"{self.name}/{self.skips}"

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if self.fails and request.seed % self.fails == 0:
            return Response.failed("model_error", "the speaker lost its voice", raw="HTTP 500")
        words = request.messages[-1].text.removeprefix("Say: ").split()
        kept = [word for i, word in enumerate(words) if not self.skips or (i + 1) % self.skips]
        first = self.slow * (1 + request.seed % 7 / 7)
        return Response(
            text=" ".join(kept),
            speech=tone(
                150 + request.seed % 200 + len(self.name),
                1 + SENTENCES.index(" ".join(words)) / 10 + (0.04 if self.skips and request.seed % 2 else 0),
            ),
            finish_reason="stop",
            usage=Usage(input_tokens=80, output_tokens=len(kept), cost=0.0004),
            timings=Timings(total=3 * first, first_token=first / 2, first_audio=first),
            details={"served": self.name},
        )


class Ears(Transcriber):
    """Knows a sentence by the length of its tone, and mishears a word of it."""

    name = "ears"
    fingerprint = "ears/1"

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        return [self._heard(clip.seconds, int(clip.key[-6:], 16)) for clip in clips]

    @staticmethod
    def _heard(seconds: float, chance: int) -> str:
        words = SENTENCES[int((seconds - 1) * 10 + 0.1)].split()
        mumbled = seconds * 100 % 10 > 2
        if chance % 3 or mumbled:
            words[chance % len(words)] = "something" if chance % 2 else ""
        return " ".join(words[:-2] if mumbled else words)


class Meter(QualityMeter):
    """A made-up opinion score."""

    name = "meter"
    fingerprint = "meter/1"

    def measure(self, clips: Sequence[Audio]) -> list[Mapping[str, float]]:
        return [{"utmos": 3 + int(clip.key, 16) % 100 / 100} for clip in clips]


class Liker(Judge):
    """Gives one to five points."""

    name = "liker"
    fingerprint = "liker/1"

    async def judge(self, question: Question) -> Verdict:
        if question.inputs["id"].endswith("7"):
            return Verdict(error=Failure("judge_error", "the judge had no opinion"))
        points = 1 + len(str(question.inputs["heard"])) % 5
        return Verdict(
            f"It is well said.\n\nPoints: {points}", question.rubric, usage=Usage(300, 12, cost=0.001)
        )


def make_world(folder: Path) -> str:
    """A store with a run of sample data, and one of speech; returns the folder."""
    store = str(folder / "store")
    fac_eval.run(
        ["oracle", "random"],
        ["voicebench/ifeval", "speech_fc"],
        data="sample",
        store=store,
        progress=False,
    )
    fac_eval.run(
        [Speaker("speaker-8b", skips=5), Speaker("speaker-30b", fails=9, slow=0.9)],
        Spoken(),
        transcriber=Ears(),
        quality=Meter(),
        judge=Liker(),
        store=store,
        progress=False,
    )
    return store


def calls(*pairs: tuple[str, str]) -> tuple[ToolCall, ...]:
    """Tool calls from names and JSON arguments."""
    return tuple(ToolCall(name, arguments) for name, arguments in pairs)


def rows_of(chunk: Any) -> Any:
    """What a chunk of the site holds."""
    from fac_eval.reports.site.chunks import unpacked

    return unpacked(chunk)[1]
