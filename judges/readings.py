"""What a reply to a rubric says as a number, for comparing judges with people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fac_eval.metrics.mmau_pro import CRITERIA, parse_open_scores
from fac_eval.metrics.openaudiobench import judgement
from fac_eval.metrics.ultraeval_qa import judge_rating
from fac_eval.metrics.voicebench_judge import parse_rating, parse_yes_no
from fac_eval.metrics.vstyle import HIGHEST_SCORE, LOWEST_SCORE, score_text, score_value


@dataclass(frozen=True, slots=True)
class Reading:
    """How replies are read, and the scale that they should keep to."""

    read: Callable[[str], float | None]
    """None where a reply holds no score."""
    low: float
    high: float


def reading_of(rubric: str) -> Reading:
    """The reading of a rubric's replies, as the tasks that ask by it read them.

    Replies to a rubric of another package are read as VStyle's: the last `[[number]]`, or the whole reply.
    """
    return _READINGS.get(rubric, _SCORE)


def _yes_no(reply: str) -> float | None:
    verdict = parse_yes_no(reply)
    return None if verdict is None else float(verdict)


def _of_subset(subset: str, step: float) -> Callable[[str], float | None]:
    def read(reply: str) -> float | None:
        value = judgement(subset, reply).value
        return None if value is None else value / step

    return read


def _open_score(reply: str) -> float | None:
    scores = parse_open_scores(reply)
    # What says nothing counts 3 officially. Here it is a failure.
    return None if len(scores.unread) > len(CRITERIA) else scores.overall


def _score(reply: str) -> float | None:
    return score_value(score_text(reply))


_SCORE = Reading(_score, LOWEST_SCORE, HIGHEST_SCORE)
_FIVE = Reading(parse_rating, 1, 5)
_DECISION = Reading(_yes_no, 0, 1)

_READINGS = {
    "voicebench/open": _FIVE,
    "voicebench/open-official": _FIVE,
    "voicebench/qa": _DECISION,
    "voicebench/qa-official": _DECISION,
    "voicebench/mcq": _DECISION,
    "mmau/judge": _DECISION,
    "mmau_pro/open": Reading(_open_score, 1, 5),
    "ultraeval_audio/chatbot": Reading(judge_rating, 1, 10),
    "openaudiobench/alpaca_eval": Reading(_of_subset("alpaca_eval", 10), 1, 10),
    "openaudiobench/reasoning_qa": Reading(_of_subset("reasoning_qa", 20), 0, 5),
    **{
        f"openaudiobench/{subset}": Reading(_of_subset(subset, 100), 0, 1)
        for subset in ("llama_questions", "trivia_qa", "web_questions")
    },
}
