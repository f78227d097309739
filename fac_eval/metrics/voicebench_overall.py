"""VoiceBench's sums over sub-tasks: Overall of the report and of the leaderboard, and the terms they need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fac_eval.errors import DataError

JUDGED_1_TO_5 = frozenset({"alpacaeval", "commoneval", "wildvoice"})
"""Sub-tasks on the judge's scale from 1 to 5; Overall takes them times 20. All others are percentages."""

TERMS_7 = ("alpacaeval", "commoneval", "sd-qa", "mmsu", "openbookqa", "ifeval", "advbench")
"""The terms of the report's Tables 1 and 2 (and of Kimi-Audio-Evalkit)."""

TERMS_9 = (
    "alpacaeval",
    "commoneval",
    "wildvoice",
    "sd-qa",
    "mmsu",
    "openbookqa",
    "bbh",
    "ifeval",
    "advbench",
)
"""The terms of the public VoiceBench leaderboard."""


@dataclass(frozen=True, slots=True)
class Overall:
    """An Overall figure (0-100) and the sub-tasks that it is the mean of."""

    value: float
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OverallWithheld:
    """There is no Overall: these sub-tasks have no score. It is never a mean over fewer terms."""

    missing: tuple[str, ...]

    @property
    def reason(self) -> str:
        """One sentence for a report."""
        return f"no score for {', '.join(self.missing)}"


@dataclass(frozen=True, slots=True)
class SplitCount:
    """Items and right answers of one split."""

    total: int
    correct: int


def overall7(scores: Mapping[str, float | None]) -> Overall | OverallWithheld:
    """Overall as in the report. Terms that are absent, None or not finite withhold it."""
    return _overall(scores, TERMS_7)


def overall9(scores: Mapping[str, float | None]) -> Overall | OverallWithheld:
    """Overall as on the public leaderboard (WildVoice and BBH too)."""
    return _overall(scores, TERMS_9)


def ifeval_final(
    *, strict_prompt: float, strict_instruction: float, loose_prompt: float, loose_instruction: float
) -> float:
    """IFEval's final score: the plain mean of its four rates."""
    return (strict_prompt + strict_instruction + loose_prompt + loose_instruction) / 4


def sdqa_official(*, panda: float, gpt: float) -> float:
    """The leaderboard's SD-QA figure: the mean of the PEDANT and the judge accuracy."""
    return (panda + gpt) / 2


def mmsu_pool(splits: Iterable[SplitCount]) -> float:
    """Accuracy (0-100) over the items of all splits pooled, not the mean of the splits' accuracies."""
    counts = list(splits)
    for count in counts:
        if not 0 <= count.correct <= count.total:
            raise DataError(f"an MMSU split has {count.correct} right answers among {count.total} items")
    total = sum(count.total for count in counts)
    if total == 0:
        raise DataError("the MMSU splits hold no item: their accuracy does not exist")
    return 100 * sum(count.correct for count in counts) / total


def _overall(scores: Mapping[str, float | None], terms: tuple[str, ...]) -> Overall | OverallWithheld:
    present = {
        term: value for term in terms if (value := scores.get(term)) is not None and math.isfinite(value)
    }
    missing = tuple(term for term in terms if term not in present)
    if missing:
        return OverallWithheld(missing)
    total = sum(20 * value if term in JUDGED_1_TO_5 else value for term, value in present.items())
    return Overall(total / len(terms), terms)
