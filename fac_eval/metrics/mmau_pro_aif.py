"""MMAU-Pro instruction following: the 27 checks of sonalkum/MMAUPro evaluate_mmau_pro_comprehensive.py."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fac_eval.errors import DataError
from fac_eval.metrics.text_resources import sentence_tokenizer
from fac_eval.metrics.voicebench_tables import require_text

_NO_UPPER_BOUND = 999
_PLACEHOLDER = re.compile(r"\[[^\]]+\]")
_BULLET = re.compile(r"(?:^|\n)\s*\*\s+")
_TITLE = re.compile(r"<<[^>]+>>")
_HIGHLIGHT = re.compile(r"\*([^*]+)\*")
_NOT_LETTER = re.compile(r"[^a-zA-Z]")
_NOT_LETTER_OR_BLANK = re.compile(r"[^a-zA-Z ]")


def check_aif(
    response: str, *, task_identifier: str, kwargs: Mapping[str, Any] | None, prompt: str | None = ""
) -> bool:
    """Whether a reply follows its instruction. An identifier outside `AIF_CHECKS` is never followed.

    `prompt` is the item's question. Raises DataError for arguments that the official code crashes on, and
    MissingResource if sentences are to be counted without NLTK's Punkt data.

    >>> check_aif("One, two.", task_identifier="No Commas", kwargs=None)
    False
    """
    check = _CHECKS.get(task_identifier)
    if check is None:
        return False
    arguments = _Arguments(task_identifier, kwargs or {}, prompt)
    return check(require_text(response, "reply"), arguments)


@dataclass(frozen=True, slots=True)
class _Arguments:
    identifier: str
    kwargs: Mapping[str, Any]
    prompt: str | None

    def text(self, name: str) -> str:
        return require_text(self.kwargs.get(name, ""), f"{self.identifier}: {name}")

    def number(self, name: str, default: int = 0) -> float:
        """A number to be compared by size."""
        value = self.kwargs.get(name, default)
        if isinstance(value, int | float):
            return value
        raise DataError(f"{self.identifier}: {name} is no number but {value!r:.80}")

    def is_n(self, count: int) -> bool:
        """Whether `count` equals N, which nothing but a number ever does."""
        return bool(count == self.kwargs.get("N", 0))


_Check = Callable[[str, _Arguments], bool]
_Counter = Callable[[str], int]


def _includes_keywords(response: str, arguments: _Arguments) -> bool:
    return all(word in response.lower() for word in arguments.text("keywords").lower().split(", "))


def _avoids_words(response: str, arguments: _Arguments) -> bool:
    return not any(word in response.lower() for word in arguments.text("forbidden_words").lower().split(", "))


def _keyword_frequency(response: str, arguments: _Arguments) -> bool:
    keyword = re.escape(arguments.text("keyword").lower())
    return arguments.is_n(len(re.findall(rf"\b{keyword}\b", response.lower())))


def _paragraphs(response: str, arguments: _Arguments) -> bool:
    return arguments.is_n(_non_blank(response.split("***")))


def _postscript(response: str, arguments: _Arguments) -> bool:
    marker = _NOT_LETTER.sub("", arguments.text("postscript_marker")).lower()
    return marker in _NOT_LETTER.sub("", response).lower()


def _sections(response: str, arguments: _Arguments) -> bool:
    splitter = re.escape(arguments.text("section_splitter"))
    return arguments.is_n(_non_blank(re.split(rf"\s*{splitter}\s*", response.strip())))


def _repeats_prompt(response: str, arguments: _Arguments) -> bool:
    prompt = require_text(arguments.prompt, f"{arguments.identifier}: the prompt")
    return response.strip().lower().startswith(prompt.strip().lower())


def _two_responses(response: str) -> bool:
    parts = [part.lower().strip() for part in response.split("******")]
    return len(parts) == 2 and parts[0] != parts[1]


def _starts(response: str, arguments: _Arguments) -> bool:
    return _letters_and_blanks(response).startswith(_letters_and_blanks(arguments.text("start_phrase")))


def _ends(response: str, arguments: _Arguments) -> bool:
    return _letters_and_blanks(response).endswith(_letters_and_blanks(arguments.text("end_phrase")))


def _quotation(response: str) -> bool:
    text = response.strip()
    return text.startswith('"') and text.endswith('"')


def _at_least(count: _Counter, response: str, arguments: _Arguments) -> bool:
    return count(response) >= arguments.number("N")


def _at_most(count: _Counter, response: str, arguments: _Arguments) -> bool:
    return count(response) <= arguments.number("N")


def _in_range(count: _Counter, response: str, arguments: _Arguments) -> bool:
    found = count(response)
    return arguments.number("N1") <= found <= arguments.number("N2", _NO_UPPER_BOUND)


def _non_blank(parts: list[str]) -> int:
    return sum(bool(part.strip()) for part in parts)


def _letters_and_blanks(text: str) -> str:
    return _NOT_LETTER_OR_BLANK.sub("", text).lower()


def _words(response: str) -> int:
    return len(response.split())


def _sentences(response: str) -> int:
    return len(sentence_tokenizer().tokenize(response))


def _capital_words(response: str) -> int:
    return sum(word.isupper() for word in response.split())


def _without_arguments(rule: Callable[[str], bool]) -> _Check:
    return lambda response, _: rule(response)


def _bounded(name: str, count: _Counter) -> dict[str, _Check]:
    return {
        f"{name} (at least)": functools.partial(_at_least, count),
        f"{name} (at most)": functools.partial(_at_most, count),
        f"{name} (range)": functools.partial(_in_range, count),
    }


_CHECKS: Mapping[str, _Check] = {
    "Include Keywords": _includes_keywords,
    "Forbidden Words": _avoids_words,
    "Keyword Frequency": _keyword_frequency,
    "Number Paragraphs": _paragraphs,
    **_bounded("Number Words", _words),
    **_bounded("Number Sentences", _sentences),
    "Postscript": _postscript,
    "Number Placeholder": functools.partial(_at_least, lambda text: len(_PLACEHOLDER.findall(text))),
    "Number Bullets": lambda text, arguments: arguments.is_n(len(_BULLET.findall(text))),
    "Title": _without_arguments(lambda text: _TITLE.search(text) is not None),
    "Minimum Number Highlighted Section": functools.partial(
        _at_least, lambda text: len(_HIGHLIGHT.findall(text))
    ),
    "Multiple Sections": _sections,
    "Repeat Prompt": _repeats_prompt,
    "Two Responses": _without_arguments(_two_responses),
    "All Uppercase": _without_arguments(str.isupper),
    "All Lowercase": _without_arguments(str.islower),
    **_bounded("All-capital Words", _capital_words),
    "Start Checker": _starts,
    "End Checker": _ends,
    "Quotation": _without_arguments(_quotation),
    "No Commas": _without_arguments(lambda text: "," not in text),
}

AIF_CHECKS = frozenset(_CHECKS)
"""The task identifiers that there is a check for, letter by letter."""
