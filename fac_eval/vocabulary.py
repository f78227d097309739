"""The values that cross every border of the engine: small, typed, immutable.

A `Sample` is what a data set holds, a `Request` what a model is asked, a `Response` what it said, a
`Score` what that is worth, and a `Failure` why one of them is missing. A sample ends in exactly one of
three outcomes, which are kept apart everywhere: scored, failed (with a `Failure`), skipped (with a reason).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fac_eval.audio import Audio

Role = Literal["system", "user", "assistant", "tool"]
Output = Literal["text", "speech"]
"""What a request asks for: `text` alone, or `speech` (text and its sound together)."""

Outcome = Literal["scored", "failed", "skipped"]

FailureKind = Literal[
    "bad_input",  # the sample itself: corrupt or empty audio, a value of the wrong type
    "model_error",  # the model raised, or the endpoint answered with an error
    "out_of_memory",  # the sample does not fit the device even alone
    "timeout",
    "rate_limited",
    "refused",  # the endpoint declined this request (content filter, context length)
    "bad_response",  # an answer that cannot be read: truncated, empty, wrong content type
    "missing_prediction",  # a replayed file holds no answer for the sample
    "transcribe_error",
    "quality_error",
    "similarity_error",
    "judge_error",
    "score_error",
]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text within a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that an assistant message makes; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: text and audio parts in order."""

    role: Role
    parts: tuple[Text | Audio, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


def user(*parts: str | Text | Audio) -> Message:
    """A user message; plain strings become text parts."""
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def system(text: str) -> Message:
    """A system message."""
    return Message("system", (Text(text),))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is its JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Generation settings. `None` leaves the choice to the model's own default.

    `extra` carries settings that only one family of models knows; they reach its adapter unchanged.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a task, as the data set holds it.

    `reference` is what a right answer is measured against, in whatever JSON form the task's scorer reads.
    `metadata` holds the columns that scores are grouped by. Samples that share a source (a speaker, a
    passage) carry the same `cluster`, so that intervals do not pretend they are independent.
    """

    id: str
    messages: tuple[Message, ...]
    reference: Any = None
    choices: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked. Two equal requests with equal seeds are one piece of work."""

    messages: tuple[Message, ...]
    output: Output = "text"
    settings: Settings = Settings()
    tools: tuple[Tool, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a piece of work has no result; stored, counted and shown, never turned into a number."""

    kind: FailureKind
    message: str
    raw: str | None = None
    """What came back instead, where something did (an endpoint's body, a judge's reply)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took. `None` where the model does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cost: float | None = None
    """US dollars, from the price table."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since the request was in the model's hands."""

    total: float | None = None
    first_token: float | None = None
    first_audio: float | None = None
    attempts: int = 1
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Response:
    """What a model said, or (`error`) why it said nothing."""

    text: str | None = None
    speech: Audio | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()
    timings: Timings = Timings()
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only this model reports: speech codes, the served model's name, a request id."""
    error: Failure | None = None

    @classmethod
    def failed(cls, kind: FailureKind, message: str, raw: str | None = None) -> Response:
        """A response that holds nothing but its typed error."""
        return cls(error=Failure(kind, message, raw))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's reply to one question, as it came; what it means is for the task that asked to read."""

    reply: str = ""
    rubric: str = ""
    prompt: str = ""
    """Whose wording the judge was asked in: `official` or `own`."""
    usage: Usage = Usage()
    error: Failure | None = None
    key: str = ""
    """The key under which the store keeps it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One call to a judge: by which rubric, about what, and the `draw`-th time."""

    rubric: str
    inputs: Mapping[str, Any]
    audio: tuple[Audio, ...] = ()
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the stages between generation and scoring found out about one response."""

    transcript: str | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    similarities: tuple[float, ...] = ()
    """How near the answer is to each candidate that the task named."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one response is worth.

    `value` is the sample's main number, `label` what was read out of the answer, `parts` further numbers
    that figures are computed from (an error count and a word count for a WER), `evidence` what a reader
    needs to see why.
    """

    value: float
    label: str | None = None
    explanation: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed number of a task, with what a reader needs to trust it."""

    name: str
    value: float | None
    n: int
    unit: str = "%"
    """`%`, `count` for a number of things, nothing for a rating."""
    higher_is_better: bool = True
    se: float | None = None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    """How the interval was made: wilson, t, bootstrap, ..."""
    main: bool = False
    """The figure that stands for the task in a table."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """A figure over several tasks of one model, or the reason why there is none."""

    model: str
    benchmark: str
    figure: Figure | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Coverage of a task: the three outcomes, and the reasons behind two of them."""

    total: int = 0
    scored: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_failed(self) -> int:
        return sum(self.failed.values())

    @property
    def n_skipped(self) -> int:
        return sum(self.skipped.values())

    @property
    def n_pending(self) -> int:
        """Samples that no outcome is stored for yet."""
        return self.total - self.scored - self.n_failed - self.n_skipped
