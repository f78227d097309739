"""A judge that is a model behind the engine's generate API: a rubric's prompt in, the reply out, unread."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable, Mapping

from fac_eval.codec import content_key, plain
from fac_eval.errors import UsageError
from fac_eval.interfaces import Capabilities, Judge
from fac_eval.resolve import find_rubric
from fac_eval.rubric import Rubric
from fac_eval.vocabulary import (
    Failure,
    FailureKind,
    Question,
    Request,
    Response,
    Usage,
    Verdict,
    system,
    user,
)

from .prompts import Prompt, PromptChoice, choose

_ASK_AGAIN: FailureKind = "refused"
"""What another seed may help against. Whatever else goes wrong has been tried again by the model itself."""


class ModelJudge(Judge):
    """Puts a rubric's questions to a model."""

    capabilities: Capabilities

    def __init__(self, prompts: PromptChoice = "auto") -> None:
        self._choice = prompts
        self._prompts: dict[str, Prompt] = {}

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """What the model says."""

    def check(self, rubric: Rubric) -> None:
        """Raise if the rubric's prompt cannot be had, or its clips cannot be heard."""
        self.prompt(rubric)
        if rubric.hears and "audio" not in self.capabilities.inputs:
            raise UsageError(
                f"the judge {self.name!r} takes no audio, and {rubric.name} is about what is heard",
                remedy="Use a judge that hears, such as --judge openai:model=gpt-audio.",
            )

    def identity(self, rubric: Rubric) -> Mapping[str, object]:
        """The model, the prompt, and how the model is asked."""
        return {
            "judge": self.fingerprint,
            **self.prompt(rubric).identity,
            "system": rubric.system,
            "settings": plain(rubric.settings),
            "attempts": rubric.attempts,
        }

    def prompt(self, rubric: Rubric) -> Prompt:
        """The wording that the rubric is asked in, settled once for the life of this judge."""
        found = self._prompts.get(rubric.name)
        if found is None:
            found = self._prompts[rubric.name] = choose(rubric, self._choice)
        return found

    def request(self, question: Question, attempt: int = 1) -> Request:
        """The call that a question amounts to: the text first, then its clips in order."""
        rubric = find_rubric(question.rubric)
        text = self.prompt(rubric).render(question.inputs)
        asked = user(text, *question.audio)
        return Request(
            messages=(asked,) if rubric.system is None else (system(rubric.system), asked),
            settings=rubric.settings,
            seed=_seed(question, attempt),
        )

    async def judge(self, question: Question) -> Verdict:
        """Ask, and ask again where the protocol does so for a reply that cannot be read."""
        rubric = find_rubric(question.rubric)
        spent: list[Usage] = []
        while True:
            response = await self.answer(self.request(question, len(spent) + 1))
            spent.append(response.usage)
            last = len(spent) >= rubric.attempts
            if response.error is not None:
                settled = response.error.kind != _ASK_AGAIN
            else:
                settled = rubric.accept is None or rubric.accept(response.text or "")
            if settled or last:
                return self.verdict(rubric, response, spent)

    def verdict(self, rubric: Rubric, response: Response, spent: Iterable[Usage]) -> Verdict:
        """A reply as it came, or why there is none. An empty one is none: nobody could read it later."""
        verdict = Verdict(
            reply=response.text or "",
            rubric=rubric.name,
            prompt=self.prompt(rubric).source,
            usage=total_usage(spent),
        )
        if response.error is not None:
            return dataclasses.replace(verdict, reply="", error=failure_of(response.error))
        if not verdict.reply.strip():
            reason = f", finish reason {response.finish_reason}" if response.finish_reason else ""
            failure = Failure("judge_error", f"the judge's reply is empty{reason}", verdict.reply)
            return dataclasses.replace(verdict, reply="", error=failure)
        return verdict


def failure_of(cause: Failure) -> Failure:
    """The judge's failure for that of its model: what kind it was stays in the message."""
    return Failure("judge_error", f"{cause.kind}: {cause.message}", cause.raw)


def total_usage(usages: Iterable[Usage]) -> Usage:
    """The sum of several calls, of each figure that is known of any."""
    known = list(usages)
    sums: dict[str, int | float | None] = {}
    for figure in dataclasses.fields(Usage):
        values = [value for usage in known if (value := getattr(usage, figure.name)) is not None]
        sums[figure.name] = sum(values) if values else None
    return Usage(**sums)  # type: ignore[arg-type]


def _seed(question: Question, attempt: int) -> int:
    """Another one for each draw and attempt, the same for the same question in every run."""
    return int.from_bytes(content_key("judge seed", plain(question), attempt)[:4], "little")
