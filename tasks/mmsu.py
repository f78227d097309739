"""MMSU: what is said in a clip and how, with four options (not the subset of VoiceBench of the same name).

Data: ddwang2000/MMSU. Rules: dingdongwang/MMSU_Bench mmsu_evaluation.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data.cells import TEXT, cell, optional_cell
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.errors import DataError
from fac_eval.scores import VALUE, Metric
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Figure, Request, Response, Sample, Score, Settings, user

from .answers import answer_text
from .audio_questions import (
    OTHER,
    check_choices,
    clip_of,
    code_of,
    group_figures,
    mean_figure,
    put,
    strict_figure,
    with_options,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.scores import ScoreTable

    from .audio_questions import Column

_CHOICES = ("choice_a", "choice_b", "choice_c", "choice_d")
_KINDS = ("task_name", "category", "sub-category", "sub-sub-category")
DATASET = HubDataset(
    "ddwang2000/MMSU",
    splits=("train",),
    revision="548e2283105825bf908a7db5c09c00dbcf42bd4c",
    columns=("id", "audio", "question", *_CHOICES, "answer_gt", *_KINDS),
    id_column="id",
    expected_rows={"train": 5000},
    benchmark="mmsu",
    sample=Path(__file__).parent / "sample_data" / "mmsu",
)
CATEGORIES = ("Perception", "Reasoning")
SUB_CATEGORIES = ("Linguistics", "Paralinguistics")
_NO_LETTER = -1


@dataclass(frozen=True, slots=True)
class MmsuOptions:
    """How the question is put, and how an option is read out of the answer."""

    match: Literal["option_resolved", "official", "official_fixed"] = "option_resolved"
    """`official`: by position, "(B) text" leaves the denominator, and an empty answer inherits the letter of the one
    before. `official_fixed`: the same letters, both count as wrong. `option_resolved`: "(B) text" and an option's own
    text are read too."""
    instruction: Literal["fun_audio_chat", "letter_only"] = "fun_audio_chat"
    """`letter_only` asks for nothing but the letter, which is what the official rule can read; our own wording."""
    null_options: Literal["shown", "left_out"] = "shown"
    """Options that are null read "None", as upstream puts them, or are left out; the others keep their letters."""


class Mmsu(Task):
    """One clip and one question an item, with four options of which two may be null."""

    name = "mmsu"
    title = "MMSU"
    description = (
        "Questions about what is said and how: perception and reasoning, with options to choose from."
    )
    Options = MmsuOptions
    options: MmsuOptions
    # Text is decoded greedily; the length is the checkpoint's own.
    settings = Settings(temperature=0.0)
    metrics = (Metric("accuracy", main=True),)

    def datasets(self) -> tuple[HubDataset, ...]:
        """The one split, called train, of which all is for testing."""
        return (DATASET,)

    def size(self, data: DataFinder) -> int | None:
        """Rows of the split."""
        return data.count(DATASET)

    def check(self, data: DataFinder) -> None:
        """Read every question before hours are spent, where the data set is on this machine."""
        if data.source(DATASET).folder is not None:
            for index, row in enumerate(data.rows(DATASET, "train", ("answer_gt", *_CHOICES))):
                _options(row, _where(index))

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The rows in order, which matters to the official rule."""
        for index, row in enumerate(data.rows(DATASET, "train")):
            where = _where(index)
            options = _options(row, where)
            clip = clip_of(data, DATASET, row["audio"], where)
            yield Sample(
                id=cell(row, "id", TEXT, where),
                messages=(user(clip, cell(row, "question", TEXT, where)),),
                reference={"answer": row["answer_gt"], "options": list(options)},
                choices=tuple(option for option in options if option is not None),
                metadata={name: row[name] for name in _KINDS if row.get(name) is not None},
            )

    def request(self, sample: Sample) -> Request:
        """The clip and the question with its options."""
        instruction = self._instruction(sample.messages[0].text, sample.reference["options"])
        return Request(put(sample, instruction), self.output, self.settings)

    def _instruction(self, question: str, options: Sequence[str | None]) -> str:
        letters = [
            (letter, option)
            for letter, option in zip(ascii_uppercase, options, strict=False)
            if option is not None or self.options.null_options == "shown"
        ]
        if self.options.instruction == "letter_only":
            lines = "\n".join(f"{letter}. {option}" for letter, option in letters)
            asked = f"Which option fits best? Reply with its letter alone: {', '.join(dict(letters))}."
            return f"{asked}\n\nQuestion: {question}\n\n{lines}"
        return with_options(question, dict(letters))

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for the right option, 0 where the rule reads none; the official carry-over is for `figures` to add.

        The label is the letter of the option that was read, by the rule in force.
        """
        from fac_eval.metrics.mmsu import LETTERS, MmsuItem, mmsu_verdicts, resolved_option

        options, answer = sample.reference["options"], sample.reference["answer"]
        said, resolve = answer_text(response), self.options.match == "option_resolved"
        # By itself, without the official rule's memory, a reply is worth what `official_fixed` says.
        (fixed,) = mmsu_verdicts([MmsuItem(said, options, answer)], match="official_fixed")
        letter, right = fixed.letter, fixed.correct
        if resolve:
            letter, text = resolved_option(said, options)
            right = text is not None and text == answer
            if letter is None and text is not None:
                letter = LETTERS[options.index(text)]
        right_letters = sum(1 << place for place, option in enumerate(options) if option == answer)
        return Score(
            value=float(right),
            label=letter,
            parts={
                "category": code_of(CATEGORIES, sample.metadata.get("category")),
                "sub_category": code_of(SUB_CATEGORIES, sample.metadata.get("sub-category")),
                "letter": float(LETTERS.index(fixed.letter) if fixed.letter else _NO_LETTER),
                "blank": float(said.strip().replace("\n", "") in ("", "None")),
                "right_letters": float(right_letters),
            },
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The accuracy, micro over what the rule counts, then by category; and what the official rule leaves out."""
        import numpy as np

        official = _official_verdicts(table)
        silent = (table.column("letter") == _NO_LETTER) & (table.column("blank") == 0)
        left_out = mean_figure("left out officially", silent.astype(np.float64), higher_is_better=False)
        values, failed = table.column(VALUE), sum(table.failed.values())
        if self.options.match != "official":
            return [
                mean_figure("accuracy", values, main=True),
                *strict_figure("accuracy", values, missing=failed),
                _official_accuracy("official rule", official, table.n),
                left_out,
                *_by_category(table, values, np.ones(table.n, dtype=np.bool_)),
            ]
        accuracy = replace(_official_accuracy("accuracy", official, table.n), main=True)
        if official is None:
            return [accuracy, left_out]
        counted = official.counted
        missing = int((~counted).sum()) + failed
        return [
            accuracy,
            *strict_figure("accuracy", official.values[counted], missing=missing),
            left_out,
            *_by_category(table, official.values, counted),
        ]

    def ideal(self, sample: Sample) -> str:
        """The letter of the right option, and its text where the rule reads "(B) text"."""
        options = sample.reference["options"]
        return self._answer(options, options.index(sample.reference["answer"]))

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str:
        """One of the options that are there, in the form of the ideal answer."""
        options = sample.reference["options"]
        return pick([self._answer(options, place) for place, text in enumerate(options) if text is not None])

    def _answer(self, options: Sequence[str | None], place: int) -> str:
        letter = ascii_uppercase[place]
        return f"({letter}) {options[place]}" if self.options.match == "option_resolved" else letter


