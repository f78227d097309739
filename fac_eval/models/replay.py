"""The model `replay`: predictions that the user already has, scored as if a model had just made them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec

from fac_eval.audio import Audio
from fac_eval.codec import content_key
from fac_eval.data.tables import Table, open_table, require_columns
from fac_eval.data.user_rows import clip_path, content_hash, scalar_text, shown
from fac_eval.errors import DataError, UsageError
from fac_eval.interfaces import Capabilities, SampleModel
from fac_eval.vocabulary import Request, Response, Sample, ToolCall

if TYPE_CHECKING:
    from fac_eval.task import Task

TEXT_COLUMNS = ("text", "output", "response", "prediction", "predict", "answer")
"""Columns that `text=auto` looks for."""
ID_COLUMNS = ("id", "sample_id", "dataset_key")
"""Columns of sample ids that are found by themselves, the first there is."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column of the file holds what."""

    id: str | None
    text: str | None
    audio: str | None
    task: str | None
    tool_calls: str | None

    def names(self) -> list[str]:
        """Those that there are."""
        found = (self.id, self.text, self.audio, self.task, self.tool_calls)
        return [name for name in found if name is not None]


@dataclass(slots=True)
class _Predictions:
    """The predictions for one task, in the file's order."""

    rows: dict[str, int] = field(default_factory=dict)
    """Place by id; empty where samples are matched by their position."""
    numbers: array[int] = field(default_factory=lambda: array("q"))
    texts: list[str | None] = field(default_factory=list)
    clips: dict[int, str] = field(default_factory=dict)
    calls: dict[int, tuple[ToolCall, ...]] = field(default_factory=dict)
    used: bytearray = field(default_factory=bytearray)
    asked: bytearray = field(default_factory=bytearray)
    """By position of the sample: whether this session asked for it."""


