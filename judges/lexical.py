"""The `lexical` judge: decides by rules whether an answer gives the reference. It understands nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from string import ascii_uppercase

from fac_eval.errors import UsageError
from fac_eval.interfaces import Judge
from fac_eval.metrics.generic import MAX_CHOICES, chosen_letter, folded, is_contained, letters
from fac_eval.resolve import find_rubric
from fac_eval.rubric import Rubric
from fac_eval.vocabulary import Failure, Question, Verdict

REVISION = 1
"""Raised whenever a decision changes."""

_ARTICLES = frozenset({"a", "an", "the"})
_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_POWERS = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_NUMERAL = re.compile(r"-?\d*\.?\d+\Z")
# Texts that no answer holds: they stand for options whose wording is not known.
_UNKNOWN_OPTIONS = tuple(chr(0xE000 + number) for number in range(MAX_CHOICES))


class LexicalJudge(Judge):
    """Decides without a model: by the chosen letter, or by the reference standing in the answer.

    A denial ("it is not Paris") is taken for the answer that it denies, and another wording for a wrong answer.
    """

    name = "lexical"
    concurrency = 64

    @property
    def fingerprint(self) -> str:
        """The rules' revision."""
        return f"lexical/{REVISION}"

    def check(self, rubric: Rubric) -> None:
        """Raise for a rubric that no rule can decide."""
        if not rubric.decisions:
            raise UsageError(
                f"the judge 'lexical' cannot decide {rubric.name}: it is open-ended, and rules would only guess",
                remedy="Use a model: --judge openai:model=... or, without a key, --judge transformers:path=...",
            )

    def identity(self, rubric: Rubric) -> Mapping[str, object]:
        """The rules, and the replies that they are put into."""
        return {"judge": self.fingerprint, "prompt": "rules", "decisions": dict(rubric.decisions)}

    async def judge(self, question: Question) -> Verdict:
        """Right or wrong, in the words that the rubric's readers expect."""
        rubric = find_rubric(question.rubric)
        self.check(rubric)
        reference = str(question.inputs.get(rubric.reference, ""))
        answer = str(question.inputs.get(rubric.answer, ""))
        if not reference.strip():
            error = Failure("judge_error", "there is no reference to compare with")
            return Verdict(rubric=rubric.name, prompt="rules", error=error)
        right = gives(answer, reference, str(question.inputs.get("question", "")))
        return Verdict(rubric.decisions["right" if right else "wrong"], rubric=rubric.name, prompt="rules")


def gives(answer: str, reference: str, question: str = "") -> bool:
    """Whether an answer gives the reference: its letter where the question has options, else one of its wordings.

    >>> gives("It was the Beatles.", "['Beatles', 'Fab Four']"), gives("twenty-one", "21"), gives("B", "A")
    (True, True, False)
    """
    wanted, choices = reference.strip(), options(question)
    if len(wanted) == 1 and wanted.upper() in ascii_uppercase:
        listed = choices if wanted.upper() in letters(choices) else _UNKNOWN_OPTIONS
        return chosen_letter(answer, listed) == wanted.upper()
    if wanted in choices:
        return chosen_letter(answer, choices) == letters(choices)[choices.index(wanted)]
    return is_contained(plain_words(answer), [plain_words(wording) for wording in wordings(reference)])


def wordings(reference: str) -> list[str]:
    """The alternatives of a reference: a list as Python writes it, or parts between semicolons."""
    if reference.lstrip().startswith("["):
        try:
            listed = ast.literal_eval(reference.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            listed = None
        if isinstance(listed, list):
            return [str(wording) for wording in listed]
    return [part.strip() for part in reference.split(";") if part.strip()]


def options(question: str) -> list[str]:
    """The texts of the options A, B, ... that a question lists in this order; none if it lists fewer than two.

    >>> options("Which one? A. a dog, B. a cat")
    ['a dog', 'a cat']
    """
    marks: list[re.Match[str]] = []
    for letter in ascii_uppercase:
        after = marks[-1].end() if marks else 0
        mark = re.compile(rf"(?<![\w'])\(?{letter}[.):]\s+").search(question, after)
        if mark is None:
            break
        marks.append(mark)
    if len(marks) < 2:
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(question)]
    return [question[mark.end() : end].strip().strip(",;") for mark, end in zip(marks, ends, strict=True)]


def plain_words(text: str) -> str:
    """Folded words without articles, numbers as digits.

    >>> plain_words("The twenty-first of one thousand and five: 3.50")
    '20 first of 1005 3.5'
    """
    words = folded(text).split()
    kept = [word for word in words if word not in _ARTICLES] or words
    return " ".join(_with_digits(kept))


def _with_digits(words: list[str]) -> Iterator[str]:
    start = 0
    while start < len(words):
        value, length = _number(words[start:])
        yield _canonical(words[start]) if value is None else str(value)
        start += length


def _number(words: list[str]) -> tuple[int | None, int]:
    """The number that a list begins with in words, and how many words it takes; None and 1 if there is none."""
    total, group, length = 0, None, 0
    for place, word in enumerate(words):
        if word in _SMALL:
            value = _SMALL[word]
            if group is not None and not _adds(group, value):
                break
            group = (group or 0) + value
        elif word in _POWERS and group is not None:
            group *= _POWERS[word]
            if word != "hundred":
                total, group = total + group, 0
        elif word == "and" and group is not None and words[place - 1] in _POWERS:
            continue
        else:
            break
        length = place + 1
    return (None, 1) if length == 0 or group is None else (total + group, length)


def _adds(group: int, value: int) -> bool:
    """Whether a small number goes on with the one before it: twenty + one, hundred + five, but not one + two."""
    rest = group % 100
    return rest == 0 if value >= 10 or rest < 20 else rest % 10 == 0


def _canonical(word: str) -> str:
    if not _NUMERAL.match(word):
        return word
    try:
        number = Decimal(word)
    except InvalidOperation:
        return word
    return format(number.normalize() if number else Decimal(0), "f")
