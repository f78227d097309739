"""The 25 instructions of IFEval: their arguments, and what a text must do to follow them.

The behaviour is that of VoiceBench src/evaluator/instruction_following_eval (also shipped by
Kimi-Audio-Evalkit and lm-eval). Where upstream would draw a missing argument at random, we raise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fac_eval.errors import DataError
from fac_eval.metrics.text_resources import detect_language, sentence_tokenizer, word_tokens

# fmt: off
LANGUAGES = frozenset({
    "ar", "bg", "bn", "de", "en", "es", "fa", "fi", "fr", "gu", "he", "hi", "it", "ja", "kn",
    "ko", "ml", "mr", "ne", "pa", "pl", "pt", "ru", "sw", "ta", "te", "th", "uk", "ur", "vi",
})
# fmt: on
"""The codes that upstream knows. Chinese is not among them."""

_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCES = ("```json", "```Json", "```JSON", "```")
_WORD_END = frozenset(".,?!'\"")
_POSTSCRIPTS = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}


class InstructionError(DataError):
    """An IFEval instruction that cannot be checked: an unknown id, or arguments that make no sense."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction with its arguments read, ready for any number of texts."""

    id: str
    arguments: Mapping[str, Any]
    undefined: str | None = None
    """Why upstream would draw an argument at random; a text is then checked only if it is blank."""

    def is_followed_by(self, text: str) -> bool:
        """Whether `text` follows the instruction; a blank text follows none."""
        if not text.strip():
            return False
        if self.undefined is not None:
            raise InstructionError(
                f"{self.id}: {self.undefined}; upstream draws it at random",
                remedy="Repair the item's kwargs: a random threshold is no measurement.",
            )
        check, _ = _REGISTRY[self.id]
        try:
            return check(text, **self.arguments)
        except re.error as error:
            raise InstructionError(
                f"{self.id}: {dict(self.arguments)} makes an invalid regular expression: {error}"
            ) from error
        except RecursionError as error:
            raise InstructionError(f"{self.id}: the text is nested too deeply to be read") from error


def read_instruction(instruction_id: str, kwargs: Mapping[str, Any]) -> Instruction:
    """Read one instruction of a data set item; arguments that are None, 0, "" or [] count as absent.

    Raises InstructionError for an unknown id, an argument that the instruction does not take, an unknown
    relation or language, a missing `prompt_to_repeat`, and a value of the wrong type.
    """
    if instruction_id not in _REGISTRY:
        raise InstructionError(f"unknown instruction id {instruction_id!r}")
    if not isinstance(kwargs, Mapping):
        raise InstructionError(f"{instruction_id}: kwargs is {type(kwargs).__name__}, not a mapping")
    _, names = _REGISTRY[instruction_id]
    given = {name: value for name, value in kwargs.items() if value}
    unexpected = sorted(given.keys() - set(names))
    if unexpected:
        raise InstructionError(f"{instruction_id} takes no argument {', '.join(map(repr, unexpected))}")
    undefined: list[str] = []
    arguments: dict[str, Any] = {}
    for name in names:
        if name not in given:
            if name == "prompt_to_repeat":
                raise InstructionError(f"{instruction_id} needs the argument 'prompt_to_repeat'")
            undefined.append(f"argument {name!r} is missing or empty")
            continue
        try:
            arguments[name] = _READERS[name](given[name])
        except _OutOfRangeError as error:
            undefined.append(f"argument {name!r} {error}")
        except _BadArgumentError as error:
            raise InstructionError(f"{instruction_id}: argument {name!r} {error}") from error
    if arguments.get("nth_paragraph", 0) > arguments.get("num_paragraphs", 0) > 0:
        undefined.append("argument 'nth_paragraph' lies beyond 'num_paragraphs'")
    return Instruction(instruction_id, arguments, "; ".join(undefined) or None)


class _BadArgumentError(Exception):
    """A value that upstream refuses or that is of the wrong type."""


