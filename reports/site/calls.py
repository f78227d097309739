"""Tool calls as a reader compares them: those that the reference asks for, and those that were made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fac_eval.metrics.toolcall_parse import decode_calls

Call = dict[str, Any]
"""`name` and `arguments`; an expected call may have `accepted` in their place: lists of values by argument."""

_KEYS = ("ground_truth", "tool_calls", "calls")


def expected_calls(reference: Any) -> list[Call] | None:
    """The calls that a reference asks for; None where it asks for none.

    Read are lists of `{"name": ..., "arguments": ...}`, of `{name: {argument: [accepted values]}}`, and one or
    several `{name: {argument: value}}`, of which the first is taken; plain, as JSON text, or under the keys by which
    the benchmarks keep them.
    """
    found = _decoded(reference)
    if isinstance(found, Mapping):
        inner = next((found[key] for key in _KEYS if key in found), None)
        if inner is not None:
            return expected_calls(inner)
        return _by_name(found)
    if not isinstance(found, list) or not found or not all(isinstance(one, Mapping) for one in found):
        return None
    if all("name" in one for one in found):
        return [_named(one) for one in found]
    if all(_accepts(one) for one in found):
        return [{"name": str(name), "accepted": dict(table)} for one in found for name, table in one.items()]
    return _by_name(found[0])


def made_calls(response: Mapping[str, Any]) -> list[Call]:
    """The calls of a response: native ones, or those written into its text."""
    native = response.get("tool_calls") or []
    if native:
        return [{"name": call["name"], "arguments": _decoded(call["arguments"])} for call in native]
    text = response.get("text")
    if not isinstance(text, str) or "<tool_call>" not in text:
        return []
    return [{"name": str(call.name), "arguments": call.arguments} for call in decode_calls(text).calls]


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.startswith(("[", "{")):
        return value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return value


def _named(call: Mapping[str, Any]) -> Call:
    return {"name": str(call["name"]), "arguments": _decoded(call.get("arguments", {}))}


def _accepts(call: Mapping[str, Any]) -> bool:
    """Whether every argument stands with a list of the values that are accepted for it."""
    return bool(call) and all(
        isinstance(table, Mapping) and all(_is_list(values) for values in table.values())
        for table in call.values()
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _by_name(found: Mapping[str, Any]) -> list[Call] | None:
    if not found or not all(isinstance(values, Mapping) for values in found.values()):
        return None
    return [{"name": str(name), "arguments": dict(values)} for name, values in found.items()]
