"""Full-Duplex-Bench v1.5: who spoke when, what the judge calls the behaviour, and speech before and after.

Bug-compatible with DanielLin94144/Full-Duplex-Bench, v1_v1.5/evaluation/get_timing.py, eval_behavior.py and
eval_general_before_after.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fac_eval.errors import DataError

USER_MERGE_GAP_S = 0.6
MODEL_MERGE_GAP_S = 0.5
BEHAVIOUR = "behaviour"

Interval = tuple[float, float]
_DECIMALS = 3


class Timing(NamedTuple):
    """Merged speech of both sides, and the intervals whose lengths are the two latencies."""

    user: list[Interval]
    model: list[Interval]
    stops: list[Interval]
    """While both spoke: how long the model took to stop."""
    responses: list[Interval]
    """From a user's end to the model's next start."""


class SplitSpeech(NamedTuple):
    """Words on either side of a distractor's end, moved to a word's edge."""

    split: float
    words_before: int
    words_after: int
    words_per_minute_before: float
    words_per_minute_after: float


def timing(user: Iterable[Interval], model: Iterable[Interval]) -> Timing:
    """Merge each side's speech and find the intervals of stopping and responding."""
    user_merged, model_merged = merged(user, USER_MERGE_GAP_S), merged(model, MODEL_MERGE_GAP_S)
    stops, responses = _stops(user_merged, model_merged), _responses(user_merged, model_merged)
    return Timing(user_merged, model_merged, stops, responses)


def merged(segments: Iterable[Interval], gap: float) -> list[Interval]:
    """Segments by start, joined across gaps up to `gap` seconds by plain float comparison."""
    found: list[Interval] = []
    for start, end in sorted(segments):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def behaviour(reply: str) -> dict[str, Any]:
    """The first JSON object of a judge's reply that has the key `behaviour`; nested ones are not seen.

    Raises DataError if there is none.
    """
    decoder, place = json.JSONDecoder(), reply.find("{")
    while place >= 0:
        try:
            found, after = decoder.raw_decode(reply, place)
        except (ValueError, RecursionError):
            after = place + 1
        else:
            if BEHAVIOUR in found:
                return dict(found)
        place = reply.find("{", after)
    raise DataError(f"the judge's reply holds no object with {BEHAVIOUR!r}: {reply!r:.80}")


def behaviour_ratios(tags: Iterable[Iterable[str]]) -> dict[str, float]:
    """The share of each tag among all tags of all samples, to two decimals."""
    counts = Counter(tag for sample in tags for tag in sample)
    return {tag: round(count / counts.total(), 2) for tag, count in counts.items()}


def split_speech(words: Iterable[Interval], distractor_end: float) -> SplitSpeech:
    """Speech rates before and after a distractor, split at the start of the first word not over by then.

    Rates go by the first and the last word in the order given.
    """
    given = list(words)
    ordered = sorted(given, key=lambda word: word[0])
    split = next(
        (start for start, end in ordered if distractor_end < start or start <= distractor_end < end),
        ordered[-1][1] if ordered else distractor_end,
    )
    before = [word for word in given if word[1] <= split]
    after = [word for word in given if word[1] > split]
    return SplitSpeech(split, len(before), len(after), _words_per_minute(before), _words_per_minute(after))


def _stops(user: Sequence[Interval], model: Sequence[Interval]) -> list[Interval]:
    shortest: dict[float, Interval] = {}
    at_user = at_model = 0
    while at_user < len(user) and at_model < len(model):
        (user_start, user_end), (model_start, model_end) = user[at_user], model[at_model]
        start, end = max(user_start, model_start), min(user_end, model_end)
        key = round(end, _DECIMALS)
        if end > start and (key not in shortest or end - start < shortest[key][1] - shortest[key][0]):
            shortest[key] = (start, end)
        if user_end < model_end:
            at_user += 1
        else:
            at_model += 1
    return sorted((_rounded(interval) for interval in shortest.values()), key=lambda interval: interval[1])


def _responses(user: Sequence[Interval], model: Sequence[Interval]) -> list[Interval]:
    latest: dict[float, float] = {}
    for _, user_end in user:
        start = next((model_start for model_start, _ in model if model_start > user_end), None)
        if start is not None:
            latest[start] = max(user_end, latest.get(start, user_end))
    return sorted(_rounded((end, start)) for start, end in latest.items())


def _rounded(interval: Interval) -> Interval:
    return round(interval[0], _DECIMALS), round(interval[1], _DECIMALS)


def _words_per_minute(words: Sequence[Interval]) -> float:
    span = words[-1][1] - words[0][0] if words else 0.0
    return len(words) / (span / 60) if span > 0 else 0.0
