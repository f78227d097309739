"""Turn-taking in a full-duplex session, from when the user and the assistant spoke.

These are our own definitions. Comparisons are plain float comparisons on the times as given; times in the
results are rounded to microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple, get_args

from fac_eval.errors import DataError
from fac_eval.metrics.percentiles import percentile

EventType = Literal["turn", "barge_in", "backchannel", "side_talk", "noise"]
WANTS_REPLY: tuple[EventType, ...] = ("turn", "barge_in")

Interval = tuple[float, float]
_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """The parameters of all session metrics, in seconds and words."""

    merge_gap: float = 0.5
    """Speech is one utterance across pauses up to this."""
    min_turn_s: float = 1.0
    max_bc_words: int = 3
    """An utterance shorter than `min_turn_s` with no more words than this is a backchannel."""
    t_max: float = 5.0
    """A reply starts within this after the user's end."""
    early_tol: float = 0.5
    """A reply may start this much before the user's end."""
    stop_max: float = 2.0
    """An assistant who is interrupted falls silent within this."""
    hold_win: float = 3.0
    hold_cov: float = 0.5
    """An assistant holds the floor by speaking for this share of `hold_win`."""
    false_win: float = 2.0
    """After this a turn is no longer put down to a noise."""


class UserEvent(NamedTuple):
    """What the user track holds from `start` to `end`; pauses are absolute times within a turn."""

    id: str
    type: EventType
    start: float
    end: float
    pauses: tuple[Interval, ...] = ()


class Word(NamedTuple):
    """A word of the assistant."""

    text: str
    start: float
    end: float


class Utterance(NamedTuple):
    """Assistant speech without long pauses: a turn, or else a backchannel."""

    start: float
    end: float
    is_turn: bool


@dataclass(frozen=True, slots=True)
class ReplyEvent:
    """How the assistant dealt with a turn or a barge-in."""

    id: str
    type: EventType
    premature: bool
    """It took the turn well before the user's end."""
    success: bool
    """The lenient criterion: some turn of the assistant answers in time and goes on past the user's end."""
    raw_latency: float | None
    """From the user's end to the reply's start, negative for an early one; None without a reply."""
    stop_latency: float | None
    """How long the assistant spoke on; None if the user started in its silence."""
    stopped: bool | None
    strict: bool
    """There is a reply, it is not premature, and the assistant stopped if interrupted."""
    pause_takes: tuple[bool, ...] = ()
    """For each pause of a turn, whether the assistant took the turn in it."""

    @property
    def latency(self) -> float | None:
        """Never negative."""
        return None if self.raw_latency is None else max(0.0, self.raw_latency)

    @property
    def overlap(self) -> bool:
        """Whether the user started while the assistant spoke."""
        return self.stop_latency is not None


@dataclass(frozen=True, slots=True)
class FloorEvent:
    """How the assistant dealt with something that wants no reply."""

    id: str
    type: EventType
    coverage: float | None
    """The share of the window after its start that the assistant spoke in; None if it was silent before."""
    held: bool | None
    false_take: bool | None
    """Whether it made a silent assistant take the turn; None if the assistant was speaking."""


@dataclass(frozen=True, slots=True)
class SessionMetrics:
    """The metrics of one session; see `summary` for several."""

    utterances: tuple[Utterance, ...]
    replies: tuple[ReplyEvent, ...]
    floor: tuple[FloorEvent, ...]
    overlap_s: float
    assistant_talk_s: float
    user_turn_s: float
    assistant_backchannels: int
    """During the user's turns."""

    @property
    def pauses(self) -> int:
        """Pauses in the user's turns."""
        return sum(len(reply.pause_takes) for reply in self.replies)

    @property
    def pause_takes(self) -> int:
        """Pauses in which the assistant took the turn."""
        return sum(sum(reply.pause_takes) for reply in self.replies)


