"""VoiceBench BBH: yes/no and (A)/(B) answers read from a reply by ordered rules."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.voicebench_tables import require_text, tables

BbhTask = Literal["sports_understanding", "hyperbaton", "navigate", "web_of_lies"]
BBH_TASKS: tuple[BbhTask, ...] = get_args(BbhTask)
"""In the order in which an item's id is searched for them."""

_MODE_MARKERS = ("<1>", "<2>", "<3>")
_BLANKED = re.compile(r'\*\*|[:"\-,.\uff1a]')
_REFERENCES = {"yes": 1, "no": 0, "(a)": 0, "(b)": 1}
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "==": lambda text, phrase: text == phrase,
    "in": lambda text, phrase: phrase in text,
    "start": lambda text, phrase: text.startswith(phrase),
    "end": lambda text, phrase: text.endswith(phrase),
    "re": lambda text, phrase: re.search(phrase, text) is not None,
}


@dataclass(frozen=True, slots=True)
class BbhAnswer:
    """What a reply answers: 0 for no or (A), 1 for yes or (B), None when no rule fires."""

    value: int | None
    rule: str | None = None
    """The phrase or pattern that decided."""


@dataclass(frozen=True, slots=True)
class BbhScore:
    """Counts over a set of items; the rates are percentages."""

    total: int
    unparsed: int
    correct_parsed: int
    correct_drawn: int
    """Unparsed items whose randomly drawn answer happened to be right (official fallback)."""
    seed: int

    @property
    def accuracy(self) -> float:
        """What VoiceBench reports, lucky draws included."""
        return 100 * (self.correct_parsed + self.correct_drawn) / self.total

    @property
    def strict_accuracy(self) -> float:
        """Accuracy with every unparsed item counted as wrong."""
        return 100 * self.correct_parsed / self.total

    @property
    def fail(self) -> float:
        """Share of items in which no rule fired."""
        return 100 * self.unparsed / self.total


@dataclass(frozen=True, slots=True)
class _Rule:
    test: Callable[[str, str], bool]
    phrase: str
    value: int


def bbh_task(sample_id: str) -> BbhTask:
    """The task that an item belongs to, from its id. Raises DataError for any other task."""
    for task in BBH_TASKS:
        if task in require_text(sample_id, "BBH item id"):
            return task
    raise DataError(f"BBH item id {sample_id!r} names none of {', '.join(BBH_TASKS)}")


def normalise(response: str) -> str:
    """The text that the rules see: lower case, markers dropped, some punctuation blanked."""
    text = require_text(response, "response").lower()
    if text.endswith("<|user|>"):
        text = text.removesuffix("<|user|>").strip()
    if text.startswith(_MODE_MARKERS):
        text = text[3:].strip()
    return " ".join(_BLANKED.sub(" ", text.replace("<|turn_end|>", "")).split())


def bbh_answer(response: str, *, task: BbhTask) -> BbhAnswer:
    """Read the answer of one reply: the first rule that fires decides."""
    text = normalise(response)
    for rule in _rules(task):
        if rule.test(text, rule.phrase):
            return BbhAnswer(rule.value, rule.phrase)
    return BbhAnswer(None)


def reference_value(reference: str) -> int:
    """Yes and (B) as 1, no and (A) as 0, in any case; DataError for anything else."""
    value = _REFERENCES.get(require_text(reference, "BBH reference").lower())
    if value is None:
        raise DataError(f"BBH reference {reference!r} is none of yes, no, (A), (B)")
    return value


def bbh_score(answers: Sequence[BbhAnswer], references: Sequence[str], *, seed: int) -> BbhScore:
    """Score answers as VoiceBench does: each unparsed item draws 0 or 1 at random, seeded here.

    The draws follow `random.seed(seed)` and one `random.choice([0, 1])` per unparsed item, in item order.
    """
    if not answers:
        raise DataError("there is no item to score: an accuracy over an empty set does not exist")
    if len(answers) != len(references):
        raise DataError(f"{len(answers)} answers but {len(references)} references")
    generator = random.Random(seed)
    parsed = drawn = unparsed = 0
    for answer, reference in zip(answers, references, strict=True):
        wanted = reference_value(reference)
        if answer.value is None:
            unparsed += 1
            drawn += generator.choice((0, 1)) == wanted
        else:
            parsed += answer.value == wanted
    return BbhScore(len(answers), unparsed, parsed, drawn, seed)


@functools.cache
def _rules(task: BbhTask) -> tuple[_Rule, ...]:
    if task not in BBH_TASKS:
        raise UsageError(f"unknown BBH task {task!r}: {', '.join(BBH_TASKS)}")
    table = tables()["bbh"]
    # Only the yes/no tasks share the common list, and try it before their own.
    rows = table[task] if task == "hyperbaton" else table["yes_no_common"] + table[task]
    return tuple(_Rule(_TESTS[kind], phrase, value) for kind, phrase, value in rows)
