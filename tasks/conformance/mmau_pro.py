"""Golden file `mmau_pro_match`: the checks, parsers and sums of MMAU-Pro, one operation a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from fac_eval.conformance import CannotRunError, Case, check_answer, read_golden
from fac_eval.metrics.mmau_pro import (
    DEFAULT_SCORE,
    CategoryScore,
    OpenScores,
    open_metrics,
    open_score,
    parse_open_scores,
    weighted_performance,
)
from fac_eval.metrics.mmau_pro_aif import check_aif
from fac_eval.metrics.mmau_pro_closed import closed_metrics, match_option

Input = Mapping[str, Any]

TOLERANCE = 1e-6
CONFIDENCE_TOLERANCE = 1e-3
"""The file's tolerances for floats, which its header has in words; a confidence is the only float of its cases."""


def cases(path: Path) -> Iterator[Case]:
    """The cases of a `.jsonl` file."""
    for row in read_golden(path).cases:
        tolerance = CONFIDENCE_TOLERANCE if row["input"].get("op") == "closed_embed" else TOLERANCE
        check = partial(check_answer, partial(answer, row["input"]), row["expected"], tolerance)
        yield Case(row["id"], str(row.get("case", "")), check)


def answer(case_input: Input) -> Mapping[str, Any]:
    """What our code gives for a case; it raises where the official code does."""
    operation = case_input["op"]
    if operation not in _OPERATIONS:
        raise CannotRunError(f"unknown MMAU-Pro operation {operation!r}: {', '.join(_OPERATIONS)}")
    return _OPERATIONS[operation](case_input)


def _aif(case_input: Input) -> dict[str, Any]:
    sample = case_input["sample"]
    followed = check_aif(
        case_input["response"],
        task_identifier=sample.get("task_identifier", ""),
        kwargs=sample.get("kwargs"),
        prompt=sample.get("prompt_transcription", ""),
    )
    return {"success": followed}


def _judge_scores(case_input: Input) -> dict[str, float]:
    scores = parse_open_scores(case_input["text"])
    return {
        "correctness": scores.correctness,
        "relevance": scores.relevance,
        "completeness": scores.completeness,
        "clarity": scores.clarity,
        "overall": scores.overall,
    }


def _openended_metrics(case_input: Input) -> dict[str, float]:
    if not case_input["scores"]:
        return {}
    metrics = open_metrics(OpenScores(**scores) for scores in case_input["scores"])
    means = {f"avg_{name}": spread.mean for name, spread in metrics.spreads.items()}
    deviations = {f"std_{name}": spread.deviation for name, spread in metrics.spreads.items()}
    rates = {"good_response_rate": metrics.good_rate, "poor_response_rate": metrics.poor_rate}
    return means | deviations | rates


def _weighted(case_input: Input) -> dict[str, Any]:
    scores = {}
    for name, result in case_input["category_results"].items():
        if result["type"] == "openended":
            score = open_score(result.get("metrics", {}).get("avg_overall", DEFAULT_SCORE))
        elif result["type"] == "aif":
            score = result.get("success_rate", 0.0)
        elif result["type"] == "closed":
            score = result.get("metrics", {}).get("accuracy", 0.0)
        else:
            continue
        scores[name] = CategoryScore(score, result["count"])
    return {
        "overall": weighted_performance(scores) or 0.0,  # official code has 0 where nothing was scored
        "category_scores": {name: category.score for name, category in scores.items()},
    }


def _closed_metrics(case_input: Input) -> dict[str, float]:
    metrics = closed_metrics(case_input["truth"], case_input["pred"])
    return {
        "accuracy": metrics.accuracy,
        "precision": metrics.precision,
        "recall": metrics.recall,
        "f1_score": metrics.f1,
    }


def _closed_embed(case_input: Input) -> dict[str, Any]:
    choices: Sequence[str] = case_input["choices"]
    if case_input["embedding"] == "letters26":
        match = match_option(case_input["prediction"], choices, _letter_counts)
    elif case_input["embedding"] == "given":
        # Texts are embedded once each: the vectors go by position, not by text.
        places = [str(place) for place in range(len(choices))]
        vectors = [*case_input["choice_vectors"], case_input["prediction_vector"]]
        match = match_option(str(len(choices)), places, lambda texts: [vectors[int(text)] for text in texts])
    else:
        raise CannotRunError(f"unknown stub embedding {case_input['embedding']!r}: letters26 or given")
    matched = choices[match.index]
    return {
        "index": match.index,
        "matched": matched,
        "confidence": match.confidence,
        "correct": matched == case_input["answer"],
    }


def _letter_counts(texts: Sequence[str]) -> list[list[int]]:
    return [[text.lower().count(letter) for letter in ascii_lowercase] for text in texts]


_OPERATIONS: Mapping[str, Callable[[Input], Mapping[str, Any]]] = {
    "aif": _aif,
    "judge_scores": _judge_scores,
    "openended_metrics": _openended_metrics,
    "weighted": _weighted,
    "closed_metrics": _closed_metrics,
    "closed_embed": _closed_embed,
}
