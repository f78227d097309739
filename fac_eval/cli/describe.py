"""What is known about tasks, models, judges and rubrics, as plain data for `ls` and `show`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from fac_eval import registry
from fac_eval.errors import FacEvalError
from fac_eval.interfaces import AsyncModel, Model, SampleModel
from fac_eval.resolve import short_name, task_rubrics
from fac_eval.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fac_eval.data.assets import Asset
    from fac_eval.data.hub import DataFinder
    from fac_eval.data.hub_dataset import HubDataset
    from fac_eval.registry import Kind
    from fac_eval.rubric import Rubric
    from fac_eval.task import Benchmark, Group

Facts = dict[str, Any]

OWN_PACKAGE = "fac-eval"
_UNREADABLE = (OSError, TypeError, SyntaxError, IndentationError)
_ENTRY = re.compile(r"(\s+)\*{0,2}(\w+)(?: \([^)]*\))?:(?:\s+(.*))?$")


def summary(thing: Any) -> str:
    """One line about a plugin: its title, or the first line of its docstring."""
    title = getattr(thing, "title", "")
    if isinstance(title, str) and title:
        return title
    own = thing.__doc__ if isinstance(thing, type) or callable(thing) else type(thing).__doc__
    return (inspect.cleandoc(own).splitlines() or [""])[0] if own else ""


def made(cls: type[Task]) -> Task | None:
    """A task under its default options; None where it has options without a default."""
    try:
        return cls()
    except Exception:  # noqa: BLE001 (a plugin's constructor may ask for anything; the listing goes on)
        return None


def has_sample_data(task: Task) -> bool:
    """Whether a few items of all of the task's data sets ship with it."""
    from fac_eval.data import _layout

    try:
        return bool(task.datasets()) and all(
            dataset.sample is not None and bool(_layout.local_files(dataset.sample, dataset))
            for dataset in task.datasets()
        )
    except FacEvalError:
        return False


# Tasks


def benchmark_facts(benchmark: Benchmark, package: str) -> Facts:
    """A benchmark with the one-line facts of its tasks."""
    return {
        "kind": "benchmark",
        "name": benchmark.name,
        "title": benchmark.title,
        "description": benchmark.description,
        "package": package,
        "tasks": [brief_facts(cls) | {"short_name": short_name(cls, benchmark)} for cls in benchmark.tasks],
        "overall": [overall.name for overall in benchmark.overall],
    }


def group_facts(group: Group, package: str, tasks: Sequence[Task]) -> Facts:
    """A group with the tasks that its patterns stand for."""
    return {
        "kind": "group",
        "name": group.name,
        "title": group.title,
        "package": package,
        "members": list(group.members),
        "tasks": [brief_facts(type(task)) for task in tasks],
    }


def brief_facts(cls: type[Task]) -> Facts:
    """A task in a line."""
    task = made(cls)
    return {
        "name": cls.name,
        "title": summary(cls),
        "needs": sorted((cls if task is None else task).needs),
        "output": (cls if task is None else task).output,
        "sample_data": None if task is None or not task.datasets() else has_sample_data(task),
    }


def task_facts(cls: type[Task], task: Task | None, package: str, finder: DataFinder) -> Facts:
    """Everything about a task; about its options alone where it cannot be made without some of them."""
    from fac_eval.codec import plain

    facts: Facts = {
        "kind": "task",
        "name": cls.name,
        "title": cls.title,
        "description": cls.description or summary(cls),
        "package": package,
        "options": option_facts(cls.Options),
    }
    if task is None:
        return facts
    protocol: Facts = plain(dict(task.protocol()))
    return facts | {
        "name": task.name,
        "variant": task.variant,
        "needs": sorted(task.needs),
        "judge_calls": task.judge_calls,
        "rubrics": list(task.rubrics),
        "output": task.output,
        "settings": plain(task.settings),
        "metrics": _metrics(task),
        "datasets": [_dataset_facts(dataset, finder) for dataset in task.datasets()],
        "assets": [_asset_facts(asset) for asset in assets_of(task)],
        "protocol": protocol,
        "protocol_id": _protocol_id(protocol),
    }


def _protocol_id(protocol: Mapping[str, Any]) -> str:
    from fac_eval.engine.plan import protocol_id

    return protocol_id(protocol)


def _metrics(task: Task) -> list[Facts]:
    """The figures that the task prints, found by asking it for those of no samples at all."""
    from fac_eval.scores import ScoreTable

    try:
        figures: Sequence[Any] = task.figures(ScoreTable([]))
    except FacEvalError:
        raise
    except Exception:  # noqa: BLE001 (figures are only promised for samples; what is declared is shown instead)
        figures = task.metrics
    return [
        {
            "name": figure.name,
            "unit": figure.unit,
            "higher_is_better": figure.higher_is_better,
            "main": figure.main,
        }
        for figure in figures
    ]


def _dataset_facts(dataset: HubDataset, finder: DataFinder) -> Facts:
    facts: Facts = {
        "identity": dataset.identity,
        "repo": dataset.repo,
        "revision": dataset.revision,
        "expected_rows": dict(dataset.expected_rows),
        "found": None,
        "folder": None,
        "rows": None,
        "problem": None,
    }
    try:
        source = finder.source(dataset)
        facts |= {"found": source.kind, "folder": str(source.folder)}
        facts["rows"] = {split: finder.count(dataset, split) for split in finder.splits(dataset)}
    except FacEvalError as error:
        # Only a data set that is there can have a problem; where to look for one that is not is said elsewhere.
        from fac_eval.errors import MissingResource

        facts["problem"] = None if isinstance(error, MissingResource) else error.message
    return facts


