"""A judged task whose right answers are known, and judges that say what is on their script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fac_eval import Judge, Response, Sample, Score, Settings
from fac_eval.errors import UnreadableReply
from fac_eval.interfaces import BatchJudge
from fac_eval.rubric import Rubric
from fac_eval.vocabulary import Evidence, Question, Usage, Verdict
from tests.support.toys import ToyOptions, ToyTask

RATE = Rubric("toy/rate", own="Rate this answer: {answer}", settings=Settings(max_tokens=8))
VOTE = Rubric("toy/vote", own="Is {answer} right?", settings=Settings(max_tokens=2))
RUBRICS = (RATE, VOTE)
ENTRIES = {"toy": "tests.support.judges:RUBRICS"}
"""What to install in the group of rubrics."""


@dataclass(frozen=True, slots=True)
class JudgedOptions(ToyOptions):
    """Options of the judged task."""

    draws: int = 2
    ask: Literal["rate", "vote"] = "rate"
    invalid: Literal["official", "count_wrong"] = "official"


class JudgedTask(ToyTask):
    """The score is the mean of the numbers that the judge says; other words cannot be read."""

    name = "judged"
    Options = JudgedOptions
    options: JudgedOptions
    needs = frozenset({"judge"})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.rubrics = (f"toy/{self.options.ask}",)
        self.judge_calls = self.options.draws

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        (rubric,) = self.rubrics
        return [Question(rubric, {"answer": response.text}, draw=draw) for draw in range(self.options.draws)]

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        values = []
        for verdict in evidence.verdicts:
            if not verdict.reply.isdigit():
                if self.options.invalid == "count_wrong":
                    return Score(0.0, "invalid")
                raise UnreadableReply(verdict.reply)
            values.append(float(verdict.reply))
        return Score(sum(values) / len(values))


class Critic(Judge):
    """Says 5 to everything, or what `say` makes of a question, and remembers what it was asked."""

    name = "critic"
    fingerprint = "critic/1"

    def __init__(
        self, say: Callable[[Question], str | Verdict] | None = None, *, prompt: str = "own"
    ) -> None:
        self.say = say or (lambda question: "5")
        self.prompt = prompt
        self.asked: list[Question] = []
        self.running = 0
        self.most = 0
        self.closed = 0

    def identity(self, rubric: Rubric) -> Mapping[str, object]:
        return {"judge": self.fingerprint, "prompt": self.prompt, "text": rubric.own}

    async def judge(self, question: Question) -> Verdict:
        self.asked.append(question)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        return self.verdict(question)

    def verdict(self, question: Question) -> Verdict:
        said = self.say(question)
        return said if isinstance(said, Verdict) else Verdict(said, prompt=self.prompt)

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def answers(self) -> list[str]:
        """What it was asked about, in order."""
        return [question.inputs["answer"] for question in self.asked]


class BatchCritic(Critic, BatchJudge):
    """Takes batches, and has one done when it has been asked for it `patience` times."""

    poll_seconds = 0.0

    def __init__(self, *rest: Any, patience: int = 1, max_questions: int = 10_000, **more: Any) -> None:
        super().__init__(*rest, **more)
        self.patience = patience
        self.max_questions = max_questions
        self.batches: dict[str, dict[str, Question]] = {}
        self.polls: dict[str, int] = {}
        self.on_collect: Callable[[str], None] | None = None

    async def submit(self, questions: Sequence[tuple[str, Question]]) -> str:
        batch = f"batch-{len(self.batches) + 1}"
        self.batches[batch] = dict(questions)
        return batch

    async def collect(self, batch: str) -> Mapping[str, Verdict] | None:
        if self.on_collect is not None:
            self.on_collect(batch)
        self.polls[batch] = self.polls.get(batch, 0) + 1
        if self.polls[batch] <= self.patience:
            return None
        return {key: self.verdict(question) for key, question in self.batches[batch].items()}


def costing(reply: str, dollars: float) -> Verdict:
    """A verdict that was paid for."""
    return Verdict(reply, usage=Usage(10, 1, cost=dollars))


def numbers(n: int) -> Iterator[str]:
    """The answers to the first samples of a toy task."""
    return (str(i) for i in range(n))
