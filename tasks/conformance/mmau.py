"""Golden files `mmau_match` and `mmau_aggregate`.

An adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones; where the official scorer fails, it raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fac_eval.conformance import CannotRunError
from fac_eval.metrics.mmau import Count, MmauItem, mmau_score, string_match

from .voicebench import yes_no_accuracy

Case = Mapping[str, Any]


def match(case_input: Case, header: Case) -> dict[str, Any]:
    """Whether a reply names the answer."""
    if case_input["op"] != "string_match":
        raise CannotRunError(f"unknown operation {case_input['op']!r}: string_match")
    return {"match": string_match(case_input["answer"], case_input["prediction"], case_input["choices"])}


def aggregate(case_input: Case, header: Case) -> dict[str, Any]:
    """The printed accuracies of a set of items, or the figures of yes/no judge replies."""
    if case_input["op"] == "kimi_collect_acc":
        return yes_no_accuracy(case_input["judge_outputs"])
    if case_input["op"] != "mmau_aggregate":
        raise CannotRunError(f"unknown operation {case_input['op']!r}: mmau_aggregate or kimi_collect_acc")
    score = mmau_score(_scored(item) for item in case_input["items"] if "model_output" in item)
    return {
        "task": _printed(score.task),
        "difficulty": _printed(score.difficulty),
        "sub_category": _printed(score.sub_category),
        "total": _figures(score.total),
        "no_prediction_count": 0,  # the script counts after it has skipped what has no prediction
    }


def _scored(item: Case) -> MmauItem:
    correct = string_match(item["answer"], item["model_output"], item["choices"])
    return MmauItem(item["task"], item["difficulty"], item.get("sub-category"), correct)


def _printed(counts: Mapping[str, Count]) -> dict[str, Any]:
    return {name: _figures(count) for name, count in counts.items()}


def _figures(count: Count) -> dict[str, Any]:
    return {"acc": count.printed, "n": count.total}
