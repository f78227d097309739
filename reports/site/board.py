"""What the pages are about: systems, tasks, and which stored cell stands where the two meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fac_eval.store import CellRow, RunRow

from ..runs import RunPlace

Identity = tuple[str, str]
"""A model's label and fingerprint."""


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run with its cells, and how it stands."""

    place: RunPlace
    row: RunRow
    cells: tuple[CellRow, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class System:
    """A model as the pages tell it from others: one column of every table."""

    label: str
    model: str
    fingerprint: str
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoardCell:
    """One system on one task."""

    system: int
    run: int
    place: RunPlace
    row: CellRow
    protocol: int
    """Which of the task's protocols it was measured under."""


@dataclass(frozen=True, slots=True)
class BoardTask:
    """A task under one set of named options, with every system that ran it."""

    name: str
    variant: str
    cells: tuple[BoardCell, ...]
    protocols: tuple[CellRow, ...]
    """A cell of each protocol and data set, in order of appearance."""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that the runs hold, arranged."""

    runs: tuple[LoadedRun, ...]
    systems: tuple[System, ...]
    tasks: tuple[BoardTask, ...]


def load_run(place: RunPlace) -> LoadedRun:
    """A run read from its store."""
    from fac_eval.cli.runs import run_facts

    with place.opened() as store:
        row = store.run(place.id)
        return LoadedRun(place, row, tuple(store.cells(row.id)), run_facts(store, row))


def arrange(runs: Sequence[LoadedRun]) -> Board:
    """Systems and tasks of some runs.

    A model that several runs put to different tasks is one system. Where two of its runs share a task, each run makes
    a system of its own: two results are shown side by side, never one of them alone.
    """
    systems = _systems(runs)
    place_of = {
        (run, (system.model, system.fingerprint)): index
        for index, system in enumerate(systems)
        for run in system.runs
    }
    found: dict[tuple[str, str], list[tuple[int, int, CellRow]]] = {}
    for number, run in enumerate(runs):
        for cell in run.cells:
            entry = (place_of[number, _identity(cell)], number, cell)
            found.setdefault((cell.task, cell.variant), []).append(entry)
    ordered = _benchmarks_together(found)
    return Board(tuple(runs), systems, tuple(_task(key, found[key], runs) for key in ordered))


def _identity(cell: CellRow) -> Identity:
    return cell.model, str(cell.model_info.get("fingerprint", ""))


def _systems(runs: Sequence[LoadedRun]) -> tuple[System, ...]:
    ran: dict[Identity, dict[int, set[tuple[str, str]]]] = {}
    for number, run in enumerate(runs):
        for cell in run.cells:
            tasks = ran.setdefault(_identity(cell), {}).setdefault(number, set())
            tasks.add((cell.task, cell.variant))
    parts: list[tuple[Identity, tuple[int, ...]]] = []
    for identity, by_run in ran.items():
        if sum(map(len, by_run.values())) == len(set().union(*by_run.values())):
            parts.append((identity, tuple(by_run)))
        else:
            parts += [(identity, (number,)) for number in by_run]
    parts.sort(key=lambda part: part[1][0])
    labels = [identity[0] for identity, _ in parts]
    return tuple(
        System(_label(identity[0], labels, numbers, runs), *identity, numbers) for identity, numbers in parts
    )


def _label(model: str, labels: Sequence[str], numbers: Sequence[int], runs: Sequence[LoadedRun]) -> str:
    if labels.count(model) == 1:
        return model
    run = runs[numbers[0]]
    # The same run may lie in two stores, one of them a copy: the folder tells these apart.
    same = [other for other in runs if other.row.id == run.row.id]
    return f"{model} ({run.row.id[:6]}{f' in {run.place.store.name}' if len(same) > 1 else ''})"


def _benchmarks_together(keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The tasks in order of appearance, those of a benchmark next to each other."""
    order: dict[str, int] = {}
    listed = list(keys)
    for name, _ in listed:
        order.setdefault(name.partition("/")[0], len(order))
    return sorted(listed, key=lambda key: order[key[0].partition("/")[0]])


def _task(
    key: tuple[str, str], entries: Sequence[tuple[int, int, CellRow]], runs: Sequence[LoadedRun]
) -> BoardTask:
    protocols: dict[tuple[str, str], CellRow] = {}
    for _, _, cell in entries:
        protocols.setdefault((cell.protocol_id, cell.data), cell)
    numbers = {identity: number for number, identity in enumerate(protocols)}
    cells = [
        BoardCell(system, run, runs[run].place, cell, numbers[cell.protocol_id, cell.data])
        for system, run, cell in sorted(entries, key=lambda entry: entry[0])
    ]
    return BoardTask(*key, tuple(cells), tuple(protocols.values()))


def differences(one: CellRow, other: CellRow, limit: int = 8) -> list[str]:
    """What tells two protocols of a task apart, a line each."""
    left, right = dict(_leaves(one.protocol)), dict(_leaves(other.protocol))
    lines = [
        f"{name}: {left.get(name, 'none')} / {right.get(name, 'none')}"
        for name in dict.fromkeys((*left, *right))
        if left.get(name) != right.get(name)
    ]
    if one.data != other.data:
        lines.append(f"data: {one.data} / {other.data}")
    return [*lines[:limit], *([f"and {len(lines) - limit} more"] if len(lines) > limit else [])]


def _leaves(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            yield from _leaves(held, f"{path}.{name}" if path else str(name))
    else:
        yield path, str(value)
