"""Word error rates as UltraEval-Audio takes them, in five official variants.

- `pre_2025_12_26` and `head`: OpenBMB/UltraEval-Audio, audio_evals/lib/wer.py before and after that day. Both put
  Chinese through the English normaliser first.
- `naive`: audio_evals/evaluator/wer.py, which only drops punctuation.
- `seed_tts`: audio_evals/evaluator/seed_tts_eval_asr_wer.py, the same with Chinese answers made simplified.
- `kimi_evalkit`: MoonshotAI/Kimi-Audio-Evalkit, almeval/metrics/wer.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.alignment import edit_counts
from fac_eval.metrics.asr_normalize_en import normalize_en
from fac_eval.metrics.asr_normalize_zh import normalize_zh, simplified
from fac_eval.metrics.asr_wer import UtteranceErrors, pooled_errors
from fac_eval.metrics.bleu_tokens import tokens_13a, tokens_zh
from fac_eval.metrics.ultraeval_normalize import normalize_chinese, normalize_english

Scorer = Literal["pre_2025_12_26", "head", "naive", "seed_tts", "kimi_evalkit"]
Language = Literal["en", "zh"]


def pair_errors(
    reference: str, hypothesis: str | None, *, scorer: Scorer = "pre_2025_12_26", language: Language = "en"
) -> UtteranceErrors:
    """The errors of one transcript; `hypothesis` is None where there is none.

    An empty reference has no official rate: see `official_percent`.
    """
    if scorer not in _TOKENS:
        raise UsageError(
            f"unknown error-rate scorer {scorer!r}", remedy=f"Known: {', '.join(get_args(Scorer))}."
        )
    if language not in get_args(Language):
        raise UsageError(f"no error rate for the language {language!r}: en or zh")
    tokens = _TOKENS[scorer]
    if hypothesis is None:
        return UtteranceErrors(edit_counts(tokens(reference, language), []), is_failed=True)
    if scorer == "seed_tts" and language == "zh":
        hypothesis = simplified(hypothesis, locale="zh-cn")
    return UtteranceErrors(edit_counts(tokens(reference, language), tokens(hypothesis, language)))


def official_percent(row: UtteranceErrors) -> float:
    """One pair's rate times 100. Raises DataError for a reference without tokens, where official code crashes."""
    if not row.counts.reference_tokens:
        raise DataError("the reference is empty after normalisation: its error rate does not exist")
    return 100 * row.rate


def official_corpus_percent(rows: Sequence[UtteranceErrors]) -> float:
    """The pooled rate times 100, refused where official code reports none.

    That is for no pairs, for references all empty, and for two or more pairs of which the first has an empty
    reference: a debug print fails on it. `pooled_errors` has the figure that an honest table shows.
    """
    if len(rows) > 1 and not rows[0].counts.reference_tokens:
        raise DataError("the first reference is empty after normalisation: official code reports no figure")
    pooled = pooled_errors(rows)
    if not pooled.reference_tokens:
        raise DataError("no reference holds a token: the error rate does not exist")
    return 100 * pooled.rate


def _pre_2025_12_26(text: str, language: Language) -> list[str]:
    if language == "en":
        return normalize_english(text).split()
    return list("".join(normalize_chinese(normalize_english(text)).split()))


def _head(text: str, language: Language) -> list[str]:
    english = normalize_english(text)
    tokens = tokens_13a(english) if language == "en" else tokens_zh(normalize_chinese(english))
    return [token.lower() for token in tokens]


# zhon's list of Chinese punctuation, and that of ASCII but for the apostrophe.
_PUNCTUATION = re.compile(
    r"[!-&(-/:-@\[-`{-~\u00b7\u2013\u2014\u2018\u2019\u201b-\u201f\u2026\u2027\u3000-\u3003\u3008-\u3011\u3014-\u301f"
    r"\u3030\u303e\u303f\ufe4f\ufe51\ufe54\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff64]"
)
_BLANKS = re.compile(r"\s\s+")


def _naive(text: str, language: Language) -> list[str]:
    bare = _PUNCTUATION.sub("", text)
    if language == "zh":
        return list("".join(bare.split()))
    # As in jiwer 2: a lone tab or line break parts no words.
    return [word for word in _BLANKS.sub(" ", bare.lower()).strip().split(" ") if word]


_SPECIAL_TOKEN = re.compile(r"<\|.*?\|>")


def _kimi_evalkit(text: str, language: Language) -> list[str]:
    text = re.sub(r"\s+", " ", _SPECIAL_TOKEN.sub(" ", text))
    text = re.sub(r" ?([!,.?;:])", r"\1", text).lstrip(" ")
    if language == "zh":
        text = normalize_chinese(re.sub(r"\s+", "", text))
    else:
        text = normalize_zh(normalize_en(text, rules="openai_whisper"), rules="basic")
    return [token.lower() for token in tokens_zh(text) if not _is_punctuation(token)]


def _is_punctuation(token: str) -> bool:
    return all(unicodedata.category(char).startswith("P") for char in token)


_TOKENS: dict[Scorer, Callable[[str, Language], list[str]]] = {
    "pre_2025_12_26": _pre_2025_12_26,
    "head": _head,
    "naive": _naive,
    "seed_tts": _naive,
    "kimi_evalkit": _kimi_evalkit,
}
