"""MMAU-Pro closed questions: the option nearest to a reply by an embedding model, and the figures over a set.

The model comes in as a function, so that nothing here needs weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fac_eval.errors import DataError
from fac_eval.metrics.cosine import likeness, unit_rows

Embed = Callable[[Sequence[str]], npt.ArrayLike]
"""Texts to vectors, one row a text. The official model is NV-Embed-v2 without an instruction."""


@dataclass(frozen=True, slots=True)
class ClosedMatch:
    """The option that a reply was mapped to: every reply is mapped to one, even an empty one."""

    index: int
    text: str
    confidence: float
    """100 times the cosine similarity."""


@dataclass(frozen=True, slots=True)
class ClosedMetrics:
    """Fractions over a set; the last three are means over the option texts as classes, weighted by support."""

    accuracy: float
    precision: float
    recall: float
    f1: float


def has_options(choices: Sequence[str] | None) -> bool:
    """Whether a closed item counts at all: official code drops those with fewer than two options."""
    return choices is not None and len(choices) > 1


def match_option(prediction: str, choices: Sequence[str], embed: Embed) -> ClosedMatch:
    """The option most similar to a reply; the first of equals."""
    return match_options([prediction], [choices], embed)[0]


def match_options(
    predictions: Sequence[str], choices: Sequence[Sequence[str]], embed: Embed
) -> list[ClosedMatch]:
    """`match_option` for many replies, in order: one call of `embed` with every distinct text once."""
    if len(predictions) != len(choices):
        raise DataError(f"{len(predictions)} replies but {len(choices)} lists of options")
    if any(not options for options in choices):
        raise DataError("a closed question has no options")
    rows = {
        text: row for row, text in enumerate(dict.fromkeys([*predictions, *(t for o in choices for t in o)]))
    }
    if not rows:
        return []
    vectors = unit_rows(embed(list(rows)))
    if len(vectors) != len(rows):
        raise DataError(f"the embedding model gave {len(vectors)} vectors for {len(rows)} texts")
    return [
        _nearest(vectors[rows[prediction]], vectors[[rows[option] for option in options]], options)
        for prediction, options in zip(predictions, choices, strict=True)
    ]


def closed_metrics(answers: Sequence[str], matched: Sequence[str]) -> ClosedMetrics:
    """The figures over a set of answers and the options matched, both as texts. All 0 for an empty set."""
    if len(answers) != len(matched):
        raise DataError(f"{len(answers)} answers but {len(matched)} matched options")
    total = len(answers)
    if not total:
        return ClosedMetrics(0.0, 0.0, 0.0, 0.0)
    support, claimed = Counter(answers), Counter(matched)
    hits = Counter(answer for answer, option in zip(answers, matched, strict=True) if answer == option)
    precision = recall = f1 = 0.0
    for label, size in support.items():
        hit, said = hits[label], claimed[label]
        precision += size * (hit / said if said else 0.0)
        recall += hit
        f1 += size * 2 * hit / (size + said)
    return ClosedMetrics(hits.total() / total, precision / total, recall / total, f1 / total)


def _nearest(
    prediction: npt.NDArray[np.float32], options: npt.NDArray[np.float32], texts: Sequence[str]
) -> ClosedMatch:
    scores = likeness(prediction, options)
    index = int(scores.argmax())
    return ClosedMatch(index, texts[index], float(scores[index]))
