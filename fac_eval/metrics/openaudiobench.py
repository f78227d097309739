"""OpenAudioBench: the judge's prompt, its verdicts, and the scores of the five subsets.

The rules are those of MoonshotAI/Kimi-Audio-Evalkit almeval/datasets/ds_refqa.py (class OpenAudioBench), and beside
them what is told of the data set's own scripts.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from fac_eval.errors import DataError, UnknownName, UsageError
from fac_eval.metrics.printed import printed_overall
from fac_eval.metrics.voicebench_tables import require_text

Profile = Literal["kimi", "hf_original"]
"""Whose reading of a verdict: `kimi` is Kimi-Audio-Evalkit's, checked against its code; `hf_original` is that of the
scripts in the data set's repository as public re-implementations describe it, at second hand."""

InvalidPolicy = Literal["drop", "wrong"]
"""What a verdict that cannot be read does: leave the denominator (official), or count as 0."""

SUBSETS = ("alpaca_eval", "llama_questions", "reasoning_qa", "trivia_qa", "web_questions")
"""In the order of the report's tables."""

RATED = frozenset({"alpaca_eval", "reasoning_qa"})
"""The subsets whose figure is a mean rating; that of the others is an accuracy."""

JUDGE_SETTINGS: Mapping[str, float | int | None] = MappingProxyType(
    {
        "temperature": 0.0,
        "top_p": 0.95,
        "max_tokens": 1024,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "stop": None,
    }
)
"""How Kimi-Audio-Evalkit asks its judge, gpt-4o-mini."""

PASSING_GRADE = 4
"""The lowest Reasoning QA grade of a right answer, by the prompt's rubric."""

_RATING = re.compile(r"\[\[(\d+)\]\]")
_GRADE = re.compile(r"\[([0-5])\]")
_VERDICT = re.compile(r"[Tt]he score is \[(Correct|Incorrect|correct|incorrect)\]")
_CAPITAL_VERDICT = re.compile(r"[Tt]he score is \[(Correct|Incorrect)\]")
_FENCE_START, _FENCE_END = "```json", "```"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge's reply says about one item."""

    value: int | None
    """0 to 100; None if the reply holds no verdict."""
    fatal: bool = False
    """There is no value, and official code stops the whole evaluation here: no reply, or a rating out of range."""
    unread: bool = False
    """The value is a 0 that stands for a reply which holds no verdict."""


@dataclass(frozen=True, slots=True)
class SubsetScore:
    """The figure of a subset."""

    subset: str
    total: int
    invalid: int
    """Items without a value, the fatal ones included."""
    fatal: int
    value: float | None
    """0 to 100, two decimals; None if no item has a value."""
    policy: InvalidPolicy = "drop"

    @property
    def name(self) -> str:
        """`score` for a mean rating, `acc` for an accuracy."""
        return "score" if self.subset in RATED else "acc"


def fill_prompt(template: str, *, question: str, prediction: str | None, answer: str | None = None) -> str:
    """The judge's prompt: question and answer stripped, the prediction not. No prediction reads `null`.

    >>> fill_prompt("Q={question}; P={prediction}", question=" who? ", prediction=" y ")
    'Q=who?; P= y '
    """
    fields = {"question": question.strip(), "prediction": "null" if prediction is None else prediction}
    if answer is not None:
        fields["answer"] = answer.strip()
    try:
        return template.format(**fields)
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        raise DataError(
            f"the judge's template cannot be filled with {', '.join(fields)}: {error!r}"
        ) from error


def judgement(subset: str, reply: str | None, *, profile: Profile = "kimi") -> Judgement:
    """Read a judge's reply, None for a call that failed.

    >>> judgement("alpaca_eval", "Fine. [[7]]").value, judgement("reasoning_qa", "[5] ... [3]").value
    (70, 60)
    """
    parse = _PARSERS[profile].get(subset)
    if parse is None:
        raise UnknownName("OpenAudioBench subset", subset, SUBSETS)
    if reply is None:
        return Judgement(None, fatal=subset != "llama_questions")
    return parse(require_text(reply, "judge reply"))


