"""Decides what will run before anything runs: models, tasks, data, identities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fac_eval.codec import digest, plain, to_json
from fac_eval.engine.speech_metrics import check_metrics, metrics_of, speech_identity, speech_needs
from fac_eval.engine.tools import Tools, check_tools, tool_identity, tool_labels
from fac_eval.errors import UsageError
from fac_eval.interfaces import AnyModel
from fac_eval.resolve import settings_overrides
from fac_eval.task import Need, Task
from fac_eval.vocabulary import Request, Sample, Settings

if TYPE_CHECKING:
    from fac_eval.config import RunConfig, SpeechMetric
    from fac_eval.data.hub import DataFinder

PROTOCOL_ID_LENGTH = 12
RUN_ID_LENGTH = 12


Overrides = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task with the identity of its protocol and data, and its size after `limit`."""

    task: Task
    protocol: Mapping[str, Any]
    protocol_id: str
    data: str
    size: int | None
    """None where only reading the data tells."""
    limit: int | None
    variant: str
    """The task's variant and the tools that work on its answers."""
    needs: frozenset[Need]
    """What has to be found out about its answers, for its own score or for `speech_metrics`."""
    speech_metrics: tuple[SpeechMetric, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model and the label that results show."""

    model: AnyModel
    label: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run is: equal plans are the same run, however often they are started."""

    run_id: str
    models: tuple[PlannedModel, ...]
    tasks: tuple[PlannedTask, ...]
    tools: Tools
    config: RunConfig
    data: DataFinder
    settings: Overrides
    """The user's generation settings: common ones, and those for one family's adapter."""

    def request(self, task: Task, sample: Sample) -> Request:
        """What a model is asked about a sample: the task's request, the user's settings, the sample's seed."""
        request = task.request(sample)
        common, extra = self.settings
        seed = sample_seed(self.config.seed, sample.id)
        if not common and not extra:
            return Request(request.messages, request.output, request.settings, request.tools, seed)
        return dataclasses.replace(request, settings=overridden(request.settings, common, extra), seed=seed)


def sample_seed(run_seed: int, sample_id: str) -> int:
    """A sample's own seed (31 bits, as endpoints want it): the same in any order, batch or process."""
    return int.from_bytes(digest(str(run_seed).encode(), sample_id.encode())[:4], "little") >> 1


def overridden(settings: Settings, common: Mapping[str, Any], extra: Mapping[str, Any]) -> Settings:
    """Settings with the user's on top."""
    return dataclasses.replace(settings, **common, extra={**settings.extra, **extra})


def make_plan(
    config: RunConfig, models: Sequence[AnyModel], tasks: Sequence[Task], tools: Tools, data: DataFinder
) -> Plan:
    """Check that the parts fit together and give the run its identity."""
    if not models:
        raise UsageError("no model was given", remedy="Name one with -m; 'fac-eval ls models' lists them.")
    if not tasks:
        raise UsageError("no task was given", remedy="Name one with -t; 'fac-eval ls tasks' lists them.")
    for task in tasks:
        for model in models:
            _check_output(task, model)
    settings = settings_overrides(config.gen_kwargs)
    planned = tuple(_plan_task(task, config, tools, data, settings) for task in tasks)
    labelled = _labelled(models)
    identity = {
        "models": [model.fingerprint for model in models],
        "tasks": [[task.task.name, task.protocol_id, task.data] for task in planned],
        "limit": config.limit,
        "seed": config.seed,
        "gen_kwargs": settings,
    }
    run_id = digest(b"run", to_json(identity)).hex()[:RUN_ID_LENGTH]
    return Plan(run_id, labelled, planned, tools, config, data, settings)


def _plan_task(
    task: Task, config: RunConfig, tools: Tools, data: DataFinder, settings: Overrides
) -> PlannedTask:
    metrics = metrics_of(task, config.speech_metrics)
    needs = task.needs | speech_needs(metrics)
    check_tools(task, needs, tools, batches=config.judge_mode == "batch")
    check_metrics(metrics)
    task.check(data)
    size = task.size(data)
    limit = _whole_limit(config.limit, size, task.name)
    identity = tool_identity(task, needs, tools)
    protocol = {**task.protocol(), **identity, **speech_identity(metrics), **_overrides(settings)}
    return PlannedTask(
        task=task,
        protocol=protocol,
        protocol_id=protocol_id(protocol),
        data=task.data_fingerprint(data),
        size=size if limit is None or size is None else min(size, limit),
        limit=limit,
        variant=full_variant(task.variant, tool_labels(needs, tools, identity)),
        needs=needs,
        speech_metrics=metrics,
    )


def full_variant(own: str, labels: Sequence[str]) -> str:
    """A task's variant with the labels of its tools."""
    return ",".join([own, *labels] if own else labels)


def _overrides(settings: Overrides) -> dict[str, Any]:
    common, extra = settings
    return {"gen_kwargs": {**common, **extra}} if common or extra else {}


def protocol_id(protocol: Mapping[str, Any]) -> str:
    """The short hash that stands for everything that defines a score."""
    return digest(b"protocol", to_json(plain(protocol))).hex()[:PROTOCOL_ID_LENGTH]


def _whole_limit(limit: int | float | None, size: int | None, task: str) -> int | None:
    if limit is None or limit >= 1:
        return None if limit is None else int(limit)
    if size is None:
        raise UsageError(
            f"--limit {limit} is a fraction, but the size of task {task} is not known before it has been read",
            remedy="Give a whole number of samples.",
        )
    return max(1, round(limit * size))


def _check_output(task: Task, model: AnyModel) -> None:
    if task.output not in model.capabilities.outputs:
        raise UsageError(
            f"task {task.name} asks for {task.output}, which model {model.name} cannot give",
            remedy=f"It gives {', '.join(sorted(model.capabilities.outputs))}.",
        )


def _labelled(models: Sequence[AnyModel]) -> tuple[PlannedModel, ...]:
    seen: dict[str, int] = {}
    planned = []
    for model in models:
        seen[model.name] = seen.get(model.name, 0) + 1
        label = model.name if seen[model.name] == 1 else f"{model.name}#{seen[model.name]}"
        planned.append(PlannedModel(model, label))
    return tuple(planned)
