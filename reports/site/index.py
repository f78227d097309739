"""The samples of a task as columns: small enough that a browser filters a hundred thousand of them at once."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from fac_eval.codec import from_json
from fac_eval.store import Store

from .board import BoardCell, BoardTask

ABSENT = "."
STATES: Mapping[str, str] = {"scored": "s", "failed": "f", "skipped": "k"}
MOST_VALUES = 4096
"""Distinct scores above which they are written out, not numbered."""
MOST_LABELS = 250
MOST_FACETS, MOST_FACET_VALUES = 10, 60
NONE, OTHER = -1, -2
_CACHED = 20_000


@dataclass(slots=True)
class Column:
    """What became of each sample of a task at one system, in the order of the index."""

    cell: BoardCell
    positions: array[int] = field(default_factory=lambda: array("i"))
    """Where the sample stands in the stored cell; -1 where this system has not got that far."""
    states: list[str] = field(default_factory=list)
    values: array[float] = field(default_factory=lambda: array("d"))
    labels: list[str | None] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)
    parts: list[Mapping[str, float]] = field(default_factory=list)

    def pad(self, length: int) -> None:
        """Add samples that this system has not got, up to `length` of them."""
        for _ in range(length - len(self.states)):
            self._append(-1, ABSENT, float("nan"), None, None, {})

    def _append(self, position: int, state: str, value: float, label: Any, reason: Any, parts: Any) -> None:
        self.positions.append(position)
        self.states.append(state)
        self.values.append(value)
        self.labels.append(label)
        self.reasons.append(reason)
        self.parts.append(parts)

    def put(
        self, row: int, position: int, outcome: str, reason: str | None, score: Mapping[str, Any]
    ) -> None:
        """Enter a sample's outcome at a row that exists or is the next."""
        value, label, parts = score.get("value", float("nan")), score.get("label"), score.get("parts", {})
        if row == len(self.states):
            self._append(position, STATES[outcome], value, label, reason, parts)
            return
        self.positions[row], self.states[row], self.values[row] = position, STATES[outcome], value
        self.labels[row], self.reasons[row], self.parts[row] = label, reason, parts

    def plain(self) -> dict[str, Any]:
        """The column as the page reads it."""
        values, numbers = _numbered_values(self.values)
        labels, label_codes = _numbered(self.labels, MOST_LABELS)
        reasons, reason_codes = _numbered(self.reasons, MOST_LABELS)
        return {
            "state": "".join(self.states),
            "values": values,
            "value": numbers,
            "labels": labels,
            "label": label_codes if labels else None,
            "reasons": reasons,
            "reason": reason_codes if reasons else None,
        }


@dataclass(slots=True)
class TaskIndex:
    """The samples of a task, aligned over its systems by their ids."""

    ids: list[str]
    columns: tuple[Column, ...]
    clusters: list[str | None]
    samples: list[bytes | None]
    """Keys of the stored samples, from the first system that has each."""
    facets: list[dict[str, Any]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """The index as the page reads it."""
        return {
            "ids": self.ids,
            "columns": [column.plain() for column in self.columns],
            "facets": self.facets,
        }


def build_index(task: BoardTask) -> TaskIndex:
    """Read every outcome of a task, and the metadata that its samples can be told apart by."""
    builder = _Builder()
    with ExitStack() as stack:
        stores = {place: stack.enter_context(place.opened()) for place in {cell.place for cell in task.cells}}
        columns = tuple(builder.add(stores[cell.place], cell) for cell in task.cells)
        for column in columns:
            column.pad(len(builder.ids))
        index = TaskIndex(builder.ids, columns, builder.clusters, builder.samples)
        index.facets = _facets(index, list(stores.values()))
    return index


class _Builder:
    """Aligns cells by the ids of their samples; cells over the same samples cost no look-ups."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.clusters: list[str | None] = []
        self.samples: list[bytes | None] = []
        self._rows: dict[str, int] = {}
        self._scores: dict[bytes, Mapping[str, Any]] = {}

    def add(self, store: Store, cell: BoardCell) -> Column:
        """Read a cell into a column."""
        column = Column(cell)
        for item in store.items(cell.row.id):
            score = self._score(item.score_json)
            place = self._place(item.sample_id, len(column.states))
            if self.clusters[place] is None:
                self.clusters[place] = score.get("cluster")
            if self.samples[place] is None:
                self.samples[place] = item.sample
            column.pad(place)
            column.put(place, item.position, item.outcome, item.reason, score)
        return column

    def _place(self, sample_id: str, expected: int) -> int:
        if expected < len(self.ids) and self.ids[expected] == sample_id:
            return expected
        place = self._rows.get(sample_id)
        if place is None:
            place = self._rows[sample_id] = len(self.ids)
            self.ids.append(sample_id)
            self.clusters.append(None)
            self.samples.append(None)
        return place

    def _score(self, body: bytes | None) -> Mapping[str, Any]:
        if body is None:
            return {}
        known = self._scores.get(body)
        if known is None:
            known = from_json(body)
            if len(self._scores) < _CACHED:
                self._scores[body] = known
        return known


def _numbered_values(values: Sequence[float]) -> tuple[list[float] | None, list[Any]]:
    """Distinct values in order and each one's number; no table where there would be too many."""
    short = [float(f"{value:.6g}") if isfinite(value) else None for value in values]
    distinct = sorted({value for value in short if value is not None})
    if len(distinct) > MOST_VALUES:
        return None, list(short)
    numbers: dict[float | None, int] = {value: number for number, value in enumerate(distinct)}
    numbers[None] = NONE
    return distinct, [numbers[value] for value in short]


def _numbered(texts: Sequence[str | None], most: int) -> tuple[list[str], list[int]]:
    """The most frequent texts, and for each text its number among them, `OTHER` or `NONE`."""
    counted = Counter(text for text in texts if text is not None)
    kept = [text for text, _ in counted.most_common(most)]
    numbers: dict[str | None, int] = {text: number for number, text in enumerate(kept)}
    numbers[None] = NONE
    return kept, [numbers.get(text, OTHER) for text in texts]


def _facets(index: TaskIndex, stores: Iterable[Store]) -> list[dict[str, Any]]:
    """Metadata of few distinct values, by which samples can be picked out."""
    found: dict[str, list[str | None]] = {}
    for row, metadata in _metadata(index, stores):
        for name, value in metadata.items():
            if isinstance(value, str | bool | int):
                column = found.setdefault(name, [])
                column.extend([None] * (row - len(column)))
                column.append(str(value))
    facets = []
    for name, column in found.items():
        column.extend([None] * (len(index.ids) - len(column)))
        if not 2 <= len(set(column)) <= MOST_FACET_VALUES:
            continue
        values, numbers = _numbered(column, MOST_FACET_VALUES)
        if values and len(values) < len(index.ids):
            facets.append({"name": name, "values": values, "value": numbers})
    return facets[:MOST_FACETS]


def _metadata(index: TaskIndex, stores: Iterable[Store]) -> Iterable[tuple[int, Mapping[str, Any]]]:
    size = 512
    stores = list(stores)
    for start in range(0, len(index.ids), size):
        keys = [key for key in index.samples[start : start + size] if key is not None]
        held: dict[bytes, bytes] = {}
        for store in stores:
            held.update(store.samples([key for key in keys if key not in held]))
        for offset, key in enumerate(index.samples[start : start + size]):
            if key is not None and key in held:
                yield start + offset, from_json(held[key]).get("metadata", {})
