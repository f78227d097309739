"""Records of the speech function-calling benchmarks, built from plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def tool(
    name: str, properties: Mapping[str, Any], required: Sequence[str] = (), **parameters: Any
) -> dict[str, Any]:
    """A bare tool; a property may be given by its type alone."""
    full = {key: {"type": value} if isinstance(value, str) else value for key, value in properties.items()}
    schema = {"type": "dict", "properties": full, "required": list(required), **parameters}
    return {"name": name, "description": "", "parameters": schema}


def call(name: Any, arguments: Any) -> str:
    """A call as a model writes it."""
    written = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{written}\n</tool_call>"


def record(tools: Sequence[Any], answers: Any, *calls: str) -> dict[str, Any]:
    """A record as upstream's prediction files hold it."""
    chat = [{"type": "function", "function": each} for each in tools]
    return {
        "function": json.dumps(chat, ensure_ascii=False),
        "ground_truth": json.dumps(answers, ensure_ascii=False),
        "predict": "".join(calls),
        "utterance": "...",
        "dataset_key": "item-0",
        "index": 0,
    }
