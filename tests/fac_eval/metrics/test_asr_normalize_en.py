from __future__ import annotations

import sys

import pytest

from fac_eval.errors import DataError, MissingExtra, UsageError
from fac_eval.metrics import asr_normalize_en
from fac_eval.metrics.asr_normalize_en import EnglishRules, normalize_en

pytest.importorskip("whisper_normalizer")


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("", ""),
        ("It cost twenty five dollars and ten cents.", "it cost $25.10"),
        ("(laughs) um [noise]", ""),
        ("Mr. Hale won't go to the theatre", "mister hale will not go to the theater"),
        ("oh my", "0 my"),
        ("two point five per cent", "2.5%"),
        ("Привет, мир 你好", "привет мир 你好"),
    ],
)
def test_normalized_text(text: str, normalized: str) -> None:
    assert normalize_en(text) == normalized


@pytest.mark.parametrize(
    ("rules", "normalized"),
    [
        ("whisper_normalizer", "because it is kind of sort of late i do not know"),
        ("openai_whisper", "cause it is kinda sorta late i dunno"),
    ],
)
def test_the_packages_differ_in_four_words(rules: EnglishRules, normalized: str) -> None:
    assert normalize_en("'cause it's kinda sorta late, I dunno", rules=rules).strip() == normalized


def test_text_that_the_package_fails_on_is_named() -> None:
    with pytest.raises(DataError, match="whisper-normalizer fails on '9999"):
        normalize_en("9" * 5000)


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(UsageError, match="nemo"):
        normalize_en("text", rules="nemo")  # type: ignore[arg-type]


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    asr_normalize_en._normalizer.cache_clear()
    with pytest.raises(MissingExtra, match=r"'whisper-normalizer'(.|\n)*fac-eval\[speech\]"):
        normalize_en("text")