class Latencies(NamedTuple):
    """A set of latencies in seconds."""

    n: int
    mean: float
    p50: float
    p90: float
    p95: float


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """Sessions pooled over their events. Rates are per hundred; None where there is nothing to divide by."""

    n_sessions: int
    n_events: int
    """Turns and barge-ins."""
    turn_taking_success: float | None
    turn_taking_strict: float | None
    turn_success: float | None
    barge_in_success: float | None
    premature_rate: float | None
    stop_rate: float | None
    hold_rate: float | None
    false_take_rate: float | None
    latency: Latencies | None
    stop_latency: Latencies | None
    pause_take_rate: float | None
    assistant_backchannel_per_s: float | None


def utterances(
    segments: Iterable[Interval], words: Sequence[Word] | None = None, *, rules: SessionRules | None = None
) -> tuple[Utterance, ...]:
    """Assistant speech segments merged; without words, only their length tells turns from backchannels."""
    rules = rules or SessionRules()
    merged = _merged(((start, end) for start, end in segments if end > start), rules.merge_gap)
    return tuple(Utterance(start, end, _is_turn(start, end, words or (), rules)) for start, end in merged)


def session_metrics(
    duration: float,
    user: Sequence[UserEvent],
    assistant: Iterable[Interval],
    words: Sequence[Word] | None = None,
    *,
    rules: SessionRules | None = None,
) -> SessionMetrics:
    """The metrics of one session. Raises DataError for an event of unknown type."""
    rules = rules or SessionRules()
    for event in user:
        if event.type not in get_args(EventType):
            known = ", ".join(get_args(EventType))
            raise DataError(f"the user event {event.id!r} has the unknown type {event.type!r}: {known}")
    said = utterances(assistant, words, rules=rules)
    spoken = _merged(((event.start, event.end) for event in user), 0.0)
    turns = [event for event in user if event.type == "turn"]
    return SessionMetrics(
        utterances=tuple(Utterance(_rounded(start), _rounded(end), turn) for start, end, turn in said),
        replies=tuple(
            _reply(event, said, _next_start(event, user, duration), rules)
            for event in user
            if event.type in WANTS_REPLY
        ),
        floor=tuple(
            _floor(event, said, _next_start(event, user, duration), duration, rules)
            for event in user
            if event.type not in WANTS_REPLY
        ),
        overlap_s=_rounded(sum(_common(said, span) for span in spoken)),
        assistant_talk_s=_rounded(sum(end - start for start, end, _ in said)),
        user_turn_s=_rounded(sum(event.end - event.start for event in turns)),
        assistant_backchannels=sum(
            not said_one.is_turn and event.start <= said_one.start < event.end
            for event in turns
            for said_one in said
        ),
    )


def summary(sessions: Iterable[SessionMetrics]) -> SessionSummary:
    """Several sessions, pooled over events."""
    listed = list(sessions)
    replies = [reply for session in listed for reply in session.replies]
    floor = [event for session in listed for event in session.floor]
    turns = [reply for reply in replies if reply.type == "turn"]
    user_turn_s = sum(session.user_turn_s for session in listed)
    backchannels = sum(session.assistant_backchannels for session in listed)
    return SessionSummary(
        n_sessions=len(listed),
        n_events=len(replies),
        turn_taking_success=_rate(reply.success for reply in replies),
        turn_taking_strict=_rate(reply.strict for reply in replies),
        turn_success=_rate(reply.success for reply in turns),
        barge_in_success=_rate(reply.success for reply in replies if reply.type == "barge_in"),
        premature_rate=_rate(reply.premature for reply in turns),
        stop_rate=_rate(reply.stopped for reply in replies),
        hold_rate=_rate(event.held for event in floor),
        false_take_rate=_rate(event.false_take for event in floor),
        latency=_latencies(reply.latency for reply in replies),
        stop_latency=_latencies(reply.stop_latency for reply in replies),
        pause_take_rate=_rate(chain.from_iterable(reply.pause_takes for reply in replies)),
        assistant_backchannel_per_s=_rounded(backchannels / user_turn_s) if user_turn_s else None,
    )


