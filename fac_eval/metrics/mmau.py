"""MMAU: whether a reply names the right option, by the words it shares with the options, and the accuracies."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal, get_args

from fac_eval.errors import DataError, UnknownName, UsageError
from fac_eval.metrics.voicebench_tables import require_text

Match = Literal["official", "official_prefixed", "option_resolved"]
"""`official`: the bare option texts. `official_prefixed`: options and answer as "(B) text", which is how the hub
copy of the data has them. `option_resolved`: a reply that opens with an option's letter stands for that option."""

TASKS = ("sound", "music", "speech")
DIFFICULTIES = ("easy", "hard", "medium")

_WORD = re.compile(r"\b\w+\b")
_PREFIX = re.compile(r"^\([A-Z]\)\s*")
_OPENING = re.compile(r"^[\s*\"']+")
_LETTERS = (re.compile(r"^\(([A-Z])\)"), re.compile(r"^([A-Z])[.:)]"), re.compile(r"^([A-Z])[\W_]*$"))


@dataclass(frozen=True, slots=True)
class MmauItem:
    """A scored item and the groups that it counts in."""

    task: str
    difficulty: str
    sub_category: str | None
    """None where the data names none: the item then stands in no sub-category."""
    correct: bool


@dataclass(slots=True)
class Count:
    """Items and right answers of a group."""

    total: int = 0
    correct: int = 0

    def add(self, correct: bool) -> None:
        """Count one item."""
        self.total += 1
        self.correct += correct

    @property
    def accuracy(self) -> float | None:
        """Percentage; None for an empty group, for which official code prints 0.00."""
        return 100 * self.correct / self.total if self.total else None

    @property
    def printed(self) -> str:
        """The percentage as official code prints it."""
        return f"{self.accuracy or 0.0:.2f}"


@dataclass(frozen=True, slots=True)
class MmauScore:
    """Accuracies over a set of items."""

    total: Count
    task: Mapping[str, Count]
    difficulty: Mapping[str, Count]
    sub_category: Mapping[str, Count]

    @property
    def macro(self) -> float | None:
        """The mean of the three domains' accuracies; None unless each of them has items."""
        accuracies = [count.accuracy for count in self.task.values()]
        present = [accuracy for accuracy in accuracies if accuracy is not None]
        return sum(present) / len(present) if len(present) == len(accuracies) else None


def bare_option(text: str) -> str:
    """An option or answer of the hub copy without its "(B) "."""
    return _PREFIX.sub("", require_text(text, "option"))


def string_match(answer: str, prediction: str, choices: Iterable[str]) -> bool:
    """Sakshi113/MMAU evaluation.py: the reply holds every word of the answer and none that only a wrong option has.

    An option with the same set of words as the answer counts as the answer. A reply without words is wrong.

    >>> string_match("Dog barking", "a DOG is Barking!", ["Dog barking", "Cat meowing"])
    True
    """
    said = _words(prediction, "reply")
    wanted = _words(answer, "answer")
    if not said:
        return False
    others = [words for choice in choices if (words := _words(choice, "option")) != wanted]
    return wanted <= said and said.isdisjoint(set().union(*others) - wanted)


def is_match(prediction: str, *, answer: str, choices: Sequence[str], match: Match = "official") -> bool:
    """Whether a reply is right. Answer and choices are bare texts (see `bare_option`).

    Raises DataError if a prefixed answer is asked for and the answer is no option.
    """
    if match == "official":
        return string_match(answer, prediction, choices)
    if match == "official_prefixed":
        return _prefixed_match(answer, prediction, choices)
    if match != "option_resolved":
        raise UsageError(f"unknown MMAU match {match!r}: {', '.join(get_args(Match))}")
    option = opening_option(prediction, choices)
    return string_match(answer, prediction if option is None else option, choices)


def opening_option(prediction: str, choices: Sequence[str]) -> str | None:
    """The option whose letter a reply opens with, or None: "(B) text", "B. text", "B" and the like.

    A capital before a blank is no letter, since "A dog" starts with the article.
    """
    text = _OPENING.sub("", require_text(prediction, "reply")).rstrip()
    for pattern in _LETTERS:
        if found := pattern.match(text):
            index = ascii_uppercase.index(found[1])
            return choices[index] if index < len(choices) else None
    return None


def mmau_score(items: Iterable[MmauItem]) -> MmauScore:
    """Accuracies in total, by task, difficulty and sub-category. Raises DataError on an empty set.

    Official code leaves items without a reply out; give a failed one as wrong for the figure over all items.
    """
    total = Count()
    task = {name: Count() for name in TASKS}
    difficulty = {name: Count() for name in DIFFICULTIES}
    sub_category: dict[str, Count] = defaultdict(Count)
    for item in items:
        if item.task not in task:
            raise UnknownName("MMAU task", item.task, TASKS)
        if item.difficulty not in difficulty:
            raise UnknownName("MMAU difficulty", item.difficulty, DIFFICULTIES)
        total.add(item.correct)
        task[item.task].add(item.correct)
        difficulty[item.difficulty].add(item.correct)
        if item.sub_category is not None:
            sub_category[item.sub_category].add(item.correct)
    if not total.total:
        raise DataError("there is no item to score: an accuracy over an empty set does not exist")
    return MmauScore(total, task, difficulty, dict(sub_category))


def _words(text: str, what: str) -> set[str]:
    return set(_WORD.findall(require_text(text, what).lower()))


def _prefixed_match(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    prefixed = [f"({letter}) {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)]
    answers = [text for text, choice in zip(prefixed, choices, strict=False) if choice == answer]
    if not answers:
        raise DataError(f"the answer {answer!r} is none of the options {list(choices)!r}")
    # Some items list a text twice: either letter is right.
    return any(string_match(text, prediction, prefixed) for text in answers)
