"""Comparing a data set with what its benchmark expects of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, ZipFile

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import ALL_SPLITS, HubDataset
from fac_eval.data.tables import require_columns
from fac_eval.errors import FacEvalError


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a data set that is not as expected."""

    level: Literal["error", "warning"]
    """An error makes scores wrong or impossible; a warning only incomparable with published ones."""
    split: str | None
    problem: str


def validate(dataset: HubDataset, finder: DataFinder) -> list[Finding]:
    """Read all of `dataset` and report missing splits, rows, columns and clips, and rows or ids that repeat."""
    try:
        there = finder.splits(dataset)
        clips = _Clips(dataset, finder)
    except FacEvalError as error:
        return [Finding("error", None, str(error))]
    findings = [Finding("warning", split, "not there.") for split in dataset.splits if split not in there]
    if clips.damage:
        findings.append(Finding("error", None, clips.damage))
    counts = {split: _check_split(dataset, finder, split, clips, findings) for split in there}
    expected, total = dataset.expected_rows.get(ALL_SPLITS), sum(counts.values())
    if expected is not None and len(there) == len(dataset.splits) and total != expected:
        findings.append(Finding("warning", None, _other_number(total, expected)))
    return findings


def _check_split(
    dataset: HubDataset, finder: DataFinder, split: str, clips: _Clips, findings: list[Finding]
) -> int:
    """How many rows a split has; what is wrong with them is added to `findings`."""
    columns = tuple(
        dict.fromkeys(name for name in (dataset.audio, dataset.id_column, *dataset.columns) if name)
    )
    checks = _Checks(dataset, columns, clips)
    rows = 0
    try:
        if dataset.table:
            require_columns(finder.table(dataset), columns)
        for rows, row in enumerate(finder.rows(dataset, split, columns), 1):
            checks.see(rows, row)
    except FacEvalError as error:
        findings.append(Finding("error", split, str(error)))
        return rows
    expected = dataset.expected_rows.get(split)
    if expected is not None and rows != expected:
        findings.append(Finding("warning", split, _other_number(rows, expected)))
    findings.extend(Finding(level, split, problem) for level, problem in checks.told())
    return rows


def _other_number(rows: int, expected: int) -> str:
    return f"{rows} rows, but the published data set has {expected}."


class _Checks:
    """What is wrong with rows, each kind of fault with the rows that have it."""

    def __init__(self, dataset: HubDataset, columns: Sequence[str], clips: _Clips) -> None:
        self._dataset, self._columns, self._clips = dataset, columns, clips
        self._lacking: dict[str, list[int]] = {}
        self._silent: list[int] = []
        self._lost: list[tuple[int, str]] = []
        self._seen: dict[Any, int] = {}
        self._repeated: list[tuple[int, Any]] = []

    def see(self, number: int, row: Mapping[str, Any]) -> None:
        """Check one row."""
        dataset = self._dataset
        for name in self._columns:
            if name not in row:
                self._lacking.setdefault(name, []).append(number)
        if dataset.audio and dataset.audio in row:
            named = _named_clips(row[dataset.audio])
            if named is None:
                self._silent.append(number)
            else:
                self._lost += [(number, name) for name in named if not self._clips.holds(name)]
        identity = row.get(dataset.id_column) if dataset.id_column else _digest(row)
        if self._seen.setdefault(identity, number) != number:
            self._repeated.append((number, identity))

    def told(self) -> Iterator[tuple[Literal["error", "warning"], str]]:
        """The faults, a sentence a kind."""
        for name, rows in self._lacking.items():
            yield "error", f"{_rows(rows)} the column {name!r}, the first of them row {rows[0]}."
        if self._silent:
            yield "error", f"{len(self._silent)} rows hold no audio, the first of them row {self._silent[0]}."
        if self._lost:
            row, name = self._lost[0]
            yield "error", f"{len(self._lost)} clips are not there, e.g. {name!r} of row {row}."
        if not self._repeated:
            return
        row, identity = self._repeated[0]
        count, column = len(self._repeated), self._dataset.id_column
        if column:
            yield "error", f"{count} rows repeat a {column!r}, e.g. {identity!r}."
        else:
            first = self._seen[identity]
            yield "warning", f"{count} rows are the same as earlier ones, e.g. row {row} as row {first}."


class _Clips:
    """Which of the clips that rows name are there: as files, or in an archive."""

    def __init__(self, dataset: HubDataset, finder: DataFinder) -> None:
        self.damage = ""
        """Why the archive cannot be read, if so."""
        self._members: dict[str, int] = {}
        folder = finder.source(dataset).folder
        # On the hub, rows bring the sound itself.
        self._place: Callable[[str], Path] | None = None
        if folder is None:
            return
        self._place = lambda name: finder.clip_path(dataset, name)
        archive = folder / dataset.archive
        if dataset.archive and archive.is_file():
            try:
                with ZipFile(archive) as opened:
                    self._members = {member.filename: member.file_size for member in opened.infolist()}
            except (BadZipFile, OSError) as error:
                self.damage = f"{archive} is no whole archive: {error}."

    def holds(self, name: str) -> bool:
        """Whether the clip of this name is there and not empty."""
        if self._place is None or self._members.get(name):
            return True
        try:
            return self._place(name).stat().st_size > 0
        except (OSError, ValueError):
            return False


def _named_clips(cell: Any) -> list[str] | None:
    """The files that a cell of the audio column names, none where it holds the sound itself; None for no sound."""
    if isinstance(cell, Mapping):
        return [] if cell.get("bytes") else _named_clips(cell.get("path"))
    names = cell if isinstance(cell, list) else [cell]
    return [str(name) for name in names] if names and all(names) else None


def _digest(row: Mapping[str, Any]) -> bytes:
    """The content of a row; a clip's name is no part of it where the sound is there."""
    state = blake2b(digest_size=16)
    for name, cell in row.items():
        sound = cell.get("bytes") if isinstance(cell, Mapping) else None
        state.update(repr(name).encode())
        state.update(sound if isinstance(sound, bytes) else repr(cell).encode("utf-8", "surrogatepass"))
    return state.digest()


def _rows(rows: Sequence[int]) -> str:
    return "1 row lacks" if len(rows) == 1 else f"{len(rows)} rows lack"
