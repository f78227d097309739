"""English text normalisers for word error rates: those of the packages whisper-normalizer and openai-whisper."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, cast

from fac_eval.errors import DataError, UsageError, require

EnglishRules = Literal["whisper_normalizer", "openai_whisper"]

PACKAGE = "whisper-normalizer"
"""The distribution that does the work; its version belongs into the protocol of every score."""

# The two packages differ in nothing else (openai/whisper, whisper/normalizers/english.py).
_ONLY_IN_WHISPER_NORMALIZER = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")


def normalize_en(text: str, *, rules: EnglishRules = "whisper_normalizer") -> str:
    """`text` in lower case, contractions and titles spelled out, numbers as digits, spelling American.

    Words are what blanks separate; one blank may be left at either end. Normalising twice may change the
    text again. Raises DataError for text that the package fails on: a number of more than 4300 digits.

    >>> normalize_en("It cost twenty five dollars and ten cents.")
    'it cost $25.10'
    """
    try:
        return _normalizer(rules)(text)
    except (ArithmeticError, AssertionError, ValueError) as error:
        raise DataError(f"{PACKAGE} fails on {text!r:.200} ({type(error).__name__}: {error})") from error


@functools.cache
def _normalizer(rules: EnglishRules) -> Callable[[str], str]:
    package = cast(
        Any,
        require(
            "whisper_normalizer.english",
            extra="speech",
            purpose="English text normalisation",
            package=PACKAGE,
        ),
    )
    normalizer = package.EnglishTextNormalizer()
    if rules == "openai_whisper":
        for pattern in _ONLY_IN_WHISPER_NORMALIZER:
            del normalizer.replacers[pattern]
    elif rules != "whisper_normalizer":
        raise UsageError(f"unknown English rules {rules!r}: whisper_normalizer or openai_whisper")
    return cast(Callable[[str], str], normalizer)
