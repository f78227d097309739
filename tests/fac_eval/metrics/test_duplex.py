from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.duplex import (
    FloorEvent,
    Interval,
    ReplyEvent,
    SessionMetrics,
    SessionRules,
    UserEvent,
    Word,
    assistant_accuracy_at,
    session_metrics,
    summary,
    user_accuracy_at,
    utterances,
)

TURN = UserEvent("u", "turn", 1.0, 4.0)


def _session(assistant: list[Interval], *user: UserEvent, words: list[Word] | None = None) -> SessionMetrics:
    return session_metrics(30.0, user, assistant, words)


def _reply(assistant: list[Interval], *user: UserEvent) -> ReplyEvent:
    return _session(assistant, *user).replies[-1]


def _floor(assistant: list[Interval], *user: UserEvent) -> FloorEvent:
    (event,) = _session(assistant, *user).floor
    return event


@pytest.mark.parametrize(
    ("assistant", "success", "raw", "strict", "premature"),
    [
        pytest.param([(4.6, 9.0)], True, 0.6, True, False, id="clean-reply"),
        pytest.param([(3.7, 7.0)], True, -0.3, True, False, id="slightly-early"),
        pytest.param([(9.0, 12.0)], False, None, False, False, id="at-the-limit"),
        pytest.param([(8.99, 12.0)], True, 4.99, True, False, id="just-inside"),
        pytest.param([(4.5, 5.4)], False, None, False, False, id="only-a-backchannel"),
        pytest.param([(2.0, 6.0)], True, None, False, True, id="premature-and-goes-on"),
        pytest.param([(2.0, 3.2), (4.5, 6.0)], True, 0.5, False, True, id="premature-then-replies"),
        pytest.param([], False, None, False, False, id="silence"),
    ],
)
def test_replies_to_a_turn(
    assistant: list[Interval], success: bool, raw: float | None, strict: bool, premature: bool
) -> None:
    reply = _reply(assistant, TURN)
    assert (reply.success, reply.raw_latency, reply.strict, reply.premature) == (
        success,
        raw,
        strict,
        premature,
    )
    assert reply.latency == (None if raw is None else max(0.0, raw))


def test_a_barge_in_that_stops_the_assistant_and_is_answered() -> None:
    reply = _reply([(4.5, 7.6), (9.4, 13.0)], TURN, UserEvent("b", "barge_in", 7.0, 9.0))
    assert (reply.overlap, reply.stop_latency, reply.stopped) == (True, 0.6, True)
    assert (reply.latency, reply.success, reply.strict) == (0.4, True, True)


def test_a_barge_in_that_is_talked_over() -> None:
    reply = _reply([(4.5, 12.0)], TURN, UserEvent("b", "barge_in", 7.0, 9.0))
    assert (reply.stop_latency, reply.stopped, reply.success, reply.strict) == (5.0, False, False, False)


def test_the_next_turn_ends_the_window_for_a_reply() -> None:
    first, second = _session([(7.5, 10.0)], TURN, UserEvent("v", "turn", 5.0, 7.0)).replies
    assert (first.success, second.success) == (False, True)


def test_takes_of_pauses() -> None:
    user = UserEvent("u", "turn", 1.0, 8.0, ((3.0, 4.2), (5.5, 6.5)))
    found = _session([(6.0, 7.2), (8.5, 12.0)], user)
    assert found.replies[0].pause_takes == (False, True)
    assert (found.pauses, found.pause_takes) == (2, 1)


@pytest.mark.parametrize(
    ("assistant", "held", "coverage", "false_take"),
    [
        pytest.param([(4.5, 14.0)], True, 1.0, None, id="held"),
        pytest.param([(4.5, 7.5)], False, 0.166667, None, id="lost"),
        pytest.param([(8.0, 10.0)], None, None, True, id="false-take"),
        pytest.param([(9.5, 12.0)], None, None, False, id="too-late-to-be-its-doing"),
        pytest.param([], None, None, False, id="silence"),
    ],
)
def test_the_floor(
    assistant: list[Interval], held: bool | None, coverage: float | None, false_take: bool | None
) -> None:
    found = _floor(assistant, UserEvent("k", "backchannel", 7.0, 7.4))
    assert (found.held, found.coverage, found.false_take) == (held, coverage, false_take)


