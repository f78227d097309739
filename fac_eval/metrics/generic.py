"""Metrics for anybody's own questions: exact match, containment, multiple choice and word error rate.

All of them are our own rules, pure functions of the answer's text and what it is measured against.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from string import ascii_uppercase
from typing import NamedTuple

from fac_eval.errors import DataError

MAX_CHOICES = len(ascii_uppercase)


class _Folding(dict[int, str]):
    """What each character is folded to, worked out when it first turns up."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if char in "'‘’ʼ" or kind == "Cf":
            found = ""
        elif char == "\N{MINUS SIGN}":
            found = "-"
        elif char == "`" or (kind[0] == "P" and char not in ",.-"):
            found = " "
        else:
            found = char
        self[code] = found
        return found


_FOLDING = _Folding()
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_FULL_STOP = re.compile(r"\.(?!\d)|(?<=[^\W\d_]|\.)\.")
_DASH = re.compile(r"(?<=\w)-|-(?!\.?\d)")


def folded(text: str) -> str:
    """`text` without what should not decide a comparison: case, punctuation, width, the kind of blanks.

    Unicode NFKC and case folding; apostrophes vanish, other punctuation parts words. Numbers keep their sign
    and decimal point and lose their thousands commas. A text of nothing but punctuation keeps it.

    >>> folded("  It's a WELL-known  fact: -1,234.5!")
    'its a well known fact -1234.5'
    """
    bare = unicodedata.normalize("NFKC", text).casefold()
    if not bare.isascii():
        bare = unicodedata.normalize("NFKC", bare)
    found = bare.translate(_FOLDING)
    if "," in found:
        found = _THOUSANDS.sub("", found).replace(",", " ")
    if "." in found:
        found = _FULL_STOP.sub(" ", found)
    if "-" in found:
        found = _DASH.sub(" ", found)
    return " ".join(found.split()) or " ".join(bare.split())


def is_exact(answer: str, accepted: Iterable[str]) -> bool:
    """Whether `answer` is one of the accepted texts, both folded."""
    said = folded(answer)
    return any(said == folded(text) for text in accepted)


def is_contained(answer: str, accepted: Iterable[str]) -> bool:
    """Whether `answer` holds one of the accepted texts as whole words, both folded.

    Where a script puts no blanks between words (Chinese, Japanese, Thai, ...) any place will do.
    """
    said = f" {folded(answer)} "
    return any(_holds(said, folded(text)) for text in accepted)


def _holds(padded: str, wanted: str) -> bool:
    if not wanted:
        return False
    if f" {wanted} " in padded:
        return True
    if padded.isascii():
        return False
    start = padded.find(wanted)
    while start >= 0:
        before, after = padded[start - 1], padded[start + len(wanted)]
        if _is_border(before, wanted[0]) and _is_border(after, wanted[-1]):
            return True
        start = padded.find(wanted, start + 1)
    return False


_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)


def _is_border(neighbour: str, edge: str) -> bool:
    return neighbour == " " or bool(_UNSPACED.match(neighbour) or _UNSPACED.match(edge))


# A capital stands for a choice wherever a phrase leads up to it; a small letter only before a stop or the end
# of a line, because "the answer is a cat" names no choice.
_LETTER = r"""(?:([A-Z])(?![A-Za-z0-9À-ɏ'’])|([a-z])(?=[.,;:!?)\]}"'。，]|[ \t]*(?:\n|\Z)))"""
_GAP = r"(?:(?!\bnot\b|n't|n’t|\bcannot\b|\bnever\b)[^\n.]){0,40}?"
_LONE = re.compile(r"""[\s"'“”(\[{]*([A-Za-z])[\s"'“”)\]}.,:;!。]*""")
_STATED = re.compile(
    rf"(?:(?i:\banswer\b{_GAP}(?:\bis\b|\bbe\b|[:=]))|答案[^\n。A-Za-z]{{0,10}}|(?<!不)选择?|\\boxed\s*\{{)"
    rf"""\s*(?:\\text\s*\{{)?(?i:(?:option|choice|letter)\s+)?[(\["'“]*{_LETTER}"""
)
_LABEL = re.compile(
    r"""^[ \t"'“(\[#>-]*(?i:(?:option|choice|answer|letter)\s+)?"""
    r"(?:([A-Za-z])[ \t]*(?:\.(?![A-Za-z]\b)|[):\]]|$)|([A-Z])(?:,(?!\s*[A-Za-z]\b)|[ \t]+[-–—][ \t]))",
    re.MULTILINE,
)
_MENTION = re.compile(
    rf"""(?i:\b(?:option|choice|letter|choose|pick|select|go with|going with)\s+)[(\["'“]*{_LETTER}"""
    r"|\(([A-Za-z])\)"
    r"|(?<![A-Za-z0-9À-ɏ'’.-])(?:([B-HJ-Z])(?![A-Za-z0-9À-ɏ'’-]|\.[A-Za-z])"
    # "A" and "I" are words of their own, unless something follows that follows no such word.
    r"|([AI])(?=[.,;:!?)\]。，](?!\w)|\s*(?:\n|\Z)|\s+(?:and|or|is|because)\b))"
)
_DENIAL = re.compile(
    r"(?i:(?:\bnot|\bcannot|n[’']t|\bnever)\s+(?:(?:be|pick|choose|select|go|with|option|choice|letter)\s+){0,3})"
    r"[(\[]*[A-Z](?![A-Za-z])"
)
_MARKUP = str.maketrans("", "", "*`_$")


