"""A chat server that plays the judge: it knows our own rubrics by their wording, and misbehaves on demand.

    with JudgeServer() as server:
        ...                                         # --judge openai:model=judge,base_url=<server.base_url>
        assert server.counts["voicebench/open"] == 3
        server.replies["voicebench/open"] = "4"     # or a function of the inputs, or an action
        server.misbehave("rate_limited", times=5)

As a script it serves until its standard input closes: `python -m tests.support.judge_server --mode nonsense`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from string import Formatter
from typing import Any

from fac_eval.judges.lexical import gives
from fac_eval.rubric import Rubric
from tests.support.batch_desk import BatchDesk
from tests.support.chat_server import (
    Action,
    Answer,
    ChatServer,
    Hang,
    no_quota,
    rate_limited,
    trouble,
    truncated,
)

Inputs = Mapping[str, str]
Reply = str | Action | Callable[[Inputs], str | Action]

BENCHMARKS = ("voicebench", "openaudiobench", "mmau", "mmau_pro", "ultraeval_audio", "vstyle")
UNKNOWN = "unknown"

MISBEHAVIOURS: Mapping[str, Action] = {
    "nonsense": Answer("flurb zilp 17 & 3 wibble"),
    "empty": Answer(""),
    "wrong_language": Answer("回答得很好，我给四分。"),
    "refusal": Answer(None, refusal="I'm sorry, but I can't help with that."),
    "rate_limited": rate_limited(0),
    "server_error": trouble(500, "The server had an error"),
    "hang": Hang(),
    "truncated": truncated(),
    "no_quota": no_quota(),
    "no_model": trouble(404, "The model `judge` does not exist", code="model_not_found"),
}
"""Ten ways in which a judge lets one down."""

FORMS: Mapping[str, tuple[str, str]] = {
    "voicebench/open": ("5", "1"),
    "voicebench/qa": ("yes", "no"),
    "voicebench/mcq": ("The same.\nResult: yes", "Something else.\nResult: no"),
    "openaudiobench/alpaca_eval": ("Helpful. [[10]]", "Useless. [[1]]"),
    "openaudiobench/llama_questions": ("So the score is [Correct]", "So the score is [Incorrect]"),
    "openaudiobench/reasoning_qa": ("推理完整。[5]", "没有作答。[1]"),
    "openaudiobench/trivia_qa": (
        '{"analysis": "a match", "judgment": "correct"}',
        '{"analysis": "no match", "judgment": "incorrect"}',
    ),
    "mmau_pro/open": (
        "CORRECTNESS: 5 - a\nRELEVANCE: 5 - b\nCOMPLETENESS: 5 - c\nCLARITY: 5 - d\nOVERALL: 5.0 - e",
        "CORRECTNESS: 1 - a\nRELEVANCE: 1 - b\nCOMPLETENESS: 1 - c\nCLARITY: 1 - d\nOVERALL: 1.0 - e",
    ),
    "vstyle": ("All there, and natural.\nFinal score: [[5]]", "Wrong words.\nFinal score: [[1]]"),
}
"""What a judge says of an answer at its best and at its worst. Rubrics of one wording share the first one's name."""


@dataclass(frozen=True)
class Seen:
    """One question as it came."""

    rubric: str
    inputs: Inputs
    clips: int
    body: Mapping[str, Any]


class JudgeServer(ChatServer):
    """Replies to each rubric in its form: the best for an answer that gives the reference, or is one at all."""

    def __init__(self, *, latency: float = 0.0) -> None:
        super().__init__(latency=latency, models=("judge",))
        self.replies: dict[str, Reply] = {}
        self.seen: list[Seen] = []
        self.batches = BatchDesk(self._reply)
        self.desk = self.batches.handle
        self.answer = self._reply
        self._mode: str | None = None
        self._times: int | None = None

    @property
    def counts(self) -> Counter[str]:
        """Questions so far, by rubric, those that got a misbehaving answer included."""
        return Counter(seen.rubric for seen in self.seen)

    @property
    def spec(self) -> str:
        """What `--judge` takes."""
        return f"openai:model=judge,base_url={self.base_url}"

    def misbehave(self, mode: str | None, *, times: int | None = None) -> None:
        """From now on (for so many calls) answer in one of the `MISBEHAVIOURS`; None ends it."""
        assert mode is None or mode in MISBEHAVIOURS, mode
        self._mode, self._times = mode, times

    def _reply(self, body: dict[str, Any]) -> Action:
        seen = recognise(body)
        self.seen.append(seen)
        if self._mode is not None and self._times != 0:
            self._times = None if self._times is None else self._times - 1
            return MISBEHAVIOURS[self._mode]
        reply = self.replies.get(seen.rubric, fair(seen))
        said = reply(seen.inputs) if callable(reply) else reply
        return Answer(said) if isinstance(said, str) else said


def recognise(body: Mapping[str, Any]) -> Seen:
    """Which rubric a chat request asks by, and about what."""
    content = body["messages"][-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = parts[0].get("text", "")
    clips = sum(part["type"] == "input_audio" for part in parts)
    for name, pattern in PATTERNS.items():
        if found := pattern.fullmatch(text):
            return Seen(name, found.groupdict(), clips, body)
    return Seen(UNKNOWN, {}, clips, body)


def fair(seen: Seen) -> str:
    """The best reply for a right answer, the worst for a wrong one."""
    best, worst = FORMS.get(seen.rubric) or FORMS.get(seen.rubric.split("/")[0]) or ("ok", "ok")
    answer = seen.inputs.get("answer", "ok")
    reference = seen.inputs.get("reference")
    if reference is None:
        return best if answer.strip() else worst
    return best if gives(answer, reference, seen.inputs.get("question", "")) else worst


def all_rubrics() -> dict[str, Rubric]:
    """Our own rubrics by name."""
    modules = [import_module(f"fac_eval.judges.rubrics.{benchmark}") for benchmark in BENCHMARKS]
    return {rubric.name: rubric for module in modules for rubric in module.RUBRICS}


def _pattern(template: str) -> re.Pattern[str]:
    pieces = []
    for text, name, _, _ in Formatter().parse(template):
        pieces.append(re.escape(text))
        if name is not None:
            pieces.append(rf"(?P<{name}>.*)")
    return re.compile("".join(pieces), re.DOTALL)


PATTERNS = {name: _pattern(rubric.own) for name, rubric in all_rubrics().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Play the judge until standard input closes.")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--mode", choices=sorted(MISBEHAVIOURS), help="misbehave in this way")
    arguments = parser.parse_args()
    with JudgeServer(latency=arguments.latency) as server:
        server.misbehave(arguments.mode)
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