def test_utterances_merge_across_short_pauses() -> None:
    found = utterances([(2.0, 3.0), (0.0, 1.5), (5.0, 5.0), (3.6, 3.7)])
    assert found == ((0.0, 3.0, True), (3.6, 3.7, False))
    assert utterances([(0.0, 0.4), (1.0, 1.4)], rules=SessionRules(merge_gap=0.6)) == ((0.0, 1.4, True),)


@pytest.mark.parametrize(("n_words", "is_turn"), [(3, False), (4, True)])
def test_many_words_make_a_short_utterance_a_turn(n_words: int, is_turn: bool) -> None:
    words = [Word("w", 0.1 * k, 0.1 * k + 0.1) for k in range(n_words)]
    assert utterances([(0.0, 0.8)], [*words, Word("later", 5.0, 5.2)])[0].is_turn is is_turn


def test_sums_of_a_session() -> None:
    events = (UserEvent("u", "turn", 1.0, 9.0), UserEvent("n", "noise", 9.0, 10.0))
    found = _session([(3.0, 3.4), (6.0, 6.3), (9.5, 12.0)], *events)
    assert (found.overlap_s, found.assistant_talk_s, found.user_turn_s) == (1.2, 3.2, 8.0)
    assert found.assistant_backchannels == 2


def test_an_unknown_event_type_is_refused() -> None:
    with pytest.raises(DataError, match="cough"):
        _session([], UserEvent("u", "cough", 1.0, 2.0))  # type: ignore[arg-type]


def test_a_summary_pools_events() -> None:
    sessions = [
        _session([(4.6, 9.0)], TURN),
        _session([], TURN),
        _session([(4.0, 7.6), (9.4, 13.0)], TURN, UserEvent("b", "barge_in", 7.0, 9.0)),
    ]
    found = summary(sessions)
    assert (found.n_sessions, found.n_events) == (3, 4)
    assert (found.turn_taking_success, found.turn_success, found.barge_in_success) == (75.0, 66.666667, 100.0)
    assert (found.stop_rate, found.hold_rate, found.pause_take_rate) == (100.0, None, None)
    assert found.latency is not None
    assert (found.latency.n, found.latency.p50, found.latency.p95) == (3, 0.4, 0.58)
    assert found.assistant_backchannel_per_s == 0.0


def test_a_summary_of_nothing_has_no_figures() -> None:
    found = summary([])
    assert (found.n_sessions, found.turn_taking_success, found.latency) == (0, None, None)


def test_accuracy_at_some_tokens() -> None:
    barge_in = UserEvent("b", "barge_in", 7.0, 9.0)
    replies = [
        *_session([(4.2, 7.6), (9.4, 13.0)], TURN, barge_in).replies,
        *_session([(3.9, 6.0)], TURN, barge_in).replies,
    ]
    assert assistant_accuracy_at(replies, 2, token_s=0.1) == 50.0
    assert assistant_accuracy_at(replies, 1, token_s=0.1) == 0.0
    assert user_accuracy_at(replies, 6, token_s=0.1) == 100.0
    assert user_accuracy_at(replies, 5, token_s=0.1) == 0.0
    assert user_accuracy_at([], 5, token_s=0.1) is None


_TIMES = st.integers(0, 300).map(lambda tenths: tenths / 10)
_SPANS = st.lists(st.tuples(_TIMES, _TIMES).map(lambda pair: (min(pair), max(pair))), max_size=8)


@given(_SPANS, _SPANS)
def test_figures_stay_within_bounds(assistant: list[Interval], user: list[Interval]) -> None:
    types: list[Any] = ["turn", "barge_in", "noise"]
    events = [UserEvent(str(k), types[k % 3], *span) for k, span in enumerate(user)]
    found = session_metrics(30.0, events, assistant)
    assert 0 <= found.overlap_s <= min(30.0, found.assistant_talk_s + 1e-6)
    assert len(found.replies) + len(found.floor) == len(events)
    for reply in found.replies:
        assert not reply.strict or reply.raw_latency is not None
        assert reply.raw_latency is None or -0.5 <= reply.raw_latency < 5
    assert all(event.coverage is None or 0 <= event.coverage <= 1 for event in found.floor)
    rate = summary([found]).turn_taking_success
    assert rate is None or (0 <= rate <= 100 and not math.isnan(rate))
