"""Running an evaluation from Python; the command line does nothing but call this."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fac_eval.codec import plain
from fac_eval.config import RunConfig, config_from
from fac_eval.engine.aggregate import cell_figures, totals
from fac_eval.engine.environment import environment
from fac_eval.engine.items import Cell
from fac_eval.engine.pipeline import Pipeline, drive
from fac_eval.engine.plan import Plan, PlannedModel, Tools, make_plan
from fac_eval.engine.progress import Progress, Silent, default_progress
from fac_eval.engine.result import RunResult
from fac_eval.engine.stop import Stop
from fac_eval.errors import FacEvalError
from fac_eval.interfaces import AnyModel, Judge, Model, QualityMeter, SampleModel, Spender, Transcriber
from fac_eval.resolve import resolve_judge, resolve_model, resolve_tasks
from fac_eval.store import CellRow, Store
from fac_eval.task import Task


def run(
    models: str | AnyModel | Mapping[str, Any] | Sequence[str | AnyModel | Mapping[str, Any]],
    tasks: str | Task | Sequence[str | Task],
    *,
    limit: int | float | None = None,
    seed: int = 0,
    batch_size: int | Literal["auto"] = "auto",
    workers: int | None = None,
    gen_kwargs: Mapping[str, Any] | None = None,
    set: Mapping[str, Any] | None = None,
    judge: str | Judge | None = None,
    transcriber: Transcriber | None = None,
    quality: QualityMeter | None = None,
    data: str | None = None,
    assets: str | None = None,
    store: str = ".fac-eval",
    max_cost: float | None = None,
    progress: bool = True,
) -> RunResult:
    """Evaluate models on tasks and return the result; what is already in the store is not done again.

    Models and tasks are specs as on the command line, or objects. The options are those of `fac-eval run`
    (see `fac_eval.config.RunConfig` for each one's meaning).

    Raises:
        FacEvalError: the run cannot be done as asked, or had to stop; what is finished is kept.
    """
    model_list = [models] if isinstance(models, str | Mapping | AnyModel) else list(models)
    task_list = [tasks] if isinstance(tasks, str | Task) else list(tasks)
    config = config_from(
        {
            "models": [_named(model) for model in model_list],
            "tasks": [task.name if isinstance(task, Task) else task for task in task_list],
            "limit": limit,
            "seed": seed,
            "batch_size": batch_size,
            "workers": workers,
            "gen_kwargs": dict(gen_kwargs or {}),
            "set": dict(set or {}),
            "judge": judge.name if isinstance(judge, Judge) else judge,
            "data": data,
            "assets": assets,
            "store": store,
            "max_cost": max_cost,
        },
        where="fac_eval.run",
    )
    tools = Tools(transcriber, quality, None if judge is None else resolve_judge(judge))
    plan = prepare_plan(config, models=model_list, tasks=task_list, tools=tools)
    return execute(plan, progress=default_progress() if progress else Silent())


def rescore(
    run: str = "latest", *, set: Mapping[str, Any] | None = None, store: str = ".fac-eval"
) -> RunResult:
    """Score a run's stored answers again, with other task options, and without any model."""
    from fac_eval.engine.rescore import rescore_run

    return rescore_run(run, options=dict(set or {}), folder=store)


def _named(model: str | Mapping[str, Any] | AnyModel) -> str | dict[str, Any]:
    if isinstance(model, str):
        return model
    return dict(model) if isinstance(model, Mapping) else {"name": model.name}


def prepare_plan(
    config: RunConfig,
    *,
    models: Sequence[str | Mapping[str, Any] | AnyModel] | None = None,
    tasks: Sequence[str | Task] | None = None,
    tools: Tools | None = None,
) -> Plan:
    """Resolve a configuration into a plan; objects may stand in for its specs."""
    from fac_eval.data.hub import DataFinder
    from fac_eval.data.places import use_assets

    use_assets(config.assets)
    resolved_tasks = resolve_tasks(config.tasks if tasks is None else tasks, config.set)
    resolved_models = [resolve_model(model) for model in (config.models if models is None else models)]
    if config.data is None:
        resolved_tasks = _over_items_brought(resolved_tasks, resolved_models)
    if tools is None:
        tools = Tools(judge=None if config.judge is None else resolve_judge(config.judge))
    return make_plan(config, resolved_models, resolved_tasks, tools, DataFinder(config.data))


def _over_items_brought(tasks: list[Task], models: list[AnyModel]) -> list[Task]:
    """Tasks over the items in the one replayed file, so that what brings its items is scored without a data set.

    A model that is asked needs the clips, and two files need not hold the same items: the data set serves these.
    """
    stand_ins = [model for model in models if isinstance(model, SampleModel)]
    files = [model.items_file for model in stand_ins if model.items_file is not None]
    if len(stand_ins) < len(models) or len(files) != 1:
        return tasks
    return [task.over_items_of(files[0]) for task in tasks]


def execute(plan: Plan, *, progress: Progress) -> RunResult:
    """Carry out a plan. The same plan again goes on where it stopped, and does nothing once it is finished."""
    with Store.writer(plan.config.store) as store:
        store.save_run(plan.run_id, plain_config(plan.config))
        session = store.start_session(plan.run_id, environment())
        stop = Stop()
        outcome = "failed"
        try:
            _share_budget(plan, store)
            entered = _enter_cells(plan, store)
            with _Signals(stop, progress):
                for model, cells in zip(plan.models, entered, strict=True):
                    _run_model(plan, model, cells, store, progress, stop)
                    if not stop.requested:
                        _finish_cells(cells, store)
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
            variant=planned.task.variant,
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

    budget = Budget(plan.config.max_cost, spent=store.cost(plan.run_id))
    for spender in (*(planned.model for planned in plan.models), plan.tools.judge):
        if isinstance(spender, Spender):
            spender.budget = budget


def _run_model(
    plan: Plan, model: PlannedModel, cells: list[Cell], store: Store, progress: Progress, stop: Stop
) -> None:
    if stop.requested:
        return
    pipeline = Pipeline(plan, model, cells, store, progress, stop)
    try:
        drive(lambda: asyncio.run(pipeline.run()))
    except FacEvalError as error:
        raise _with_progress(error, store, plan.run_id) from error
    finally:
        if isinstance(model.model, Model):
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
            figures = cell_figures(store, cell.id, cell.planned.task)
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
