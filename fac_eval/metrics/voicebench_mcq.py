"""VoiceBench multiple choice (MMSU, OpenBookQA): the letter that a reply names, by phrase templates."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.voicebench_tables import require_text, tables

Choice = Literal["A", "B", "C", "D"]
Templates = Literal["official", "kimi_vb_mcq", "ultraeval"]
"""Whose template list is used; `kimi_vb_mcq` is the same as `official`."""

CHOICES: tuple[Choice, ...] = ("A", "B", "C", "D")
_SLOT = "[CHOICE]"
_MODE_MARKERS = ("<1>", "<2>", "<3>")
_ENDINGS = (".", ",", ":", ")")
# Kept from VoiceBench src/evaluator/mcq.py step 4; every text that holds one already matched a template.
_LAST_RESORT = (
    "would be a.",
    'would be "a.',
    "the best option from the given choices would be a scorpion (a)",
)
# Characters that tell most templates apart. A template whose marks do not all occur cannot match.
_MARKS = tuple("*\"'\\\n(:.,")


@dataclass(frozen=True, slots=True)
class _Template:
    anchor: str
    """The longer of the two parts around the letter: nothing matches where it is absent."""
    needles: tuple[tuple[str, Choice], ...]
    marks: frozenset[str]
    is_ascii: bool


@dataclass(frozen=True, slots=True)
class McqScore:
    """Counts over a set of items; the rates are percentages."""

    total: int
    unparsed: int
    """Items in which no rule found a letter."""
    correct_parsed: int
    correct_drawn: int = 0
    """Unparsed items whose randomly drawn letter happened to be right (official fallback)."""
    seed: int | None = None

    @property
    def correct(self) -> int:
        """Right answers, lucky draws included."""
        return self.correct_parsed + self.correct_drawn

    @property
    def accuracy(self) -> float:
        """What the scorer reports, lucky draws included."""
        return 100 * self.correct / self.total

    @property
    def strict_accuracy(self) -> float:
        """Accuracy with every unparsed item counted as wrong."""
        return 100 * self.correct_parsed / self.total

    @property
    def fail(self) -> float:
        """Share of items in which no rule found a letter."""
        return 100 * self.unparsed / self.total


def extract_choice(response: str, *, templates: Templates = "official") -> Choice | None:
    """The letter that `response` names, or None when no rule fires.

    Earlier templates win over earlier positions, and within one template A wins over B, C and D.

    >>> extract_choice("Neither A. nor B. but C.")
    'A'
    """
    text = require_text(response, "response").lower()
    if text.startswith(_MODE_MARKERS):
        text = text[3:].strip()
    marks = tuple([mark for mark in _MARKS if mark in text])
    for template in _possible(templates, marks, text.isascii()):
        if template.anchor in text:
            for needle, choice in template.needles:
                if needle in text:
                    return choice
    return _bare_letter(text)


def extract_choices(responses: Iterable[str], *, templates: Templates = "official") -> list[Choice | None]:
    """`extract_choice` for many replies, in order."""
    return [extract_choice(response, templates=templates) for response in responses]


def official_score(choices: Sequence[Choice | None], references: Sequence[str], *, seed: int) -> McqScore:
    """Score extracted letters as VoiceBench does: each unparsed item draws a random letter.

    The draws follow `random.seed(seed)` and one `random.choice` per unparsed item, in item order.
    A reference in lower case never equals a letter. Raises DataError on an empty set.
    """
    generator = random.Random(seed)
    parsed = drawn = unparsed = 0
    for choice, reference in _pairs(choices, references):
        if choice is None:
            unparsed += 1
            drawn += generator.choice(CHOICES) == reference
        else:
            parsed += choice == reference
    return McqScore(len(choices), unparsed, parsed, drawn, seed)


def ultraeval_score(choices: Sequence[Choice | None], references: Sequence[str]) -> McqScore:
    """Score extracted letters as UltraEval-Audio does: unparsed is wrong, case does not matter."""
    pairs = _pairs(choices, references)
    unparsed = sum(choice is None for choice in choices)
    correct = sum(choice is not None and choice.lower() == reference.lower() for choice, reference in pairs)
    return McqScore(len(choices), unparsed, correct)


def _bare_letter(text: str) -> Choice | None:
    for choice in CHOICES:
        letter = choice.lower()
        if text == letter or (text.startswith(letter) and text[1:2] in _ENDINGS):
            return choice
    return "A" if any(phrase in text for phrase in _LAST_RESORT) else None


@functools.cache
def _possible(templates: Templates, marks: tuple[str, ...], is_ascii: bool) -> tuple[_Template, ...]:
    # At most 2 ** 10 keys: the marks that a text holds, and whether it is ASCII.
    return tuple(
        template
        for template in _compiled(templates)
        if template.marks.issubset(marks) and (template.is_ascii or not is_ascii)
    )


@functools.cache
def _compiled(templates: Templates) -> tuple[_Template, ...]:
    return tuple(map(_compile, template_phrases(templates)))


def _compile(phrase: str) -> _Template:
    before, _, after = phrase.partition(_SLOT)
    return _Template(
        anchor=max(before, after, key=len),
        needles=tuple((phrase.replace(_SLOT, choice.lower()), choice) for choice in CHOICES),
        marks=frozenset(phrase.replace(_SLOT, "")).intersection(_MARKS),
        is_ascii=phrase.isascii(),
    )


def template_phrases(templates: Templates) -> list[str]:
    """The phrases of a template list, in the order in which they are tried."""
    phrases = cast("list[str]", tables()["mcq_templates"])
    if templates in ("official", "kimi_vb_mcq"):
        return list(phrases)
    if templates != "ultraeval":
        raise UsageError(f"unknown MCQ templates {templates!r}: official, kimi_vb_mcq or ultraeval")
    change = tables()["mcq_templates_ultraeval"]
    phrases = [phrase for phrase in phrases if phrase not in change["remove"]]
    for index, phrase in change["insert"]:
        phrases.insert(index, phrase)
    return phrases


def _pairs(choices: Sequence[Choice | None], references: Sequence[str]) -> list[tuple[Choice | None, str]]:
    if not choices:
        raise DataError("there is no item to score: an accuracy over an empty set does not exist")
    if len(choices) != len(references):
        raise DataError(f"{len(choices)} choices but {len(references)} references")
    return [
        (choice, require_text(reference, "MCQ reference"))
        for choice, reference in zip(choices, references, strict=True)
    ]
