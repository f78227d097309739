"""Tool calls as text: `<tool_call>` blocks with a JSON object each, read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fac_eval.vocabulary import ToolCall

MAX_NESTING = 500
"""Lists and objects inside one another, above which a block counts as no JSON wherever it is read."""

_OPENING = re.compile(r"<tool_call>\s*\{")
_CLOSING = re.compile(r"\}\s*</tool_call>")
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_ESCAPED_OR_TAG = re.compile(r"\\.|<")


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """One call. `name` is a text in all but odd replies, where it may be a number, a boolean or None."""

    name: str | float | bool | None
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The calls of a reply in order, or why they cannot be read."""

    calls: tuple[DecodedCall, ...] = ()
    dropped: tuple[str, ...] = ()
    """For each block that is no JSON, the reason; official scorers skip such blocks without a word."""
    failure: str | None = None
    """Why the whole reply counts as undecodable; there are no calls then."""


def decode_calls(predict: object) -> Decoded:
    """Read the calls out of a model's text as the Speech-FC scorers do; it never raises.

    A reply without any block holds no calls, which is no failure.

    >>> decode_calls('Well: <tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>').calls
    (DecodedCall(name='f', arguments={'x': 1}),)
    """
    if not isinstance(predict, str):
        return Decoded(failure=f"the reply is {type(predict).__name__}, not text")
    objects: list[dict[str, Any]] = []
    dropped: list[str] = []
    for number, block in enumerate(_blocks(predict), start=1):
        try:
            objects.append(_read_object(block))
        except (ValueError, RecursionError) as error:
            dropped.append(f"block {number}: {error}")
    calls: list[DecodedCall] = []
    for number, found in enumerate(objects, start=1):
        call = _read_call(found)
        if isinstance(call, str):
            return Decoded(dropped=tuple(dropped), failure=f"call {number}: {call}")
        calls.append(call)
    return Decoded(tuple(calls), tuple(dropped))


def calls_as_text(calls: Iterable[ToolCall]) -> str:
    """Write the native calls of a chat API as blocks from which `decode_calls` reads the same calls.

    Arguments that are no JSON become a text, which the decoder refuses, so that such a reply is counted.
    """
    return "\n".join(f"<tool_call>\n{_call_text(call)}\n</tool_call>" for call in calls)


def _blocks(text: str) -> Iterator[str]:
    # One pass whatever the text: a closing tag that no opening tag finds, no later one finds either.
    place = 0
    while opening := _OPENING.search(text, place):
        closing = _CLOSING.search(text, opening.end())
        if closing is None:
            return
        yield text[opening.end() - 1 : closing.start() + 1]
        place = closing.end()


def _read_object(block: str) -> dict[str, Any]:
    # Fun-Audio-Chat evaluate/SpeechFCEval turns every backslash followed by n into a blank, even where the
    # backslash is itself escaped.
    found: dict[str, Any] = _read_json(block.replace("\\n", " "))  # text in braces: an object or an error
    return found


def _read_json(text: str) -> Any:
    # A limit of our own: the interpreter's depends on how deep the caller itself stands.
    if text.count("[") + text.count("{") > MAX_NESTING and _nesting(text) > MAX_NESTING:
        raise ValueError(f"more than {MAX_NESTING} lists and objects inside one another")
    return json.loads(text)


def _nesting(text: str) -> int:
    deepest = depth = 0
    for token in _TEXT_OR_BRACKET.finditer(text):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
    return deepest


def _read_call(found: dict[str, Any]) -> DecodedCall | str:
    if "name" not in found or "arguments" not in found:
        return f"it lacks {' and '.join(repr(key) for key in ('name', 'arguments') if key not in found)}"
    name, arguments = found["name"], found["arguments"]
    if isinstance(name, list | dict):
        return f"its name is a {type(name).__name__}"
    if isinstance(arguments, list) and len(arguments) == 1:
        arguments = arguments[0]
    if not isinstance(arguments, dict):
        return f"its arguments are {type(arguments).__name__}, not an object"
    return DecodedCall(name, arguments)


def _call_text(call: ToolCall) -> str:
    try:
        arguments = _read_json(call.arguments.strip() or "{}")  # some servers send no text for no arguments
    except (ValueError, RecursionError):
        arguments = call.arguments
    text = json.dumps({"name": call.name, "arguments": arguments}, ensure_ascii=False)
    return _ESCAPED_OR_TAG.sub(_numbered_escape, text)


def _numbered_escape(found: re.Match[str]) -> str:
    # The decoder would change a line break, break an escaped backslash, and end a block at a tag in a value.
    character = {"\\n": "\n", "\\\\": "\\", "<": "<"}.get(found[0])
    return found[0] if character is None else f"\\u{ord(character):04x}"
