"""Full-Duplex-Bench v1, quirks included: taking turns, user interruptions and backchannels.

Bug-compatible with DanielLin94144/Full-Duplex-Bench, v1_v1.5/evaluation/eval_pause_handling.py,
eval_smooth_turn_taking.py, eval_user_interruption.py and eval_backchannel.py. Where that code crashes, ours
raises DataError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fac_eval.errors import DataError

MIN_TURN_S = 1.0
MAX_SHORT_WORDS = 3
MAX_BACKCHANNEL_S = 3.0
MAX_BACKCHANNEL_WORDS = 2

_RATING = re.compile(r"Analysis:\s*(.*?)\nI would rate the AI's response as (\d+)", re.DOTALL)
_BIN_S = 0.2
_SMOOTHING = 1e-10


class Chunk(NamedTuple):
    """A recognised word; a recogniser may leave either time out."""

    text: str
    start: float | None
    end: float | None


class TurnTake(NamedTuple):
    """Whether the model took the turn, and how long after the reference time, negative for before."""

    took_turn: bool
    raw_latency: float | None


class Backchannels(NamedTuple):
    """How one recording's backchannels compare with those of people."""

    distance: float
    """Jensen-Shannon distance between when the model and when people give backchannels; 1 for none."""
    took_turn: bool
    """By the last segment alone, as officially."""
    per_second: float


def takes_turn(chunks: Sequence[Chunk], *, is_last_end_optional: bool = False) -> bool:
    """Whether what was said is a turn: at least a second, or more than three words.

    With `is_last_end_optional`, as in pause handling, a missing last end is replaced by that word's start.
    """
    if not chunks:
        return False
    first, last = chunks[0], chunks[-1]
    end = last.start if last.end is None and is_last_end_optional else last.end
    if first.start is None or end is None:
        raise DataError("the first word's start or the last word's end is missing: no turn can be told")
    return end - first.start >= MIN_TURN_S or len(chunks) > MAX_SHORT_WORDS


def turn_take(chunks: Sequence[Chunk], reference: float) -> TurnTake:
    """Smooth turn taking and user interruption: the take, and its latency from the reference time."""
    if not takes_turn(chunks):
        return TurnTake(took_turn=False, raw_latency=None)
    start = chunks[0].start
    assert start is not None  # takes_turn has seen to it
    return TurnTake(took_turn=True, raw_latency=start - reference)


def take_rate(took: Iterable[bool]) -> float:
    """The share of turns taken. Raises DataError for no samples."""
    flags = list(took)
    if not flags:
        raise DataError("there is no sample to take a turn in")
    return sum(flags) / len(flags)


def mean_latency(takes: Iterable[TurnTake]) -> float:
    """The mean over turns taken, an early start counting as 0. Raises DataError if no turn was taken."""
    latencies = [max(0.0, take.raw_latency) for take in takes if take.raw_latency is not None]
    if not latencies:
        raise DataError("no turn was taken: there is no latency")
    return sum(latencies) / len(latencies)


def interruption_rating(reply: str) -> int | None:
    """The last rating in a judge's reply, of any size; None if it is not laid out as the prompt demands."""
    found = _RATING.findall(reply)
    return int(found[-1][1]) if found else None


def backchannels(
    segments: Sequence[tuple[float, float]],
    chunks: Sequence[Chunk] | None,
    *,
    duration: float,
    human: Sequence[float],
) -> Backchannels:
    """One recording's figures. `human` is the distribution of people's backchannels over the recording.

    Segments are speech as whole tenths of a second. Raises DataError where words are needed and there are none.
    """
    took_turn, recorded = False, []
    for start, end in segments:
        if end - start > MAX_BACKCHANNEL_S:
            took_turn = True
            break
        if chunks is None:
            raise DataError("there is no transcript to tell a backchannel from a turn")
        words = sum(_overlaps(chunk, start, end) for chunk in chunks)
        is_short = end - start < MIN_TURN_S and words <= MAX_BACKCHANNEL_WORDS
        took_turn = words > MAX_SHORT_WORDS or not is_short
        recorded.append((start, end))
    distance = _distance(recorded, duration, human) if recorded else 1.0
    return Backchannels(distance, took_turn, len(recorded) / duration)


def jensen_shannon(left: Sequence[float], right: Sequence[float]) -> float:
    """The Jensen-Shannon distance (natural logarithm, square root) of two distributions, normalised first."""
    total_left, total_right = math.fsum(left), math.fsum(right)
    divergence = 0.0
    for a, b in zip((x / total_left for x in left), (y / total_right for y in right), strict=True):
        middle = (a + b) / 2
        divergence += sum(x * math.log(x / middle) for x in (a, b) if x > 0)
    return math.sqrt(max(0.0, divergence / 2))


def _overlaps(chunk: Chunk, start: float, end: float) -> bool:
    if chunk.start is None or (chunk.end is None and chunk.start < end):
        return False
    word_end = chunk.start if chunk.end is None else chunk.end
    inside = chunk.start >= start and word_end <= end
    return inside or (chunk.start <= end < word_end) or (chunk.start <= start < word_end)


def _distance(recorded: Sequence[tuple[float, float]], duration: float, human: Sequence[float]) -> float:
    bins = [_SMOOTHING] * (int(duration / _BIN_S) + 1)
    for start, end in recorded:
        for index in range(int(start / _BIN_S), min(int(end / _BIN_S), len(bins) - 1) + 1):
            bins[index] += 1
    return jensen_shannon(bins, _resampled(human, len(bins)))


def _resampled(values: Sequence[float], size: int) -> list[float]:
    if not values:
        raise DataError("there is no human distribution to compare backchannels with")
    found = []
    for index in range(size):
        place = index * (len(values) - 1) / (size - 1) if size > 1 else 0.0
        below = min(int(place), len(values) - 1)
        above = min(below + 1, len(values) - 1)
        found.append(values[below] + (values[above] - values[below]) * (place - below))
    return found
