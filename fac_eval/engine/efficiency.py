"""How quickly a run's answers came, from what is stored of each: latencies, real-time factors, rates, memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from fac_eval.codec import from_json
from fac_eval.metrics.percentiles import distribution

if TYPE_CHECKING:
    from fac_eval.store import CellRow, Store

_CHUNK = 512

MEASURES = {
    "first_token": "s",
    "first_audio": "s",
    "total": "s",
    "generation_rtf": "s/s",
    "tokens_per_second": "1/s",
    "audio_seconds_per_second": "s/s",
    "frame_rate_in": "1/s",
    "frame_rate_out": "1/s",
    "text_rate": "1/s",
    "gpu_seconds_per_audio_second": "s/s",
    "peak_memory": "bytes",
}
"""What is measured, with its unit. The real-time factor is time taken over sound made: below 1 is faster than real
time. Rates are over the whole time of an answer. The frame rates are the language model's: audio positions a second
of sound heard, and steps a second of sound made; the text rate is text tokens a second of sound made (the report's
tau). The last five are of models that tell what an answer took, in the details of their responses."""

_RATIOS = {
    "generation_rtf": ("total", "speech"),
    "tokens_per_second": ("tokens", "total"),
    "audio_seconds_per_second": ("speech", "total"),
    "frame_rate_in": ("input_positions", "input_seconds"),
    "frame_rate_out": ("steps", "speech"),
    "text_rate": ("text_tokens", "speech"),
    "gpu_seconds_per_audio_second": ("gpu_seconds", "speech"),
}
_TOLD = ("peak_memory", "input_positions", "input_seconds", "steps", "text_tokens")
"""What a model may tell in the details of a response."""
_SUMMARY = ("mean", "p50", "p90", "p95", "p99", "max")


@dataclass(slots=True)
class _Column:
    """The values of one measure, eight bytes each, and the sums that a ratio is pooled from."""

    values: array[float] = field(default_factory=lambda: array("d"))
    above: float = 0.0
    below: float = 0.0


def efficiency_rows(store: Store, run: str) -> list[dict[str, Any]]:
    """A row for each model, task and measure; what was not recorded is None, with an `n` of 0.

    `pooled` is sum over sum, for measures that are ratios; the other statistics are over the samples' own values.
    The 95th and 99th percentile are left out below 20 samples. `batch` is the largest batch that an answer came from.
    """
    return [row for cell in store.cells(run) for row in _cell_rows(store, cell)]


def _cell_rows(store: Store, cell: CellRow) -> Iterator[dict[str, Any]]:
    columns = {measure: _Column() for measure in MEASURES}
    batch = 0
    keys = store.answers(cell.id)
    while chunk := list(islice(keys, _CHUNK)):
        held = store.works(chunk)
        for key in chunk:
            if key in held:
                answer = from_json(held[key])
                batch = max(batch, answer.get("timings", {}).get("batch", 1))
                _add(columns, answer)
    for measure, column in columns.items():
        found = distribution(column.values)
        ratio = measure in _RATIOS and column.below > 0
        yield {
            "model": cell.model,
            "task": cell.task,
            "variant": cell.variant,
            "measure": measure,
            "unit": MEASURES[measure],
            "n": len(column.values),
            "pooled": column.above / column.below if ratio else None,
            **{name: None if found is None else getattr(found, name) for name in _SUMMARY},
            "batch": batch or None,
        }


def _add(columns: Mapping[str, _Column], answer: Mapping[str, Any]) -> None:
    timings, details = answer.get("timings", {}), answer.get("details", {})
    known: dict[str, float | None] = {
        "first_token": timings.get("first_token"),
        "first_audio": timings.get("first_audio"),
        "total": timings.get("total"),
        "gpu_seconds": _gpu_seconds(timings, _number(details.get("gpus"))),
        **{name: _number(details.get(name)) for name in _TOLD},
        "tokens": answer.get("usage", {}).get("output_tokens"),
        "speech": answer.get("speech", {}).get("seconds"),
    }
    for measure, column in columns.items():
        above, below = (known[name] for name in _RATIOS.get(measure, (measure, measure)))
        if above is None or below is None:
            continue
        if measure not in _RATIOS:
            column.values.append(above)
        elif below > 0:
            column.values.append(above / below)
            column.above += above
            column.below += below


def _gpu_seconds(timings: Mapping[str, Any], gpus: float | None) -> float | None:
    """An answer's share of what its batch kept the devices busy."""
    total = timings.get("total")
    return None if total is None or not gpus else gpus * total / timings.get("batch", 1)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
