"""Golden files `asr_normalize_en`, `asr_normalize_zh`, `asr_wer` and `ultraeval_asr_wer`.

An adapter takes a case's input and the file's header and returns the values to be compared with the
case's expected ones; where the official scorer fails, it raises or gives back the error as a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from fac_eval.conformance import CannotRunError
from fac_eval.errors import DataError
from fac_eval.metrics.asr_normalize_en import EnglishRules, normalize_en
from fac_eval.metrics.asr_normalize_zh import normalize_zh
from fac_eval.metrics.asr_tokens import tokenize
from fac_eval.metrics.asr_wer import (
    CHINESE,
    ENGLISH,
    AsrRules,
    PooledErrors,
    mean_of_utterances,
    pooled_errors,
    utterance_errors,
)
from fac_eval.metrics.ultraeval_asr_wer import (
    Scorer,
    official_corpus_percent,
    official_percent,
    pair_errors,
)
from fac_eval.metrics.ultraeval_normalize import normalize_chinese, normalize_english

Case = Mapping[str, Any]

_JIWER = {"en": ENGLISH, "zh": CHINESE}
_COMPUTE_WER_023 = {
    "en": AsrRules("whisper_normalizer", "compute_wer_023", "word"),
    "zh": AsrRules("basic", "compute_wer_023", "character"),
}
_COMPUTE_WER_025 = {
    "en": AsrRules("whisper_normalizer", "compute_wer_025", "word"),
    "zh": AsrRules("basic", "compute_wer_025", "character"),
}


def normalized_en(case_input: Case, header: Case) -> dict[str, Any]:
    """One text by the rules of both packages; either may fail on it."""
    return {rules: _english(case_input["text"], rules) for rules in get_args(EnglishRules)}


def normalized_zh(case_input: Case, header: Case) -> dict[str, Any]:
    """One text normalised, and its tokens by both versions of compute-wer."""
    text = case_input["text"]
    basic = normalize_zh(text)
    return {
        "basic": basic,
        "basic_split_letters": normalize_zh(text, rules="basic_split_letters"),
        "tokens_char": tokenize(basic, tokenizer="compute_wer_023", unit="character"),
        "tokens_mixed": tokenize(basic, tokenizer="compute_wer_023", unit="word"),
        "tokens_char_025": tokenize(basic, tokenizer="compute_wer_025", unit="character"),
        "tokens_mixed_025": tokenize(basic, tokenizer="compute_wer_025", unit="word"),
        "raw_tokens_char": tokenize(text, tokenizer="compute_wer_023", unit="character"),
    }


def wer(case_input: Case, header: Case) -> dict[str, Any]:
    """The counts of a corpus as compute-wer 0.2.3 has them, with the totals of 0.2.5 and of jiwer."""
    language, pairs = case_input["lang"], case_input["pairs"]
    if language not in _COMPUTE_WER_023:
        raise CannotRunError(f"no rules for the language {language!r}: en or zh")
    rows = [utterance_errors(*pair, rules=_COMPUTE_WER_023[language]) for pair in pairs]
    pooled = pooled_errors(rows)
    return {
        "utts": [
            {"N": row.counts.reference_tokens, "errors": row.counts.errors, "wer": row.rate} for row in rows
        ],
        **_totals(pooled),
        "sentence_errors": pooled.wrong_utterances,
        "sentences": pooled.utterances,
        "mean_of_utterances": mean_of_utterances(rows) if rows else None,
        "compute_wer_025": _totals(_pooled(pairs, _COMPUTE_WER_025[language])),
        "jiwer": _jiwer_totals(_pooled(pairs, _JIWER[language])),
    }


def ultraeval_wer(case_input: Case, header: Case) -> Any:
    """A normalised text, one pair under the five scorers, or a corpus under the two that aggregate."""
    kind = case_input["kind"]
    if kind == "norm_en":
        return normalize_english(case_input["text"])
    if kind == "norm_zh":
        return normalize_chinese(case_input["text"])
    if kind == "norm_basic":
        return normalize_zh(case_input["text"])
    if kind == "pair":
        return {scorer: _pair_percent(case_input, scorer) for scorer in get_args(Scorer)}
    if kind == "corpus":
        scorers: tuple[Scorer, ...] = ("head", "pre_2025_12_26")
        return {scorer: _corpus_percent(case_input, scorer) for scorer in scorers}
    raise CannotRunError(f"unknown kind {kind!r}: norm_en, norm_zh, norm_basic, pair or corpus")


def _english(text: str, rules: EnglishRules) -> str | DataError:
    try:
        return normalize_en(text, rules=rules)
    except DataError as error:
        return error


def _pooled(pairs: list[tuple[str, str]], rules: AsrRules) -> PooledErrors:
    return pooled_errors(utterance_errors(*pair, rules=rules) for pair in pairs)


def _totals(pooled: PooledErrors) -> dict[str, Any]:
    return {"N": pooled.reference_tokens, "errors": pooled.errors, "wer": pooled.rate}


def _jiwer_totals(pooled: PooledErrors) -> dict[str, Any]:
    # jiwer gives the number of insertions where all references are empty.
    totals = _totals(pooled)
    return totals if pooled.reference_tokens else totals | {"wer": pooled.errors}


def _pair_percent(case_input: Case, scorer: Scorer) -> float | DataError:
    try:
        row = pair_errors(case_input["ref"], case_input["hyp"], scorer=scorer, language=case_input["lang"])
        return official_percent(row)
    except DataError as error:
        return error


def _corpus_percent(case_input: Case, scorer: Scorer) -> Any:
    rows = [
        pair_errors(
            reference, hypothesis, scorer=scorer, language="zh" if case_input["lang"] == "zh" else "en"
        )
        for reference, hypothesis in zip(case_input["refs"], case_input["hyps"], strict=True)
    ]
    try:
        return official_corpus_percent(rows)
    except DataError:
        return {"agg_error": True}
