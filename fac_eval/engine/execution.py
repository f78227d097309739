"""Carrying out a plan: sessions, cells, budget and signals around the pipelines of the models."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Mapping
from typing import Any

from fac_eval.codec import plain
from fac_eval.config import RunConfig
from fac_eval.engine.aggregate import cell_figures, totals
from fac_eval.engine.environment import environment
from fac_eval.engine.instruments import Loaded
from fac_eval.engine.items import Cell
from fac_eval.engine.pipeline import Pipeline, drive
from fac_eval.engine.plan import Plan, PlannedModel
from fac_eval.engine.progress import Progress
from fac_eval.engine.result import RunResult
from fac_eval.engine.stop import Stop
from fac_eval.errors import FacEvalError
from fac_eval.interfaces import AnyModel, AsyncModel, SampleModel, Spender
from fac_eval.store import CellRow, Store


def execute(plan: Plan, *, progress: Progress) -> RunResult:
    """Carry out a plan. The same plan again goes on where it stopped, and does nothing once it is finished."""
    with Store.writer(plan.config.store) as store:
        store.save_run(plan.run_id, plain_config(plan.config))
        session = store.start_session(plan.run_id, environment())
        stop = Stop()
        outcome = "failed"
        try:
            if plan.config.judge_refresh:
                judged = [cell.id for cell in store.cells(plan.run_id) if cell.protocol.get("judge")]
                store.forget_verdicts(plan.run_id, judged)
            _share_budget(plan, store)
            entered = _enter_cells(plan, store)
            with _Signals(stop, progress):
                drive(lambda: asyncio.run(_run_models(plan, entered, store, progress, stop)))
            if not stop.requested:
                rows = store.cells(plan.run_id)
                store.save_totals(plan.run_id, [plain(total) for total in totals(rows)])
            outcome = "interrupted" if stop.requested else "finished"
        finally:
            store.end_session(session, outcome)
        return RunResult.load(store, plan.run_id)


def plain_config(config: RunConfig) -> dict[str, Any]:
    """The configuration as plain data, without its defaults."""
    data: dict[str, Any] = plain(config)
    return data


def _enter_cells(plan: Plan, store: Store) -> list[list[Cell]]:
    """Every model's cells, so that the store shows from the start what the run is to be."""
    known = {cell.id: cell for cell in store.cells(plan.run_id)}
    return [_model_cells(plan, model, position, store, known) for position, model in enumerate(plan.models)]


def _model_cells(
    plan: Plan, model: PlannedModel, position: int, store: Store, known: Mapping[int, CellRow]
) -> list[Cell]:
    cells = []
    for index, planned in enumerate(plan.tasks):
        cell_id = store.save_cell(
            plan.run_id,
            position * len(plan.tasks) + index,
            model=model.label,
            model_info=model.model.describe(),
            task=planned.task.name,
            task_spec=planned.task.spec,
            variant=planned.variant,
            protocol_id=planned.protocol_id,
            protocol=plain(planned.protocol),
            data=planned.data,
            total=planned.size,
        )
        before = known.get(cell_id)
        cells.append(
            Cell(
                id=cell_id,
                planned=planned,
                settled=before is not None and before.done and before.counts.n_failed == 0,
                resumed=before is not None and before.counts.n_pending < before.counts.total,
            )
        )
    return cells


def _share_budget(plan: Plan, store: Store) -> None:
    """Let everything that costs money draw on one budget; what earlier sessions of the run spent counts."""
    if plan.config.max_cost is None:
        return
    from fac_eval.remote.budget import Budget

    budget = Budget(plan.config.max_cost, spent=sum(store.costs(plan.run_id).values()))
    for spender in (*(planned.model for planned in plan.models), plan.tools.judge):
        if isinstance(spender, Spender):
            spender.budget = budget


async def _run_models(
    plan: Plan, entered: list[list[Cell]], store: Store, progress: Progress, stop: Stop
) -> None:
    """One model after the other; what they share is loaded once and given back at the end."""
    loaded = Loaded(progress)
    try:
        for model, cells in zip(plan.models, entered, strict=True):
            await _run_model(plan, model, cells, store, loaded, progress, stop)
            if stop.requested:
                return
            _finish_cells(cells, store)
        if isinstance(plan.tools.judge, Spender):
            for remark in plan.tools.judge.remarks():
                progress.say(remark)
    finally:
        loaded.close()
        if plan.tools.judge is not None:
            await plan.tools.judge.aclose()


async def _run_model(
    plan: Plan,
    model: PlannedModel,
    cells: list[Cell],
    store: Store,
    loaded: Loaded,
    progress: Progress,
    stop: Stop,
) -> None:
    try:
        await Pipeline(plan, model, cells, store, loaded, progress, stop).run()
    except FacEvalError as error:
        raise _with_progress(error, store, plan.run_id) from error
    finally:
        if isinstance(model.model, AsyncModel):
            await model.model.aclose()
        else:
            model.model.close()
    if not stop.requested:
        for remark in _remarks(model.model, cells):
            progress.say(remark)


def _remarks(model: AnyModel, cells: list[Cell]) -> list[str]:
    remarks = model.remarks() if isinstance(model, Spender) else []
    if isinstance(model, SampleModel):
        remarks += [text for cell in cells if not cell.settled for text in model.finish(cell.planned.task)]
    return remarks


def _with_progress(error: FacEvalError, store: Store, run_id: str) -> FacEvalError:
    done = sum(cell.counts.scored + cell.counts.n_skipped for cell in store.cells(run_id))
    if done:
        note = f"{done} samples are done and kept; the same command goes on from there."
        remedy = f"{error.remedy}\n{note}" if error.remedy else note
        error.args = (f"{error.message}\n{remedy}",)
    return error


def _finish_cells(cells: list[Cell], store: Store) -> None:
    for cell in cells:
        if not cell.settled:
            figures = cell_figures(store, cell.id, cell.planned.task, cell.planned.speech_metrics)
            store.finish_cell(cell.id, cell.seen or 0, figures)


class _Signals:
    """Turns ctrl-C and SIGTERM into a clean stop; a second one ends the process at once."""

    def __init__(self, stop: Stop, progress: Progress) -> None:
        self._stop = stop
        self._progress = progress
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._heard)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: object) -> None:
        if self._stop.requested:
            raise KeyboardInterrupt
        self._stop.request()
        self._progress.say("stopping: what is under way is finished and kept; once more to stop at once")
