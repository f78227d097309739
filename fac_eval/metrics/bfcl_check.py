"""Tool calls against BFCL answers, each a list of allowed values per parameter (Speech-BFCL, SmartInteract).

The rules and labels are those of Fun-Audio-Chat evaluate/SpeechFCEval/utils/compute_metrics_bfcl.py. Nothing is
made milder or stricter: values are compared by Python class and equality as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fac_eval.metrics.toolcall_check import (
    CallCheck,
    Fault,
    Item,
    Malformed,
    check_record,
    entries,
    fold,
    fold_texts,
    shown,
)
from fac_eval.metrics.toolcall_parse import DecodedCall

_CLASSES: Mapping[str, type] = {
    "string": str,
    "any": str,
    "integer": int,
    "number": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
}
_OPTIONAL = ""
"""Among the allowed values, the mark of a parameter that may be left out."""


def check_bfcl(
    record: Mapping[str, Any],
    *,
    category: str = "multiple",
    model_name: str = "",
    malformed: Malformed = "count_wrong",
) -> CallCheck:
    """Check a record's reply, `predict`, against its `ground_truth`.

    Args:
        record: JSON values: `function` and `ground_truth`, each as text or decoded, and `predict`.
        category: with `parallel` in it, calls may come in any order; with `multiple`, the first call is
            compared with the first answer; otherwise there must be exactly one call, to the first tool.
        model_name: where it contains `gpt-4o`, dots in expected function names become underscores.
        malformed: what happens with a record that stops the official scorer.

    Raises:
        ScorerError: the record is malformed, and `malformed` is `raise`.
    """
    return check_record(record, lambda item: _fault(item, category, model_name), malformed)


def _fault(item: Item, category: str, model_name: str) -> Fault | None:
    calls, answers = item.decoded.calls, item.answers
    if "parallel" in category:
        return _parallel_fault(item.tools, calls, answers, model_name)
    if "multiple" in category:
        return _multiple_fault(item.tools, calls, answers, model_name)
    if len(calls) != 1:
        return Fault("simple_function_checker:wrong_count", f"the number of calls is {len(calls)}, not 1")
    return _call_fault(item.tools[0], calls[0], _first_answer(answers[0])[1], model_name)


def _multiple_fault(tools: Any, calls: Sequence[DecodedCall], answers: Any, model_name: str) -> Fault | None:
    if len(calls) != len(answers):
        message = f"the number of calls is {len(calls)}, not {len(answers)}"
        return Fault("multiple_function_checker:wrong_count", message)
    name, expected = _first_answer(answers[0])
    return _call_fault(_tool_of(tools, name), calls[0], expected, model_name)


def _parallel_fault(tools: Any, calls: Sequence[DecodedCall], answers: Any, model_name: str) -> Fault | None:
    label = "parallel_function_checker_no_order"
    if len(calls) != len(answers):
        return Fault(f"{label}:wrong_count", f"the number of calls is {len(calls)}, not {len(answers)}")
    unused = list(calls)
    for index in range(len(answers)):
        name, expected = _first_answer(answers[index])
        tool = _tool_of(tools, name)
        tried = []
        for place, call in enumerate(unused):
            fault = _call_fault(tool, call, expected, model_name)
            if fault is None:
                # Greedy, as the official scorer: the first call that fits is used up, without second thoughts.
                del unused[place]
                break
            tried.append(fault.message)
        else:
            return Fault(f"{label}:cannot_find_match", f"no call fits answer {index + 1}: {'; '.join(tried)}")
    return None


def _first_answer(answer: Mapping[str, Any]) -> tuple[str, Any]:
    """The function that an answer names, and the allowed values of its parameters."""
    return list(answer.items())[0]  # noqa: RUF015 - without a function it is to be an IndexError


def _tool_of(tools: Any, name: str) -> Any:
    """The first tool of that name; None, which stops the check, if there is none."""
    if not isinstance(tools, list):
        return tools
    return next((tool for tool in tools if tool["name"] == name), None)


def _call_fault(tool: Any, call: DecodedCall, expected: Any, model_name: str) -> Fault | None:
    name = tool["name"]
    properties, required = tool["parameters"]["properties"], tool["parameters"]["required"]
    if "gpt-4o" in model_name:
        name = name.replace(".", "_")
    label = "simple_function_checker"
    if call.name != name:
        return Fault(f"{label}:wrong_func_name", f"{shown(call.name)} is called instead of {name!r}")
    for parameter in required:
        if parameter not in call.arguments:
            return Fault(f"{label}:missing_required", f"the required parameter {parameter!r} is missing")
    for parameter, value in call.arguments.items():
        if parameter not in properties or parameter not in expected:
            return Fault(f"{label}:unexpected_param", f"the parameter {shown(parameter)} is not expected")
        fault = _argument_fault(parameter, value, properties[parameter], expected[parameter])
        if fault is not None:
            return fault
    for parameter in expected:
        if parameter not in call.arguments and _OPTIONAL not in expected[parameter]:
            return Fault(f"{label}:missing_optional", f"{parameter!r} may not be left out here")
    return None


def _argument_fault(parameter: str, value: Any, schema: Mapping[str, Any], allowed: Any) -> Fault | None:
    declared = schema["type"]
    if declared == "object":
        return None  # upstream checks nothing about such an argument, not even that it is an object
    wanted = _CLASSES[declared]
    item_class = _CLASSES[schema["items"]["type"]] if declared in ("array", "tuple") else None
    if declared == "float" and type(value) is int:
        value = float(value)
    first = _first_class(allowed)
    fault = _type_fault(parameter, value, wanted, item_class, allowed)
    if fault is not None:
        return fault
    if first not in (None, wanted) or wanted not in (str, dict, list):
        return _value_fault("others", parameter, value, allowed) if value not in allowed else None
    if wanted is str:
        right = fold(value) in fold_texts(allowed)
        return None if right else _value_fault("string", parameter, value, allowed)
    if wanted is dict:
        return _dict_fault(parameter, value, allowed)
    if item_class is dict:
        return _dict_list_fault(parameter, value, allowed)
    right = fold_texts(value) in [fold_texts(entry) for entry in entries(allowed)]
    return None if right else _value_fault("list/tuple", parameter, value, allowed)


def _first_class(allowed: Any) -> type | None:
    """The class of the first allowed value that is no optional mark."""
    return next((type(entry) for entry in allowed if entry != _OPTIONAL), None)


def _type_fault(
    parameter: str, value: Any, wanted: type, item_class: type | None, allowed: Any
) -> Fault | None:
    given, first = type(value), _first_class(allowed)
    if given is not wanted:
        if given is first:
            return None
        message = f"{parameter!r} is {shown(value)}, a {given.__name__}, not a {wanted.__name__}"
        return Fault("type_error:simple", message)
    if item_class is None:
        return None
    for entry in allowed:
        if not isinstance(entry, list):
            return None
        classes = (item_class, _first_class(entry))
        if all(type(element) in classes for element in value):
            return None
    label = "type_error:nested" if given is first else "type_error:simple"
    return Fault(label, f"{parameter!r} is {shown(value)}, whose elements are not all {item_class.__name__}")


def _dict_fault(parameter: str, value: Any, allowed: Any) -> Fault | None:
    fault: Fault | None = Fault("dict_checker:unclear", f"{parameter!r} has no allowed value")
    for alternative in entries(allowed):
        if alternative == _OPTIONAL:
            continue
        fault = _alternative_fault(parameter, value, alternative)
        if fault is None:
            return None
    return fault


def _alternative_fault(parameter: str, value: Any, alternative: Any) -> Fault | None:
    fault = None
    for key, found in value.items():
        if key not in alternative:
            fault = Fault("value_error:dict_key", f"{parameter!r} has the unexpected key {shown(key)}")
            break
        folded = fold(found) if isinstance(found, str) else found
        if folded not in fold_texts(alternative[key]):
            fault = _value_fault("dict_value", f"{parameter}.{key}", found, alternative[key])
            break
    # A key that is missing is reported rather than one that is wrong, as upstream does.
    for key, choices in alternative.items():
        if key not in value and _OPTIONAL not in choices:
            return Fault("value_error:dict_key", f"{parameter!r} lacks the key {key!r}")
    return fault


def _dict_list_fault(parameter: str, value: Any, allowed: Any) -> Fault | None:
    fault: Fault | None = Fault("list_dict_checker:unclear", f"{parameter!r} has no allowed value")
    for alternative in entries(allowed):
        if len(value) != len(alternative):  # the optional mark has length 0
            message = f"the number of rows of {parameter!r} is {len(value)}, not {len(alternative)}"
            fault = Fault("value_error:list_dict_count", message)
            continue
        for row, expected in zip(value, entries(alternative), strict=True):
            fault = _dict_fault(parameter, row, [expected])
            if fault is not None:
                break
        else:
            return None
    return fault


def _value_fault(rule: str, parameter: str, value: Any, allowed: Any) -> Fault:
    return Fault(f"value_error:{rule}", f"{parameter!r} is {shown(value)}, not one of {shown(allowed)}")
