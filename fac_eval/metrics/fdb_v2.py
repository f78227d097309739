"""Full-Duplex-Bench v2: reading the judge's scores of a conversation, and adding them up.

Bug-compatible with DanielLin94144/Full-Duplex-Bench, v2/scoring/parse.py, score.py and score_time.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

EVENTS = "Turn-taking event and score"
TASK = "Task-specific score"
BIN_S = 15.0
BINS = 8

_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
_BRACES = re.compile(r"\{\s*([^{}]+?)\s*\}")
_VALUE = r'[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|"[^"]+"'
_BOUND = rf"""['"](start_time|start|startTime|end_time|end|endTime)['"]\s*:\s*({_VALUE})"""
_BOUNDS = re.compile(rf"\{{\s*{_BOUND}\s*,\s*{_BOUND}\s*\}}")
_SCORES = re.compile(r'[\s,]*:[\s,]*("[^"]*"|[^,\[\]{}:\s]*)[\s,]*("[^"]*"|[^,\[\]{}:\s]*)')
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[\[\]]""", re.DOTALL)
_ITEM_LENGTH = 3


class JudgedEvent(NamedTuple):
    """An event at `start` to `end` s and its scores from 1 to 5, either of which the judge may leave out."""

    start: float
    end: float
    turn_taking: int | None
    instruction: int | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge's reply holds. A task score has the type that it was written with."""

    events: tuple[JudgedEvent, ...]
    task: Any = None


class MeanScores(NamedTuple):
    """Means over events and over files; None where there is none."""

    files: int
    events: int
    turn_taking: float | None
    instruction: float | None
    task: float | None


class BinScores(NamedTuple):
    """Means over the events within a stretch of time, weighted by how long they overlap with it."""

    turn_taking: float | None
    instruction: float | None


def parse_judgement(reply: str) -> Judgement:
    """Read a reply: JSON, or the colon-separated form of the prompt, fenced or not. The last block's task wins."""
    fenced = [found.group(1) for found in _FENCED.finditer(reply) if EVENTS in found.group(1)]
    events: list[JudgedEvent] = []
    task = None
    for block in fenced or [reply]:
        document = _document(block)
        found = (
            _scanned(block) if document is None else Judgement(tuple(_items(document)), document.get(TASK))
        )
        events += found.events
        task = task if found.task is None else found.task
    return Judgement(tuple(events), task)


def mean_scores(judgements: Iterable[Judgement], *, timed: bool = False) -> MeanScores:
    """The plain means to three decimals; with `timed`, over events of positive length alone."""
    listed = list(judgements)
    events = [event for found in listed for event in _scored(found.events, timed)]
    tasks = [found.task for found in listed if _is_number(found.task)]
    return MeanScores(
        len(tasks),
        len(events),
        _weighted([(event.turn_taking, 1.0) for event in events]),
        _weighted([(event.instruction, 1.0) for event in events]),
        _weighted([(task, 1.0) for task in tasks]),
    )


def binned_scores(judgements: Iterable[Judgement]) -> list[BinScores]:
    """The means in each of eight stretches of 15 s, to three decimals."""
    events = [event for found in judgements for event in _scored(found.events, timed=True)]
    bins = []
    for start in (index * BIN_S for index in range(BINS)):
        weights = [max(0.0, min(event.end, start + BIN_S) - max(event.start, start)) for event in events]
        pairs = list(zip(events, weights, strict=True))
        bins.append(
            BinScores(
                _weighted([(event.turn_taking, weight) for event, weight in pairs]),
                _weighted([(event.instruction, weight) for event, weight in pairs]),
            )
        )
    return bins


def _document(block: str) -> dict[str, Any] | None:
    try:
        found = json.loads(_with_intervals(block))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and (EVENTS in found or TASK in found) else None


def _items(document: dict[str, Any]) -> Iterator[JudgedEvent]:
    items = document.get(EVENTS)
    for item in items if isinstance(items, list) else ():
        if isinstance(item, list) and len(item) >= _ITEM_LENGTH:
            for start, end in _intervals(item[:-2]):
                yield JudgedEvent(start, end, _whole(item[-2]), _whole(item[-1]))


def _scanned(block: str) -> Judgement:
    """What can be read of a block that is no JSON; nothing without the events' array."""
    found = next((place for quote in "\"'" if (place := block.find(f"{quote}{EVENTS}{quote}")) >= 0), -1)
    opening = block.find("[", found + len(EVENTS) + 2) if found >= 0 else -1
    closing = _closing(block, opening) if opening >= 0 else -1
    if closing < 0:
        return Judgement(())
    events = tuple(_colon_items(block[opening + 1 : closing]))
    return Judgement(events, _task_score(block[closing:]) or _task_score(block))


def _colon_items(text: str) -> Iterator[JudgedEvent]:
    place = text.find("[")
    while place >= 0 and (closing := _closing(text, place)) >= 0:
        scores = _SCORES.match(text, closing + 1)
        if scores is not None:
            turn_taking, instruction = (_whole(token.strip('"')) for token in scores.groups())
            for start, end in _written_intervals(text[place : closing + 1]):
                yield JudgedEvent(start, end, turn_taking, instruction)
        place = text.find("[", scores.end() if scores is not None else closing + 1)


def _written_intervals(text: str) -> list[tuple[float, float]]:
    text = _with_intervals(text)
    for attempt in (text, re.sub(r",\s*]", "]", text)):
        try:
            return _intervals(json.loads(attempt))
        except (ValueError, RecursionError):
            continue
    return []


def _intervals(found: Any) -> list[tuple[float, float]]:
    """Every pair of times, however deep."""
    if not isinstance(found, list):
        return []
    if len(found) == 2 and all(isinstance(time, int | float | str) for time in found):
        times = [_seconds(time) for time in found]
        return [(times[0], times[1])] if times[0] is not None and times[1] is not None else []
    return [interval for inner in found for interval in _intervals(inner)]


def _seconds(time: float | str) -> float | None:
    """Seconds of a number or of `mm:ss`; None for anything else."""
    parts = time.strip().strip("\"'").split(":") if isinstance(time, str) else [time]
    seconds = 0.0
    for part in parts:
        try:
            seconds = 60 * seconds + float(part)
        except (ValueError, OverflowError):
            return None
    return seconds


def _with_intervals(text: str) -> str:
    """`text` with intervals in braces written as arrays."""
    return _BRACES.sub(_array_of_pair, _BOUNDS.sub(_array_of_bounds, text))


def _array_of_bounds(found: re.Match[str]) -> str:
    first, first_value, second, second_value = found.groups()
    if first[0] == second[0]:
        return found.group()
    start, end = (first_value, second_value) if first[0] == "s" else (second_value, first_value)
    return f"[{start}, {end}]"


def _array_of_pair(found: re.Match[str]) -> str:
    parts = [part.strip() for part in found.group(1).split(",")]
    if len(parts) == 2 and all(_seconds(part) is not None for part in parts):
        return f"[{parts[0]}, {parts[1]}]"
    return found.group()


def _closing(text: str, opening: int) -> int:
    depth = 0
    for found in _QUOTED.finditer(text, opening):
        if found.group() == "[":
            depth += 1
        elif found.group() == "]":
            depth -= 1
            if depth == 0:
                return found.start()
    return -1


def _task_score(text: str) -> int | None:
    for quote in "\"'":
        found = re.search(rf"{quote}{TASK}{quote}\s*:\s*({quote}[^{quote}]+{quote}|[^\s,}}\]]+)", text)
        if found is not None:
            return _whole(found.group(1).strip("\"'"))
    return None


def _whole(score: Any) -> int | None:
    try:
        return int(float(score))
    except (TypeError, ValueError, OverflowError):
        return None


def _scored(events: Sequence[JudgedEvent], timed: bool) -> list[JudgedEvent]:
    return [
        event
        for event in events
        if _is_number(event.turn_taking)
        and _is_number(event.instruction)
        and (event.end > event.start or not timed)
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _weighted(pairs: Sequence[tuple[Any, float]]) -> float | None:
    weight = sum(share for _, share in pairs)
    return round(sum(value * share for value, share in pairs) / weight, 3) if weight > 0 else None
