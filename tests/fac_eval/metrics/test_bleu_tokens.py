from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.bleu_tokens import tokens_13a, tokens_zh


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("it's $3.50, or 5%.", ["it's", "$", "3.50", ",", "or", "5", "%", "."]),
        ("1,000 and 1, 2", ["1,000", "and", "1", ",", "2"]),
        ("well-known 5-6", ["well-known", "5", "-", "6"]),
        ("a &amp; b&quot;", ["a", "&", "b", '"']),
        ("line-\nbreak<skipped>\nend", ["linebreak", "end"]),
        ("你好,世界", ["你好", ",", "世界"]),
    ],
)
def test_13a(text: str, tokens: list[str]) -> None:
    assert tokens_13a(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("你好B2B世界", ["你", "好", "B2B", "世", "界"]),
        ("３.5元，是", ["３", ".", "5", "元", "，", "是"]),
        ("a“b”—c…", ["a", "“", "b", "”", "—", "c", "…"]),
        pytest.param("a𠀀𠀁b", ["a𠀀𠀁b"], id="rare ideographs are no Chinese characters"),
        ("a&amp;b", ["a", "&", "amp", ";", "b"]),
    ],
)
def test_zh(text: str, tokens: list[str]) -> None:
    assert tokens_zh(text) == tokens


@given(st.text())
def test_tokens_hold_no_blanks(text: str) -> None:
    for token in [*tokens_13a(text), *tokens_zh(text)]:
        assert token
        assert token.split() == [token]
