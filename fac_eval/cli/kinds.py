"""The kinds of plugins that `ls`, `show` and the shell's completion know besides tasks and rubrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fac_eval.registry import Kind

PARTS: Mapping[Kind, str] = {
    "model": "models",
    "judge": "judges",
    "transcriber": "transcribers",
    "meter": "meters",
    "embedder": "embedders",
    "synthesizer": "synthesizers",
}
"""What is made from a spec, with its plural."""


def make(kind: Kind, spec: str) -> Any:
    """The object that a spec stands for."""
    from fac_eval import resolve

    return getattr(resolve, f"resolve_{kind}")(spec)
