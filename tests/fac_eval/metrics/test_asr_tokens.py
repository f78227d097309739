from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import UsageError
from fac_eval.metrics.asr_tokens import Tokenizer, Unit, tokenize

TOKENIZERS: tuple[Tokenizer, ...] = ("whitespace", "compute_wer_023", "compute_wer_025")
UNITS: tuple[Unit, ...] = ("word", "character")


@pytest.mark.parametrize(
    ("text", "whitespace", "old", "new"),
    [
        ("", [], [], []),
        (" \t\n\u3000", [], [], []),
        ("well-known", ["well-known"], ["WELL-KNOWN"], ["WELL", "-", "KNOWN"]),
        ("$3.50 15%", ["$3.50", "15%"], ["$3.50", "15%"], ["$", "3", ".", "50", "15", "%"]),
        (
            "don't dogs' 'n'",
            ["don't", "dogs'", "'n'"],
            ["DON'T", "DOGS'", "'N'"],
            ["DON'T", "DOGS'", "'", "N'"],
        ),
        ("cafés", ["cafés"], ["CAF", "ÉS"], ["CAFÉS"]),
        ("привет", ["привет"], list("ПРИВЕТ"), ["ПРИВЕТ"]),
        ("한글", ["한글"], ["한", "글"], ["한글"]),
        ("我用iPhone15", ["我用iPhone15"], ["我", "用", "IPHONE15"], ["我", "用", "IPHONE15"]),
        ("<unk><b>x", ["<unk><b>x"], ["<UNK>", "<B>", "X"], ["<", "UNK", ">", "<", "B", ">", "X"]),
        ("a\u200bb\u0301", ["a\u200bb\u0301"], ["A", "\u200bB", "\u0301"], ["A", "B"]),
        pytest.param("a\u0378b", ["a\u0378b"], ["A", "B"], ["A", "B"], id="an unassigned code point"),
    ],
)
def test_words(text: str, whitespace: list[str], old: list[str], new: list[str]) -> None:
    assert tokenize(text, tokenizer="whitespace") == whitespace
    assert tokenize(text, tokenizer="compute_wer_023") == old
    assert tokenize(text, tokenizer="compute_wer_025") == new


@pytest.mark.parametrize(
    ("text", "whitespace", "old", "new"),
    [
        ("我用 ab1", list("我用AB1"), list("我用AB1"), list("我用AB1")),
        ("是100.5元", list("是100.5元"), ["是", "1", "0", "0", ".5", "元"], list("是100.5元")),
        ("ß", ["SS"], ["SS"], ["SS"]),
    ],
)
def test_characters(text: str, whitespace: list[str], old: list[str], new: list[str]) -> None:
    assert tokenize(text, tokenizer="whitespace", unit="character") == whitespace
    assert tokenize(text, tokenizer="compute_wer_023", unit="character") == old
    assert tokenize(text, tokenizer="compute_wer_025", unit="character") == new


@given(st.text(), st.sampled_from(TOKENIZERS), st.sampled_from(UNITS))
def test_no_token_is_empty_or_invented(text: str, tokenizer: Tokenizer, unit: Unit) -> None:
    tokens = tokenize(text, tokenizer=tokenizer, unit=unit)
    assert all(tokens)
    found = -1
    shouted = text.upper()
    for token in tokens:
        place = shouted.find(token.upper(), max(found, 0))
        assert place >= 0
        found = place + len(token.upper())


@given(st.text(st.characters(max_codepoint=0x7E)))
def test_ascii_words_are_the_same_with_whitespace_and_023(text: str) -> None:
    plain = text.translate(dict.fromkeys([*range(0x20), ord("<")], " "))
    expected = [word.upper() for word in tokenize(plain, tokenizer="whitespace")]
    assert tokenize(plain, tokenizer="compute_wer_023") == expected


def test_an_unknown_tokenizer_is_refused() -> None:
    with pytest.raises(UsageError, match="jieba"):
        tokenize("text", tokenizer="jieba")  # type: ignore[arg-type]