class Replay(SampleModel):
    """Answers each sample with the prediction that a file holds for it.

    A sample without one fails as `missing_prediction`.
    """

    def __init__(
        self,
        file: str,
        *,
        id: str = "id",
        text: str = "auto",
        audio: str | None = None,
        match: Literal["auto", "id", "index"] = "auto",
        task: str = "auto",
        name: str | None = None,
    ) -> None:
        """What to read from where.

        Args:
            file: Predictions as JSON lines, JSON, CSV, TSV or Parquet, such as `fac-eval export` writes.
            id: The column of sample ids; `sample_id` and `dataset_key` are found by themselves.
            text: The column of answers; `auto` takes the one called text, output, response, prediction,
                predict or answer.
            audio: The column with paths of spoken answers, taken from the file's folder.
            match: `id` by sample id, `index` the n-th row to the n-th sample; `auto` by id if there are ids.
            task: The column that names each row's task; `auto` takes `task` if there is one, `none` none.
            name: What results call the model; by default the file's name.
        """
        self._path = Path(file).expanduser()
        self._asked = {"id": id, "text": text, "audio": audio, "match": match, "task": task}
        self._id, self._text, self._audio, self._match, self._task = id, text, audio, match, task
        self.name = name or self._path.stem
        outputs: frozenset[Literal["text", "speech"]] = frozenset({"text", "speech"} if audio else {"text"})
        self.capabilities = Capabilities(outputs=outputs, tools=True, batch_size=256)

    @cached_property
    def fingerprint(self) -> str:
        """The content of the file and of the clips that it names, and the columns that are read."""
        columns = self._columns  # a wrong column shows before anything runs
        content = content_hash(self._table.fingerprint(), self._clips(columns))
        return f"replay/1:{content_key('replay', content, self._asked).hex()}"

    @property
    def items_file(self) -> Path:
        """The file itself: upstream scripts copy each item into the row that answers it."""
        return self._path

    def describe(self) -> Mapping[str, object]:
        """The base's, with the file's name and how it is read."""
        return {**super().describe(), "file": self._path.name, **self._asked}

    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        """The file's prediction for each sample."""
        found = self._of(task)
        return [
            self._answer(found, sample, position) for sample, position in zip(samples, positions, strict=True)
        ]

    def finish(self, task: Task) -> list[str]:
        """Which predictions no sample asked for, where this session asked for all of them."""
        found = self._of(task)
        if not found.asked or 0 in found.asked:
            return []  # answers came from the store, and what they were matched with is not known here
        extra = [place for place, used in enumerate(found.used) if not used]
        if not extra:
            return []
        names = list(found.rows) if found.rows else [self._table.where(number) for number in found.numbers]
        listed = ", ".join(repr(names[place]) if found.rows else names[place] for place in extra[:_SHOWN])
        more = ", ..." if len(extra) > _SHOWN else ""
        count = "1 prediction" if len(extra) == 1 else f"{len(extra):,} predictions"
        remarks = [
            f"{count} of {self._path.name} matched no sample that {task.name} asked for: {listed}{more}"
        ]
        if len(extra) == len(found.used) and found.rows:
            remarks.append("If the rows are in the order of the samples, match them with match=index.")
        return remarks

    def _answer(self, found: _Predictions, sample: Sample, position: int) -> Response:
        if position >= len(found.asked):
            found.asked.extend(bytes(position + 1 - len(found.asked)))
        found.asked[position] = 1
        if self._columns.id is None:
            place = position if position < len(found.texts) else None
            wanted = f"row {position + 1}, for the sample {sample.id!r}"
        else:
            place = found.rows.get(sample.id)
            wanted = f"the sample {sample.id!r}"
        if place is None:
            return Response.failed("missing_prediction", f"{self._path.name} has no prediction for {wanted}")
        found.used[place] = 1
        text, clip = found.texts[place], found.clips.get(place)
        calls = found.calls.get(place, ())
        if text is None and clip is None and not calls:
            where = f"{self._table.unit} {found.numbers[place]}"
            return Response.failed(
                "missing_prediction", f"{self._path.name}, {where}: the prediction is empty"
            )
        speech = None if clip is None else Audio.from_file(clip)
        return Response(text=text, speech=speech, tool_calls=calls, finish_reason="stop")

    # Reading the file.

    @cached_property
    def _table(self) -> Table:
        return open_table(self._path)

    @cached_property
    def _columns(self) -> _Columns:
        there = self._table.columns
        given = [self._audio, None if self._text == "auto" else self._text]
        given.append(None if self._task in ("auto", "none") else self._task)
        require_columns(self._table, [name for name in given if name is not None])
        task = "task" if self._task == "auto" and "task" in there else None
        columns = _Columns(
            id=self._id_column(there),
            text=self._text_column(there),
            audio=self._audio,
            task=task if self._task in ("auto", "none") else self._task,
            tool_calls="tool_calls" if "tool_calls" in there else None,
        )
        if columns.text is None and columns.audio is None and columns.tool_calls is None:
            raise DataError(
                f"{self._path} has no column of answers: it has {', '.join(map(repr, there[:20]))}.",
                remedy="Name it with text=COLUMN (or audio=COLUMN for paths of spoken answers).",
            )
        return columns

    def _id_column(self, there: Sequence[str]) -> str | None:
        if self._match == "index":
            return None
        if self._id == "id" and self._id not in there:
            found = next((name for name in ID_COLUMNS if name in there), None)
            if found is not None or self._match == "auto":
                return found
        require_columns(self._table, [self._id])
        return self._id

    def _text_column(self, there: Sequence[str]) -> str | None:
        if self._text != "auto":
            return self._text
        found = [name for name in TEXT_COLUMNS if name in there]
        if len(found) > 1:
            raise UsageError(
                f"{self._path} has several columns that may hold the answers: {', '.join(map(repr, found))}.",
                remedy=f"Name the right one, e.g. text={found[0]}.",
            )
        return found[0] if found else None

    def _clips(self, columns: _Columns) -> Iterator[str]:
        if columns.audio is not None:
            for _, row in self._table.rows([columns.audio]):
                path = clip_path(str(self._path.parent), row.get(columns.audio))
                if path is not None:
                    yield path

    def _of(self, task: Task) -> _Predictions:
        if self._columns.task is None:
            return self._all[""]
        if task.name in self._all:
            return self._all[task.name]
        raise DataError(
            f"{self._path} has no predictions for {task.name}: its column {self._columns.task!r} names "
            f"{', '.join(map(repr, list(self._all)[:_SHOWN]))}{', ...' if len(self._all) > _SHOWN else ''}.",
            remedy="If that column does not name fac-eval's tasks, say task=none.",
        )

    @cached_property
    def _all(self) -> dict[str, _Predictions]:
        """The predictions by task; by "" where the file is about one task."""
        columns = self._columns
        found: dict[str, _Predictions] = {} if columns.task else {"": _Predictions()}
        for number, row in self._table.rows(columns.names()):
            task = self._named(number, columns.task, row) if columns.task else ""
            held = found.get(task)
            if held is None:
                held = found[task] = _Predictions()
            self._take(held, number, row)
        return found

    def _take(self, held: _Predictions, number: int, row: Mapping[str, Any]) -> None:
        columns, place = self._columns, len(held.texts)
        if columns.id is not None:
            name = self._named(number, columns.id, row)
            before = held.rows.setdefault(name, place)
            if before != place:
                self._repeated(number, name, held.numbers[before])
        text = None if columns.text is None else row.get(columns.text)
        if text is not None and type(text) is not str:
            text = self._scalar(number, columns.text, text)
        held.texts.append(text)
        held.numbers.append(number)
        held.used.append(0)
        if columns.audio is not None and row.get(columns.audio) not in (None, ""):
            path = clip_path(str(self._path.parent), row[columns.audio])
            if path is None:
                self._wrong(number, columns.audio, "the path of an audio file", row[columns.audio])
            held.clips[place] = path
        if columns.tool_calls is not None and row.get(columns.tool_calls) not in (None, "", []):
            held.calls[place] = self._tool_calls(number, row[columns.tool_calls])

    def _named(self, number: int, column: str, row: Mapping[str, Any]) -> str:
        value = row.get(column)
        if value is None or value == "":
            raise DataError(f"{self._table.where(number)}: the column {column!r} is empty.")
        return self._scalar(number, column, value)

    def _scalar(self, number: int, column: str | None, value: Any) -> str:
        text = scalar_text(value)
        if text is None:
            self._wrong(number, column, "text or a number", value)
        return text

    def _repeated(self, number: int, name: str, before: int) -> NoReturn:
        remedy = "Keep one row a sample."
        if "model" in self._table.columns:
            remedy += " If the file holds several models' predictions, make a file for each."
        elif self._columns.task is None:
            remedy += (
                " If the file is about several tasks, name the column that tells them apart: task=COLUMN."
            )
        problem = f"the id {name!r} is that of {self._table.unit} {before}, too."
        raise DataError(f"{self._table.where(number)}: {problem}", remedy=remedy)

    def _tool_calls(self, number: int, value: Any) -> tuple[ToolCall, ...]:
        try:
            listed = msgspec.json.decode(value) if isinstance(value, str) else value
            return tuple(_tool_call(item) for item in listed)
        except (msgspec.DecodeError, TypeError):
            wanted = 'a list of calls, {"name": ..., "arguments": ...} each'
            self._wrong(number, "tool_calls", wanted, value)

    def _wrong(self, number: int, column: str | None, wanted: str, value: Any) -> NoReturn:
        where = f"{self._table.where(number)}, column {column!r}"
        raise DataError(f"{where}: expected {wanted}, found {shown(value)}.")


def _tool_call(item: Any) -> ToolCall:
    """A call in our own form, or in that of OpenAI's chat completions, which nests it under `function`."""
    call = item.get("function", item) if isinstance(item, dict) else None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise TypeError("no tool call")
    arguments = call.get("arguments") or "{}"
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    identity = item.get("id")
    return ToolCall(call["name"], arguments, None if identity is None else str(identity))
