"""Questions from a file as a task, scored by the generic metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fac_eval.audio import Audio
from fac_eval.errors import DataError
from fac_eval.file_task.questions import MetricName, QuestionFile, accepted_texts
from fac_eval.metrics.generic import (
    chosen_letter,
    is_contained,
    is_exact,
    letter_of,
    letters,
    word_errors,
)
from fac_eval.scores import Metric
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Figure, Message, Request, Response, Sample, Score, Text, system

if TYPE_CHECKING:
    from fac_eval.data.hub import DataFinder
    from fac_eval.scores import ScoreTable

INSTRUCTION = "Answer with the letter of the right choice."

_FIGURES: Mapping[MetricName, tuple[Metric, ...]] = {
    "exact": (Metric("accuracy", main=True),),
    "contains": (Metric("accuracy", main=True),),
    "choice": (
        Metric("accuracy", main=True),
        Metric("unparsed", of="unparsed", higher_is_better=False, note="answers that name no single choice"),
    ),
    "wer": (
        Metric(
            "WER",
            of="errors",
            per="words",
            higher_is_better=False,
            main=True,
            note="words are what blanks separate",
        ),
    ),
    "none": (Metric("answered", main=True, note="answers were collected, not scored"),),
}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What a file of questions needs to be told."""

    path: str
    """The file (.jsonl, .json, .csv, .tsv or .parquet) with the columns `text` and/or `audio`, and optionally
    `id`, `choices`, `reference` and `metadata`. Paths of audio files are taken from the file's folder."""
    metric: Literal["auto", "exact", "contains", "choice", "wer", "none"] = "auto"
    """How answers are scored; `auto` goes by the columns: `choice` for `choices` and `reference`, `exact` for
    `reference` alone, else `none`, which only collects the answers."""
    system: str | None = None
    """A system prompt for every question."""
    cluster: str = "cluster"
    """The column whose equal values mark questions of one source, e.g. a speaker; intervals allow for it."""
    content: str | None = None
    """The content hash that the file and its audio must have, as the stored results show it."""


class FileTask(Task):
    """The questions of one file."""

    name = "file"
    title = "Your own questions"
    description = "Questions from a JSON lines, JSON, CSV, TSV or Parquet file: -t file:questions.jsonl"
    Options: ClassVar[type] = FileOptions
    options: FileOptions

    def __init__(self, options: FileOptions) -> None:
        super().__init__(options)
        self._path = Path(options.path).expanduser()
        self._opened: QuestionFile | None = None
        self.name = f"file:{self._path.stem}"

    @property
    def _file(self) -> QuestionFile:
        if self._opened is None:
            self._opened = QuestionFile(self._path, self.options.cluster)
        return self._opened

    @property
    def metric(self) -> MetricName:
        """How answers are scored, `auto` worked out."""
        return self._file.metric if self.options.metric == "auto" else self.options.metric

    @property
    def content(self) -> str:
        """The hash of the file and of the clips that it names."""
        return self.options.content or self._file.content

    def check(self, data: DataFinder) -> None:
        """Read the whole file once: columns, types, ids, references, and whether audio files are there."""
        self._opened = None  # it may have changed since this task was last used
        self._file.check(self.metric, guessed=self.options.metric == "auto")
        if self._file.content != self.content:
            raise DataError(
                f"{self._path} or its audio has the content hash {self._file.content}, not {self.content}.",
                remedy="Use the file as it was, or leave out content=.",
            )

    def size(self, data: DataFinder) -> int:
        """How many questions the file holds."""
        return self._file.count

    def data_fingerprint(self, data: DataFinder) -> str:
        """The content of the file and of the clips that it names, wherever they lie."""
        return f"file:{self.content}"

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The questions in the file's order; a clip comes before the text that asks about it."""
        for identity, text, audio, reference, choices, metadata, cluster in self._file.entries():
            parts: tuple[Text | Audio, ...] = () if text is None else (Text(text),)
            if audio is not None:
                parts = (_clip(audio, identity), *parts)
            yield Sample(identity, (Message("user", parts),), reference, choices, (), metadata, cluster)

    def request(self, sample: Sample) -> Request:
        """The question, with the choices under it where the answer is to be one of them."""
        messages = sample.messages
        if self.metric in ("choice", "none") and (listed := listed_choices(sample.choices)):
            messages = (_with_text(messages[0], listed),)
        if self.options.system is not None:
            messages = (system(self.options.system), *messages)
        return Request(messages, self.output, self.settings)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """What the answer's text is worth by the task's metric."""
        if response.text is None:
            raise DataError("the response holds no text to score.")
        metric, text, accepted = self.metric, response.text, accepted_texts(sample.reference)
        if metric == "none":
            return Score(float(bool(text.strip())))
        if not accepted:
            raise DataError(f"there is no reference, which the metric {metric!r} needs.")
        if metric == "choice":
            letter = chosen_letter(text, sample.choices)
            right = letter is not None and letter in (letter_of(one, sample.choices) for one in accepted)
            return Score(float(right), letter, parts={} if letter else {"unparsed": 1})
        if metric == "wer":
            errors, words = word_errors(text, accepted)
            return Score(errors / words, parts={"errors": errors, "words": words})
        matches = is_exact if metric == "exact" else is_contained
        return Score(float(matches(text, accepted)))

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The figures of the task's metric."""
        return [table.figure(metric) for metric in _FIGURES[self.metric]]

    def ideal(self, sample: Sample) -> str | None:
        """The preferred reference; of choices, its letter."""
        accepted = accepted_texts(sample.reference)
        if accepted and self.metric == "choice":
            return letter_of(accepted[0], sample.choices)
        return accepted[0] if accepted else None

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str | None:
        """A letter, where there are choices."""
        return pick(letters(sample.choices)) if sample.choices else None

    def protocol(self) -> Mapping[str, Any]:
        """The base's, with the file's content in place of its path and the metric that is in force."""
        options = {"metric": self.metric, "system": self.options.system, "cluster": self.options.cluster}
        return {**super().protocol(), "options": options, "datasets": [f"file:{self.content}"]}

    @property
    def spec(self) -> Mapping[str, Any]:
        """What rebuilds this task for scoring again, without the file."""
        known = dataclasses.replace(self.options, metric=self.metric, content=self.content)
        return {"name": type(self).name, "options": dataclasses.asdict(known)}

    @property
    def variant(self) -> str:
        """The metric in force."""
        return f"metric={self.metric}"


def listed_choices(choices: Sequence[str]) -> str:
    """The choices as lines `A. ...` with the instruction under them.

    Empty without choices, and where the choices are the letters themselves: then the question says it all.
    """
    known = letters(choices)
    if not choices or list(choices) == list(known):
        return ""
    lines = [f"{letter}. {choice}" for letter, choice in zip(known, choices, strict=True)]
    return "\n".join([*lines, "", INSTRUCTION])


def _with_text(message: Message, text: str) -> Message:
    last = message.parts[-1]
    if isinstance(last, Text):
        return Message(message.role, (*message.parts[:-1], Text(f"{last.text}\n\n{text}")))
    return Message(message.role, (*message.parts, Text(text)))


def _clip(audio: str | bytes, identity: str) -> Audio:
    if isinstance(audio, str):
        return Audio.from_file(audio)
    return Audio.from_bytes(audio, name=f"the audio of sample {identity!r}")
