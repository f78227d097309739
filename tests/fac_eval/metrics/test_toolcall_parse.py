from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.toolcall_parse import (
    MAX_NESTING,
    Decoded,
    DecodedCall,
    calls_as_text,
    decode_calls,
)
from fac_eval.vocabulary import ToolCall

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# Pieces of replies that are likely to meet the pattern, whole calls among them.
PIECES = st.one_of(
    st.sampled_from(
        ["<tool_call>", "</tool_call>", "{", "}", "\n", "\\n", "\\", '"', "\u3000", "\ufeff", "<tool_call>{"]
    ),
    st.text(max_size=5),
    st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON}).map(
        lambda found: f"<tool_call>{json.dumps(found, ensure_ascii=False)}</tool_call>"
    ),
)
REPLIES = st.lists(PIECES, max_size=8).map("".join)


def block(text: str) -> str:
    return f"<tool_call>{text}</tool_call>"


def plain_decode(predict: str) -> list[tuple[Any, Any]] | None:
    """The rule as it is written down."""
    objects = []
    for found in re.findall(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", predict, re.DOTALL):
        try:
            objects.append(json.loads(found.replace("\\n", " ")))
        except ValueError:
            continue
    calls = []
    for each in objects:
        if "name" not in each or "arguments" not in each or isinstance(each["name"], list | dict):
            return None
        arguments = each["arguments"]
        if isinstance(arguments, list) and len(arguments) == 1:
            (arguments,) = arguments
        if not isinstance(arguments, dict):
            return None
        calls.append((each["name"], arguments))
    return calls


@given(REPLIES)
def test_any_text_decodes_as_the_plain_rule_says(predict: str) -> None:
    decoded, expected = decode_calls(predict), plain_decode(predict)
    if expected is None:
        assert decoded.failure
        assert decoded.calls == ()
    else:
        assert decoded.failure is None
        assert repr([(call.name, call.arguments) for call in decoded.calls]) == repr(expected)  # NaN


@given(JSON.filter(lambda value: not isinstance(value, str)))
def test_a_reply_that_is_not_text_is_a_failure_and_no_crash(predict: object) -> None:
    assert "not text" in (decode_calls(predict).failure or "")


@pytest.mark.parametrize(
    ("predict", "calls"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("对不起，我无法调用工具。", [], id="refusal"),
        pytest.param(block('\u3000{"name": "f", "arguments": {}}'), ["f"], id="ideographic-space"),
        pytest.param(block('\ufeff{"name": "f", "arguments": {}}'), [], id="byte-order-mark"),
        pytest.param(block('{"name": "f", "arguments": {}}').upper(), [], id="upper-case-tag"),
        pytest.param(
            "<tool_call>{x <tool_call>" + '{"name": "f", "arguments": {}}</tool_call>', [], id="spans"
        ),
        pytest.param(block("[]") + block('{"name": "f", "arguments": {}}'), ["f"], id="list-is-no-block"),
        pytest.param(block('{"name": "f", "arguments": {"x": "D:\\\\notes"}}'), [], id="escaped-backslash-n"),
        pytest.param(block('{"name": "f", "arguments": {}} {}'), [], id="two-objects"),
        pytest.param(block('{"name": true, "arguments": [{}]}'), [True], id="odd-name-and-listed-arguments"),
    ],
)
def test_calls_of_a_reply(predict: str, calls: list[object]) -> None:
    decoded = decode_calls(predict)
    assert decoded.failure is None
    assert [call.name for call in decoded.calls] == calls


def test_values_are_read_as_python_reads_json() -> None:
    text = '{"name": "f", "name": "g", "arguments": {"a": "x\\ny", "b": NaN, "c": 1e3, "a": "p\\nq"}}'
    (call,) = decode_calls(block(text)).calls
    assert call.name == "g"
    assert call.arguments["a"] == "p q"
    assert math.isnan(call.arguments["b"])
    assert call.arguments["c"] == 1000.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param('{"name": "f"}', "lacks 'arguments'", id="no-arguments"),
        pytest.param("{}", "lacks 'name' and 'arguments'", id="nothing"),
        pytest.param('{"name": ["f"], "arguments": {}}', "name is a list", id="listed-name"),
        pytest.param('{"name": "f", "arguments": "{}"}', "arguments are str", id="text"),
        pytest.param('{"name": "f", "arguments": null}', "arguments are NoneType", id="null"),
        pytest.param('{"name": "f", "arguments": [{}, {}]}', "arguments are list", id="two"),
        pytest.param('{"name": "f", "arguments": [[{}]]}', "arguments are list", id="nested"),
    ],
)
def test_one_bad_call_fails_the_whole_reply(text: str, reason: str) -> None:
    decoded = decode_calls(block('{"name": "f", "arguments": {}}') + block("{bad}") + block(text))
    assert decoded.calls == ()
    assert decoded.failure is not None
    assert decoded.failure.startswith("call 2: ")
    assert reason in decoded.failure
    assert len(decoded.dropped) == 1


