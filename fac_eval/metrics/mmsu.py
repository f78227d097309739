"""MMSU: the option that a reply names, by three rules, and the accuracies over a set of items."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.mmau import Count

Match = Literal["official", "official_fixed", "option_resolved"]
"""`official`: an empty reply inherits the letter of the one before, and one without a letter leaves the
denominator, as in dingdongwang/MMSU_Bench mmsu_evaluation.py. `official_fixed`: the same letters, but both count as
wrong. `option_resolved`: "(B) text" and the option's text itself are read too."""

LETTERS = "ABCD"

_OPENING = re.compile(r"^[\s*\"']+")
_OPENING_LETTERS = (
    re.compile(r"^\(([A-D])\)"),
    re.compile(r"^([A-D])[.:)]"),
    re.compile(r"^([A-D])[\W_]*$"),
)
_BRACKETED = re.compile(r"\(([A-D])\)")
_OUTER_PUNCTUATION = re.compile(r"^[\W_]+|[\W_]+$")


@dataclass(frozen=True, slots=True)
class MmsuItem:
    """A reply, the four options by letter (None for an option that is not there), and the answer's text."""

    response: str | None
    choices: Sequence[str | None]
    answer: str | None
    category: str = ""
    sub_category: str = ""


@dataclass(frozen=True, slots=True)
class MmsuVerdict:
    """What was made of one reply."""

    correct: bool
    letter: str | None
    """The letter read or inherited; None where there is none, or where the option's text was matched."""
    counted: bool = True
    """False where the official scorer leaves the item out."""
    inherited: bool = False
    """The letter is that of an earlier reply."""


@dataclass(frozen=True, slots=True)
class MmsuScore:
    """Accuracies over a set of items; categories hold the counted items only."""

    items: int
    inherited: int
    counted: Count
    categories: Mapping[str, Count]
    sub_categories: Mapping[tuple[str, str], Count]
    """By category and sub-category."""

    @property
    def left_out(self) -> int:
        """Items that are not in the official denominator."""
        return self.items - self.counted.total

    @property
    def strict_accuracy(self) -> float:
        """Right answers of all items, what was left out counted as wrong, in percent."""
        return 100 * self.counted.correct / self.items


def official_letter(response: str) -> str | None:
    """The letter of a reply that is neither empty nor "None": its first character, or the last but one.

    >>> official_letter("B. yes"), official_letter("Answer: B"), official_letter("(B)text")
    ('B', 'A', None)
    """
    text = response.strip().replace("\n", "")
    if text[:1] and text[0] in LETTERS:
        return text[0]
    return text[-2] if len(text) > 1 and text[-2] in LETTERS else None


def resolved_option(response: str, choices: Sequence[str | None]) -> tuple[str | None, str | None]:
    """The letter and the text of the option that a reply names, None for what it does not name.

    In this order: a letter that the reply opens with, the last letter in brackets, a reply that is an option's
    text, and the only option whose text the reply holds.

    >>> resolved_option("I hear a child.", ["man", "woman", "child", None])
    (None, 'child')
    """
    opening = _OPENING.sub("", response).rstrip()
    letters = [found[1] for pattern in _OPENING_LETTERS if (found := pattern.match(opening))]
    letters = letters[:1] or _BRACKETED.findall(response)[-1:]
    if letters:
        return letters[0], choices[LETTERS.index(letters[0])]
    return None, _named_text(response, [choice for choice in choices if choice])


def mmsu_verdicts(items: Iterable[MmsuItem], *, match: Match) -> list[MmsuVerdict]:
    """Judge replies in the data set's order, which matters to `official`.

    Raises DataError if an item has not four options, and under `official` if there is no letter to inherit yet.
    """
    if match not in get_args(Match):
        raise UsageError(f"unknown MMSU match {match!r}: {', '.join(get_args(Match))}")
    checked = _with_four_options(items)
    if match == "official":
        return list(_official(checked))
    judge = _official_fixed if match == "official_fixed" else _option_resolved
    return [judge(item) for item in checked]


def mmsu_score(items: Sequence[MmsuItem], verdicts: Sequence[MmsuVerdict]) -> MmsuScore:
    """Add verdicts up, in total and by category. Raises DataError on an empty set."""
    if not items:
        raise DataError("there is no item to score: an accuracy over an empty set does not exist")
    if len(items) != len(verdicts):
        raise DataError(f"{len(items)} items but {len(verdicts)} verdicts")
    counted = Count()
    categories: dict[str, Count] = defaultdict(Count)
    sub_categories: dict[tuple[str, str], Count] = defaultdict(Count)
    for item, verdict in zip(items, verdicts, strict=True):
        if verdict.counted:
            counted.add(verdict.correct)
            categories[item.category].add(verdict.correct)
            sub_categories[item.category, item.sub_category].add(verdict.correct)
    inherited = sum(verdict.inherited for verdict in verdicts)
    return MmsuScore(len(items), inherited, counted, dict(categories), dict(sub_categories))


def _with_four_options(items: Iterable[MmsuItem]) -> Iterator[MmsuItem]:
    for item in items:
        if len(item.choices) != len(LETTERS):
            raise DataError(
                f"an MMSU item has {len(item.choices)} options instead of 4: {item.choices!r:.120}"
            )
        yield item


def _is_blank(response: str) -> bool:
    return response.strip().replace("\n", "") in ("", "None")


def _official(items: Iterable[MmsuItem]) -> Iterator[MmsuVerdict]:
    last: str | None = None
    for item in items:
        inherited = item.response is not None and _is_blank(item.response)
        if item.response is None:
            letter = None
        elif inherited:
            if last is None:
                raise DataError(
                    "an empty reply comes before any that names a letter: the official scorer cannot go on",
                    remedy="Use the match official_fixed or option_resolved.",
                )
            letter = last
        else:
            letter = official_letter(item.response)
        last = letter or last
        correct = letter is not None and _option(item, letter) == item.answer
        yield MmsuVerdict(correct, letter, counted=letter is not None, inherited=inherited)


def _official_fixed(item: MmsuItem) -> MmsuVerdict:
    if item.response is None or _is_blank(item.response):
        return MmsuVerdict(correct=False, letter=None)
    letter = official_letter(item.response)
    return MmsuVerdict(letter is not None and _option(item, letter) == item.answer, letter)


def _option_resolved(item: MmsuItem) -> MmsuVerdict:
    if item.response is None:
        return MmsuVerdict(correct=False, letter=None)
    letter, text = resolved_option(item.response, item.choices)
    return MmsuVerdict(text is not None and text == item.answer, letter)


def _option(item: MmsuItem, letter: str) -> str | None:
    return item.choices[LETTERS.index(letter)]


def _named_text(response: str, options: Sequence[str]) -> str | None:
    bare = _bare(response)
    for option in options:
        if bare and bare == _bare(option):
            return option
    lowered = response.lower()
    held = {option.lower(): option for option in options if option.lower() in lowered}
    return next(iter(held.values())) if len(held) == 1 else None


def _bare(text: str) -> str:
    return _OUTER_PUNCTUATION.sub("", text).lower()
