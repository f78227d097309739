"""The samples at which a candidate did worse or better than the reference, with what was asked and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fac_eval.codec import from_json
from fac_eval.engine.export import prompt_of
from fac_eval.scores import Metric

from .comparison import TIE, Comparison, sample_gains
from .pairs import PairedTask
from .sides import Side, StoredSamples, TaskScores


@dataclass(frozen=True, slots=True)
class Answer:
    """One side's answer to a sample: its score as it enters the figure, and what was read out of the answer."""

    score: str
    label: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """A sample with another score than in the reference; `gain` is negative where the candidate did worse."""

    task: str
    id: str
    gain: float
    question: str | None
    reference: Answer
    candidate: Answer


def changed_samples(comparison: Comparison, limit: int) -> list[ChangedSample]:
    """Up to `limit` changed samples of each task, the greatest losses first."""
    return [
        sample
        for one in comparison.differences
        if one.paired is not None and one.paired.n and limit > 0
        for sample in _of_task(comparison, one.paired, limit)
    ]


def _of_task(comparison: Comparison, paired: PairedTask, limit: int) -> list[ChangedSample]:
    import numpy as np

    metric, _ = paired.main_metric
    stored = paired.candidate.stored
    if stored is None:
        return []
    gains = sample_gains(paired.pairs(metric), metric)
    order = np.argsort(gains, kind="stable").tolist()
    chosen = [row for row in order if abs(gains[row]) > TIE][:limit]
    first, second = (paired.rows[chosen, side].tolist() for side in (0, 1))
    before = _answers(comparison.reference, paired.reference, first, metric)
    after = _answers(comparison.candidate, paired.candidate, second, metric)
    questions = _questions(comparison.candidate, stored, second)
    return [
        ChangedSample(paired.candidate.label, stored.ids[row], float(gains[at]), question, old, new)
        for at, row, question, old, new in zip(chosen, second, questions, before, after, strict=True)
    ]


def _answers(side: Side, scores: TaskScores, rows: Sequence[int], metric: Metric) -> list[Answer]:
    stored = scores.stored
    texts: list[str | None] = [None] * len(rows)
    if stored is not None and side.place is not None:
        keys = [stored.answers[row] for row in rows]
        with side.place.opened() as store:
            bodies = store.works([key for key in keys if key is not None])
        texts = [_text(bodies.get(key)) if key is not None else None for key in keys]
    found = []
    for row, text in zip(rows, texts, strict=True):
        score = f"{scores.columns[metric.of][row]:.6g}"
        if metric.per is not None:
            score += f"/{scores.columns[metric.per][row]:.6g}"
        found.append(Answer(score, None if stored is None else stored.labels[row], text))
    return found


def _text(body: bytes | None) -> str | None:
    """The answer's text, or its tool calls where it has no text."""
    if body is None:
        return None
    response: Mapping[str, Any] = from_json(body)
    calls = ", ".join(f"{call['name']}({call['arguments']})" for call in response.get("tool_calls", ()))
    return response.get("text") or calls or response.get("text")


def _questions(side: Side, stored: StoredSamples, rows: Sequence[int]) -> list[str | None]:
    if side.place is None:
        return [None] * len(rows)
    keys = [stored.samples[row] for row in rows]
    with side.place.opened() as store:
        bodies = store.samples([key for key in keys if key is not None])
    return [prompt_of(from_json(bodies[key])) if key in bodies else None for key in keys]
