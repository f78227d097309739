"""A task in numbers: how scores are spread, what went wrong, what was paid, how long it took, who is ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from math import isfinite
from typing import Any

from fac_eval.codec import from_json
from fac_eval.metrics.percentiles import distribution
from fac_eval.store import ItemRow, Store

from .board import BoardCell, BoardTask
from .index import Column, TaskIndex
from .pairs import comparisons, measure_of

BINS = 20
MOST_BARS = 12
"""Distinct scores up to which each has a bar of its own."""
MOST_LABELS = 40
TIMES = ("first_token", "first_audio", "total")
_CHUNK = 512


def build_summary(task: BoardTask, index: TaskIndex) -> dict[str, Any]:
    """The page of a task, as plain data."""
    measure = measure_of(task)
    return {
        "cells": [{**_scores(column), **_effort(column.cell)} for column in index.columns],
        "histogram": _histogram([_scored(column) for column in index.columns]),
        "measure": {"name": measure.name, "unit": measure.unit, "higher": measure.higher_is_better},
        "pairs": list(comparisons(index, measure)),
    }


def _scored(column: Column) -> list[float]:
    return [
        value
        for state, value in zip(column.states, column.values, strict=True)
        if state == "s" and isfinite(value)
    ]


def _scores(column: Column) -> dict[str, Any]:
    sums: dict[str, list[float]] = {}
    for state, label, value in zip(column.states, column.labels, column.values, strict=True):
        if state == "s" and label is not None:
            entry = sums.setdefault(label, [0, 0.0])
            entry[0] += 1
            entry[1] += value
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    cell = column.cell
    return {
        "system": cell.system,
        "labels": [[label, int(n), total / n] for label, (n, total) in ranked[:MOST_LABELS]],
        "more_labels": max(0, len(ranked) - MOST_LABELS),
    }


def _histogram(columns: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    """Counts of each system's scores over common bars: one a value, or bins of equal width."""
    counted = [Counter(column) for column in columns]
    distinct = sorted(set().union(*counted))
    if not distinct:
        return None
    if len(distinct) <= MOST_BARS:
        return {"values": distinct, "counts": [[counts[value] for value in distinct] for counts in counted]}
    low, high = distinct[0], distinct[-1]
    width = (high - low) / BINS
    edges = [low + width * step for step in range(BINS + 1)]
    return {"edges": edges, "counts": [_binned(counts, low, width) for counts in counted]}


def _binned(counts: Mapping[float, int], low: float, width: float) -> list[int]:
    bins = [0] * BINS
    for value, n in counts.items():
        bins[min(int((value - low) / width), BINS - 1)] += n
    return bins


@dataclass(slots=True)
class _Spent:
    """Calls and what they took, added up."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def add(self, usage: Mapping[str, Any]) -> None:
        self.calls += 1
        self.input_tokens += usage.get("input_tokens") or 0
        self.output_tokens += usage.get("output_tokens") or 0
        if usage.get("cost") is not None:
            self.cost = (self.cost or 0.0) + usage["cost"]


@dataclass(slots=True)
class _Effort:
    """What the answers and the verdicts of a cell took."""

    answers: _Spent = field(default_factory=_Spent)
    verdicts: _Spent = field(default_factory=_Spent)
    times: dict[str, list[float]] = field(default_factory=dict)
    finish: Counter[str] = field(default_factory=Counter)
    quality: dict[str, list[float]] = field(default_factory=dict)
    speech: list[float] = field(default_factory=list)

    def add(self, evidence: Mapping[str, Any], response: Mapping[str, Any] | None) -> None:
        for verdict in evidence.get("verdicts", ()):
            self.verdicts.add(verdict.get("usage", {}))
        for name, value in evidence.get("quality", {}).items():
            self.quality.setdefault(name, []).append(value)
        if response is None:
            return
        self.answers.add(response.get("usage", {}))
        timings = response.get("timings", {})
        for name in TIMES:
            if timings.get(name) is not None:
                self.times.setdefault(name, []).append(timings[name])
        if response.get("finish_reason"):
            self.finish[response["finish_reason"]] += 1
        if "speech" in response and response["speech"].get("seconds") is not None:
            self.speech.append(response["speech"]["seconds"])


def _effort(cell: BoardCell) -> dict[str, Any]:
    found = _Effort()
    with cell.place.opened() as store:
        for evidence, response in _work(store, store.items(cell.row.id)):
            found.add(evidence, response)
    return {
        "answers": asdict(found.answers),
        "verdicts": asdict(found.verdicts),
        "latency": {name: _spread(found.times.get(name, ())) for name in TIMES},
        "finish": dict(found.finish.most_common(12)),
        "quality": {name: _spread(values) for name, values in sorted(found.quality.items())},
        "speech": _spread(found.speech),
    }


def _work(
    store: Store, items: Iterator[ItemRow]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    while chunk := list(islice(items, _CHUNK)):
        works = store.works([item.work for item in chunk if item.work is not None])
        for item in chunk:
            yield item.evidence, from_json(works[item.work]) if item.work in works else None


def _spread(values: Iterable[float]) -> dict[str, Any] | None:
    found = distribution(values)
    return None if found is None else asdict(found)
