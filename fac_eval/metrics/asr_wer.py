"""Word and character error rates of transcripts: errors counted by utterance, rates over pooled sums.

A rate is never a mean over utterances. Insertions count where the reference is empty, too: they enter the
pooled sum, while the utterance's own rate is 0 (pengzhendong/compute-wer, compute_wer/wer.py).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, cast, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.alignment import AlignedToken, EditCounts, align, edit_counts
from fac_eval.metrics.asr_normalize_en import PACKAGE, EnglishRules, normalize_en
from fac_eval.metrics.asr_normalize_zh import ChineseRules, normalize_zh
from fac_eval.metrics.asr_tokens import Tokenizer, Unit, tokenize


@dataclass(frozen=True, slots=True)
class AsrRules:
    """How a text becomes the tokens that are counted; part of the protocol of every error rate."""

    normalizer: EnglishRules | ChineseRules
    tokenizer: Tokenizer
    unit: Unit

    def __post_init__(self) -> None:
        english, chinese = get_args(EnglishRules), get_args(ChineseRules)
        for what, given, known in (
            ("normaliser", self.normalizer, english + chinese),
            ("tokenizer", self.tokenizer, get_args(Tokenizer)),
            ("unit", self.unit, get_args(Unit)),
        ):
            if given not in known:
                raise UsageError(f"unknown {what} {given!r}", remedy=f"Known: {', '.join(known)}.")
        if self.normalizer in chinese and (self.tokenizer, self.unit) == ("whitespace", "word"):
            raise UsageError(
                "Chinese puts no blanks between words: the tokenizer whitespace finds none.",
                remedy="Count characters, or take compute_wer_023 or compute_wer_025 for mixed tokens.",
            )

    def tokens(self, text: str) -> list[str]:
        """The tokens that are counted of `text`."""
        if self.normalizer in get_args(EnglishRules):
            normalized = normalize_en(text, rules=cast(EnglishRules, self.normalizer))
        else:
            normalized = normalize_zh(text, rules=cast(ChineseRules, self.normalizer))
        return tokenize(normalized, tokenizer=self.tokenizer, unit=self.unit)

    def versions(self) -> dict[str, str]:
        """Versions of what decides over the tokens: the installed packages and Python's Unicode tables."""
        from importlib.metadata import version

        packages = [PACKAGE, "zhconv"] if self.normalizer == "t2s" else [PACKAGE]
        return {package: version(package) for package in packages} | {"unicode": unicodedata.unidata_version}


ENGLISH = AsrRules("whisper_normalizer", "whitespace", "word")
"""Word error rate of English."""

CHINESE = AsrRules("basic", "whitespace", "character")
"""Character error rate of Mandarin; every Latin letter and every digit is a character."""

CHINESE_MIXED = AsrRules("basic", "compute_wer_023", "word")
"""Mixed error rate of Mandarin: a Latin word or a run of digits is one token."""


class UtteranceErrors(NamedTuple):
    """The errors of one utterance."""

    counts: EditCounts
    is_failed: bool = False
    """Nothing was generated; counted as an empty hypothesis."""

    @property
    def rate(self) -> float:
        """Errors by tokens of the reference; 0 for an empty reference, whatever was inserted."""
        tokens = self.counts.reference_tokens
        return self.counts.errors / tokens if tokens else 0.0


@dataclass(frozen=True, slots=True)
class PooledErrors:
    """Sums over utterances. Those of two shards add up to those of both."""

    matches: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    utterances: int = 0
    wrong_utterances: int = 0
    """Those whose own rate is not 0; an empty reference is right even where something was inserted."""
    empty_references: int = 0
    empty_hypotheses: int = 0
    """Generated, but no token in it."""
    failed: int = 0
    """Not generated; every token of the reference counts as a deletion."""

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_tokens(self) -> int:
        """The tokens of all references."""
        return self.matches + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors by tokens of the references, 0 if there are none; times 100 it is the figure reported."""
        return self.errors / self.reference_tokens if self.reference_tokens else 0.0

    @property
    def utterance_rate(self) -> float:
        """The share of utterances that are wrong (SER), 0 if there are none."""
        return self.wrong_utterances / self.utterances if self.utterances else 0.0

    def __add__(self, other: PooledErrors) -> PooledErrors:
        return PooledErrors(
            matches=self.matches + other.matches,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
            utterances=self.utterances + other.utterances,
            wrong_utterances=self.wrong_utterances + other.wrong_utterances,
            empty_references=self.empty_references + other.empty_references,
            empty_hypotheses=self.empty_hypotheses + other.empty_hypotheses,
            failed=self.failed + other.failed,
        )


def utterance_errors(reference: str, hypothesis: str | None, *, rules: AsrRules) -> UtteranceErrors:
    """The errors of one transcript; `hypothesis` is None where its generation failed.

    >>> utterance_errors("It cost twenty five dollars and ten cents.", "it costs $25.10", rules=ENGLISH)
    UtteranceErrors(counts=EditCounts(matches=2, substitutions=1, deletions=0, insertions=0), is_failed=False)
    """
    said = [] if hypothesis is None else rules.tokens(hypothesis)
    return UtteranceErrors(edit_counts(rules.tokens(reference), said), hypothesis is None)


def aligned_tokens(reference: str, hypothesis: str | None, *, rules: AsrRules) -> list[AlignedToken]:
    """The alignment that `utterance_errors` counts, of normalised tokens; `alignment` says which it is."""
    return align(rules.tokens(reference), [] if hypothesis is None else rules.tokens(hypothesis))


def pooled_errors(rows: Iterable[UtteranceErrors]) -> PooledErrors:
    """The sums over all utterances."""
    matches = substitutions = deletions = insertions = 0
    utterances = wrong = empty_references = empty_hypotheses = failed = 0
    for (matched, substituted, deleted, inserted), is_failed in rows:
        matches += matched
        substitutions += substituted
        deletions += deleted
        insertions += inserted
        utterances += 1
        if not matched and not substituted:
            empty_references += not deleted
            empty_hypotheses += not inserted and not is_failed
        # Insertions alone do not make an utterance wrong if its reference is empty.
        wrong += bool(substituted or deleted or (inserted and matched))
        failed += is_failed
    return PooledErrors(
        matches=matches,
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        utterances=utterances,
        wrong_utterances=wrong,
        empty_references=empty_references,
        empty_hypotheses=empty_hypotheses,
        failed=failed,
    )


def mean_of_utterances(rows: Iterable[UtteranceErrors]) -> float:
    """The mean of the utterances' own rates, which some harnesses report instead of the pooled rate.

    Raises DataError where there is no utterance.
    """
    rates = [row.rate for row in rows]
    if not rates:
        raise DataError("there is no utterance: a mean over none does not exist")
    return math.fsum(rates) / len(rates)
