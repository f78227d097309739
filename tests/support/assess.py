"""A task's figures for a sanity model, without the engine: quick enough for every variant of every task.

What the engine's stages would find out comes from a fair judge (`verdicts`), from a recogniser that hears what was
said, and from likenesses of words.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from fac_eval.errors import UnreadableReply
from fac_eval.interfaces import SampleModel
from fac_eval.scores import ScoreTable
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Verdict
from tests.support.verdicts import fair


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What a model came to."""

    figures: tuple[Figure, ...]
    scored: int
    failed: Counter[str]

    @property
    def main(self) -> Figure | None:
        """The figure that stands for the task; none where nothing was scored."""
        return next((figure for figure in self.figures if figure.main), None)


def assess(
    task: Task, samples: Sequence[Sample], model: SampleModel, seeds: Iterable[int] = (0,)
) -> Assessment:
    """Answer and score all samples that the task does not skip, once a seed."""
    scores: list[dict[str, Any]] = []
    forgone = []
    failed: Counter[str] = Counter()
    kept = [sample for sample in samples if task.skip(sample) is None]
    for seed in seeds:
        for position, sample in enumerate(kept):
            request = dataclasses.replace(task.request(sample), seed=seed)
            (response,) = model.respond(task, [sample], [request], [position])
            outcome = _scored(task, sample, response)
            if isinstance(outcome, str):
                failed[outcome] += 1
                forgone.append(task.forgone(sample))
            else:
                scores.append(outcome)
    table = ScoreTable(scores, failed=failed, forgone=[parts for parts in forgone if parts])
    return Assessment(tuple(task.figures(table)) if scores else (), len(scores), failed)


def _scored(task: Task, sample: Sample, response: Response) -> dict[str, Any] | str:
    """A score as the store holds it, or the kind of failure."""
    if response.error is not None:
        return response.error.kind
    try:
        evidence = _evidence(task, sample, response)
        score = task.score(sample, response, evidence)
    except UnreadableReply:
        return "judge_error"
    except Exception:  # as the engine has it: what a scorer raises is its sample's failure
        return "score_error"
    assert math.isfinite(score.value)
    return {"value": score.value, "label": score.label, "parts": score.parts, "cluster": sample.cluster}


def _evidence(task: Task, sample: Sample, response: Response) -> Evidence:
    evidence = Evidence()
    if "transcript" in task.needs:
        evidence = dataclasses.replace(evidence, transcript=response.text)
    if "similarity" in task.needs:
        text, candidates = task.comparison(sample, response)
        likenesses = tuple(100 * likeness(text, candidate) for candidate in candidates)
        evidence = dataclasses.replace(evidence, similarities=likenesses)
    if "judge" in task.needs:
        questions = task.questions(sample, response, evidence)
        assert {question.rubric for question in questions} <= set(task.rubrics)
        verdicts = tuple(Verdict(fair(question), question.rubric, "own") for question in questions)
        evidence = dataclasses.replace(evidence, verdicts=verdicts)
    return evidence


def likeness(one: str, other: str) -> float:
    """The cosine of two texts' counts of letters and of pairs of them."""
    first, second = (Counter([*text, *pairwise(text)]) for text in (f"{one} ", f"{other} "))
    product = sum(first[piece] * second[piece] for piece in first)
    lengths = [math.sqrt(sum(count * count for count in counts.values())) for counts in (first, second)]
    return product / math.prod(lengths)
