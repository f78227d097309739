"""Golden files `ultraeval_exact_match` and `ultraeval_judge_parse`.

An adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones; where the official scorer fails, it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fac_eval.conformance import CannotRunError
from fac_eval.errors import DataError
from fac_eval.metrics.ultraeval_qa import (
    accuracy,
    exist_match,
    is_same_answer,
    judge_prefers_first,
    judge_rating,
    mean_rating,
    output_field,
)
from fac_eval.metrics.voicebench_judge import parse_yes_no

Case = Mapping[str, Any]


def exact_match(case_input: Case, header: Case) -> dict[str, Any]:
    """One answer against its aliases, a set of them, or a field of a model's output."""
    return _by_kind(_MATCH_KINDS, case_input)


def judge_parse(case_input: Case, header: Case) -> dict[str, Any]:
    """One judge's reply read, or the mean of a set of ratings."""
    return _by_kind(_JUDGE_KINDS, case_input)


def exist_record(answer: Any, reference: Any) -> dict[str, Any]:
    """The official record: what was said gives way to the alias list where one matched."""
    match = exist_match(str(answer), reference)
    aliases = list(match.aliases)
    return {"pred": aliases if match.is_match else answer, "ref": aliases, "match": int(match.is_match)}


def _exact_record(answer: Any, reference: Any) -> dict[str, Any]:
    for alias in reference if isinstance(reference, list) else [reference]:
        if is_same_answer(str(answer), str(alias)):
            return {"pred": alias, "ref": alias, "match": 1}
    return {"pred": answer, "ref": reference, "match": 0}


def _accuracy(items: list[list[Any]]) -> dict[str, Any]:
    matches = [exist_match(str(answer), reference) for answer, reference in items]
    value = accuracy(match.is_correct for match in matches).value
    details = [int(match.is_match) for match in matches]
    return {"details": details, **_official("acc(%)", value)}


def _geval_record(case: Case) -> dict[str, Any]:
    if case.get("omit") is not None:
        raise DataError(f"the item has no {case['omit']!r}, which the judge's prompt needs")
    return _record(geval=_read(judge_rating(case["judge_output"]), case))


def _yes_no_record(case: Case) -> dict[str, Any]:
    return _record(acc=int(_read(parse_yes_no(case["judge_output"]), case)))


def _geval_mean(details: list[Case]) -> dict[str, Any]:
    if details and "geval" not in details[0]:
        raise DataError("the first record has no rating: official code stops there")
    value = mean_rating(record.get("geval") for record in details).value
    return _official(
        "geval(%)", None if value is None else 10 * value
    )  # official figures are 10 times the printed


def _official(name: str, value: float | None) -> dict[str, Any]:
    return {"agg_error": True} if value is None else {name: value}


def _record(**scores: int) -> dict[str, Any]:
    return {"pred": "ans", "ref": "ref", **scores}


def _read(verdict: int | None, case: Case) -> int:
    if verdict is None:
        raise DataError(f"the judge's reply holds no verdict: {case['judge_output']!r:.80}")
    return verdict


def _by_kind(kinds: Mapping[str, Callable[[Case], dict[str, Any]]], case: Case) -> dict[str, Any]:
    kind = case["kind"]
    if kind not in kinds:
        raise CannotRunError(f"unknown kind of UltraEval-Audio case {kind!r}: {', '.join(kinds)}")
    return kinds[kind](case)


_MATCH_KINDS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "exist": lambda case: exist_record(case["pred"], case["ref"]),
    "exact": lambda case: _exact_record(case["pred"], case["ref"]),
    "acc": lambda case: _accuracy(case["items"]),
    "extract": lambda case: {"value": output_field(case["output"], case["key"], default=case.get("default"))},
}

_JUDGE_KINDS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "geval": _geval_record,
    "ref_geval": _yes_no_record,
    "pairwise": lambda case: _record(acc=int(judge_prefers_first(case["judge_output"]))),
    "geval_mean": lambda case: _geval_mean(case["details"]),
}
