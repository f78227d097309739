"""Verdicts in judges' replies, read as a careful person would; the official readings stand with their benchmarks.

What does not settle on one verdict is None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMBER = r"(?<![\d.])(\d{1,4}(?:\.\d{1,4})?)(?![\d.]*\d)"
_NAMED = r"(?:rating|score|grade|评分|得分|分数)"
_CORRECT = re.compile(r"\bcorrect\b")
_INCORRECT = re.compile(r"\bincorrect\b|\bwrong\b|\b(?:not|isn't|isn’t|never)(?: \w+)? correct\b")
_KEYED = re.compile(r"\bjudge?ment\W+((?:not )?\w+)")
_YES, _NO = re.compile(r"\byes\b"), re.compile(r"\bno\b")


def find_rating(reply: str, lowest: float, highest: float) -> float | None:
    """The one rating within a range that a reply settles on.

    Looked for, in the last line and then in all of the reply: a number in brackets, one "out of" the highest, one
    that is called a rating, score or grade, and at last a number alone. Where several are given, they must agree.

    >>> find_rating("Score: 4", 1, 5), find_rating("4/5", 1, 5), find_rating("3 or 4", 1, 5), find_rating("7", 1, 5)
    (4.0, 4.0, None, None)
    """
    forms = (
        rf"[\[【]\s*{_NUMBER}\s*[\]】]",
        rf"{_NUMBER}\s*(?:/|out of)\s*{highest:g}\b",
        rf"{_NAMED}\W*(?:(?:is|of|为|是)\W*)?{_NUMBER}",
        _NUMBER,
    )
    for text in _last_line_then_all(reply):
        for form in forms:
            found = {float(number) for number in re.findall(form, text)}
            if found:
                rating = found.pop()
                return rating if not found and lowest <= rating <= highest else None
    return None


def find_yes_no(reply: str) -> bool | None:
    """Yes or no as a word of its own, in the last line or else in all of the reply; None for neither or both.

    >>> find_yes_no("Result: yes"), find_yes_no("I know"), find_yes_no("No, yes")
    (True, None, None)
    """
    for text in _last_line_then_all(reply):
        yes, no = _YES.search(text), _NO.search(text)
        if yes or no:
            return None if yes and no else yes is not None
    return None


def find_correctness(reply: str) -> bool | None:
    """Whether a reply says correct or incorrect: under the key `judgment`, in the last line, or in all of it.

    >>> find_correctness("The score is [CORRECT]"), find_correctness('{"analysis": "right", "judgment": "incorrect"}')
    (True, False)
    """
    keyed = _KEYED.findall(reply.lower())
    for text in [*keyed[-1:], *_last_line_then_all(reply)]:
        wrong = _INCORRECT.search(text) is not None
        right = _CORRECT.search(_INCORRECT.sub(" ", text)) is not None
        if right or wrong:
            return None if right and wrong else right
    return None


def _last_line_then_all(reply: str) -> Iterator[str]:
    text = reply.strip().lower()
    yield text.rsplit("\n", maxsplit=1)[-1]
    yield text
