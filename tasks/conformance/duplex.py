"""Golden file `duplex`: session metrics, each kind of case with its own function and tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fac_eval.conformance import CannotRunError, Case, Golden, check_answer, read_golden
from fac_eval.metrics.duplex import (
    WANTS_REPLY,
    Latencies,
    ReplyEvent,
    SessionMetrics,
    UserEvent,
    Word,
    session_metrics,
    summary,
)

SESSION_TOLERANCE = 1e-6

Row = Mapping[str, Any]


def cases(path: Path) -> Iterator[Case]:
    """The cases of a file; those that sum sessions up take them from the same file."""
    golden = read_golden(path)
    for row in golden.cases:
        check = partial(_check, row, golden)
        yield Case(row["id"], str(row.get("case", "")), check)


def session(case_input: Row) -> dict[str, Any]:
    """The metrics of one session."""
    found = _session(case_input)
    replies, floor = iter(found.replies), iter(found.floor)
    events = [
        _reply(next(replies)) if event["type"] in WANTS_REPLY else asdict(next(floor))
        for event in case_input["user"]
    ]
    return {
        "utterances": [list(utterance) for utterance in found.utterances],
        "events": events,
        "overlap_s": found.overlap_s,
        "assistant_talk_s": found.assistant_talk_s,
        "user_turn_s": found.user_turn_s,
        "assistant_backchannels": found.assistant_backchannels,
        "pauses": found.pauses,
        "pause_takes": found.pause_takes,
    }


def session_agg(case_input: Row, sessions: Mapping[str, Row]) -> dict[str, Any]:
    """The sum of the sessions that the case names."""
    members = case_input["members"]
    if absent := [member for member in members if member not in sessions]:
        raise CannotRunError(f"sessions that are not in the file: {', '.join(absent)}")
    found = asdict(summary(_session(sessions[member]) for member in members))
    for name in ("latency", "stop_latency"):
        if isinstance(found[name], Latencies):
            found[name] = found[name]._asdict()
    return found


def _check(row: Row, golden: Golden) -> list[str]:
    kind = row.get("kind")
    if kind == "session_agg":
        sessions = {other["id"]: other["input"] for other in golden.cases if other.get("kind") == "session"}
        answer: Callable[[], Any] = partial(session_agg, row["input"], sessions)
    elif kind == "session":
        answer = partial(session, row["input"])
    else:
        raise CannotRunError(f"unknown kind of duplex case {kind!r}: session, session_agg")
    return check_answer(answer, row["expected"], SESSION_TOLERANCE)


def _session(case_input: Row) -> SessionMetrics:
    user = [
        UserEvent(
            event["id"],
            event["type"],
            event["start"],
            event["end"],
            tuple((start, end) for start, end in event.get("pauses") or ()),
        )
        for event in case_input["user"]
    ]
    words = case_input.get("words")
    return session_metrics(
        case_input["duration"],
        user,
        [(start, end) for start, end in case_input["assistant"]],
        None if words is None else [Word(*word) for word in words],
    )


def _reply(event: ReplyEvent) -> dict[str, Any]:
    found = {**asdict(event), "latency": event.latency, "overlap": event.overlap}
    if event.type != "turn":
        del found["pause_takes"]
    return found
