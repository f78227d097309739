"""A store to make pages of: two models on a task of spoken questions that a judge decides, all of it made up."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fac_eval import Capabilities, Model, Request, Response, Sample, Score, Task
from fac_eval.interfaces import Judge
from fac_eval.scores import Metric
from fac_eval.vocabulary import Evidence, Question, Timings, Usage, Verdict, user

_VOCABULARY = (
    "weather forecast mountain river question answer spoken model dialogue reason number town station "
    "evening morning because however therefore train music letter garden window bridge history science "
    "physics market price doctor hospital flight airport ticket recipe kitchen breakfast coffee language "
    "sentence word meaning "
)
_WORDS = _VOCABULARY.split()
_SUBJECTS = ("economics", "physics", "history", "biology", "law", "engineering", "health", "other")


def _text(seed: str, words: int) -> str:
    return " ".join(random.Random(seed).choices(_WORDS, k=words))


@dataclass(frozen=True, slots=True)
class Size:
    """How many questions there are."""

    n: int = 1000


class MadeUp(Task):
    """Questions of thirty words whose answers a judge decides."""

    name = "made_up"
    title = "Made-up questions"
    Options = Size
    options: Size
    needs = frozenset({"judge"})
    rubrics = ("voicebench/open",)
    metrics = (Metric("accuracy", main=True), Metric("words", of="words", scale=1, unit="words"))

    def samples(self, data: object) -> Iterator[Sample]:
        """The questions, each made from its number."""
        for i in range(self.options.n):
            yield Sample(
                id=f"made-up/{i:06d}",
                messages=(user(_text(f"q{i}", 30)),),
                reference=_text(f"a{i}", 8),
                metadata={"subject": _SUBJECTS[i % len(_SUBJECTS)], "speaker": f"speaker {i % 40}"},
            )

    def size(self, data: object) -> int:
        """As asked for."""
        return self.options.n

    def data_fingerprint(self, data: object) -> str:
        """The number says it all."""
        return f"made-up-{self.options.n}"

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """One question."""
        return (Question("voicebench/open", {"answer": response.text, "id": sample.id}),)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """What the judge said."""
        label = evidence.verdicts[0].reply.rsplit(maxsplit=1)[-1]
        words = float(len((response.text or "").split()))
        return Score(float(label == "yes"), label=label, parts={"words": words})


class MadeUpModel(Model):
    """Answers with some words, sooner or later."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.capabilities = Capabilities(batch_size=256)

    @property
    def fingerprint(self) -> str:
        """The name is all there is."""
        return f"{self.name}/1"

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """An answer of 25 words each."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        seed = f"{self.name}{request.messages[-1].text}"
        chance = random.Random(seed)
        if chance.random() < 0.01:
            return Response.failed("model_error", "the made-up model broke down")
        first = chance.lognormvariate(-1.5, 0.4)
        return Response(
            text=_text(seed, 25),
            finish_reason="stop",
            usage=Usage(input_tokens=120, output_tokens=33, cost=0.0001),
            timings=Timings(total=first + chance.lognormvariate(-0.5, 0.5), first_token=first),
        )


class MadeUpJudge(Judge):
    """Says yes or no, by the hash of what it is asked."""

    name = "made-up judge"
    fingerprint = "made-up/1"

    async def judge(self, question: Question) -> Verdict:
        """A few words, and the verdict."""
        right = random.Random(str(question.inputs)).random() < 0.7
        reply = f"{_text(str(question.inputs), 12)}. Verdict: {'yes' if right else 'no'}"
        return Verdict(reply, question.rubric, usage=Usage(200, 20, cost=0.0002))


def make_store(n: int, folder: str) -> int:
    """Run both models on `n` questions; returns how many answers were scored."""
    import fac_eval

    models = [MadeUpModel("made-up-8b"), MadeUpModel("made-up-30b")]
    done = fac_eval.run(models, MadeUp(Size(n)), judge=MadeUpJudge(), store=folder, progress=False)
    return done.counts.scored


def write_pages(store: str, folder: str) -> tuple[int, int]:
    """Write the site over a store; returns its files and their bytes."""
    from fac_eval.reports.runs import find_runs
    from fac_eval.reports.site.export import write_site

    write_site(find_runs([], store), folder)
    sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
