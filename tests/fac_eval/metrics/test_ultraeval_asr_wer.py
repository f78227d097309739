from __future__ import annotations

from typing import get_args

import pytest

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.ultraeval_asr_wer import (
    Language,
    Scorer,
    official_corpus_percent,
    official_percent,
    pair_errors,
)

SCORERS: tuple[Scorer, ...] = get_args(Scorer)


@pytest.fixture(autouse=True)
def _needs_the_packages() -> None:
    pytest.importorskip("whisper_normalizer")
    pytest.importorskip("zhconv")


def _percent(reference: str, hypothesis: str, scorer: Scorer, language: Language = "en") -> float:
    return round(official_percent(pair_errors(reference, hypothesis, scorer=scorer, language=language)), 2)


@pytest.mark.parametrize(
    ("language", "reference", "hypothesis", "percents"),
    [
        ("en", "it costs five dollars and fifty cents", "It costs $5.50", (0.0, 0.0, 71.43, 71.43, 0.0)),
        ("en", "five percent versus 5%", "5% vs five percent", (33.33, 20.0, 100.0, 100.0, 33.33)),
        ("en", "so 'cause", "so because", (50.0, 50.0, 50.0, 50.0, 50.0)),
        ("en", "hi （there） you", "hi you", (0.0, 0.0, 33.33, 33.33, 33.33)),
        pytest.param("en", "one\ttwo", "one two", (0.0, 0.0, 200.0, 200.0, 0.0), id="a lone tab"),
        ("en", "<|en|> a b", "a b .", (0.0, 0.0, 33.33, 33.33, 0.0)),
        ("zh", "他有12只猫和2条狗", "他有十二只猫和两条狗", (10.0, 10.0, 30.0, 30.0, 10.0)),
        ("zh", "气温是-5度", "氣溫是-5度", (40.0, 40.0, 40.0, 0.0, 40.0)),
        ("zh", "用P2P", "用 P 2 p", (0.0, 0.0, 25.0, 25.0, 0.0)),
    ],
)
def test_five_scorers(
    language: Language, reference: str, hypothesis: str, percents: tuple[float, ...]
) -> None:
    found = tuple(_percent(reference, hypothesis, scorer, language) for scorer in SCORERS)
    assert dict(zip(SCORERS, found, strict=True)) == dict(zip(SCORERS, percents, strict=True))


@pytest.mark.parametrize("scorer", SCORERS)
def test_an_empty_reference_has_no_rate(scorer: Scorer) -> None:
    row = pair_errors("", "word", scorer=scorer)
    assert (row.counts.insertions, row.counts.reference_tokens) == (1, 0)
    with pytest.raises(DataError, match="empty after normalisation"):
        official_percent(row)


@pytest.mark.parametrize("scorer", SCORERS)
def test_a_missing_transcript_is_all_deletions(scorer: Scorer) -> None:
    row = pair_errors("two words", None, scorer=scorer)
    assert row.is_failed
    assert official_percent(row) == 100.0


def test_the_corpus_is_pooled_and_refused_where_official_code_crashes() -> None:
    right, wrong, empty = (
        pair_errors(reference, hypothesis)
        for reference, hypothesis in [("a b c", "a b c"), ("x", "y"), ("", "x")]
    )
    assert official_corpus_percent([right, wrong]) == 25.0
    assert official_corpus_percent([wrong, empty]) == 200.0
    for rows in ([empty, right], [empty], []):
        with pytest.raises(DataError):
            official_corpus_percent(rows)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="'tail'"):
        pair_errors("a", "a", scorer="tail")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'yue'"):
        pair_errors("a", "a", language="yue")  # type: ignore[arg-type]
