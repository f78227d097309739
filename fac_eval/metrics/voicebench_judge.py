"""VoiceBench's judge replies: ratings from 1 to 5, yes/no verdicts and votes, as each harness reads them.

A judge call that failed is None here: it is counted, whatever the harness makes of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.voicebench_tables import require_text

RatingRule = Literal["official", "kimi", "ultraeval", "lmms"]
"""Whose reading of a rating: `kimi` is the same as `official`, `ultraeval` knows no brackets (a bug in
audio_evals/evaluator/voice_bench.py looks for them in the wrong text), `lmms` takes the first number anywhere."""

_BRACKETED = re.compile(r"\[\[(\d+)\]\]")
_FIRST_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class RatingScore:
    """Ratings over a set of replies."""

    total: int
    invalid: int
    """Replies without a rating, failed judge calls included; they leave the mean's denominator."""
    sum: float

    @property
    def mean(self) -> float:
        """The mean of what was read; NaN and infinity are readable ratings. Raises DataError if there is none."""
        if self.total == self.invalid:
            raise DataError(f"none of {self.total} judge replies holds a rating: their mean does not exist")
        return self.sum / (self.total - self.invalid)

    @property
    def rounded(self) -> float:
        """The mean to two decimals, as Kimi-Audio-Evalkit reports it."""
        return round(self.mean, 2)


@dataclass(frozen=True, slots=True)
class YesNoScore:
    """Yes/no verdicts over a set of replies; the rates are percentages."""

    total: int
    correct: int
    unclear: int
    """Replies that say neither yes nor no."""
    missing: int
    """Judge calls that failed; official code crashes on them, here they are left out like the unclear ones."""

    @property
    def valid(self) -> int:
        """Replies with a verdict: the official denominator."""
        return self.total - self.unclear - self.missing

    @property
    def accuracy(self) -> float:
        """Accuracy over the valid replies, two decimals. Raises DataError if there is none."""
        if not self.valid:
            raise DataError(
                f"none of {self.total} judge replies says yes or no: their accuracy does not exist"
            )
        return round(100 * self.correct / self.valid, 2)

    @property
    def strict_accuracy(self) -> float:
        """Accuracy over all replies: what has no verdict counts as wrong."""
        if not self.total:
            raise DataError("there is no judge reply: an accuracy over an empty set does not exist")
        return 100 * self.correct / self.total


@dataclass(frozen=True, slots=True)
class Vote:
    """What several replies to one question amount to."""

    correct: bool | None
    """None for a tie between "yes" and another answer: official code takes either, by the order of a set."""


@dataclass(frozen=True, slots=True)
class VoteScore:
    """Votes over a set of questions."""

    total: int
    correct: int
    ties: int

    @property
    def percent(self) -> float:
        """Share of questions voted correct, a tie counted as wrong."""
        return 100 * self.correct / self.total


def parse_rating(reply: str, *, rule: RatingRule = "official") -> float | None:
    """The rating in a judge's reply, or None. No rule checks the range.

    >>> parse_rating("[[3]] because"), parse_rating("4/5"), parse_rating("4/5", rule="lmms")
    (3.0, None, 4.0)
    """
    if rule not in get_args(RatingRule):
        raise UsageError(f"unknown rating rule {rule!r}: {', '.join(get_args(RatingRule))}")
    text = require_text(reply, "judge reply")
    if rule == "lmms":
        first = _FIRST_NUMBER.search(text)
        return float(first[0]) if first else None
    try:
        return float(text)
    except ValueError:
        bracketed = None if rule == "ultraeval" else _BRACKETED.search(text)
        return float(bracketed[1]) if bracketed else None


def rating_score(replies: Iterable[str | None], *, rule: RatingRule = "kimi") -> RatingScore:
    """Add ratings up over all replies of all items; those without one are left out and counted.

    Kimi-Audio-Evalkit does so. VoiceBench and UltraEval-Audio report nothing if any reply is invalid.
    """
    ratings = [None if reply is None else parse_rating(reply, rule=rule) for reply in replies]
    read = [rating for rating in ratings if rating is not None]
    return RatingScore(len(ratings), len(ratings) - len(read), sum(read) if read else math.nan)


def parse_yes_no(reply: str) -> bool | None:
    """Whether a reply's last line says yes (True) or else no (False), or neither (None).

    Both are looked for inside words too, as in Kimi-Audio-Evalkit almeval/datasets/base.py.

    >>> parse_yes_no("It fits.\\nResult: yes"), parse_yes_no("I know"), parse_yes_no("maybe")
    (True, False, None)
    """
    verdict = require_text(reply, "judge reply").strip().split("\n")[-1].lower()
    if "yes" in verdict:
        return True
    return False if "no" in verdict else None


def yes_no_score(replies: Iterable[str | None]) -> YesNoScore:
    """Count the verdicts of a set of replies, None for a judge call that failed."""
    counts = Counter("missing" if reply is None else str(parse_yes_no(reply)) for reply in replies)
    return YesNoScore(counts.total(), counts["True"], unclear=counts["None"], missing=counts["missing"])


def majority_vote(replies: Sequence[str]) -> Vote:
    """VoiceBench's vote: correct if the most frequent reply, case aside, is exactly `yes` ("yes." is not)."""
    if not replies:
        raise DataError("there is no reply to vote with")
    counts = Counter(require_text(reply, "judge reply").lower() for reply in replies)
    most = max(counts.values())
    winners = {reply for reply, count in counts.items() if count == most}
    if "yes" not in winners:
        return Vote(correct=False)
    return Vote(correct=True if len(winners) == 1 else None)


def vote_score(votes: Iterable[Vote]) -> VoteScore:
    """Add votes up. Raises DataError on an empty set."""
    verdicts = [vote.correct for vote in votes]
    if not verdicts:
        raise DataError("there is no vote: an accuracy over an empty set does not exist")
    return VoteScore(len(verdicts), verdicts.count(True), verdicts.count(None))
