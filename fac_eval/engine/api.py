"""Running an evaluation from Python; the command line does nothing but call this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fac_eval.config import Given, RunConfig, SpeechMetric, config_from
from fac_eval.engine.execution import execute
from fac_eval.engine.plan import Plan, make_plan
from fac_eval.engine.progress import Silent, default_progress
from fac_eval.engine.result import RunResult
from fac_eval.engine.tools import Tools
from fac_eval.interfaces import AnyModel, Embedder, Judge, QualityMeter, SampleModel, Transcriber
from fac_eval.resolve import (
    resolve_embedder,
    resolve_judge,
    resolve_meter,
    resolve_model,
    resolve_tasks,
    resolve_transcriber,
)
from fac_eval.task import Task


def run(
    models: Given | AnyModel | Sequence[Given | AnyModel],
    tasks: str | Task | Sequence[str | Task],
    *,
    limit: int | float | None = None,
    seed: int = 0,
    batch_size: int | Literal["auto"] = "auto",
    workers: int | None = None,
    gen_kwargs: Mapping[str, Any] | None = None,
    set: Mapping[str, Any] | None = None,
    judge: Given | Judge | None = None,
    judge_mode: Literal["live", "batch"] = "live",
    judge_refresh: bool = False,
    transcriber: Given | Transcriber | None = None,
    quality: Given | QualityMeter | None = None,
    embedder: Given | Embedder | None = None,
    speech_metrics: Sequence[SpeechMetric] = (),
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
            "judge": _named(judge),
            "judge_mode": judge_mode,
            "judge_refresh": judge_refresh,
            "transcriber": _named(transcriber),
            "quality": _named(quality),
            "embedder": _named(embedder),
            "speech_metrics": tuple(speech_metrics),
            "data": data,
            "assets": assets,
            "store": store,
            "max_cost": max_cost,
        },
        where="fac_eval.run",
    )
    tools = _tools(transcriber, quality, judge, embedder)
    plan = prepare_plan(config, models=model_list, tasks=task_list, tools=tools)
    return execute(plan, progress=default_progress() if progress else Silent())


def rescore(
    run: str = "latest", *, set: Mapping[str, Any] | None = None, store: str = ".fac-eval"
) -> RunResult:
    """Score a run's stored answers again, with other task options, and without any model."""
    from fac_eval.engine.rescore import rescore_run

    return rescore_run(run, options=dict(set or {}), folder=store)


def _named(part: Any) -> Any:
    """A part as a configuration can hold it: objects by their name."""
    if part is None or isinstance(part, str):
        return part
    return dict(part) if isinstance(part, Mapping) else {"name": part.name}


def _tools(
    transcriber: Given | Transcriber | None,
    quality: Given | QualityMeter | None,
    judge: Given | Judge | None,
    embedder: Given | Embedder | None,
) -> Tools:
    return Tools(
        transcriber=None if transcriber is None else resolve_transcriber(transcriber),
        meter=None if quality is None else resolve_meter(quality),
        judge=None if judge is None else resolve_judge(judge),
        embedder=None if embedder is None else resolve_embedder(embedder),
    )


def prepare_plan(
    config: RunConfig,
    *,
    models: Sequence[Given | AnyModel] | None = None,
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
        tools = _tools(config.transcriber, config.quality, config.judge, config.embedder)
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