def test_a_block_that_is_no_json_is_dropped_but_not_without_trace() -> None:
    decoded = decode_calls(block("{'a': 1}") + block('{"name": "f", "arguments": {}}'))
    assert [call.name for call in decoded.calls] == ["f"]
    assert len(decoded.dropped) == 1
    assert decoded.dropped[0].startswith("block 1: ")


def nested(depth: int) -> str:
    return block('{"name": "f", "arguments": {"x": ' + "[" * depth + "]" * depth + "}}")


def test_nesting_has_a_limit_of_its_own() -> None:
    assert len(decode_calls(nested(MAX_NESTING - 2)).calls) == 1
    for depth in (MAX_NESTING - 1, 100_000):
        decoded = decode_calls(nested(depth))
        assert decoded.calls == ()
        assert "inside one another" in decoded.dropped[0]


def test_brackets_in_texts_are_no_nesting() -> None:
    text = json.dumps({"name": "f", "arguments": {"x": '\\"[{' * 1000}})
    assert len(decode_calls(block(text)).calls) == 1


def test_a_number_of_too_many_digits_is_dropped() -> None:
    decoded = decode_calls(block('{"name": "f", "arguments": {"x": ' + "9" * 100_000 + "}}"))
    assert decoded.calls == ()
    assert "digits" in decoded.dropped[0]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>{" * 100_000,
        ("}" + " " * 1000) * 1000 + "</tool_call>",
        block('{"a":' + '"\\"' * 100_000 + "[{" * 1000 + "}"),
    ],
    ids=["openings", "blanks", "open-text"],
)
def test_degenerate_replies_take_linear_time(text: str) -> None:
    assert decode_calls(text).calls == ()  # a quadratic decoder would take minutes


@given(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), JSON, max_size=3)), max_size=3))
def test_native_calls_survive_as_text(calls: list[tuple[str, dict[str, Any]]]) -> None:
    native = [ToolCall(name, json.dumps(arguments)) for name, arguments in calls]
    decoded = decode_calls("Well. " + calls_as_text(native))
    expected = Decoded(tuple(DecodedCall(name, arguments) for name, arguments in calls))
    assert repr(decoded) == repr(expected)  # NaN


def test_native_calls_with_texts_that_the_decoder_would_change() -> None:
    arguments = {"x": "D:\\notes\n}</tool_call>", "<tool_call>": "\\n"}
    (call,) = decode_calls(calls_as_text([ToolCall("f", json.dumps(arguments))])).calls
    assert call.arguments == arguments


@pytest.mark.parametrize("arguments", ["", " "])
def test_a_native_call_with_empty_arguments_has_none(arguments: str) -> None:
    assert decode_calls(calls_as_text([ToolCall("f", arguments)])).calls == (DecodedCall("f", {}),)


@pytest.mark.parametrize("arguments", ["{", "[1]", "x</tool_call>", "[" * 1000 + "]" * 1000])
def test_a_native_call_whose_arguments_are_no_object_fails_the_reply(arguments: str) -> None:
    assert decode_calls(calls_as_text([ToolCall("f", arguments)])).failure is not None