@dataclass(frozen=True, slots=True)
class _Official:
    """What the official scorer makes of a run's answers, in their order."""

    values: Column
    counted: npt.NDArray[np.bool_]
    inherited: int


def _official_verdicts(table: ScoreTable) -> _Official | None:
    """None where the official scorer stops: there is an empty answer and no letter before it to inherit."""
    import numpy as np

    from fac_eval.metrics.mmsu import LETTERS, MmsuItem, mmsu_verdicts

    columns = (table.column(name) for name in ("letter", "blank", "right_letters"))
    items = [
        MmsuItem(
            response="" if blank else "?" if letter == _NO_LETTER else LETTERS[int(letter)],
            choices=["right" if int(right) >> place & 1 else "wrong" for place in range(len(LETTERS))],
            answer="right",
        )
        for letter, blank, right in zip(*columns, strict=True)
    ]
    try:
        verdicts = mmsu_verdicts(items, match="official")
    except DataError:
        return None
    return _Official(
        values=np.array([verdict.correct for verdict in verdicts], dtype=np.float64),
        counted=np.array([verdict.counted for verdict in verdicts], dtype=np.bool_),
        inherited=sum(verdict.inherited for verdict in verdicts),
    )


def _official_accuracy(name: str, official: _Official | None, n: int) -> Figure:
    if official is None:
        note = "the official scorer stops at an empty answer that comes before any with a letter"
        return Figure(name, None, 0, note=note)
    left_out = n - int(official.counted.sum())
    notes = [f"leaves out {left_out:,} of {n:,} answers"] if left_out else []
    if official.inherited:
        notes.append(f"gives {official.inherited:,} empty ones the letter of an earlier answer")
    return mean_figure(name, official.values[official.counted], note=", ".join(notes) or None)


def _by_category(table: ScoreTable, values: Column, counted: npt.NDArray[np.bool_]) -> list[Figure]:
    values, category = values[counted], table.column("category")[counted]
    sub = table.column("sub_category")[counted]
    pairs = [f"{first}: {second}" for first in CATEGORIES for second in SUB_CATEGORIES]
    known = (category != OTHER) & (sub != OTHER)
    codes = category * len(SUB_CATEGORIES) + sub
    return [
        *group_figures(values, category, CATEGORIES),
        *group_figures(values[known], codes[known], pairs),
    ]


def _where(index: int) -> str:
    return f"{DATASET.repo}, row {index}"


def _options(row: Mapping[str, Any], where: str) -> tuple[str | None, ...]:
    """The four options by letter, checked."""
    options = tuple(optional_cell(row, name, TEXT, where) for name in _CHOICES)
    check_choices(
        [option for option in options if option is not None], cell(row, "answer_gt", TEXT, where), where
    )
    return options
