from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.fdb_v15 import Interval, behaviour, behaviour_ratios, merged, split_speech, timing


@pytest.mark.parametrize(
    ("user", "model", "stops", "responses"),
    [
        pytest.param([], [(1, 2)], [], [], id="one-side"),
        pytest.param([(0, 1)], [(1, 2)], [], [], id="touching"),
        pytest.param([(0, 5)], [(1, 2), (3, 4)], [(1, 2), (3, 4)], [], id="model-inside"),
        pytest.param([(2, 3), (5, 6)], [(1, 8)], [(2, 3), (5, 6)], [], id="user-inside"),
        pytest.param([(0, 1), (2, 3)], [(4, 6)], [], [(3, 4)], id="later-user-wins"),
        pytest.param([(0, 2)], [(2, 3), (5, 6)], [], [(2, 5)], id="start-at-the-end-is-no-response"),
        pytest.param([(4, 5), (0, 1)], [(8, 9), (2, 3)], [], [(1, 2), (5, 8)], id="unsorted"),
        pytest.param([(0, 1.00049)], [(0.5, 3)], [(0.5, 1.0)], [], id="rounded"),
    ],
)
def test_timing(
    user: list[Interval], model: list[Interval], stops: list[Interval], responses: list[Interval]
) -> None:
    found = timing(user, model)
    assert (found.stops, found.responses) == (stops, responses)


def test_gaps_are_compared_as_plain_floats() -> None:
    assert merged([(3, 4), (4.5, 5)], 0.5) == [(3, 5)]
    assert merged([(0, 1), (1.6, 2)], 0.6) == [(0, 1), (1.6, 2)]  # 1.6 - 1 is a little more than 0.6
    assert merged([(0, 5), (1, 2)], 0.5) == [(0, 5)]


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)).map(lambda pair: (min(pair), max(pair)))))
def test_merged_segments_are_in_order_and_apart(segments: list[Interval]) -> None:
    found = merged(segments, 0.5)
    assert all(later[0] - earlier[1] > 0.5 for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("reply", "tags"),
    [
        pytest.param('Sure.\n{"behaviour": ["C_RESUME"]} done', ["C_RESUME"], id="prose"),
        pytest.param('{"x":1} {"behaviour":["C_UNKNOWN"]}', ["C_UNKNOWN"], id="second-object"),
        pytest.param('{oops {"behaviour": ["C_RESPOND"]}', ["C_RESPOND"], id="broken-first"),
        pytest.param('{"a": {"behaviour": ["C_RESUME"]}}', None, id="nested"),
        pytest.param('{"behavior": ["C_RESPOND"]}', None, id="american-spelling"),
        pytest.param("", None, id="empty"),
    ],
)
def test_behaviour(reply: str, tags: list[str] | None) -> None:
    if tags is None:
        with pytest.raises(DataError, match="no object"):
            behaviour(reply)
    else:
        assert behaviour(reply)["behaviour"] == tags


@given(st.text(alphabet='{}[]ab": '), st.lists(st.sampled_from(["C_RESPOND", "C_RESUME"])))
def test_an_object_after_prose_without_braces_is_found(before: str, tags: list[str]) -> None:
    prose = before.replace("{", "(")
    assert behaviour(f"{prose}{json.dumps({'behaviour': tags})}") == {"behaviour": tags}


def test_behaviour_ratios() -> None:
    assert behaviour_ratios([["C_UNKNOWN"], ["C_RESPOND", "C_RESUME"], []]) == {
        "C_UNKNOWN": 0.33,
        "C_RESPOND": 0.33,
        "C_RESUME": 0.33,
    }
    assert behaviour_ratios([]) == {}


@pytest.mark.parametrize(
    ("words", "distractor_end", "expected"),
    [
        pytest.param([], 3.0, (3.0, 0, 0, 0.0, 0.0), id="no-words"),
        pytest.param([(1.0, 2.0)], 4.0, (2.0, 1, 0, 60.0, 0.0), id="all-before"),
        pytest.param([(1.0, 2.0), (3.0, 4.0)], 0.5, (1.0, 0, 2, 0.0, 40.0), id="all-after"),
        pytest.param([(1.0, 2.0), (3.0, 5.0)], 4.0, (3.0, 1, 1, 60.0, 30.0), id="in-a-word"),
        pytest.param([(3.0, 5.0), (1.0, 2.0)], 4.0, (3.0, 1, 1, 60.0, 30.0), id="unsorted"),
        pytest.param([(2.0, 3.0), (1.0, 1.5)], 9.0, (3.0, 2, 0, 0.0, 0.0), id="rate-goes-by-the-order-given"),
        pytest.param([(1.0, 1.0)], 4.0, (1.0, 1, 0, 0.0, 0.0), id="no-length"),
    ],
)
def test_split_speech(
    words: list[Interval], distractor_end: float, expected: tuple[float, int, int, float, float]
) -> None:
    assert split_speech(words, distractor_end) == pytest.approx(expected)
