"""The kinds of plugins that `ls`, `show` and the shell's completion know besides tasks and rubrics."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fac_eval.registry import Kind

if TYPE_CHECKING:
    from fac_eval.data.prepare import Need

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


def is_part(spec: str) -> bool:
    """Whether a spec names one of these and no task."""
    from fac_eval import registry
    from fac_eval.specs import parse_spec

    name = parse_spec(spec).name
    return name not in registry.names("task") and any(name in registry.names(kind) for kind in PARTS)


def part_needs(spec: str) -> list[Need]:
    """What has to be fetched for a spec; parts that share its name count together, if they take its arguments."""
    from fac_eval import registry
    from fac_eval.errors import FacEvalError
    from fac_eval.specs import parse_spec

    parsed = parse_spec(spec)
    needs: list[Need] = []
    errors: list[FacEvalError] = []
    kinds = [kind for kind in PARTS if parsed.name in registry.names(kind)]
    bare = parsed.positional is None and not parsed.arguments
    for kind in kinds:
        cls: Any = registry.load(kind, parsed.name)
        if bare and inspect.ismethod(getattr(cls, "assets", None)):
            needs += cls.assets()  # the same whatever its arguments, some of which may be required
            continue
        try:
            part = make(kind, spec)
        except FacEvalError as error:
            errors.append(error)
        else:
            needs += [*part.assets(), *part.weights()]
    if len(errors) == len(kinds):
        raise errors[0]
    return needs