def letters(choices: Sequence[str]) -> str:
    """The letters that stand for the choices, `ABC...`."""
    return ascii_uppercase[: len(choices)]


def chosen_letter(answer: str, choices: Sequence[str]) -> str | None:
    """The letter of the one choice that `answer` settles on, or None where it names none or several.

    The first of these rules that finds anything decides, and if it finds more than one letter, none is taken:

    1. the answer is a letter and nothing else but punctuation: `B`, `(b)`, `**B.**`;
    2. it is one choice's full text, as it stands or `folded`;
    3. it states a letter: `Answer: B`, `the answer is (B)`, `the answer must be option B`, `答案是B`, or
       boxes one;
    4. a line starts with a letter as a label (`B. Paris`, `Option B:`), or quotes a choice with its label;
    5. it mentions a letter (`I would pick B`, `I'd say B`, `... (b)`), or holds a choice's full text. A text
       within the longer text of another choice that was found does not count, nor a letter within a text or
       after a "not".

    >>> chosen_letter("The answer is B.", ["London", "Paris"])
    'B'
    """
    text = unicodedata.normalize("NFKC", answer).translate(_MARKUP).strip()
    known = letters(choices)
    if lone := _LONE.fullmatch(text):
        letter = lone[1].upper()
        if letter in known:
            return letter
    if answer.strip() in choices:
        return known[choices.index(answer.strip())]
    said = folded(answer)
    texts = [folded(choice) for choice in choices]
    if texts.count(said) == 1:
        return known[texts.index(said)]
    for found in (
        _named(_STATED, text, known),
        _named(_LABEL, text, known) | _quoted(text, choices),
        _named(_MENTION, _without(text, choices), known) | _held(f" {said} ", texts, known),
    ):
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _named(pattern: re.Pattern[str], text: str, known: str) -> set[str]:
    found = {group.upper() for match in pattern.finditer(text) for group in match.groups() if group}
    return found.intersection(known)


def _quoted(text: str, choices: Sequence[str]) -> set[str]:
    return {
        letter
        for letter, choice in zip(letters(choices), choices, strict=True)
        if any(f"{letter}{mark} {choice}" in text for mark in ".):")
    }


def _without(text: str, choices: Sequence[str]) -> str:
    """`text` with choices and denials blotted out: neither "vitamin C" nor "not C" mentions a choice."""
    for choice in choices:
        if len(choice) > 1:
            text = text.replace(choice, "~")
    return _DENIAL.sub("~", text)


def _held(padded: str, texts: Sequence[str], known: str) -> set[str]:
    # A lone "a" is an article far more often than the text of a choice.
    found = {
        letter: text
        for letter, text in zip(known, texts, strict=True)
        if not (len(text) == 1 and text.upper() in known) and _holds(padded, text)
    }
    return {
        letter
        for letter, text in found.items()
        if not any(text != longer and _holds(f" {longer} ", text) for longer in found.values())
    }


def letter_of(reference: str, choices: Sequence[str]) -> str | None:
    """The letter of the choice that `reference` means, given as a letter or as the choice's text.

    Raises:
        DataError: It is one choice's letter and another one's text.
    """
    known, wanted = letters(choices), reference.strip()
    named = wanted.upper() if len(wanted) == 1 and wanted.upper() in known else None
    texts = [choice.strip() for choice in choices]
    spelled = known[texts.index(wanted)] if wanted in texts else None
    if named and spelled and named != spelled:
        raise DataError(
            f"the reference {reference!r} is the letter of one choice and the text of another.",
            remedy="Word the choices so that none of them is another one's letter.",
        )
    return named or spelled


class WordErrors(NamedTuple):
    """Counts of a word error rate; add them up before dividing."""

    errors: int
    """Words to substitute, delete or insert to get from the reference to the answer."""
    words: int
    """Words of the reference."""


def word_errors(answer: str, accepted: Iterable[str]) -> WordErrors:
    """Errors of `answer` against the accepted text that it has the lowest error rate on, all folded.

    Words are what blanks separate, so the rate means nothing for scripts that write none.

    Raises:
        DataError: An accepted text holds no word.
    """
    said = folded(answer).split()
    best: WordErrors | None = None
    for text in accepted:
        words = folded(text).split()
        if not words:
            raise DataError("the reference holds no word: a word error rate over it does not exist.")
        found = WordErrors(edit_distance(said, words), len(words))
        if best is None or found.errors * best.words < best.errors * found.words:
            best = found
    if best is None:
        raise DataError("there is no reference: a word error rate needs one.")
    return best


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The least number of substitutions, deletions and insertions that turn one sequence into the other."""
    # Myers' bit-parallel algorithm in Hyyrö's form: a column of the table is two integers, one of the
    # places where the next value down is one more and one of those where it is one less.
    column, row = (first, second) if len(first) > len(second) else (second, first)
    if not row:
        return len(column)
    places: dict[Hashable, int] = {}
    for place, item in enumerate(column):
        places[item] = places.get(item, 0) | 1 << place
    full, last = (1 << len(column)) - 1, 1 << (len(column) - 1)
    more, less, distance = full, 0, len(column)
    for item in row:
        equal = places.get(item, 0)
        diagonal = (((equal & more) + more) ^ more) | equal | less
        right_more = less | (full & ~(diagonal | more))
        right_less = more & diagonal
        if right_more & last:
            distance += 1
        elif right_less & last:
            distance -= 1
        right_more = right_more << 1 | 1
        right_less <<= 1
        more = full & (right_less | ~(equal | less | right_more))
        less = full & right_more & (equal | less)
    return distance