def subset_score(
    subset: str, judgements: Sequence[Judgement], *, policy: InvalidPolicy = "drop"
) -> SubsetScore:
    """The mean of the items' values, rounded as official code does."""
    if subset not in SUBSETS:
        raise UnknownName("OpenAudioBench subset", subset, SUBSETS)
    if policy not in ("drop", "wrong"):
        raise UsageError(f"unknown policy for invalid verdicts {policy!r}: drop or wrong")
    values = [item.value for item in judgements if item.value is not None]
    denominator = len(values) if policy == "drop" else len(judgements)
    return SubsetScore(
        subset,
        total=len(judgements),
        invalid=len(judgements) - len(values),
        fatal=sum(item.fatal for item in judgements),
        value=round(sum(values) / denominator, 2) if denominator else None,
        policy=policy,
    )


def reasoning_accuracy(
    judgements: Sequence[Judgement], *, passing_grade: int = PASSING_GRADE, policy: InvalidPolicy = "drop"
) -> SubsetScore:
    """The share of Reasoning QA items with at least a passing grade, which the report's own rows seem to show."""
    passed = [
        Judgement(None if item.value is None else 100 * (item.value >= 20 * passing_grade), item.fatal)
        for item in judgements
    ]
    return subset_score("reasoning_qa", passed, policy=policy)


def overall(printed: Mapping[str, str | None]) -> str | None:
    """The plain mean of the five figures as printed, two decimals, half up; None if one is missing."""
    for subset in printed:
        if subset not in SUBSETS:
            raise UnknownName("OpenAudioBench subset", subset, SUBSETS)
    return printed_overall([printed.get(subset) for subset in SUBSETS])


def _rating(reply: str) -> Judgement:
    found = _RATING.search(reply)
    if not found:
        return Judgement(None)
    rating = float(found[1])  # no limit on the digits, unlike int()
    return Judgement(10 * int(rating)) if 1 <= rating <= 10 else Judgement(None, fatal=True)


def _grade(reply: str) -> Judgement:
    grades = _GRADE.findall(reply)
    return Judgement(20 * int(grades[-1])) if grades else Judgement(None)


def _word(reply: str) -> Judgement:
    found = _VERDICT.search(reply)
    return Judgement(100 * (found[1].lower() == "correct")) if found else Judgement(None)


def _capital_word(reply: str) -> Judgement:
    found = _CAPITAL_VERDICT.search(reply)
    return Judgement(100 * (found[1] == "Correct")) if found else Judgement(None)


def _whole_object(reply: str) -> Judgement:
    # The original cuts the length of a code fence off both ends, and takes the whole reply where that is no object.
    cut = reply[len(_FENCE_START) : -len(_FENCE_END)]
    for text in (cut, reply):
        verdict = _literal(text.strip())
        if isinstance(verdict, dict) and "analysis" in verdict and verdict.get("judgment") in _WORDS:
            return Judgement(100 * (verdict["judgment"] == _WORDS[0]))
    return Judgement(0, unread=True)


def _object(reply: str) -> Judgement:
    # Up to the first closing brace, as official code cuts it: a brace inside the analysis loses the item.
    start, end = reply.find("{"), reply.find("}")
    verdict = _literal(reply[start : end + 1]) if 0 <= start < end else None
    word = verdict.get("judgment") if isinstance(verdict, dict) else None
    return Judgement(100 * (word.lower() == "correct")) if isinstance(word, str) else Judgement(None)


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a stray backslash in a judge's analysis is no business of the user's
        try:
            return ast.literal_eval(text)
        except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
            return None


_WORDS = ("correct", "incorrect")
_KIMI: Mapping[str, Callable[[str], Judgement]] = {
    "alpaca_eval": _rating,
    "llama_questions": _word,
    "reasoning_qa": _grade,
    "trivia_qa": _object,
    "web_questions": _object,
}
_PARSERS: Mapping[Profile, Mapping[str, Callable[[str], Judgement]]] = {
    "kimi": _KIMI,
    "hf_original": {
        **_KIMI,
        "llama_questions": _capital_word,
        "trivia_qa": _whole_object,
        "web_questions": _whole_object,
    },
}
