"""Tool calls against ACEBench answers, one value per parameter (Speech-ACEBench).

The rules and labels are those of Fun-Audio-Chat evaluate/SpeechFCEval/utils/compute_metrics_acebench.py, with
its leniency: texts need only contain the answer, and numbers are not compared at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fac_eval.metrics.toolcall_check import (
    CallCheck,
    Fault,
    Item,
    Malformed,
    check_record,
    fold,
    fold_texts,
    shown,
)
from fac_eval.metrics.toolcall_parse import DecodedCall


class _Enum:
    """The class of an `enum` parameter, which no value has: upstream lets a value pass by the answer's class."""


_CLASSES: Mapping[str, type] = {
    "string": str,
    "any": str,
    "integer": int,
    "int": int,
    "number": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "list": list,
    "list(string)": list,
    "list(enum)": list,
    "objectArray": list,
    "dict": dict,
    "object": dict,
    "enum": _Enum,
}
_WITH_ITEMS = frozenset({"array", "tuple", "list(string)", "list(enum)", "object", "objectArray"})
_BOOLEAN_TEXTS = {"true": True, "false": False}
_SUFFIX = re.compile(r"_\d+$")


@dataclass(frozen=True, slots=True)
class _Rules:
    equal_texts: bool
    strict_values: bool


def check_acebench(
    record: Mapping[str, Any],
    *,
    category: str = "multiple",
    strict_values: bool = False,
    malformed: Malformed = "count_wrong",
) -> CallCheck:
    """Check a record's reply, `predict`, against its `ground_truth`.

    Args:
        record: JSON values: `function` and `ground_truth`, each as text or decoded, `predict`, `utterance`.
        category: with `agent` in it, texts must equal the answer; otherwise they must contain it.
        strict_values: also compare numbers and booleans (label `value_error:strict`). A diagnostic: figures
            made with it are not those of the benchmark.
        malformed: what happens with a record that stops the official scorer.

    Raises:
        ScorerError: the record is malformed, and `malformed` is `raise`.
    """
    rules = _Rules(equal_texts="agent" in category, strict_values=strict_values)
    fields = ("utterance", "ground_truth", "function")
    return check_record(record, lambda item: _fault(item, rules), malformed, fields=fields)


def _fault(item: Item, rules: _Rules) -> Fault | None:
    """The fault of the first alternative, unless the calls fit one of them."""
    alternatives = item.answers if isinstance(item.answers, list) else [item.answers]
    first: Fault | None = None
    for answers in alternatives:
        fault = _alternative_fault(item.tools, item.decoded.calls, answers, rules)
        if fault is None:
            return None
        first = first or fault
    if first is None:
        raise KeyError("ground_truth holds no answer")
    return first


def _alternative_fault(tools: Any, calls: Sequence[DecodedCall], answers: Any, rules: _Rules) -> Fault | None:
    if len(calls) != len(answers):
        return Fault("wrong functions number", f"the number of calls is {len(calls)}, not {len(answers)}")
    wanted = list(answers.items())
    if not wanted:
        raise KeyError("ground_truth holds an answer without a call")
    # Repeated functions are numbered in the answer; a lone one may end in a number of its own.
    names = [_SUFFIX.sub("", key) if len(wanted) > 1 else key for key, _ in wanted]
    called, expected = Counter(call.name for call in calls), Counter(names)
    if called != expected:
        return Fault(
            "function_mismatch", f"{shown(dict(called))} are called instead of {shown(dict(expected))}"
        )
    for name, (key, arguments) in zip(names, wanted, strict=True):
        fault = _answer_fault(_tool_of(tools, key), name, calls, arguments, rules)
        if fault is not None:
            return fault
    return None


def _tool_of(tools: Any, key: str) -> Any:
    """The tool for an answer; None, which stops the check, if there is none."""
    if not isinstance(tools, list):
        return tools
    # By part of the name, as upstream: a tool whose name is contained in another's may be found for it.
    return next((tool for tool in tools if tool["name"] in key), None)


def _answer_fault(
    tool: Any, name: str, calls: Sequence[DecodedCall], answer: Any, rules: _Rules
) -> Fault | None:
    """The fault of the last call, unless one of them fits; a call may serve several answers."""
    fault: Fault | None = None
    for call in calls:
        if call.name != name:
            fault = Fault("simple_function_checker:unclear", f"no call fits the answer for {name!r}")
            continue
        fault = _call_fault(tool, call, answer, rules)
        if fault is None:
            return None
    return fault


