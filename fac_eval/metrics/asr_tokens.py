"""How normalised text is cut into the tokens that an error rate counts."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Literal

from fac_eval.errors import UsageError

Tokenizer = Literal["whitespace", "compute_wer_023", "compute_wer_025"]
Unit = Literal["word", "character"]


def tokenize(text: str, *, tokenizer: Tokenizer = "whitespace", unit: Unit = "word") -> list[str]:
    """The tokens of `text`.

    - `whitespace`: the words between blanks as they are, or every other character, upper-cased.
    - `compute_wer_023`, `compute_wer_025`: what compute-wer of that version makes of it with its option
      `to_char` off (`word`) or on (`character`), upper-cased. Words of scripts that write no blanks fall
      into characters either way.

    >>> tokenize("我用 iPhone", tokenizer="compute_wer_023", unit="word")
    ['我', '用', 'IPHONE']
    """
    if tokenizer == "whitespace":
        return text.split() if unit == "word" else [char.upper() for word in text.split() for char in word]
    if tokenizer == "compute_wer_023":
        return _tokens_023(text, unit == "character")
    if tokenizer == "compute_wer_025":
        return _tokens_025(text, unit == "character")
    raise UsageError(f"unknown tokenizer {tokenizer!r}: whitespace, compute_wer_023 or compute_wer_025")


# From its second character on, a run of compute-wer 0.2.3 (compute_wer/utils.py) holds anything of ASCII but
# these blanks; one that starts with "<" ends with the next ">".
_RUN_023 = re.compile(r"[^ \t\r\n\u0080-\U0010ffff]*")
_TAG_023 = re.compile(r"[^> \t\r\n\u0080-\U0010ffff]*>?")


def _tokens_023(text: str, single: bool) -> list[str]:
    tokens = []
    place = 0
    while place < len(text):
        start, char = place, text[place]
        place += 1
        kind = unicodedata.category(char)
        if char in " \t\r\n" or kind in {"Zs", "Cn"}:
            continue
        if kind != "Lo" and not (single and kind[0] in "LN"):
            run = (_TAG_023 if char == "<" else _RUN_023).match(text, place)
            assert run is not None
            place = run.end()
        tokens.append(text[start:place].upper())
    return tokens


# The scripts that compute-wer 0.2.5 (compute_wer/utils.py) takes to be written without blanks.
_UNSPACED_025 = re.compile("[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u4e00-\u9fff]")


def _tokens_025(text: str, single: bool) -> list[str]:
    tokens = []
    place = 0
    while place < len(text):
        start, place = place, place + 1
        kind = _kind_025(text[start])
        if kind == "letter" and not single:
            # A straight apostrophe stands within a word or at its end, never at its beginning.
            while place < len(text) and (text[place] == "'" or _kind_025(text[place]) == "letter"):
                place += 1
        if kind != "skipped":
            tokens.append(text[start:place].upper())
    return tokens


@functools.cache
def _kind_025(char: str) -> Literal["letter", "single", "skipped"]:
    kind = unicodedata.category(char)
    if kind in {"Zs", "Cn"}:
        return "skipped"
    if kind[0] in "PS" or _UNSPACED_025.match(char):
        return "single"
    return "letter" if kind[0] in "LN" else "skipped"
