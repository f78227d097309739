"""UltraEval-Audio's spoken question answering: matching an answer's words, reading the judge, adding up.

The rules are those of OpenBMB/UltraEval-Audio: audio_evals/evaluator/qa_exact_match.py, alpaca_eval.py and
ref_qa_geval.py, audio_evals/process/base.py and audio_evals/agg/base.py.
"""

from __future__ import annotations

import ast
import json
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fac_eval.errors import DataError
from fac_eval.metrics.voicebench_tables import require_text

_RATING = re.compile(r"\[\[(\d+)\]\]")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_PREFERRED = "model_1"


class _Spacing(dict[int, str]):
    """What makes `str.split` cut the tokens: each character's replacement, worked out when it first turns up."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)[0]
        if kind in "LNM":
            found = char
        elif kind in "ZC":
            found = " "
        else:
            found = f" {char} "
        self[code] = found
        return found


_SPACING = _Spacing()


@dataclass(frozen=True, slots=True)
class ExistMatch:
    """Whether one of the aliases stands in an answer."""

    answer: str
    aliases: tuple[str, ...]
    is_match: bool

    @property
    def is_correct(self) -> bool:
        """What the official accuracy counts, which compares the record's two fields as text.

        It differs from `is_match` where the answer is the alias list itself, written out (`[]` for none).
        """
        return self.is_match or self.answer == str(list(self.aliases))


@dataclass(frozen=True, slots=True)
class OfficialScore:
    """A task's figure over the items that were scored: failed ones leave the official denominator."""

    total: int
    failed: int
    value: float | None
    """None where no item was scored."""

    @property
    def scored(self) -> int:
        """The items in the denominator."""
        return self.total - self.failed

    @property
    def fail_rate(self) -> float:
        """Failures per hundred items, 0 for no items."""
        return 100 * self.failed / self.total if self.total else 0.0

    @property
    def value_with_failures_as_zero(self) -> float | None:
        """The figure had every failed item scored 0, as the duplex table seems to count silent answers."""
        return (self.value or 0.0) * self.scored / self.total if self.total else None


def match_tokens(text: str) -> list[str]:
    """Lower-cased tokens after NFD: runs of letters, digits and marks, and every other visible character.

    >>> match_tokens("It's in U.S.A.")
    ['it', "'", 's', 'in', 'u', '.', 's', '.', 'a', '.']
    """
    parts = unicodedata.normalize("NFD", text).translate(_SPACING).split()
    return [part.lower() for part in parts]


def exist_match(answer: str, aliases: str | Sequence[str]) -> ExistMatch:
    """Whether the tokens of any alias stand together in the answer; an alias without tokens always does.

    Raises DataError for an alias, reached before one that matches, that is no text.

    >>> exist_match(" It's in New Tellan, I think.", ["tellan", "X"]).is_match
    True
    """
    if not isinstance(aliases, str | list | tuple):
        raise DataError(
            f"the reference is {type(aliases).__name__}, not a text or a list of texts: {aliases!r:.80}"
        )
    listed = (aliases,) if isinstance(aliases, str) else tuple(aliases)
    said = match_tokens(require_text(answer, "the answer"))
    is_match = any(_stands_in(match_tokens(require_text(alias, "an alias")), said) for alias in listed)
    return ExistMatch(answer, listed, is_match)


def is_same_answer(answer: str, alias: str) -> bool:
    """Whether two answers are equal but for case, ASCII punctuation, articles and blanks (no task asks it)."""
    return _bare(answer) == _bare(alias)


def judge_rating(reply: str) -> int | None:
    """The first `[[number]]` of a chat judge's reply, whatever its range; None where there is none.

    >>> judge_rating("Rating: [[7]], earlier [[9]]"), judge_rating("[[6.5]]")
    (7, None)
    """
    found = _RATING.search(require_text(reply, "the judge's reply"))
    return int(found.group(1)) if found else None


def judge_prefers_first(reply: str) -> bool:
    """Whether a pairwise judge's ranking, a Python literal, starts with `model_1`; the ranks are not looked at.

    Raises DataError for anything else, such as a ranking in a ```json fence.
    """
    text = require_text(reply, "the judge's reply")
    for fence in ("```python", "```"):
        if text.startswith(fence):
            text = text[len(fence) : -3].strip()
            break
    try:
        ranking = ast.literal_eval(text)
        if isinstance(ranking, dict) and ranking:
            ranking = next(iter(ranking.values()))
        return bool(ranking[0]["model"] == _PREFERRED)
    except (ValueError, SyntaxError, TypeError, LookupError, MemoryError, RecursionError) as error:
        raise DataError(f"the judge's reply is no ranking of models: {reply!r:.80}") from error


def output_field(output: str | Mapping[str, Any], key: str, *, default: Any = None) -> Any:
    """A field of a speech model's output, which is a JSON object; a text that is no JSON is taken as it is.

    Raises DataError if the field is not there and no default is given, or the JSON is no object.
    """
    if isinstance(output, str):
        try:
            output = json.loads(output.strip())
        except ValueError:
            return output
    if not isinstance(output, Mapping):
        raise DataError(f"the model's output is {type(output).__name__}, not an object: {output!r:.80}")
    if key not in output and default is None:
        raise DataError(
            f"the model's output has no field {key!r}, only {', '.join(map(str, output)) or 'none'}"
        )
    return output.get(key, default)


def accuracy(matches: Iterable[bool | None]) -> OfficialScore:
    """Right answers per hundred; None stands for an item that failed. `ExistMatch.is_correct` gives the rest."""
    return _score([None if match is None else float(match) for match in matches], scale=100)


def mean_rating(ratings: Iterable[float | None]) -> OfficialScore:
    """The mean rating from 1 to 10 times ten, as published; None stands for an item that failed."""
    return _score(list(ratings), scale=10)


def _score(values: Sequence[float | None], scale: int) -> OfficialScore:
    scored = [value for value in values if value is not None]
    mean = scale * sum(scored) / len(scored) if scored else None
    return OfficialScore(len(values), len(values) - len(scored), mean)


def _stands_in(wanted: list[str], said: list[str]) -> bool:
    size = len(wanted)
    return any(said[start : start + size] == wanted for start in range(len(said) - size + 1))


def _bare(text: str) -> str:
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())
