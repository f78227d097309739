from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.mmau_pro import (
    CRITERIA,
    CategoryScore,
    OpenScores,
    is_single_audio,
    open_metrics,
    parse_open_scores,
    route,
    weighted_performance,
)

REPLY = "CORRECTNESS: {} - a\nRELEVANCE: 4 - b\nCOMPLETENESS: 4 - c\nCLARITY: 5 - d\nOVERALL: {} - e"


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("open", "open"),
        ("instruction following", "aif"),
        ("Open", "closed"),
        ("multi", "closed"),
        ("anything", "closed"),
    ],
)
def test_route(category: str, expected: str) -> None:
    assert route(category) == expected


def test_single_audio_goes_by_the_files() -> None:
    assert is_single_audio(["data/a.wav"])
    assert not is_single_audio(["data/a.wav", "data/b.wav"])


@pytest.mark.parametrize(
    ("correctness", "overall", "scores", "unread"),
    [
        pytest.param("5", "4.2", (5.0, 4.2), (), id="plain"),
        pytest.param("5", "3", (5.0, 4.5), (), id="three-gives-way-to-the-mean"),
        pytest.param("5", "3.0", (5.0, 4.5), (), id="three-with-a-decimal"),
        pytest.param("5", "?", (5.0, 4.5), ("overall",), id="overall-unread"),
        pytest.param("4.9", "2", (4.0, 2.0), (), id="integers-only"),
        pytest.param("4/5", "2", (4.0, 2.0), (), id="fraction"),
        pytest.param("10", "2", (10.0, 2.0), (), id="no-range-check"),
        pytest.param("-1", "2", (3.0, 2.0), ("correctness",), id="negative"),
        pytest.param("[4]", "2", (3.0, 2.0), ("correctness",), id="brackets"),
        pytest.param("٤", "2", (4.0, 2.0), (), id="other-digits"),
    ],
)
def test_judge(correctness: str, overall: str, scores: tuple[float, float], unread: tuple[str, ...]) -> None:
    got = parse_open_scores(REPLY.format(correctness, overall))
    assert (got.correctness, got.overall) == scores
    assert got.unread == unread


def test_the_first_mention_counts_whatever_its_case() -> None:
    got = parse_open_scores("clarity:\n 2, Clarity: 5")
    assert got.clarity == 2
    assert got.overall == (3 + 3 + 3 + 2) / 4
    assert parse_open_scores("**CLARITY**: 5 CLARITY： 5").unread == (*CRITERIA, "overall")


@given(st.text())
def test_any_text_has_scores(reply: str) -> None:
    assert parse_open_scores(reply).overall >= 0


def test_open_metrics() -> None:
    metrics = open_metrics([OpenScores(overall=score) for score in (4.0, 2.0, 3.99, 2.01)])
    assert metrics.spreads["overall"].mean == pytest.approx(3)
    assert metrics.spreads["overall"].deviation == pytest.approx(0.99501, abs=1e-5)  # over n, not n - 1
    assert (metrics.total, metrics.good_rate, metrics.poor_rate) == (4, 0.25, 0.25)
    assert metrics.score == pytest.approx(0.6)
    assert metrics.spreads["clarity"].deviation == 0
    with pytest.raises(DataError, match="no open answer"):
        open_metrics([])


def test_categories_weigh_by_their_items() -> None:
    scores = {"sound": CategoryScore(0.5, 100), "open": CategoryScore(0.8, 50), "if": CategoryScore(0.2, 10)}
    assert weighted_performance(scores) == pytest.approx(0.575)
    assert weighted_performance({}) is None
    assert weighted_performance({"sound": CategoryScore(1.0, 0)}) is None
