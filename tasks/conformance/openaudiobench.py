"""Golden file `openaudiobench_parse`.

The adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones; where the official code fails, it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fac_eval.conformance import CannotRunError
from fac_eval.errors import DataError
from fac_eval.metrics.openaudiobench import JUDGE_SETTINGS, Judgement, fill_prompt, judgement, subset_score

Case = Mapping[str, Any]


def parse(case_input: Case, header: Case) -> dict[str, Any]:
    """A verdict, the figures of one subset or of several, or a filled prompt, as the case's `kind` says."""
    kind = case_input["kind"]
    if kind not in _KINDS:
        raise CannotRunError(f"unknown kind of OpenAudioBench case {kind!r}: {', '.join(_KINDS)}")
    return _KINDS[kind](case_input)


def _judged(subset: str, reply: str | None) -> Judgement:
    found = judgement(subset, reply)
    if found.fatal:
        raise DataError(f"{subset}: no reply, or a rating out of range: {reply!r:.80}")
    return found


def _item(case_input: Case) -> dict[str, Any]:
    found = _judged(case_input["subset"], case_input["judge_output"])
    return {"valid": found.value is not None, "value": found.value}


def _figures(subset: str, replies: Sequence[str | None]) -> dict[str, Any]:
    score = subset_score(subset, [_judged(subset, reply) for reply in replies])
    if score.value is None:
        raise DataError(f"{subset}: none of {score.total} replies holds a verdict")
    return {score.name: score.value, "total": score.total, "invalid": score.invalid}


def _bench(case_input: Case) -> dict[str, Any]:
    replies: dict[str, list[str | None]] = {}
    for subset, outputs in case_input["groups"]:
        replies.setdefault(subset, []).extend(outputs)
    return {subset: _figures(subset, replies[subset]) for subset in sorted(replies)}


def _fill(case_input: Case) -> dict[str, Any]:
    prompt = fill_prompt(case_input["template"], **case_input["fields"])
    reply = " verdict \n"  # what the recorded judge says to everything
    return {"prompt": prompt, "judge_output": reply.strip(), "params": dict(JUDGE_SETTINGS)}


_KINDS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "item": _item,
    "subset": lambda case: _figures(case["subset"], case["judge_outputs"]),
    "bench": _bench,
    "fill": _fill,
}
