from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from fac_eval.errors import DataError
from fac_eval.metrics.fdb_v1 import (
    Chunk,
    TurnTake,
    backchannels,
    interruption_rating,
    jensen_shannon,
    mean_latency,
    take_rate,
    takes_turn,
    turn_take,
)


def _words(*times: tuple[float | None, float | None]) -> list[Chunk]:
    return [Chunk("w", start, end) for start, end in times]


@pytest.mark.parametrize(
    ("chunks", "took"),
    [
        pytest.param(_words(), False, id="silence"),
        pytest.param(_words((1.0, 1.3)), False, id="short"),
        pytest.param(_words((1.0, 2.0)), True, id="a-second"),
        pytest.param(_words((1.0, 1.1), (1.2, 1.3), (1.4, 1.5)), False, id="three-words"),
        pytest.param(_words((1.0, 1.1), (1.2, 1.3), (1.4, 1.5), (1.6, 1.7)), True, id="four-words"),
        pytest.param(_words((1.0, 1.1), (9.0, 9.1)), True, id="far-apart"),
        pytest.param(_words((5.0, 5.2), (1.0, 1.2)), False, id="order-as-given"),
    ],
)
def test_takes_turn(chunks: list[Chunk], took: bool) -> None:
    assert takes_turn(chunks) is took
    assert turn_take(chunks, 0.5).took_turn is took


def test_a_missing_last_end_counts_only_in_pauses() -> None:
    chunks = _words((1.0, 1.2), (2.3, None))
    assert takes_turn(chunks, is_last_end_optional=True)
    with pytest.raises(DataError, match="missing"):
        turn_take(chunks, 0.0)


def test_latency_counts_an_early_start_as_none() -> None:
    early, late, none = (
        turn_take(_words((1.0, 4.0)), 2.5),
        turn_take(_words((3.0, 5.0)), 2.5),
        turn_take([], 2.5),
    )
    assert (early, late, none) == (TurnTake(True, -1.5), TurnTake(True, 0.5), TurnTake(False, None))
    assert mean_latency([early, late, none]) == 0.25
    assert take_rate(take.took_turn for take in (early, late, none)) == pytest.approx(2 / 3)


def test_nothing_has_no_mean() -> None:
    with pytest.raises(DataError, match="no sample"):
        take_rate([])
    with pytest.raises(DataError, match="no latency"):
        mean_latency([TurnTake(False, None)])


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        pytest.param("Analysis: fine\nI would rate the AI's response as 4.", 4, id="plain"),
        pytest.param("Analysis: a\nb\nc\nI would rate the AI's response as 4.5", 4, id="whole-part"),
        pytest.param(
            "Analysis: a\nI would rate the AI's response as 1.\nAnalysis: b\nI would rate the AI's response as 10",
            10,
            id="last",
        ),
        pytest.param("Analysis: x\nI would rate the AI's response as [4].", None, id="brackets"),
        pytest.param("Analysis: x\nI would rate the AI’s response as 4.", None, id="curly-apostrophe"),
        pytest.param("I would rate the AI's response as 4.", None, id="no-analysis"),
    ],
)
def test_interruption_rating(reply: str, rating: int | None) -> None:
    assert interruption_rating(reply) == rating


FLAT = [0.1] * 10


def test_backchannels_of_the_worked_example() -> None:
    found = backchannels([(1.0, 1.5)], _words((1.1, 1.4)), duration=10.0, human=FLAT)
    assert found.distance == pytest.approx(0.761286, abs=1e-6)
    assert (found.took_turn, found.per_second) == (False, 0.1)


@pytest.mark.parametrize(
    ("segments", "words", "took", "recorded"),
    [
        pytest.param([], [], False, 0, id="silence"),
        pytest.param([(1.0, 1.9)], [(1.0, 1.2)] * 2, False, 1, id="two-words"),
        pytest.param([(1.0, 1.9)], [(1.0, 1.2)] * 3, True, 1, id="three-words"),
        pytest.param([(1.0, 2.0)], [], True, 1, id="a-second"),
        pytest.param([(1.0, 1.4), (3.0, 7.0), (8.0, 8.3)], [], True, 1, id="stops-at-a-long-one"),
        pytest.param([(1.0, 2.6), (5.0, 5.4)], [], False, 2, id="the-last-decides"),
        pytest.param([(2.0, 2.5)], [(None, 2.2), (2.1, None), (2.3, 2.4)], False, 1, id="null-times"),
    ],
)
def test_backchannels(
    segments: list[tuple[float, float]],
    words: list[tuple[float | None, float | None]],
    took: bool,
    recorded: int,
) -> None:
    found = backchannels(segments, _words(*words), duration=10.0, human=FLAT)
    assert (found.took_turn, found.per_second) == (took, recorded / 10)
    assert (found.distance == 1.0) is (recorded == 0)


def test_words_are_needed_to_tell_backchannels() -> None:
    with pytest.raises(DataError, match="no transcript"):
        backchannels([(1.0, 1.5)], None, duration=10.0, human=FLAT)
    with pytest.raises(DataError, match="no human"):
        backchannels([(1.0, 1.5)], [], duration=10.0, human=[])


@given(st.lists(st.tuples(st.floats(1e-6, 10), st.floats(1e-6, 10)), min_size=1, max_size=20))
def test_the_distance_is_scipys(pairs: list[tuple[float, float]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    expected = float(jensenshannon(np.array(left), np.array(right)))
    assert jensen_shannon(left, right) == pytest.approx(0.0 if math.isnan(expected) else expected, abs=1e-6)
