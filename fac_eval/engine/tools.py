"""What works on answers besides the model: who needs it, and how it shows in a task's identity and in results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from fac_eval.codec import plain
from fac_eval.errors import FacEvalError, UsageError
from fac_eval.interfaces import BatchJudge, Embedder, Judge, QualityMeter, Transcriber
from fac_eval.resolve import task_rubrics

if TYPE_CHECKING:
    from fac_eval.task import Need, Task

AnyTool = Transcriber | QualityMeter | Embedder | Judge

_ASKED_FOR: Mapping[Need, tuple[str, str, str]] = {
    "transcript": ("a transcriber", "--transcriber whisper", "transcribers"),
    "quality": ("a quality meter", "--quality utmos", "meters"),
    "similarity": ("an embedder", "--embedder nv-embed", "embedders"),
    "judge": ("a judge", "--judge openai:model=gpt-4o-mini", "judges"),
}
_LABELS: Mapping[Need, str] = {
    "transcript": "transcriber",
    "quality": "quality",
    "similarity": "embedder",
    "judge": "judge",
}
_PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Tools:
    """What works on responses between generation and scoring."""

    transcriber: Transcriber | None = None
    meter: QualityMeter | None = None
    judge: Judge | None = None
    embedder: Embedder | None = None

    def of(self, need: Need) -> AnyTool | None:
        """The tool that serves a need."""
        tools: Mapping[Need, AnyTool | None] = {
            "transcript": self.transcriber,
            "quality": self.meter,
            "similarity": self.embedder,
            "judge": self.judge,
        }
        return tools[need]


def check_tools(task: Task, needs: Iterable[Need], tools: Tools, *, batches: bool) -> None:
    """Raise UsageError for a need without a tool, and whatever the judge says of the task's rubrics."""
    for need in sorted(needs):
        if tools.of(need) is None:
            what, example, plural = _ASKED_FOR[need]
            raise UsageError(
                f"task {task.name} needs {what}, and none was given",
                remedy=f"Name one, as in {example}; 'fac-eval ls {plural}' lists them.{_without(task, need)}",
            )
    if "judge" not in needs or tools.judge is None:
        return
    rubrics = task_rubrics(task)
    if not rubrics:
        raise UsageError(
            f"task {task.name} needs a judge and does not say how it is asked",
            remedy="This is a defect of the task: its `rubrics` name what its questions go by.",
        )
    for rubric in rubrics:
        tools.judge.check(rubric)
    if batches and not isinstance(tools.judge, BatchJudge):
        raise UsageError(
            f"the judge {tools.judge.name} takes no batches", remedy="Leave out --judge-mode batch."
        )


def _without(task: Task, need: Need) -> str:
    """The first choice among the task's options under which it does without, as a further remedy."""
    if need not in task.needs:
        return ""
    hints = get_type_hints(task.Options)
    for field in dataclasses.fields(task.Options):
        choices = get_args(hints[field.name]) if get_origin(hints[field.name]) is Literal else ()
        for choice in choices:
            try:
                other = type(task)(dataclasses.replace(task.options, **{field.name: choice}))
                spared = other.needs < task.needs and need not in other.needs
            except FacEvalError:  # a choice that does not go with the other options
                continue
            if spared:
                return f" Or run {task.name}:{field.name}={choice}, which needs none."
    return ""


def tool_identity(task: Task, needs: Iterable[Need], tools: Tools) -> dict[str, Any]:
    """What the tools add to a task's protocol: their fingerprints, and how the judge asks by each rubric."""
    identity: dict[str, Any] = {}
    for need in needs:
        tool = tools.of(need)
        if isinstance(tool, Judge):
            identity[need] = {
                rubric.name: plain(dict(tool.identity(rubric))) for rubric in task_rubrics(task)
            }
        elif isinstance(tool, Transcriber) and task.language is not None:
            identity[need] = {"transcriber": tool.fingerprint, "language": task.language}
        elif tool is not None:
            identity[need] = tool.fingerprint
    return identity


def tool_labels(needs: Iterable[Need], tools: Tools, identity: Mapping[str, Any]) -> list[str]:
    """The tools as the result table shows them beside a task's variant."""
    held = set(needs)
    labels = []
    for need, name in _LABELS.items():
        tool = tools.of(need) if need in held else None
        if tool is not None:
            labels.append(f"{name}={tool.name}")
    if any(asked.get(_PROMPT) == "own" for asked in identity.get("judge", {}).values()):
        labels.append(f"{_PROMPT}=own")
    return labels


def labels_in(variant: str, own: str, needs: Iterable[Need]) -> list[str]:
    """The tools' labels out of a stored variant; `own` is the task's part of it."""
    kept = {_LABELS[need] for need in needs} | ({_PROMPT} if "judge" in needs else set())
    pieces = set(own.split(","))
    return [piece for piece in variant.split(",") if piece.partition("=")[0] in kept and piece not in pieces]
