"""How a judge is asked: a prompt, by reference or in our own wording, and the settings of the call.

What the reply means is not said here: the task that asked reads it, with a pure parser of `fac_eval.metrics`. So one
stored reply serves every way of reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fac_eval.vocabulary import Settings

if TYPE_CHECKING:
    from fac_eval.data.assets import Asset

Decision = Literal["right", "wrong"]
Fill = Literal["format", "replace", "jinja"]
"""How upstream fills its placeholders: `str.format`, one `str.replace` after another, or `{{name}}`."""


@dataclass(frozen=True, slots=True)
class UpstreamPrompt:
    """A prompt that others wrote: which pinned file, where in it, and under which names it takes our inputs."""

    asset: Asset
    read: Callable[[Path], str]
    """Finds the prompt in the file."""
    sha256: str
    """Of the prompt's UTF-8 text, once read; empty where the file's own hash has to do."""
    fill: Fill = "format"
    names: Mapping[str, str] = field(default_factory=dict)
    """Upstream's placeholder for an input of ours, where they differ."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """One kind of question to a judge. Its name begins with that of the benchmark it belongs to."""

    name: str
    own: str
    """Our own wording, with `{input}` placeholders; used where the upstream prompt is not at hand."""
    settings: Settings
    upstream: UpstreamPrompt | None = None
    system: str | None = None
    model: str = "gpt-4o-mini"
    """The judge that the protocol names."""
    hears: bool = False
    """Whether the question comes with audio."""
    decisions: Mapping[Decision, str] = field(default_factory=dict)
    """Replies that mean right and wrong, for questions that a rule can decide; empty for open-ended ones."""
    reference: str = "reference"
    answer: str = "answer"
    """The inputs that hold the right answer and the one in question, for a judge that goes by rules."""
    accept: Callable[[str], bool] | None = None
    """Whether a reply can be read, where the protocol asks again for one that cannot."""
    attempts: int = 1