class _OutOfRangeError(Exception):
    """A value that upstream replaces by a random one."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _BadArgumentError(f"is {value!r:.80}, not text")
    return value


def _stripped(value: object) -> str:
    return _text(value).strip()


def _texts(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        raise _BadArgumentError(f"is {value!r:.80}, not a list of texts")
    return sorted(map(_text, value))


def _count(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # data frames turn integer columns with gaps into floats
    if not isinstance(value, int) or isinstance(value, bool):
        raise _BadArgumentError(f"is {value!r:.80}, not a whole number")
    if value < 0:
        raise _OutOfRangeError(f"is {value}, below 0")
    return value


def _relation(value: object) -> str:
    relation = _text(value)
    if relation not in ("less than", "at least"):
        raise _BadArgumentError(f"is {relation!r:.80}, neither 'less than' nor 'at least'")
    return relation


def _language(value: object) -> str:
    language = _text(value)
    if language not in LANGUAGES:
        raise _BadArgumentError(f"is {language!r:.80}, none of {' '.join(sorted(LANGUAGES))}")
    return language


def _letter(value: object) -> str:
    letter = _text(value).lower()
    if len(letter) != 1 or not "a" <= letter <= "z":
        raise _OutOfRangeError(f"is {value!r:.80}, not one letter from a to z")
    return letter


_READERS: Mapping[str, Callable[[object], Any]] = {
    "capital_frequency": _count,
    "capital_relation": _relation,
    "end_phrase": _stripped,
    "first_word": _text,
    "forbidden_words": _texts,
    "frequency": _count,
    "keyword": _stripped,
    "keywords": _texts,
    "language": _language,
    "let_frequency": _count,
    "let_relation": _relation,
    "letter": _letter,
    "nth_paragraph": _count,
    "num_bullets": _count,
    "num_highlights": _count,
    "num_paragraphs": _count,
    "num_placeholders": _count,
    "num_sections": _count,
    "num_sentences": _count,
    "num_words": _count,
    "postscript_marker": _stripped,
    "prompt_to_repeat": _text,
    "relation": _relation,
    "section_spliter": _stripped,
}


def _holds(count: int, relation: str, threshold: int) -> bool:
    return count < threshold if relation == "less than" else count >= threshold


def _has_keywords(text: str, *, keywords: Sequence[str]) -> bool:
    return all(re.search(keyword, text, re.IGNORECASE) for keyword in keywords)


def _keyword_frequency(text: str, *, keyword: str, frequency: int, relation: str) -> bool:
    return _holds(len(re.findall(keyword, text, re.IGNORECASE)), relation, frequency)


def _avoids_words(text: str, *, forbidden_words: Sequence[str]) -> bool:
    return not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in forbidden_words)


def _letter_frequency(text: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    return _holds(text.lower().count(letter), let_relation, let_frequency)


def _in_language(text: str, *, language: str) -> bool:
    return detect_language(text) in (language, None)


def _number_sentences(text: str, *, num_sentences: int, relation: str) -> bool:
    return _holds(len(sentence_tokenizer().tokenize(text)), relation, num_sentences)


def _full_parts(parts: Sequence[str]) -> list[str] | None:
    """The parts that are not blank; None if one between the first and the last is blank."""
    if not all(part.strip() for part in parts[1:-1]):
        return None
    return [part for part in parts if part.strip()]


def _number_paragraphs(text: str, *, num_paragraphs: int) -> bool:
    paragraphs = _full_parts(re.split(r"\s?\*\*\*\s?", text))
    return paragraphs is not None and len(paragraphs) == num_paragraphs


def _number_words(text: str, *, num_words: int, relation: str) -> bool:
    return _holds(len(re.findall(r"\w+", text)), relation, num_words)


def _nth_paragraph_first_word(text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = text.split("\n\n")
    count = sum(bool(part.strip()) for part in parts)
    if nth_paragraph > count:
        return False
    words = parts[nth_paragraph - 1].split()  # blank parts count for the position, but not for the number
    if not words:
        return False
    word = ""
    for character in words[0].lstrip("'").lstrip('"'):
        if character in _WORD_END:
            break
        word += character.lower()
    return count == num_paragraphs and word == first_word.lower()


def _number_placeholders(text: str, *, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def _has_postscript(text: str, *, postscript_marker: str) -> bool:
    pattern = _POSTSCRIPTS.get(postscript_marker, rf"\s*{postscript_marker.lower()}.*$")
    return re.search(pattern, text.lower(), re.MULTILINE) is not None


def _number_bullets(text: str, *, num_bullets: int) -> bool:
    stars = re.findall(r"^\s*\*[^\*].*$", text, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", text, re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


def _is_constrained_answer(text: str) -> bool:
    return any(answer in text for answer in _ANSWERS)


def _number_highlights(text: str, *, num_highlights: int) -> bool:
    single = [found.strip("*") for found in re.findall(r"\*[^\n\*]*\*", text)]
    double = [found[2:-2] for found in re.findall(r"\*\*[^\n\*]*\*\*", text)]
    return sum(bool(inner.strip()) for inner in single + double) >= num_highlights


def _number_sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    # Groups in the splitter add pieces to the split, upstream as here.
    return len(re.split(rf"\s?{section_spliter}\s?\d+\s?", text)) - 1 >= num_sections


def _is_json(text: str) -> bool:
    text = text.strip()
    for fence in _FENCES:
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except ValueError:
        return False
    return True


def _has_title(text: str) -> bool:
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", text))


def _two_responses(text: str) -> bool:
    answers = _full_parts(text.split("*" * 6))
    return answers is not None and len(answers) == 2 and answers[0].strip() != answers[1].strip()


def _repeats_prompt(text: str, *, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _ends_with(text: str, *, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.lower())


def _is_quoted(text: str) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def _capital_words(text: str, *, capital_frequency: int, capital_relation: str) -> bool:
    return _holds(sum(word.isupper() for word in word_tokens(text)), capital_relation, capital_frequency)


def _is_english_capital(text: str) -> bool:
    return text.isupper() and detect_language(text) in ("en", None)


def _is_english_lowercase(text: str) -> bool:
    return text.islower() and detect_language(text) in ("en", None)


def _has_no_comma(text: str) -> bool:
    return "," not in text


_REGISTRY: Mapping[str, tuple[Callable[..., bool], tuple[str, ...]]] = {
    "keywords:existence": (_has_keywords, ("keywords",)),
    "keywords:frequency": (_keyword_frequency, ("keyword", "frequency", "relation")),
    "keywords:forbidden_words": (_avoids_words, ("forbidden_words",)),
    "keywords:letter_frequency": (_letter_frequency, ("letter", "let_frequency", "let_relation")),
    "language:response_language": (_in_language, ("language",)),
    "length_constraints:number_sentences": (_number_sentences, ("num_sentences", "relation")),
    "length_constraints:number_paragraphs": (_number_paragraphs, ("num_paragraphs",)),
    "length_constraints:number_words": (_number_words, ("num_words", "relation")),
    "length_constraints:nth_paragraph_first_word": (
        _nth_paragraph_first_word,
        ("num_paragraphs", "nth_paragraph", "first_word"),
    ),
    "detectable_content:number_placeholders": (_number_placeholders, ("num_placeholders",)),
    "detectable_content:postscript": (_has_postscript, ("postscript_marker",)),
    "detectable_format:number_bullet_lists": (_number_bullets, ("num_bullets",)),
    "detectable_format:constrained_response": (_is_constrained_answer, ()),
    "detectable_format:number_highlighted_sections": (_number_highlights, ("num_highlights",)),
    "detectable_format:multiple_sections": (_number_sections, ("section_spliter", "num_sections")),
    "detectable_format:json_format": (_is_json, ()),
    "detectable_format:title": (_has_title, ()),
    "combination:two_responses": (_two_responses, ()),
    "combination:repeat_prompt": (_repeats_prompt, ("prompt_to_repeat",)),
    "startend:end_checker": (_ends_with, ("end_phrase",)),
    "startend:quotation": (_is_quoted, ()),
    "change_case:capital_word_frequency": (_capital_words, ("capital_frequency", "capital_relation")),
    "change_case:english_capital": (_is_english_capital, ()),
    "change_case:english_lowercase": (_is_english_lowercase, ()),
    "punctuation:no_comma": (_has_no_comma, ()),
}

INSTRUCTION_IDS = tuple(_REGISTRY)
"""The ids of all instructions."""
