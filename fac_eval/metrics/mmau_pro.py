"""MMAU-Pro: how a category is scored, what an open answer's judge says, and the overall figure.

The official rules are those of sonalkum/MMAUPro evaluate_mmau_pro_comprehensive.py.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fac_eval.errors import DataError
from fac_eval.metrics.voicebench_tables import require_text

Route = Literal["closed", "open", "aif"]

CRITERIA = ("correctness", "relevance", "completeness", "clarity")

DEFAULT_SCORE = 3.0
"""What official code takes for a criterion that it cannot read."""

GOOD_FROM = 4.0
POOR_UP_TO = 2.0
_TOP_SCORE = 5

_CRITERION_PATTERNS = {name: re.compile(rf"{name}:\s*(\d+)", re.IGNORECASE) for name in CRITERIA}
_OVERALL_PATTERN = re.compile(r"overall:\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenScores:
    """A judge's scores of one open answer, meant to be 1 to 5 and never checked to be."""

    correctness: float = DEFAULT_SCORE
    relevance: float = DEFAULT_SCORE
    completeness: float = DEFAULT_SCORE
    clarity: float = DEFAULT_SCORE
    overall: float = DEFAULT_SCORE
    unread: tuple[str, ...] = ()
    """The scores that the reply did not hold: a criterion is then 3, the overall score the criteria's mean."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and population standard deviation."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class OpenMetrics:
    """Open answers' scores over a set."""

    total: int
    spreads: Mapping[str, Spread]
    """By criterion, and `overall`."""
    good_rate: float
    """Share of answers with an overall score of 4 or more."""
    poor_rate: float
    """Share of answers with an overall score of 2 or less."""

    @property
    def score(self) -> float:
        """The category's score from 0 to 1: the mean overall score over 5, so 0.2 is the floor."""
        return open_score(self.spreads["overall"].mean)


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """A category's score from 0 to 1 (accuracy, success rate or `OpenMetrics.score`) and its scored items."""

    score: float
    count: int


def route(category: str) -> Route:
    """How the items of a category are scored; official code takes any name it does not know as closed.

    An open item stays open where it has options.
    """
    if category == "open":
        return "open"
    return "aif" if category == "instruction following" else "closed"


def is_single_audio(audio_paths: Sequence[str]) -> bool:
    """Whether an item is one of those that the report's Table 3 takes. The category does not tell."""
    return len(audio_paths) == 1


def parse_open_scores(reply: str) -> OpenScores:
    """Read a judge's reply as the official code does: integers by label, 3 for what is not found.

    An overall score of 3, found or not, gives way to the mean of the four criteria.

    >>> parse_open_scores("CORRECTNESS: 5 - a\\nRELEVANCE: 4 - b\\nCOMPLETENESS: 4\\nCLARITY: 5\\nOVERALL: 3").overall
    4.5
    """
    text = require_text(reply, "judge reply")
    found = {name: pattern.search(text) for name, pattern in _CRITERION_PATTERNS.items()}
    scores = {name: float(hit[1]) if hit else DEFAULT_SCORE for name, hit in found.items()}
    overall_hit = _OVERALL_PATTERN.search(text)
    overall = float(overall_hit[1]) if overall_hit else DEFAULT_SCORE
    if overall == DEFAULT_SCORE:
        overall = sum(scores.values()) / len(scores)
    unread = [name for name, hit in found.items() if hit is None]
    if overall_hit is None:
        unread.append("overall")
    return OpenScores(**scores, overall=overall, unread=tuple(unread))


def open_metrics(scores: Iterable[OpenScores]) -> OpenMetrics:
    """Means, deviations and rates over a set. Raises DataError on an empty one."""
    rows = list(scores)
    if not rows:
        raise DataError("there is no open answer to score: a mean over an empty set does not exist")
    spreads = {}
    for name in (*CRITERIA, "overall"):
        column = [float(getattr(row, name)) for row in rows]
        spreads[name] = Spread(statistics.fmean(column), statistics.pstdev(column))
    return OpenMetrics(
        total=len(rows),
        spreads=spreads,
        good_rate=sum(row.overall >= GOOD_FROM for row in rows) / len(rows),
        poor_rate=sum(row.overall <= POOR_UP_TO for row in rows) / len(rows),
    )


def open_score(mean_overall: float) -> float:
    """A mean overall score (1 to 5) on the scale from 0 to 1 of the other categories."""
    return mean_overall / _TOP_SCORE


def weighted_performance(categories: Mapping[str, CategoryScore]) -> float | None:
    """The overall figure from 0 to 1: categories weighted by their scored items.

    None if there is no item; official code prints 0.
    """
    total = sum(category.count for category in categories.values())
    if not total:
        return None
    return sum(category.score * category.count for category in categories.values()) / total
