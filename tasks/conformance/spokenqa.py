"""Golden file `spokenqa_aggregate`: the sums of UltraEval-Audio and OpenAudioBench, and figures as printed.

An adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fac_eval.conformance import CannotRunError
from fac_eval.errors import DataError
from fac_eval.metrics.printed import (
    printed_mean_grade,
    printed_mean_rating,
    printed_overall,
    printed_percent,
)
from fac_eval.metrics.ultraeval_qa import OfficialScore, accuracy, exist_match, mean_rating

Case = Mapping[str, Any]


def aggregate(case_input: Case, header: Case) -> dict[str, Any]:
    """The sum that the case's `kind` names."""
    kind = case_input["kind"]
    if kind not in _KINDS:
        raise CannotRunError(f"unknown kind of spoken question answering sum {kind!r}: {', '.join(_KINDS)}")
    return _KINDS[kind](case_input)


def _task(case: Case) -> dict[str, Any]:
    metric, items = case["metric"], case["items"]
    if metric not in ("acc", "geval"):
        raise CannotRunError(f"unknown metric of an UltraEval-Audio task {metric!r}: acc, geval")
    summary, factor = (
        (accuracy(map(_is_correct, items)), 1)
        if metric == "acc"
        else (mean_rating(map(_rating, items)), 10)  # official figures are 10 times the printed
    )
    figures = {"fail_rate(%d)": summary.fail_rate, **_figure(f"{metric}(%)", summary, factor)}
    if case["two_phase"]:
        silent = sum(item["output"] is None for item in items)
        figures |= {"inference_fail_count": silent, "eval_fail_count": summary.failed - silent}
    return figures


def _figure(name: str, summary: OfficialScore, factor: int) -> dict[str, Any]:
    return {"agg_error": True} if summary.value is None else {name: factor * summary.value}


def _is_correct(item: Case) -> bool | None:
    if item["output"] is None:
        return None
    try:
        return exist_match(str(item["output"]), item["ref"]).is_correct
    except DataError:  # a reference that is no text: the official runner drops the item
        return None


def _rating(item: Case) -> float | None:
    rating: float | None = None if item["output"] is None else item["judge"]
    return rating


_KINDS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "overall": lambda case: {"overall": printed_overall(case["scores"])},
    "percent": lambda case: {"display": printed_percent(case["hits"], case["total"])},
    "mean_rating": lambda case: {"display": printed_mean_rating(case["sum"], case["count"])},
    "mean_grade": lambda case: {"display": printed_mean_grade(case["sum"], case["count"])},
    "task": _task,
}
