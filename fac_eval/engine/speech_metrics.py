"""Figures that any task with spoken answers can have besides its own: quality, intelligibility, speed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.config import SpeechMetric
from fac_eval.scores import Metric, ScoreTable, figure_of
from fac_eval.vocabulary import Evidence, Figure, Response

if TYPE_CHECKING:
    from fac_eval.task import Need, Task

PREFIX = "speech."
"""Begins the names of the parts that are kept beside a score's own."""

_NEEDS: dict[SpeechMetric, Need] = {"utmos": "quality", "asr_wer": "transcript"}
_SCORER: Literal["pre_2025_12_26"] = "pre_2025_12_26"
_HAN = re.compile("[\u3400-\u9fff]")

_FIGURES: dict[SpeechMetric, Metric] = {
    "utmos": Metric("utmos", "speech.utmos", "speech.measured", scale=1, unit="MOS"),
    "asr_wer": Metric("asr_wer", "speech.errors", "speech.tokens", higher_is_better=False),
    "rtf": Metric("rtf", "speech.took", "speech.lasts", scale=1, unit="s/s", higher_is_better=False),
}

_COUNTS: dict[SpeechMetric, str] = {
    "utmos": "speech.measured",
    "asr_wer": "speech.read",
    "rtf": "speech.timed",
}
"""The parts that say which samples a figure is over."""


def metrics_of(task: Task, chosen: Sequence[SpeechMetric]) -> tuple[SpeechMetric, ...]:
    """Those of the chosen metrics that a task gets: all where its answers are spoken, none elsewhere."""
    return tuple(metric for metric in _FIGURES if metric in chosen) if task.output == "speech" else ()


def speech_needs(metrics: Iterable[SpeechMetric]) -> set[Need]:
    """What has to be found out for the metrics."""
    return {_NEEDS[metric] for metric in metrics if metric in _NEEDS}


def check_metrics(metrics: Sequence[SpeechMetric]) -> None:
    """Raise MissingExtra now for a package that the metrics would lack later."""
    if "asr_wer" in metrics:
        _errors("a", "a")


def speech_identity(metrics: Sequence[SpeechMetric]) -> dict[str, Any]:
    """What the metrics add to a protocol."""
    held: dict[str, Any] = {metric: {} for metric in metrics}
    if "asr_wer" in held:
        held["asr_wer"] = {"scorer": _SCORER}
    return {"speech_metrics": held} if held else {}


def speech_parts(
    metrics: Sequence[SpeechMetric], response: Response, evidence: Evidence, language: str | None = None
) -> dict[str, float]:
    """The parts of one answer. What it does not have (sound, a time, words) adds nothing to the figures.

    Words are counted in the task's `language`; without one, an answer with Chinese characters is Chinese.
    """
    parts: dict[str, float] = {}
    if not metrics or response.speech is None:
        return parts
    if "utmos" in metrics and "utmos" in evidence.quality:
        parts |= {"speech.utmos": evidence.quality["utmos"], "speech.measured": 1.0}
    if "asr_wer" in metrics and response.text is not None and evidence.transcript is not None:
        errors, tokens = _errors(response.text, evidence.transcript, language)
        if tokens:
            parts |= {"speech.errors": errors, "speech.tokens": tokens, "speech.read": 1.0}
    if "rtf" in metrics and response.timings.total is not None and response.speech.seconds:
        parts |= {
            "speech.took": response.timings.total,
            "speech.lasts": response.speech.seconds,
            "speech.timed": 1.0,
            "speech.batched": float(response.timings.batch > 1),
        }
    return parts


def _errors(text: str, transcript: str, language: str | None = None) -> tuple[float, float]:
    from fac_eval.metrics.ultraeval_asr_wer import pair_errors

    chinese = _HAN.search(text) is not None if language is None else language == "zh"
    counts = pair_errors(text, transcript, scorer=_SCORER, language="zh" if chinese else "en").counts
    return float(counts.errors), float(counts.reference_tokens)


def speech_figures(metrics: Sequence[SpeechMetric], table: ScoreTable) -> list[Figure]:
    """The figures over a task's scored samples, each over those that have what it takes."""
    return [_figure(metric, table) for metric in metrics]


def _figure(metric: SpeechMetric, table: ScoreTable) -> Figure:
    from fac_eval.stats import RatioSums

    shape = _FIGURES[metric]
    held = table.column(_COUNTS[metric]) > 0
    n = int(held.sum())
    notes = [] if n == table.n else [f"over {n:,} of {table.n:,} scored samples: the others have none"]
    if metric == "rtf" and (batched := int(table.column("speech.batched").sum())):
        notes.append(f"{batched:,} answers were made in batches: their time is the batch's")
    note = "; ".join(notes) or None
    if not n:
        return Figure(
            shape.name, None, 0, unit=shape.unit, higher_is_better=shape.higher_is_better, note=note
        )
    assert shape.per is not None
    clusters = None if table.clusters is None else [table.clusters[row] for row in held.nonzero()[0].tolist()]
    sums = RatioSums().add(table.column(shape.of)[held], table.column(shape.per)[held], clusters)
    estimate = sums.estimate(proportion=False).scaled(shape.scale)
    return figure_of(
        shape.name, estimate, unit=shape.unit, higher_is_better=shape.higher_is_better, note=note
    )