def assets_of(task: Task) -> list[Asset]:
    """The pinned files of a task and of the rubrics that its questions go by."""
    upstream = [rubric.upstream for rubric in task_rubrics(task)]
    return list(dict.fromkeys([*task.assets(), *(one.asset for one in upstream if one is not None)]))


def rubric_facts(rubric: Rubric, package: str) -> Facts:
    """Everything about how a judge is asked."""
    from fac_eval.codec import plain

    return {
        "kind": "rubric",
        "name": rubric.name,
        "package": package,
        "model": rubric.model,
        "hears": rubric.hears,
        "settings": plain(rubric.settings),
        "attempts": rubric.attempts,
        "decisions": dict(rubric.decisions),
        "system": rubric.system,
        "own": rubric.own,
        "upstream": None if rubric.upstream is None else _asset_facts(rubric.upstream.asset),
    }


def _asset_facts(asset: Asset) -> Facts:
    from fac_eval.data.assets import asset_path

    facts: Facts = dataclasses.asdict(asset) | {"path": None, "problem": None}
    try:
        facts["path"] = str(asset_path(asset))
    except FacEvalError as error:
        facts["problem"] = error.message
    return facts


def option_facts(cls: type) -> list[Facts]:
    """The fields of an options dataclass: name, type, default, and the docstring under each."""
    hints, docs = get_type_hints(cls), field_docs(cls)
    return [
        {
            "name": field.name,
            "type": type_text(hints[field.name]),
            "required": field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            "default": _default(field),
            "doc": docs.get(field.name, ""),
        }
        for field in dataclasses.fields(cls)
    ]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


@cache
def field_docs(cls: type) -> Mapping[str, str]:
    """The docstrings under a class's annotated fields, those of its bases included; none without its source."""
    docs: dict[str, str] = {}
    for owner in reversed(cls.__mro__[:-1]):
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        except _UNREADABLE:
            continue
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for statement, following in pairwise(body):
            if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
                continue
            text = following.value if isinstance(following, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                docs[statement.target.id] = " ".join(text.value.split())
    return docs


# Models, judges and instruments


def part_facts(kind: Kind, name: str, cls: type, make: Callable[[], Any] | None) -> Facts:
    """Everything about a model, judge or instrument; `make` constructs it, where its arguments are known."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    facts: Facts = {
        "kind": kind,
        "name": name,
        "package": registry.package_of(kind, name),
        "runs": where_it_runs(cls),
        "doc": _without_arguments(doc),
        "arguments": argument_facts(cls),
        "capabilities": _capabilities(cls),
        "describe": None,
        "problem": None,
    }
    if make is None and any(argument["required"] for argument in facts["arguments"]):
        return facts
    if make is not None:
        return facts | _described(make())
    try:
        return facts | _described(cls())
    except Exception as error:  # noqa: BLE001 (nobody asked for an instance: that there is none is only shown)
        return facts | {"problem": str(error)}


def _described(part: Any) -> Facts:
    from fac_eval.store import redact

    return {"describe": redact(dict(part.describe())), "capabilities": _capabilities(part)}


def where_it_runs(cls: Any) -> str:
    """How the engine drives a class of models; empty for anything else."""
    kinds = {Model: "on this machine", AsyncModel: "remote", SampleModel: "stand-in"}
    return next((text for base, text in kinds.items() if isinstance(cls, type) and issubclass(cls, base)), "")


def _capabilities(part: Any) -> Facts | None:
    """What a model can take and give; None for a class that leaves it to its instances, and for judges."""
    held = getattr(part, "capabilities", None)
    # What a class merely inherits from the interface says nothing about it.
    if held is None or any(held is base.capabilities for base in (Model, AsyncModel, SampleModel)):
        return None
    facts = dataclasses.asdict(held)
    return {key: sorted(value) if isinstance(value, frozenset) else value for key, value in facts.items()}


def argument_facts(cls: type) -> list[Facts]:
    """The constructor's arguments: name, type, default, and what the docstring says of each."""
    constructor = next(vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base))
    docs = {**argument_docs(cls.__doc__ or ""), **argument_docs(constructor.__doc__ or "")}
    try:
        hints = get_type_hints(constructor)
    except (NameError, TypeError):
        hints = {}
    return [
        {
            "name": parameter.name,
            "type": type_text(hints.get(parameter.name, parameter.annotation)),
            "required": parameter.default is parameter.empty,
            "default": None if parameter.default is parameter.empty else parameter.default,
            "doc": docs.get(parameter.name, ""),
        }
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def argument_docs(doc: str) -> dict[str, str]:
    """The entries of a docstring's `Args:` section."""
    docs: dict[str, str] = {}
    indent, name = "", ""
    for line in _argument_lines(doc):
        entry = _ENTRY.match(line)
        if entry and (not docs or entry[1] == indent):
            indent, name = entry[1], entry[2]
            docs[name] = entry[3] or ""
        elif name:
            docs[name] = f"{docs[name]} {line.strip()}".strip()
    return docs


def _argument_lines(doc: str) -> list[str]:
    lines = inspect.cleandoc(doc).splitlines()
    if "Args:" not in lines:
        return []
    start = lines.index("Args:") + 1
    stop = next((i for i in range(start, len(lines)) if lines[i][:1].strip()), len(lines))
    return [line for line in lines[start:stop] if line.strip()]


def _without_arguments(doc: str) -> str:
    dropped = {"Args:", *_argument_lines(doc)}
    kept = "\n".join(line for line in doc.splitlines() if line not in dropped)
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def type_text(annotation: Any) -> str:
    """An annotation as a user would write the choice: `official | kimi`, `float`, `text or null`."""
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(type_text(part) for part in get_args(annotation))
    if annotation is NoneType:
        return "null"
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__name__
    return re.sub(r"\b[a-z_]+\.", "", str(annotation))