def assistant_accuracy_at(replies: Iterable[ReplyEvent], tokens: int, *, token_s: float) -> float | None:
    """OmniFlatten's Acc@K: turns answered within `tokens` token periods after their end, per hundred."""
    limit = tokens * token_s
    return _rate(
        reply.raw_latency is not None and 0 <= reply.raw_latency <= limit
        for reply in replies
        if reply.type == "turn"
    )


def user_accuracy_at(replies: Iterable[ReplyEvent], tokens: int, *, token_s: float) -> float | None:
    """OmniFlatten's Acc@K: barge-ins on a speaking assistant who stops within `tokens` periods, per hundred."""
    limit = tokens * token_s
    return _rate(
        reply.stop_latency <= limit
        for reply in replies
        if reply.type == "barge_in" and reply.stop_latency is not None
    )


def _reply(event: UserEvent, said: Sequence[Utterance], next_start: float, rules: SessionRules) -> ReplyEvent:
    turns = [utterance for utterance in said if utterance.is_turn]
    limit = min(next_start, event.end + rules.t_max)
    earliest = max(event.start, event.end - rules.early_tol)
    answer = next((turn.start for turn in turns if earliest <= turn.start < limit), None)
    premature = any(event.start <= turn.start < event.end - rules.early_tol for turn in turns)
    current = _speaking_at(event.start, said)
    stop = None if current is None else current.end - event.start
    stopped = None if stop is None else stop <= rules.stop_max
    return ReplyEvent(
        id=event.id,
        type=event.type,
        premature=premature,
        success=any(event.start <= turn.start < limit and turn.end > event.end for turn in turns),
        raw_latency=None if answer is None else _rounded(answer - event.end),
        stop_latency=None if stop is None else _rounded(stop),
        stopped=stopped,
        strict=answer is not None and not premature and stopped is not False,
        pause_takes=tuple(
            any(start <= turn.start < end for turn in turns)
            for start, end in (event.pauses if event.type == "turn" else ())
        ),
    )


def _floor(
    event: UserEvent, said: Sequence[Utterance], next_start: float, duration: float, rules: SessionRules
) -> FloorEvent:
    if _speaking_at(event.start, said) is None:
        limit = min(next_start, event.end + rules.false_win)
        taken = any(turn.is_turn and event.start <= turn.start < limit for turn in said)
        return FloorEvent(event.id, event.type, coverage=None, held=None, false_take=taken)
    window = (event.start, min(event.start + rules.hold_win, duration))
    length = window[1] - window[0]
    coverage = _common(said, window) / length if length > 0 else 0.0
    return FloorEvent(
        event.id, event.type, coverage=_rounded(coverage), held=coverage >= rules.hold_cov, false_take=None
    )


def _is_turn(start: float, end: float, words: Sequence[Word], rules: SessionRules) -> bool:
    if end - start >= rules.min_turn_s:
        return True
    return sum(start <= (word.start + word.end) / 2 <= end for word in words) > rules.max_bc_words


def _merged(intervals: Iterable[Interval], gap: float) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _next_start(event: UserEvent, user: Sequence[UserEvent], duration: float) -> float:
    later = (other.start for other in user if other.type in WANTS_REPLY and other.start > event.start)
    return min(later, default=duration)


def _speaking_at(time: float, said: Sequence[Utterance]) -> Utterance | None:
    return next((utterance for utterance in said if utterance.start < time < utterance.end), None)


def _common(said: Sequence[Utterance], span: Interval) -> float:
    return sum(max(0.0, min(end, span[1]) - max(start, span[0])) for start, end, _ in said)


def _rate(flags: Iterable[bool | None]) -> float | None:
    known = [flag for flag in flags if flag is not None]
    return _rounded(100 * sum(known) / len(known)) if known else None


def _latencies(values: Iterable[float | None]) -> Latencies | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    figures = (sum(known) / len(known), *(percentile(known, percent) for percent in (50, 90, 95)))
    return Latencies(len(known), *map(_rounded, figures))


def _rounded(value: float) -> float:
    return round(value, _DECIMALS)
