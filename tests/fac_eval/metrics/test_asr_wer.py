from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.alignment import EditCounts
from fac_eval.metrics.asr_wer import (
    CHINESE,
    CHINESE_MIXED,
    ENGLISH,
    AsrRules,
    PooledErrors,
    UtteranceErrors,
    aligned_tokens,
    mean_of_utterances,
    pooled_errors,
    utterance_errors,
)

COUNTS = st.builds(EditCounts, *[st.integers(0, 3)] * 4)
ROWS = st.lists(st.builds(UtteranceErrors, COUNTS, st.booleans()))


@pytest.fixture(autouse=True)
def _needs_the_normaliser() -> None:
    pytest.importorskip("whisper_normalizer")


def _rows(*pairs: tuple[str, str | None]) -> list[UtteranceErrors]:
    return [utterance_errors(reference, hypothesis, rules=ENGLISH) for reference, hypothesis in pairs]


def test_the_rate_is_pooled() -> None:
    rows = _rows(("a b c d", "a b c d"), ("x", "y"))
    assert pooled_errors(rows).rate == pytest.approx(0.2)
    assert mean_of_utterances(rows) == pytest.approx(0.5)


def test_insertions_on_an_empty_reference_count_in_the_sum_only() -> None:
    rows = _rows(("", "a b"), ("a b c d", "a b c d"))
    assert [row.rate for row in rows] == [0.0, 0.0]
    pooled = pooled_errors(rows)
    assert (pooled.errors, pooled.reference_tokens, pooled.rate) == (2, 4, 0.5)
    assert (pooled.wrong_utterances, pooled.utterance_rate, pooled.empty_references) == (0, 0.0, 1)


def test_a_bracketed_reference_is_empty() -> None:
    pooled = pooled_errors(_rows(("(laughs) um", "he laughs")))
    assert (pooled.reference_tokens, pooled.errors, pooled.rate, pooled.empty_references) == (0, 2, 0.0, 1)


def test_failed_utterances_are_deletions_and_told_from_empty_answers() -> None:
    pooled = pooled_errors(_rows(("a b", None), ("a b", "!?"), ("a b", "a b")))
    assert (pooled.deletions, pooled.reference_tokens) == (4, 6)
    assert (pooled.failed, pooled.empty_hypotheses, pooled.wrong_utterances) == (1, 1, 2)


def test_no_utterances() -> None:
    assert pooled_errors([]) == PooledErrors()
    assert (PooledErrors().rate, PooledErrors().utterance_rate) == (0.0, 0.0)
    with pytest.raises(DataError, match="no utterance"):
        mean_of_utterances([])


@given(ROWS, ROWS)
def test_shards_add_up(first: list[UtteranceErrors], second: list[UtteranceErrors]) -> None:
    assert pooled_errors(first) + pooled_errors(second) == pooled_errors([*first, *second])


@given(ROWS)
def test_sums_are_those_of_the_rows(rows: list[UtteranceErrors]) -> None:
    pooled = pooled_errors(rows)
    assert pooled.errors == sum(row.counts.errors for row in rows)
    assert pooled.reference_tokens == sum(row.counts.reference_tokens for row in rows)
    assert pooled.wrong_utterances == sum(row.rate != 0 for row in rows)
    assert pooled.empty_references == sum(row.counts.reference_tokens == 0 for row in rows)
    assert pooled.empty_hypotheses == sum(
        row.counts.hypothesis_tokens == 0 and not row.is_failed for row in rows
    )
    assert pooled.failed == sum(row.is_failed for row in rows)
    assert pooled.utterances == len(rows)


@pytest.mark.parametrize(
    ("rules", "reference", "tokens"),
    [
        pytest.param(ENGLISH, "Mr. Li pays $3.50", ["mister", "li", "pays", "$3.50"], id="english"),
        pytest.param(CHINESE, "我有12个（大）iPad。", list("我有12个大IPAD"), id="chinese"),
        pytest.param(CHINESE_MIXED, "我有12个iPad。", ["我", "有", "12", "个", "IPAD"], id="mixed"),
        pytest.param(
            AsrRules("openai_whisper", "compute_wer_025", "word"),
            "'cause $3",
            ["CAUSE", "$", "3"],
            id="other",
        ),
    ],
)
def test_tokens_by_rules(rules: AsrRules, reference: str, tokens: list[str]) -> None:
    assert rules.tokens(reference) == tokens


def test_a_script_that_the_reference_is_not_in_is_one_word_or_many() -> None:
    split = AsrRules("whisper_normalizer", "compute_wer_023", "word")
    assert utterance_errors("hello world", "你好世界", rules=ENGLISH).counts.errors == 2
    assert utterance_errors("hello world", "你好世界", rules=split).counts.errors == 4


def test_the_alignment_is_of_normalised_tokens() -> None:
    steps = aligned_tokens("It's colour", "it is a color", rules=ENGLISH)
    assert [step.operation for step in steps] == ["match", "match", "insertion", "match"]
    assert [step.operation for step in aligned_tokens("two words", None, rules=ENGLISH)] == ["deletion"] * 2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (("nemo", "whitespace", "word"), "unknown normaliser 'nemo'"),
        (("basic", "jieba", "character"), "unknown tokenizer 'jieba'"),
        (("basic", "whitespace", "phone"), "unknown unit 'phone'"),
        (("basic", "whitespace", "word"), "no blanks between words"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: tuple[str, str, str], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        AsrRules(*fields)  # type: ignore[arg-type]


def test_versions_name_what_decides_over_tokens() -> None:
    assert set(ENGLISH.versions()) == {"whisper-normalizer", "unicode"}
    pytest.importorskip("zhconv")
    assert set(AsrRules("t2s", "whitespace", "character").versions()) > {"zhconv"}
