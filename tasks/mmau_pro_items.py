"""MMAU-Pro's items: rows of the table, clips in the archive or beside it, and texts that follow instructions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self
from zipfile import BadZipFile, ZipFile

from fac_eval.audio import Audio
from fac_eval.data.cells import OBJECT, TEXT, TEXTS, cell, optional_cell
from fac_eval.errors import DataError
from fac_eval.metrics.mmau_pro import route
from fac_eval.vocabulary import Sample


@dataclass(frozen=True, slots=True)
class Row:
    """What a row of the table says, checked."""

    id: str
    audio_path: tuple[str, ...]
    question: str
    answer: str | None
    """None for an instruction to follow."""
    choices: tuple[str, ...]
    category: str
    length_type: str
    task_identifier: str
    """The check of an instruction to follow, or nothing."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def read_row(row: Mapping[str, Any], where: str) -> Row:
    """A row of the table; raises DataError for what no rule could score."""
    category = cell(row, "category", TEXT, where)
    answer = optional_cell(row, "answer", TEXT, where)
    if answer is None and route(category) != "aif":
        raise DataError(f"{where}: a {category} item without an answer.", remedy="Fetch the data set again.")
    paths = row.get("audio_path")
    given = {**row, "audio_path": [paths] if isinstance(paths, str) else paths}
    audio_path = cell(given, "audio_path", TEXTS, where)
    if not audio_path:
        raise DataError(f"{where}, column 'audio_path': no clip is named.")
    choices = optional_cell(row, "choices", TEXTS, where)
    for path in map(PurePosixPath, audio_path):
        if path.is_absolute() or ".." in path.parts:
            raise DataError(
                f"{where}, column 'audio_path': {str(path)!r} leads out of the data set's folder."
            )
    return Row(
        id=cell(row, "id", TEXT, where),
        audio_path=tuple(audio_path),
        question=cell(row, "question", TEXT, where),
        answer=answer,
        choices=tuple(choices or ()),
        category=category,
        length_type=optional_cell(row, "length_type", TEXT, where) or "",
        task_identifier=optional_cell(row, "task_identifier", TEXT, where) or "",
        kwargs=_arguments(row, where),
    )


def _arguments(row: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The arguments that are given: in Parquet every row has the fields of all, null where they are not its own."""
    held = row.get("kwargs")
    if isinstance(held, str):
        try:
            held = json.loads(held)
        except ValueError as error:
            raise DataError(f"{where}, column 'kwargs': no JSON ({error}).") from error
    arguments = optional_cell({"kwargs": held}, "kwargs", OBJECT, where) or {}
    return {name: value for name, value in arguments.items() if value is not None}


class Clips:
    """The clips of a folder: unpacked files, or else the members of its `data.zip`, read one by one."""

    def __init__(self, folder: Path) -> None:
        """Opens the archive, if there is one."""
        self._folder = folder
        self._archive: ZipFile | None = None
        self._members: frozenset[str] = frozenset()
        path = folder / "data.zip"
        if path.is_file():
            try:
                self._archive = ZipFile(path)
            except BadZipFile as error:
                raise DataError(
                    f"{path} is no whole archive: {error}.", remedy="Fetch it again, or unpack what there is."
                ) from error
            self._members = frozenset(self._archive.namelist())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._archive is not None:
            self._archive.close()

    def clip(self, path: str) -> Audio:
        """The clip that a row names; where it is missing, its sample fails when the sound is needed."""
        file = self._folder / path
        if self._archive is not None and path in self._members and not file.is_file():
            try:
                return Audio.from_bytes(self._archive.read(path), name=path)
            except (BadZipFile, OSError) as error:
                return Audio.from_bytes(b"", name=f"{path} in {self._archive.filename}: damaged ({error})")
        return Audio.from_file(file)


def follow(sample: Sample) -> str | None:
    """A text that follows an item's instruction, or None if none is found."""
    from fac_eval.metrics.mmau_pro_aif import check_aif

    kwargs, prompt = sample.metadata.get("kwargs", {}), sample.messages[0].text
    identifier = sample.metadata.get("task_identifier", "")
    number = kwargs.get("N", kwargs.get("N1", 1))
    n = number if isinstance(number, int) and number > 0 else 1
    texts = [value for value in kwargs.values() if isinstance(value, str)]
    candidates: list[str] = ["fine", "FINE", '"fine"', "<<Fine>>", "fine******good", prompt, *texts]
    candidates += [
        unit * n for unit in ("fine ", "FINE ", "[fine] ", "*fine* ", "* fine\n", "It is fine now. ")
    ]
    candidates += [between.join(["fine"] * n) for between in ("***", *texts)]
    candidates += [" ".join([text] * n) for text in texts]
    for candidate in candidates:
        if check_aif(candidate, task_identifier=identifier, kwargs=kwargs, prompt=prompt):
            return candidate
    return None