def _call_fault(tool: Any, call: DecodedCall, answer: Any, rules: _Rules) -> Fault | None:
    schema = tool["parameters"]
    if not call.arguments or schema == {}:
        if not call.arguments and schema == {}:
            return None
        without = "the tool" if schema == {} else "the call"
        return Fault("wrong_param", f"{call.name!r}: {without} has no parameters")
    properties = schema["properties"]
    if answer == properties:
        return None
    if answer == {}:
        return Fault("wrong_param", f"{call.name!r}: the answer has no parameters")
    if tool["name"] != call.name:
        return Fault("wrong_function_name", f"{shown(call.name)} is called instead of {tool['name']!r}")
    for parameter in schema["required"]:
        if parameter not in call.arguments:
            return Fault("lack_args", f"{call.name!r}: the required parameter {parameter!r} is missing")
    for parameter, value in call.arguments.items():
        if parameter not in properties or parameter not in answer:
            return Fault("addition_args", f"{call.name!r}: the parameter {shown(parameter)} is not expected")
        fault = _argument_fault(parameter, value, properties[parameter], answer[parameter], rules)
        if fault is not None:
            return fault
    return None


def _argument_fault(
    parameter: str, value: Any, schema: Mapping[str, Any], answer: Any, rules: _Rules
) -> Fault | None:
    declared = schema["type"]
    wanted = _CLASSES[declared]
    item_class = _item_class(declared, schema) if declared in _WITH_ITEMS else None
    if declared == "float" and type(value) is int:
        value = float(value)
    if not _is_of_class(value, answer, wanted, item_class):
        return Fault("type_error", f"{parameter!r} is {shown(value)}, a {type(value).__name__}")
    if rules.strict_values and not _same_scalar(value, answer, wanted):
        return _value_fault("value_error:strict", parameter, value, answer)
    if _class_of(answer) not in (None, wanted) or wanted not in (str, dict, list):
        return None
    if wanted is str:
        given, right = fold(value), fold(answer)
        fits = given == right if rules.equal_texts else right in given
        return None if fits else _value_fault("value_error:string", parameter, value, answer)
    if wanted is dict:
        return None if _dict_fits(value, answer) else _value_fault("value_error", parameter, value, answer)
    return _list_fault(parameter, value, answer, declared, item_class)


def _item_class(declared: str, schema: Mapping[str, Any]) -> type:
    try:
        item_type = schema["items"]["type"]
    except (KeyError, TypeError):
        pass
    else:
        return _CLASSES[item_type]
    if "string" in declared:
        return str
    return _Enum if "enum" in declared else dict


def _class_of(answer: Any) -> type | None:
    """The class that a value of another class than the declared one may have; none for an empty text."""
    return None if answer == "" else type(answer)


def _is_of_class(value: Any, answer: Any, wanted: type, item_class: type | None) -> bool:
    if value in ("true", "false"):
        value = _BOOLEAN_TEXTS[value]
    given = type(value)
    if given is not wanted:
        other = _class_of(answer)
        return other is not None and (given is other or bool(answer == value))
    if item_class is None:
        return True
    return any(
        not isinstance(entry, list)
        or all(_is_of_class(element, entry, item_class, None) for element in value)
        for entry in answer
    )


def _same_scalar(value: Any, answer: Any, wanted: type) -> bool:
    """Whether two numbers or booleans are equal; whatever else stands there is not compared."""
    if wanted not in (int, float, bool):
        return True
    value, answer = _boolean(value), _boolean(answer)
    return not isinstance(answer, bool | int | float) or bool(value == answer)


def _boolean(value: Any) -> Any:
    return _BOOLEAN_TEXTS.get(value, value) if isinstance(value, str) else value


def _list_fault(
    parameter: str, value: Any, answer: Any, declared: str, item_class: type | None
) -> Fault | None:
    if item_class is not dict:
        right = fold_texts(value) == fold_texts(answer)
        return None if right else _value_fault("value_error:list/tuple", parameter, value, answer)
    if len(value) != len(answer):
        label = "value_error:dict_items" if declared == "objectArray" else "value_error:list_dict_count"
        return Fault(label, f"the number of rows of {parameter!r} is {len(value)}, not {len(answer)}")
    if declared == "objectArray":
        raise TypeError("upstream cannot compare the rows of an objectArray")
    right = all(_dict_fits(row, expected) for row, expected in zip(value, answer, strict=True))
    return None if right else _value_fault("value_error", parameter, value, answer)


def _dict_fits(value: Any, answer: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if value.keys() != answer.keys():
        return False
    return all(
        _dict_fits(value[key], right)
        if isinstance(right, dict)
        else _as_text(right) in _as_text(_boolean(value[key]))
        for key, right in answer.items()
    )


def _as_text(value: Any) -> str:
    return fold(value) if isinstance(value, str) else str(value)


def _value_fault(label: str, parameter: str, value: Any, answer: Any) -> Fault:
    return Fault(label, f"{parameter!r} is {shown(value)} where {shown(answer)} is expected")
