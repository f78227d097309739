"""The samples themselves, a page of them at a time: texts to search, and everything that the page of one shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fac_eval.codec import from_json, to_json
from fac_eval.engine.export import prompt_of
from fac_eval.store import ItemRow, Store

from .board import BoardTask
from .calls import expected_calls, made_calls
from .index import TaskIndex

TEXTS = 500
"""Samples in a chunk of texts, which the search reads one after the other."""
SAMPLES = 100
"""Samples in a chunk of everything else, of which the page of a sample reads one."""
MOST_DETAILS = 2000
"""Characters of a model's own remark, above which only its length is kept."""

Place = Callable[[str, int], str | None]
"""From a clip's key and its row in the index (-1: an answer) to its file as the page names it, or None."""


class _Part:
    """Rows of a task with what the store holds of them."""

    def __init__(self, task: BoardTask, index: TaskIndex, start: int, stop: int) -> None:
        self.rows = range(start, min(stop, len(index.ids)))
        self.items: list[dict[int, ItemRow]] = []
        self.works: dict[bytes, dict[str, Any]] = {}
        self.samples: dict[bytes, dict[str, Any]] = {}
        for column, cell in zip(index.columns, task.cells, strict=True):
            positions = {row: column.positions[row] for row in self.rows if column.positions[row] >= 0}
            with cell.place.opened() as store:
                found = {item.position: item for item in store.items(cell.row.id, positions.values())}
                self._read(store, found.values())
            self.items.append({row: found[at] for row, at in positions.items() if at in found})

    def _read(self, store: Store, items: Collection[ItemRow]) -> None:
        works = store.works([item.work for item in items if item.work is not None])
        self.works.update((key, from_json(body)) for key, body in works.items())
        wanted = {item.sample for item in items if item.sample is not None} - self.samples.keys()
        self.samples.update((key, from_json(body)) for key, body in store.samples(list(wanted)).items())

    def sample(self, row: int) -> tuple[bytes | None, dict[str, Any]]:
        """The sample as the first system met it, and its key."""
        for items in self.items:
            key = items[row].sample if row in items else None
            if key is not None and key in self.samples:
                return key, self.samples[key]
        return None, {}

    def response(self, item: ItemRow) -> dict[str, Any]:
        """What was answered, if anything was."""
        return {} if item.work is None else self.works.get(item.work, {})


def text_chunk(task: BoardTask, index: TaskIndex, number: int) -> dict[str, Any]:
    """Questions, references and answers of a stretch of samples, as columns of texts."""
    part = _Part(task, index, number * TEXTS, (number + 1) * TEXTS)
    samples = [part.sample(row)[1] for row in part.rows]
    return {
        "prompt": [_asked(sample) for sample in samples],
        "reference": [_short(sample.get("reference")) for sample in samples],
        "cells": [_texts(part, items) for items in part.items],
    }


def _asked(sample: Mapping[str, Any]) -> str:
    """What the user asks, as text; a reference may hold the words where nothing else does."""
    asked, reference = prompt_of(sample), sample.get("reference")
    if asked is None and isinstance(reference, Mapping):
        spoken = reference.get("utterance")
        return spoken if isinstance(spoken, str) else ""
    return asked or ""


def _short(reference: Any) -> str:
    if reference is None or isinstance(reference, str):
        return reference or ""
    return to_json(reference).decode()


def _texts(part: _Part, items: Mapping[int, ItemRow]) -> dict[str, list[str]]:
    output, transcript, note = [], [], []
    for row in part.rows:
        item = items.get(row)
        evidence = {} if item is None else item.evidence
        score = {} if item is None else item.score or {}
        output.append("" if item is None else part.response(item).get("text") or "")
        transcript.append(evidence.get("transcript") or "")
        note.append("" if item is None else item.detail or score.get("explanation") or "")
    return {"output": output, "transcript": transcript, "note": note}


def sample_chunk(task: BoardTask, index: TaskIndex, number: int, place: Place) -> list[dict[str, Any]]:
    """Everything about a stretch of samples that their texts do not say."""
    part = _Part(task, index, number * SAMPLES, (number + 1) * SAMPLES)
    return [_sample(part, row, place) for row in part.rows]


def _sample(part: _Part, row: int, place: Place) -> dict[str, Any]:
    key, sample = part.sample(row)
    return {
        "messages": [_message(message, row, place) for message in sample.get("messages", ())],
        "reference": sample.get("reference"),
        "expected": expected_calls(sample.get("reference")),
        "choices": sample.get("choices", []),
        "tools": sample.get("tools", []),
        "metadata": sample.get("metadata", {}),
        "cluster": sample.get("cluster"),
        "cells": [
            None if row not in items else _answer(part, items[row], key, place) for items in part.items
        ],
    }


def _message(message: Mapping[str, Any], row: int, place: Place) -> dict[str, Any]:
    parts = [_clip(part, row, place) if "audio" in part else part for part in message.get("parts", ())]
    return {**message, "parts": parts}


def _clip(part: Mapping[str, Any], row: int, place: Place) -> dict[str, Any]:
    return {**part, "file": place(part["audio"], row)}


def _answer(part: _Part, item: ItemRow, sample: bytes | None, place: Place) -> dict[str, Any]:
    response = part.response(item)
    evidence, score = item.evidence, item.score or {}
    speech = response.get("speech")
    return {
        "outcome": item.outcome,
        "reason": item.reason,
        "value": score.get("value"),
        "label": score.get("label"),
        "parts": score.get("parts", {}),
        "evidence": score.get("evidence", {}),
        "speech": None if speech is None else _clip(speech, -1, place),
        "calls": made_calls(response),
        "finish": response.get("finish_reason"),
        "usage": response.get("usage", {}),
        "timings": response.get("timings", {}),
        "details": _brief(response.get("details", {})),
        "verdicts": evidence.get("verdicts", []),
        "quality": evidence.get("quality", {}),
        "more": {
            name: evidence[name] for name in evidence if name not in ("verdicts", "quality", "transcript")
        },
        "answered": bool(response),
        "other_question": sample is not None and item.sample is not None and item.sample != sample,
    }


def _brief(details: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {name: len(to_json(value)) for name, value in details.items()}
    return {
        name: value if sizes[name] <= MOST_DETAILS else f"({sizes[name]:,} characters, left out here)"
        for name, value in details.items()
    }


def chunk_count(samples: int, size: int) -> int:
    """How many chunks of a size hold some samples."""
    return -(-samples // size)
