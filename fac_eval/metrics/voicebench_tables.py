"""The phrase tables of VoiceBench's rule-based scorers, read once from package data."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from fac_eval.errors import DataError


@functools.cache
def tables() -> dict[str, Any]:
    """The whole table file; its attribution and licence stand in `about`, `license` and `notice`."""
    source = resources.files("fac_eval.metrics").joinpath("data", "voicebench_tables.json")
    loaded: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return loaded


def require_text(value: object, what: str) -> str:
    """`value` as it is if it is a string; the official scorers crash on anything else, we say why."""
    if isinstance(value, str):
        return value
    raise DataError(
        f"{what} is {type(value).__name__}, not text: {value!r:.80}",
        remedy="Record a missing answer as a failed sample; do not score it.",
    )
