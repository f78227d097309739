"""Stores with runs that were never run: cells, figures, totals and outcomes written as the engine writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fac_eval.codec import plain
from fac_eval.engine.plan import protocol_id
from fac_eval.engine.result import RunResult
from fac_eval.store import ItemRow, Store
from fac_eval.vocabulary import Figure, Total


@dataclass(frozen=True)
class Made:
    """A model on a task. Without figures it is unfinished, unless every sample failed."""

    task: str
    figures: Sequence[Figure] | float | None = None
    """A number is the main figure, a percentage with an interval of 2 to either side."""
    model: str = "ours"
    total: int | None = 100
    failed: Mapping[str, int] = field(default_factory=dict)
    scored: int = 0
    skipped: int = 0
    protocol: Mapping[str, Any] = field(default_factory=dict)
    data: str = "data-1"
    variant: str = ""

    @property
    def shown(self) -> list[Figure]:
        if self.figures is None:
            return []
        if isinstance(self.figures, float | int):
            return [percent("accuracy", float(self.figures))]
        return list(self.figures)


def percent(name: str, value: float | None, half: float | None = 2.0, **more: Any) -> Figure:
    """A main figure in percent with an interval of `half` to either side."""
    ends = {} if value is None or half is None else {"low": value - half, "high": value + half}
    return Figure(**{"name": name, "value": value, "n": 100, "main": True, **ends, **more})


def store_run(
    folder: Path,
    made: Sequence[Made],
    *,
    run: str = "a" * 12,
    totals: Sequence[Total] = (),
    config: Mapping[str, Any] | None = None,
) -> RunResult:
    """Write a run and read it back."""
    with Store.writer(folder) as store:
        store.save_run(run, {"limit": None, **(config or {})})
        store.start_session(run, {})
        for position, cell in enumerate(made):
            protocol = {"task": cell.task, **cell.protocol}
            held = store.save_cell(
                run,
                position,
                model=cell.model,
                model_info={},
                task=cell.task,
                task_spec={"name": cell.task, "options": {}},
                variant=cell.variant,
                protocol_id=protocol_id(protocol),
                protocol=protocol,
                data=cell.data,
                total=cell.total,
            )
            asyncio.run(_outcomes(store, held, cell))
            if cell.figures is not None or cell.failed:
                store.finish_cell(held, cell.total or 0, cell.shown)
        store.save_totals(run, [plain(total) for total in totals])
    with Store.reader(folder) as store:
        return RunResult.load(store, run)


async def _outcomes(store: Store, held: int, cell: Made) -> None:
    outcomes: list[tuple[Any, str | None]] = [("scored", None)] * cell.scored
    for kind, n in cell.failed.items():
        outcomes += [("failed", kind)] * n
    outcomes += [("skipped", "too long")] * cell.skipped
    rows = [
        ItemRow(at, f"s{at}", None, None, outcome, reason, score_json=None if reason else b'{"value":1.0}')
        for at, (outcome, reason) in enumerate(outcomes)
    ]
    if rows:
        async with store.results_writer() as writer:
            await writer.items(held, rows)
