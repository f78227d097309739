"""Replies that Speech-FC's scorers accept, made up from the ground truth of a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fac_eval.metrics.toolcall_parse import calls_as_text
from fac_eval.vocabulary import ToolCall

_OPTIONAL = ""
_SUFFIX = re.compile(r"_\d+$")

Calls = list[tuple[str, Mapping[str, Any]]]


def bfcl_replies(ground_truth: Any, *, underscore: bool = False) -> Iterator[str]:
    """Replies to try: the first allowed value of every parameter, and the same without the optional ones.

    `underscore` writes names with `_` for `.`.
    """
    answers = [
        (name.replace(".", "_") if underscore else name, table)
        for answer in _decoded(ground_truth)
        for name, table in answer.items()
    ]
    for with_optional in (True, False):
        yield _reply([(name, _first_allowed(table, with_optional)) for name, table in answers])


def acebench_replies(ground_truth: Any) -> Iterator[str]:
    """Replies to try: each alternative as it stands, without the numbers that tell repeated functions apart."""
    decoded = _decoded(ground_truth)
    for answers in decoded if isinstance(decoded, list) else [decoded]:
        numbered = len(answers) > 1
        yield _reply([(_SUFFIX.sub("", key) if numbered else key, values) for key, values in answers.items()])


def _decoded(ground_truth: Any) -> Any:
    return json.loads(ground_truth) if isinstance(ground_truth, str) else ground_truth


def _reply(calls: Calls) -> str:
    return calls_as_text(ToolCall(name, json.dumps(values)) for name, values in calls)


def _first_allowed(table: Mapping[str, Any], with_optional: bool) -> dict[str, Any]:
    return {
        name: _value(next(value for value in allowed if value != _OPTIONAL))
        for name, allowed in table.items()
        if (with_optional or _OPTIONAL not in allowed) and any(value != _OPTIONAL for value in allowed)
    }


def _value(allowed: Any) -> Any:
    """An allowed value as a call gives it: within dicts, and dicts within lists, there are allowed values again."""
    if isinstance(allowed, dict):
        return _first_allowed(allowed, with_optional=True)
    if isinstance(allowed, list):
        return [_value(entry) if isinstance(entry, dict) else entry for entry in allowed]
    return allowed
