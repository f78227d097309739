"""How Speech-FC offers its tools: written into the system prompt, or as JSON Schema for chat APIs that take tools."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fac_eval.data.assets import Asset, asset_path
from fac_eval.data.source_text import module_text
from fac_eval.errors import AssetError, MissingResource
from fac_eval.vocabulary import Tool, ToolCall

PROMPT_FILE = Asset(
    name="prompts of Fun-Audio-Chat",
    url="https://raw.githubusercontent.com/FunAudioLLM/Fun-Audio-Chat/"
    "8ba984b64b4880918db2807e08d795475481200c/utils/constant.py",
    sha256="df0d6ae01e1af074bc662d37ae5524584599fdf581d396c42584f7ac4374b5e7",
    path_in_cache="fun-audio-chat/constant.py",
    licence="Apache-2.0",
)
_PROMPT_NAME = "FUNCTION_CALLING_PROMPT"
_PLACEHOLDER = "{tools_definition}"

Wording = Literal["official", "own"]

# The tags and the JSON form are what the model was trained on and what the scorer reads; the sentences are ours.
_OWN_PROMPT = (
    "You are asked to generate text tokens.\n"
    "# Tools\n\n"
    "The functions that may help with the spoken request are listed here as JSON, one a line:\n"
    f"<tools>\n{_PLACEHOLDER}\n</tools>\n\n"
    "To call one, answer with its name and arguments as JSON between tags, once for each call:\n"
    '<tool_call>\n{"name": <name>, "arguments": <arguments as a JSON object>}\n</tool_call>'
)

_JSON_TYPES: Mapping[str, str] = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
_NOT_SCHEMA = frozenset({"default", "enum"})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64


def wording_here() -> Wording:
    """Whose system prompt there is on this machine: the authors', if their pinned file is there, or else ours."""
    try:
        asset_path(PROMPT_FILE)
    except MissingResource:
        return "own"
    return "official"


def prompt_template(wording: Wording) -> str:
    """The system prompt with a place for the tools.

    Raises:
        MissingResource: The authors' file is not on this machine.
        AssetError: It holds no such prompt.
    """
    if wording == "own":
        return _OWN_PROMPT
    path = asset_path(PROMPT_FILE)
    prompt = module_text(path, _PROMPT_NAME)
    if _PLACEHOLDER not in prompt:
        raise AssetError(f"{path}: {_PROMPT_NAME} has no {_PLACEHOLDER} in it.")
    return prompt


def system_prompt(template: str, definitions: Sequence[Any], line: str = "") -> str:
    """The prompt with each tool as stored, on a line of its own; `line` goes in after the prompt's first."""
    if line:
        first, _, rest = template.partition("\n")
        template = f"{first}\n{line}\n{rest}"
    tools = "\n".join(json.dumps(definition, ensure_ascii=False) for definition in definitions)
    # The prompt has other braces, so it is no format string.
    return template.replace(_PLACEHOLDER, tools)


def tool_definitions(function: Any) -> list[Any]:
    """The tools of a record, whose column `function` is JSON text or already decoded."""
    decoded = json.loads(function) if isinstance(function, str) else function
    return decoded if isinstance(decoded, list) else [decoded]


@dataclass(frozen=True, slots=True)
class NativeTools:
    """Tools as chat APIs take them: JSON Schema, and names of letters, digits, `_` and `-` alone."""

    tools: tuple[Tool, ...]
    stored: Mapping[str, str]
    """The name in the data set by the name that was offered."""

    def restored(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """Calls by the names in the data set; a name that was not offered stays as it is."""
        return [ToolCall(self.stored.get(call.name, call.name), call.arguments, call.id) for call in calls]


def native_tools(definitions: Sequence[Any]) -> NativeTools:
    """The tools of a record for a chat API."""
    tools: list[Tool] = []
    stored: dict[str, str] = {}
    for definition in definitions:
        function = definition.get("function", definition)
        name = _free_name(function["name"], stored)
        stored[name] = function["name"]
        parameters = json_schema(function.get("parameters", {}))
        tools.append(Tool(name, function.get("description", ""), parameters))
    return NativeTools(tuple(tools), stored)


def json_schema(schema: Any) -> Any:
    """A parameter schema with BFCL's Python types as those of JSON Schema."""
    if isinstance(schema, list):
        return [json_schema(entry) for entry in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: _json_value(key, value) for key, value in schema.items()}


def _json_value(key: str, value: Any) -> Any:
    if key == "type" and isinstance(value, str):
        return _JSON_TYPES.get(value, value)
    return value if key in _NOT_SCHEMA else json_schema(value)


def _free_name(name: str, taken: Mapping[str, str]) -> str:
    legal = _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME]
    number, free = 1, legal
    while free in taken:
        number += 1
        suffix = f"_{number}"
        free = legal[: _LONGEST_NAME - len(suffix)] + suffix
    return free
