"""MMAU, test-mini of v05.15.25: questions about sounds, music and speech, with options to choose from.

Data: gamma-lab-umd/MMAU-test-mini. Rules: Sakshi113/MMAU evaluation.py; the variant `match=judge` is
MoonshotAI/Kimi-Audio-Evalkit's, which the Fun-Audio-Chat report names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data.cells import OBJECT, TEXT, TEXTS, cell
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.errors import DataError
from fac_eval.scores import VALUE, Metric, figure_of
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Figure, Question, Request, Response, Sample, Score, Settings, user

from .answers import answer_text
from .audio_questions import (
    check_choices,
    clip_of,
    code_of,
    group_figures,
    lettered,
    mean_figure,
    mean_of,
    on_one_line,
    put,
    strict_figure,
    with_options,
)
from .judged import INVALID, Invalid, Parser, invalid_figure, read_reply

if TYPE_CHECKING:
    from fac_eval.scores import ScoreTable

    from .audio_questions import Column

DATASET = HubDataset(
    "gamma-lab-umd/MMAU-test-mini",
    splits=("test_mini",),
    revision="ccd9696c0111ea7060827598f310558df0b71b0a",
    columns=("context", "instruction", "choices", "answer", "other_attributes"),
    audio="context",
    expected_rows={"test_mini": 1000},
    # The hub calls the split `test` after this file, so it can be fetched but not streamed by its own name.
    files=("test_mini.parquet",),
    benchmark="mmau",
    sample=Path(__file__).parent / "sample_data" / "mmau",
)
DOMAINS = ("sound", "music", "speech")
DIFFICULTIES = ("easy", "medium", "hard")
SUB_CATEGORIES = (
    "Acoustic Scene Reasoning",
    "Acoustic Source Inference",
    "Ambient Sound Interpretation",
    "Eco-Acoustic Knowledge",
    "Event-Based Sound Reasoning",
    "Sound-Based Event Recognition",
    "Temporal Event Reasoning",
    "Emotional Tone Interpretation",
    "Harmony and Chord Progressions",
    "Instrumentation",
    "Lyrical Reasoning",
    "Melodic Structure Interpretation",
    "Musical Genre Reasoning",
    "Musical Texture Interpretation",
    "Rhythm and Tempo Understanding",
    "Socio-cultural Interpretation",
    "Temporal Reasoning",
    "Conversational Fact Retrieval",
    "Counting",
    "Dissonant Emotion Interpretation",
    "Emotion Flip Detection",
    "Emotion State summarisation",
    "Event-Based Knowledge Retrieval",
    "Key highlight Extraction",
    "Multi Speaker Role Mapping",
    "Phonemic Stress Pattern Analysis",
    "Phonological Sequence Decoding",
)
RUBRIC = "mmau/judge"


@dataclass(frozen=True, slots=True)
class MmauOptions:
    """How the question is put, and when an answer counts as right."""

    match: Literal["official", "official_prefixed", "option_resolved", "judge"] = "official"
    """`official` compares words with the bare options; `official_prefixed` with the options as "(B) text";
    `option_resolved` first takes an answer that opens with a letter for that option; `judge` asks a language model."""
    instruction: Literal["fun_audio_chat", "evalkit"] = "fun_audio_chat"
    """Options on lines of their own after a sentence that asks to choose, or all on one line (Kimi-Audio-Evalkit)."""
    parser: Parser = "official"
    """Who reads the judge's replies: `official` finds "no" in "know" as well, `robust` goes by whole words."""
    invalid: Invalid = "official"
    """A judge's reply that says neither yes nor no leaves the denominator, as officially, or counts as wrong."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What a row says, checked; options and answer without the "(B) " that the hub copy puts before them."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str
    metadata: Mapping[str, str]


class Mmau(Task):
    """One clip and one question an item, with two to eight options."""

    name = "mmau"
    title = "MMAU (test-mini, v05.15.25)"
    description = "Questions about sounds, music and speech, with options to choose from."
    Options = MmauOptions
    options: MmauOptions
    # Text is decoded greedily; the length is the checkpoint's own.
    settings = Settings(temperature=0.0)
    metrics = (Metric("accuracy", main=True),)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.match == "judge":
            self.needs, self.rubrics, self.judge_calls = frozenset({"judge"}), (RUBRIC,), 1

    @property
    def idle_options(self) -> frozenset[str]:
        """What is about the judge's replies, where no judge is asked."""
        return frozenset() if self.options.match == "judge" else frozenset({"parser", "invalid"})

    def datasets(self) -> tuple[HubDataset, ...]:
        """The hub copy, which holds the clips."""
        return (DATASET,)

    def size(self, data: DataFinder) -> int | None:
        """Rows of the one split."""
        return data.count(DATASET)

    def check(self, data: DataFinder) -> None:
        """Read every question before hours are spent."""
        for _ in self._rows(data, DATASET.columns[1:]):
            pass

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The rows in order, known by upstream's id."""
        for index, (row, context) in enumerate(self._rows(data, DATASET.columns)):
            clip = clip_of(data, DATASET, context, _where(index))
            yield Sample(row.id, (user(clip, row.question),), row.answer, row.choices, metadata=row.metadata)

    def _rows(self, data: DataFinder, columns: Sequence[str]) -> Iterator[tuple[_Row, Any]]:
        for index, row in enumerate(data.rows(DATASET, DATASET.splits[0], columns)):
            yield _read(row, _where(index)), row.get(DATASET.audio or "")

    def request(self, sample: Sample) -> Request:
        """The clip and the question with its options."""
        wording = with_options if self.options.instruction == "fun_audio_chat" else on_one_line
        instruction = wording(sample.messages[0].text, sample.choices)
        return Request(put(sample, instruction), self.output, self.settings)

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """Whether the answer means the same as the right option; the options go with the question."""
        if self.options.match != "judge":
            return ()
        inputs = {
            "question": on_one_line(sample.messages[0].text, sample.choices).strip(),
            "reference": str(sample.reference).strip(),
            "answer": answer_text(response),
        }
        return (Question(RUBRIC, inputs),)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for the right option. The label is the letter of the option that the answer names by the rule in force."""
        from fac_eval.metrics.mmau import is_match

        said, choices, answer = answer_text(response), sample.choices, str(sample.reference)
        parts = {
            "domain": code_of(DOMAINS, sample.metadata["task"]),
            "difficulty": code_of(DIFFICULTIES, sample.metadata["difficulty"]),
            "sub_category": code_of(SUB_CATEGORIES, sample.metadata["sub_category"]),
            "official": float(is_match(said, answer=answer, choices=choices)),
        }
        if self.options.match == "judge":
            return self._judged(evidence, parts)
        match = self.options.match
        named = [
            letter
            for letter, choice in zip(ascii_uppercase, choices, strict=False)
            if is_match(said, answer=choice, choices=choices, match=match)
        ]
        return Score(
            value=float(is_match(said, answer=answer, choices=choices, match=match)),
            label=named[0] if named else None,
            parts={**parts, "unnamed": float(not named)},
        )

    def _judged(self, evidence: Evidence, parts: Mapping[str, float]) -> Score:
        from fac_eval.metrics.robust_replies import find_yes_no
        from fac_eval.metrics.voicebench_judge import parse_yes_no

        (verdict,) = evidence.verdicts
        parse = find_yes_no if self.options.parser == "robust" else parse_yes_no
        right = read_reply(verdict.reply, parse, self.options.invalid)
        label = INVALID if right is None else "right" if right else "wrong"
        return Score(float(bool(right)), label, parts=parts)

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Micro and macro accuracy, then the groups that the official script prints."""
        values, judged = table.column(VALUE), self.options.match == "judge"
        failed = sum(table.failed.values())
        figures = [
            mean_figure("accuracy", values, main=True),
            *strict_figure("accuracy", values, missing=failed),
        ]
        if judged:
            figures.append(invalid_figure(table))
        if self.options.match != "official":
            figures.append(mean_figure("official rule", table.column("official")))
        if not judged:
            figures.append(table.figure(Metric("no option named", of="unnamed", higher_is_better=False)))
        figures.append(_mean_of_domains(values, table.column("domain")))
        for column, names in (
            ("domain", DOMAINS),
            ("difficulty", DIFFICULTIES),
            ("sub_category", SUB_CATEGORIES),
        ):
            figures += group_figures(values, table.column(column), names)
        return figures

    def ideal(self, sample: Sample) -> str:
        """The right option, with its letter where the rule reads letters."""
        if self.options.match in ("official", "judge"):
            return str(sample.reference)
        return lettered(sample.choices)[sample.choices.index(sample.reference)]

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str:
        """One of the options, in the form of the ideal answer."""
        return pick(
            sample.choices if self.options.match in ("official", "judge") else lettered(sample.choices)
        )


