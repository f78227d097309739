"""VStyle: reading the audio judge's score out of its reply, and the weighted scores of Table 5.

Bug-compatible with alibaba/vstyle, lalm_eval/gemini_eval.py: a score is whatever Python reads as a float, and no
range is checked. Scores outside 1 to 5 are counted beside the result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fac_eval.errors import UsageError

ABILITIES: Mapping[str, tuple[str, ...]] = {
    "acoustic_attributes": ("age", "speed", "gender", "emotion", "pitch", "volume", "composite_properties"),
    "instruction": ("emotion", "style", "variation"),
    "role_play": ("scenario", "character"),
    "empathy": ("anger", "sadness_disappointment", "anxiety_fear", "joy_excitement"),
}
"""Categories and their sub-types, in the order of Table 5."""

LOWEST_SCORE, HIGHEST_SCORE = 1, 5
MAX_CALLS = 5
"""Calls that the official judge makes for one answer."""

Failures = Literal["left_out", "as_one"]
"""What an answer without a score counts for: nothing, as officially, or the lowest score."""

_BRACKETED = re.compile(r"\[\[(.*?)]]", re.DOTALL)
_COMPOSITE = "composite_properties"


class JudgeVerdict(NamedTuple):
    """What a judge's calls for one answer led to."""

    score_text: str | None
    """The score as written; None if no call gave one."""
    reply: str
    """The reply that held the score, or what the last call failed with."""
    calls: int

    @property
    def recorded_score(self) -> str:
        """What the official output line holds in its score field."""
        return f"API failed: {self.reply}" if self.score_text is None else self.score_text


class StyleAnswer(NamedTuple):
    """One judged answer: `category/sub-type`, and its score, None where the judge gave none."""

    ability: str | None
    score: float | None


@dataclass(frozen=True, slots=True)
class SubTypeScore:
    """A sub-type's plain mean. NaN scores are in `n` but not in the mean, as officially."""

    mean: float | None
    """None where no answer has a score."""
    n: int
    weight: float
    failed: int
    out_of_range: int
    """Scores outside 1 to 5 or not finite."""


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """A category's weighted mean over the sub-types that have answers."""

    mean: float | None
    n: int
    coverage: float
    """The share of the category's weight that those sub-types hold."""


@dataclass(frozen=True, slots=True)
class StyleScores:
    """The scores of one system. Overall is the mean by official weights over the sub-types with answers."""

    overall: float | None
    coverage: float
    categories: Mapping[str, CategoryScore]
    sub_types: Mapping[str, SubTypeScore]
    unknown: int
    """Answers of abilities that the benchmark does not have, which count nowhere."""

    @property
    def failed(self) -> int:
        """Answers of known abilities without a score."""
        return sum(score.failed for score in self.sub_types.values())

    @property
    def out_of_range(self) -> int:
        """Scores outside 1 to 5 or not finite."""
        return sum(score.out_of_range for score in self.sub_types.values())


def score_text(reply: str) -> str | None:
    """The last `[[...]]` that is a number, else the whole reply if it is one; None where there is none.

    >>> score_text("[[4]] then [[final]]"), score_text("[[4/5]]"), score_text(" 4.0 ")
    ('4', None, '4.0')
    """
    for candidate in [reply, *_BRACKETED.findall(reply)][::-1]:
        if score_value(candidate) is not None:
            return str(candidate).strip()
    return None


def score_value(recorded: Any) -> float | None:
    """A recorded score as a number, by the rules of Python's `float`; None for a failure's text."""
    try:
        return float(recorded)
    except (TypeError, ValueError, OverflowError):
        return None


def is_in_range(score: float) -> bool:
    """Whether a score is one that the rubric knows."""
    return LOWEST_SCORE <= score <= HIGHEST_SCORE


def first_score(attempts: Iterable[str | Exception | None], *, max_calls: int = MAX_CALLS) -> JudgeVerdict:
    """Ask until a reply holds a score. `attempts` is read as far as needed: a reply, None, or a call's error."""
    problem, calls = "", 0
    for calls, attempt in enumerate(attempts, start=1):
        if isinstance(attempt, Exception):
            problem = str(attempt)
        elif not attempt:
            problem = "Model failed to generate response"
        elif (found := score_text(attempt)) is not None:
            return JudgeVerdict(found, attempt, calls)
        else:
            problem = "Unable to parse score"
        if calls >= max_calls:
            break
    return JudgeVerdict(None, problem, calls)


def weights() -> dict[str, float]:
    """Each ability's weight in Overall: equal categories, equal sub-types, but composite half of its category.

    >>> round(weights()["role_play/scenario"], 4), round(weights()["acoustic_attributes/age"], 4)
    (0.125, 0.0208)
    """
    found = {}
    for category, sub_types in ABILITIES.items():
        share = 1 / len(ABILITIES)
        others = [sub_type for sub_type in sub_types if sub_type != _COMPOSITE]
        if len(others) < len(sub_types):
            share /= 2
        for sub_type in sub_types:
            found[f"{category}/{sub_type}"] = share if sub_type == _COMPOSITE else share / len(others)
    return found


def category_of(ability: str) -> str:
    """The part before the first slash, which chooses the judge's prompt."""
    return ability.split("/", maxsplit=1)[0]


def style_scores(answers: Iterable[StyleAnswer], *, failures: Failures = "left_out") -> StyleScores:
    """The scores of one system's answers. Answers are not deduplicated here, as officially."""
    if failures not in ("left_out", "as_one"):
        raise UsageError(f"unknown rule for failures {failures!r}: left_out or as_one")
    known: dict[str, list[float | None]] = {ability: [] for ability in weights()}
    unknown = 0
    for ability, score in answers:
        if ability in known:
            known[ability].append(score)
        else:
            unknown += 1
    sub_types = {
        ability: _sub_type(known[ability], weight, failures)
        for ability, weight in weights().items()
        if known[ability]
    }
    categories = {
        category: _category(
            [score for ability, score in sub_types.items() if category_of(ability) == category]
        )
        for category in ABILITIES
    }
    whole = _category(list(sub_types.values()), total_weight=1)
    return StyleScores(whole.mean, whole.coverage, categories, sub_types, unknown)


def _sub_type(scores: list[float | None], weight: float, failures: Failures) -> SubTypeScore:
    given = [score for score in scores if score is not None]
    failed = len(scores) - len(given)
    counted = given + [float(LOWEST_SCORE)] * (failed if failures == "as_one" else 0)
    numbers = [score for score in counted if not math.isnan(score)]
    mean: float | None = None
    if counted:
        mean = sum(numbers) / len(numbers) if numbers else math.nan
    out_of_range = sum(not is_in_range(score) for score in given)
    return SubTypeScore(mean, len(counted), weight, failed, out_of_range)


def _category(sub_types: list[SubTypeScore], total_weight: float | None = None) -> CategoryScore:
    if total_weight is None:
        total_weight = 1 / len(ABILITIES)
    present = [(score.weight, score.mean) for score in sub_types if score.mean is not None]
    weight = sum(share for share, _ in present)
    mean = sum(share * mean for share, mean in present) / weight if present else None
    return CategoryScore(mean, sum(score.n for score in sub_types), weight / total_weight)
