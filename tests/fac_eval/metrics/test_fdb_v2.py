from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.fdb_v2 import (
    EVENTS,
    TASK,
    BinScores,
    JudgedEvent,
    Judgement,
    MeanScores,
    binned_scores,
    mean_scores,
    parse_judgement,
)


def _reply(events: str, task: str = "4") -> str:
    return f'{{"{EVENTS}": [{events}], "{TASK}": {task}}}'


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param("[[0, 3.5], 4, 5]", [(0, 3.5, 4, 5)], id="array"),
        pytest.param("[0, 3.5, 4, 5]", [(0, 3.5, 4, 5)], id="flat"),
        pytest.param("[0.0, 3.2]: 4, 5, [3.5, 8]: 3, null", [(0, 3.2, 4, 5), (3.5, 8, 3, None)], id="colons"),
        pytest.param("[0, 1]: 4, 5, [2, 3], [4, 5]: 1, 2", [(0, 1, 4, 5), (4, 5, 1, 2)], id="colon-missing"),
        pytest.param('["00:01", "01:02.5"]: "4", 5', [(1, 62.5, 4, 5)], id="colons-and-minutes"),
        pytest.param("[[0, 1], [2, 3]]: 4, 5", [(0, 1, 4, 5), (2, 3, 4, 5)], id="colon-several-intervals"),
        pytest.param("[[0, 1,]]: 4, 5", [(0, 1, 4, 5)], id="trailing-comma"),
        pytest.param("[{0.5, 2.5}, 4, 4]", [(0.5, 2.5, 4, 4)], id="braces"),
        pytest.param('[{"start": 1, "end": "00:04.5"}, 4, 4]', [(1, 4.5, 4, 4)], id="bounds"),
        pytest.param('[{"end_time": 4, "start_time": 1}, 4, 4]', [(1, 4, 4, 4)], id="bounds-turned"),
        pytest.param("[[0, 1], [2, 3], 4, 5]", [(0, 1, 4, 5), (2, 3, 4, 5)], id="several-intervals"),
        pytest.param('[[0, 1], null, "null"]', [(0, 1, None, None)], id="null-scores"),
        pytest.param("[[0, 1], 4.9, 3.2]", [(0, 1, 4, 3)], id="scores-are-cut"),
        pytest.param("[[0, 1], 4], 7", [], id="too-short"),
        pytest.param('[["x", "y"], 4, 4]', [], id="no-times"),
    ],
)
def test_events(events: str, expected: list[tuple[float, float, int | None, int | None]]) -> None:
    assert parse_judgement(_reply(events)).events == tuple(JudgedEvent(*event) for event in expected)


@pytest.mark.parametrize(
    ("reply", "task"),
    [
        pytest.param(_reply("", "4.9"), 4.9, id="as-written"),
        pytest.param(_reply("", '"3"'), "3", id="text-stays-text"),
        pytest.param(_reply("", "null"), None, id="null"),
        pytest.param(_reply("[0, 1]: 1, 2", "4.9"), 4, id="whole-outside-json"),
        pytest.param(_reply("[0, 1]: 1, 2", "0"), 0, id="zero-outside-json"),
        pytest.param(f'{{"{TASK}": 3}}', 3, id="task-alone"),
        pytest.param(f'say "{TASK}": 3', None, id="no-events-no-json"),
        pytest.param(f"```json\n{_reply('', '1')}\n```\n```\n{_reply('', '5')}\n```", 5, id="last-block"),
        pytest.param(
            f"```json\n{_reply('', '1')}\n```\n```\n{_reply('', 'null')}\n```", 1, id="last-that-has-one"
        ),
        pytest.param("", None, id="empty"),
    ],
)
def test_task_score(reply: str, task: Any) -> None:
    assert parse_judgement(reply).task == task


_SCORES = st.integers(1, 5) | st.none()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), _SCORES, _SCORES)), st.booleans())
def test_what_is_written_is_read(events: list[tuple[int, int, int | None, int | None]], colons: bool) -> None:
    if colons:
        written = _reply(", ".join(f"[{a}, {b}]: {json.dumps(x)}, {json.dumps(y)}" for a, b, x, y in events))
    else:
        written = json.dumps({EVENTS: [[[a, b], x, y] for a, b, x, y in events]})
    assert parse_judgement(f"```json\n{written}\n```").events == tuple(
        JudgedEvent(*event) for event in events
    )


@given(st.text(alphabet=f'[]{{}}:," 1a{EVENTS[0]}') | st.text())
def test_any_reply_can_be_read(reply: str) -> None:
    parse_judgement(reply)
    parse_judgement(_reply(reply))


JUDGED = Judgement(
    (
        JudgedEvent(0, 10, 4, 2),
        JudgedEvent(10, 20, 1, 5),
        JudgedEvent(30, 30, 3, 3),
        JudgedEvent(0, 9, None, 5),
    ),
    3,
)


def test_means_need_both_scores_and_numbers() -> None:
    assert mean_scores([JUDGED, Judgement((), "5")]) == MeanScores(1, 3, 2.667, 3.333, 3.0)
    assert mean_scores([JUDGED], timed=True) == MeanScores(1, 2, 2.5, 3.5, 3.0)
    assert mean_scores([]) == MeanScores(0, 0, None, None, None)


def test_bins_weigh_events_by_their_overlap() -> None:
    bins = binned_scores([JUDGED])
    assert len(bins) == 8
    assert bins[0] == BinScores(3.0, 3.0)
    assert bins[1] == BinScores(1.0, 5.0)
    assert bins[2] == BinScores(None, None)