def _mean_of_domains(values: Column, codes: Column) -> Figure:
    from fac_eval.stats import combine_independent

    domains = {name: mean_of(values[codes == code]) for code, name in enumerate(DOMAINS)}
    missing = [name for name, domain in domains.items() if domain.value is None]
    note = f"there is no {missing[0]} item" if missing else None
    return figure_of("mean of domains", combine_independent(list(domains.values())).scaled(100), note=note)


def _where(index: int) -> str:
    return f"{DATASET.repo}, row {index}"


def _read(row: Mapping[str, Any], where: str) -> _Row:
    from fac_eval.metrics.mmau import bare_option

    attributes = _attributes(row, where)
    choices = tuple(bare_option(choice) for choice in cell(row, "choices", TEXTS, where))
    answer = bare_option(cell(row, "answer", TEXT, where))
    check_choices(choices, answer, where)
    category = attributes.get("category")
    metadata = {
        "task": cell(attributes, "task", TEXT, where),
        "difficulty": cell(attributes, "difficulty", TEXT, where),
        "sub_category": str(attributes.get("sub-category")),
        # A list of one name in some of the rows.
        "category": str(category[0] if isinstance(category, list) and category else category),
        "dataset": str(attributes.get("dataset")),
    }
    for column, known in (("task", DOMAINS), ("difficulty", DIFFICULTIES)):
        if metadata[column] not in known:
            raise DataError(f"{where}: the {column} {metadata[column]!r} is none of {', '.join(known)}.")
    return _Row(
        cell(attributes, "id", TEXT, where),
        cell(row, "instruction", TEXT, where),
        choices,
        answer,
        metadata,
    )


def _attributes(row: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The column `other_attributes`, which is an object or the JSON text of one."""
    held = row.get("other_attributes")
    if isinstance(held, str):
        try:
            row = {"other_attributes": json.loads(held)}
        except ValueError as error:
            raise DataError(f"{where}, column 'other_attributes': no JSON ({error}).") from error
    return cell(row, "other_attributes", OBJECT, where)
