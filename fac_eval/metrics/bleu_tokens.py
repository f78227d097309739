"""Two tokenizers of sacreBLEU, `13a` and `zh`, which some error rates cut their words with."""

from __future__ import annotations

import re

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))

# Symbols of ASCII other than ' , - . are tokens; a full stop or comma is one unless it stands between digits,
# and a hyphen is one after a digit.
_PARTINGS = (
    (re.compile(r"([!-&(-+/:-@\[-`{-~])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)

# What sacrebleu/tokenizers/tokenizer_zh.py takes for a Chinese character. Two of its ranges are written with
# five-digit escapes, which Python cuts short: they cover U+2001 to U+2A6D and U+2F81 to U+2FA1 instead of rare
# ideographs.
_CHINESE = re.compile(
    "([\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff\u3400-\u4db5\u4e00-\u9fbb"
    "\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])"
)


def tokens_13a(text: str) -> list[str]:
    """The tokens of sacreBLEU's tokenizer `13a`, which is that of mteval-v13a.

    >>> tokens_13a("it's $3.50, or 5%.")
    ["it's", '$', '3.50', ',', 'or', '5', '%', '.']
    """
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    return _parted(f" {text} ")


def tokens_zh(text: str) -> list[str]:
    """The tokens of sacreBLEU's tokenizer `zh`: Chinese characters one by one, the rest much as `13a`."""
    return _parted(_CHINESE.sub(r" \1 ", text.strip()))


def _parted(text: str) -> list[str]:
    for pattern, parted in _PARTINGS:
        text = pattern.sub(parted, text)
    return text.split()
