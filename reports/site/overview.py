"""The first chunk that every page loads: systems, tasks, figures and runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fac_eval.errors import FacEvalError
from fac_eval.resolve import benchmarks
from fac_eval.vocabulary import Figure

from .board import Board, BoardCell, BoardTask, LoadedRun, differences


def overview(board: Board, *, title: str, build: str, live: bool, made: float) -> dict[str, Any]:
    """Everything but the samples, as plain data."""
    titles = _titles()
    return {
        "title": title,
        "build": build,
        "live": live,
        "made": made,
        "systems": [
            {
                "label": system.label,
                "model": system.model,
                "fingerprint": system.fingerprint,
                "runs": list(system.runs),
            }
            for system in board.systems
        ],
        "tasks": [_task(task, titles) for task in board.tasks],
        "totals": list(_totals(board)),
        "runs": [_run(run) for run in board.runs],
    }


def _titles() -> dict[str, str]:
    try:
        return {task.name: task.title for benchmark in benchmarks() for task in benchmark.tasks if task.title}
    except FacEvalError:
        return {}


def _task(task: BoardTask, titles: dict[str, str]) -> dict[str, Any]:
    first = task.protocols[0]
    return {
        "name": task.name,
        "variant": task.variant,
        "title": titles.get(task.name, ""),
        "benchmark": task.name.partition("/")[0],
        "protocols": [
            {
                "id": cell.protocol_id,
                "data": cell.data,
                "differs": differences(first, cell) if cell is not first else [],
            }
            for cell in task.protocols
        ],
        "cells": [_cell(cell) for cell in task.cells],
    }


def _cell(cell: BoardCell) -> dict[str, Any]:
    row = cell.row
    return {
        "system": cell.system,
        "run": cell.run,
        "protocol": cell.protocol,
        "done": row.done,
        "figures": [figure_plain(figure) for figure in row.figures],
        "total": row.counts.total,
        "scored": row.counts.scored,
        "failed": dict(row.counts.failed),
        "skipped": dict(row.counts.skipped),
        "failures": dict(row.failures),
    }


def figure_plain(figure: Figure) -> dict[str, Any]:
    """A figure with all that is printed of it."""
    return {
        "name": figure.name,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n,
        "unit": figure.unit,
        "higher": figure.higher_is_better,
        "method": figure.method,
        "main": figure.main,
        "note": figure.note,
    }


def _totals(board: Board) -> Iterator[dict[str, Any]]:
    for number, run in enumerate(board.runs):
        for total in run.row.totals:
            system = _system_of(board, number, str(total["model"]))
            if system is not None:
                figure = total.get("figure")
                yield {
                    "system": system,
                    "benchmark": total["benchmark"],
                    "figure": None if figure is None else figure_plain(Figure(**{"value": None, **figure})),
                    "reason": total.get("reason"),
                }


def _system_of(board: Board, run: int, model: str) -> int | None:
    return next(
        (index for index, system in enumerate(board.systems) if run in system.runs and system.model == model),
        None,
    )


def _run(run: LoadedRun) -> dict[str, Any]:
    with run.place.opened() as store:
        sessions = store.sessions(run.row.id)
    return {
        "id": run.row.id,
        "parent": run.row.parent,
        "created": run.row.created,
        "state": run.facts["state"],
        "store": str(run.place.store.name),
        "config": dict(run.row.config),
        "sessions": [
            {
                "started": one.started,
                "ended": one.ended,
                "outcome": one.outcome,
                "environment": dict(one.environment),
            }
            for one in sessions
        ],
    }
