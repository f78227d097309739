"""Whose wording a rubric is asked in, and filling it in exactly as its author does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from fac_eval.data.assets import asset_path
from fac_eval.errors import AssetError, DataError, MissingResource
from fac_eval.rubric import Fill, Rubric, UpstreamPrompt

PromptChoice = Literal["auto", "official", "own"]
"""`official`: the upstream prompt or nothing; `own`: our wording; `auto`: upstream's where it is at hand."""
Source = Literal["official", "own"]

_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template and how it is filled."""

    source: Source
    template: str
    fill: Fill = "format"
    names: Mapping[str, str] = field(default_factory=dict)
    """The template's name of an input, where they differ. Texts are replaced in this order under `replace`."""

    @property
    def identity(self) -> dict[str, object]:
        """What decides the text that a judge gets to read."""
        return {
            "prompt": self.source,
            "prompt_sha256": _digest(self.template),
            "fill": self.fill,
            "names": list(self.names.items()),
        }

    def render(self, inputs: Mapping[str, Any]) -> str:
        """The text for one question. Braces within an input stay what they are.

        Raises:
            DataError: the template asks for an input that is not there.
        """
        values = {self.names.get(name, name): _text(value) for name, value in inputs.items()}
        missing = sorted(self.wanted() - set(values))
        if missing:
            raise DataError(f"the judge's prompt needs {', '.join(missing)}; there is {', '.join(values)}")
        if self.fill == "format":
            return self.template.format(**values)
        if self.fill == "jinja":
            # Jinja drops one line break at a template's end.
            return _SLOT.sub(lambda slot: values[slot[1]], self.template.removesuffix("\n"))
        text = self.template
        for name in self.names.values():
            text = text.replace(f"{{{name}}}", values[name])
        return text

    def wanted(self) -> set[str]:
        """The names of the template's placeholders."""
        if self.fill == "format":
            return {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}
        if self.fill == "jinja":
            return set(_SLOT.findall(self.template))
        return set(self.names.values())


def choose(rubric: Rubric, choice: PromptChoice) -> Prompt:
    """The prompt that a rubric is asked with.

    Raises:
        MissingResource: upstream's prompt was demanded and is not on this machine.
        AssetError: its file, or what is found in it, is not the pinned one.
    """
    own = Prompt("own", rubric.own)
    if rubric.upstream is None or choice == "own":
        if choice == "official":
            raise MissingResource(
                f"{rubric.name} has no official prompt.", remedy="Use prompts=auto to ask in our own wording."
            )
        return own
    try:
        path = asset_path(rubric.upstream.asset)
    except MissingResource as error:
        if choice == "auto":
            return own
        raise MissingResource(
            f"prompts=official: {error.message}",
            remedy=f"{error.remedy}\nUse prompts=auto to ask in our own wording until then.",
        ) from error
    return _official(rubric, rubric.upstream, path)


def _official(rubric: Rubric, upstream: UpstreamPrompt, path: Path) -> Prompt:
    template = upstream.read(path)
    found = _digest(template)
    if upstream.sha256 and found != upstream.sha256:
        raise AssetError(
            f"{path}: the prompt of {rubric.name} is not the pinned one:\n"
            f"  expected sha256 {upstream.sha256}\n  found sha256    {found}",
            remedy="Use prompts=own to ask in our own wording.",
        )
    return Prompt("official", template, upstream.fill, upstream.names)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
