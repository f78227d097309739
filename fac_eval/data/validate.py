"""Comparing a data set with what its benchmark expects of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from fac_eval.data.hub import DataFinder, HubDataset
from fac_eval.errors import FacEvalError


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a data set that is not as expected."""

    level: Literal["error", "warning"]
    """An error makes scores wrong or impossible; a warning only incomparable with published ones."""
    split: str | None
    problem: str


def validate(dataset: HubDataset, finder: DataFinder) -> list[Finding]:
    """Read all of `dataset` and report missing splits, rows, columns and clips, and ids that repeat."""
    try:
        there = finder.splits(dataset)
    except FacEvalError as error:
        return [Finding("error", None, str(error))]
    findings = [Finding("warning", split, "not there.") for split in dataset.splits if split not in there]
    for split in there:
        findings.extend(_check_split(dataset, finder, split))
    return findings


def _check_split(dataset: HubDataset, finder: DataFinder, split: str) -> Iterator[Finding]:
    columns = [name for name in (dataset.audio, dataset.id_column) if name]
    columns += [name for name in dataset.columns if name not in columns]
    rows, silent = 0, []
    seen: dict[Any, int] = {}
    repeated: list[Any] = []
    try:
        for rows, row in enumerate(finder.rows(dataset, split, columns), 1):
            if dataset.audio and not _has_sound(row.get(dataset.audio)):
                silent.append(rows)
            if dataset.id_column:
                name = row.get(dataset.id_column)
                if seen.setdefault(name, rows) != rows:
                    repeated.append(name)
    except FacEvalError as error:
        yield Finding("error", split, str(error))
        return
    expected = dataset.expected_rows.get(split)
    if expected is not None and rows != expected:
        yield Finding("warning", split, f"{rows} rows, but the published data set has {expected}.")
    if silent:
        yield Finding("error", split, f"{len(silent)} rows hold no audio, the first of them row {silent[0]}.")
    if repeated:
        yield Finding(
            "error", split, f"{len(repeated)} rows repeat a {dataset.id_column!r}, e.g. {repeated[0]!r}."
        )


def _has_sound(cell: Any) -> bool:
    return bool(cell and (not isinstance(cell, dict) or cell.get("bytes") or cell.get("path")))
