"""From names to objects: task patterns and model specs become tasks and models with typed options."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, get_type_hints

from fac_eval import registry
from fac_eval.config import Given
from fac_eval.errors import PluginError, UnknownName, UsageError
from fac_eval.interfaces import (
    AnyModel,
    AsyncModel,
    Embedder,
    Judge,
    Model,
    QualityMeter,
    SampleModel,
    Synthesizer,
    Transcriber,
)
from fac_eval.rubric import Rubric
from fac_eval.specs import Spec, build, convert, parse_spec
from fac_eval.task import Benchmark, Group, Task

_WILD = frozenset("*?[")


def short_name(task: type[Task], benchmark: Benchmark) -> str:
    """A task's name within its benchmark."""
    return task.name.removeprefix(f"{benchmark.name}/")


def task_classes(plugin: Any) -> tuple[type[Task], ...]:
    """The task classes that a plugin object of the `fac_eval.tasks` group brings."""
    if isinstance(plugin, Benchmark):
        return plugin.tasks
    return (plugin,) if isinstance(plugin, type) and issubclass(plugin, Task) else ()


def all_tasks() -> dict[str, type[Task]]:
    """Every task that can be loaded, by name; broken plugins are left out (`fac-eval ls tasks` shows them)."""
    found: dict[str, type[Task]] = {}
    for _, plugin in registry.load_all("task"):
        for cls in task_classes(plugin):
            found[cls.name] = cls
    return found


def benchmarks() -> Iterator[Benchmark]:
    """Every benchmark that can be loaded."""
    return (plugin for _, plugin in registry.load_all("task") if isinstance(plugin, Benchmark))


def resolve_tasks(patterns: Iterable[str | Task], options: Mapping[str, Any] | None = None) -> list[Task]:
    """The tasks that names, groups, wildcards and specs stand for, in order and without repetition.

    `options` are dotted (`voicebench.mode`): each applies to every task at or below its prefix that has such an
    option, and one that applies to none is an error.
    """
    options = dict(options or {})
    tasks: dict[tuple[str, str], Task] = {}
    used: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, Task):
            tasks.setdefault((pattern.name, repr(pattern.options)), pattern)
            continue
        spec = parse_spec(pattern)
        classes = list(_matching(spec.name))
        _check_arguments(spec, classes)
        for cls in classes:
            task = _build_task(cls, spec, options, used)
            tasks.setdefault((task.name, repr(task.options)), task)
    unused = sorted(set(options) - used)
    if unused:
        known = [f"{task.name}.{field.name}" for task in tasks.values() for field in _fields(type(task))]
        raise UnknownName("option", unused[0], known, where="the tasks of this run")
    return list(tasks.values())


def _matching(name: str) -> Iterator[type[Task]]:
    if _WILD & set(name):
        # A task that must be told something, like `file`, is not meant by a wildcard.
        ready = {known: cls for known, cls in all_tasks().items() if not _required(cls)}
        matching = [cls for known, cls in sorted(ready.items()) if fnmatchcase(known, name)]
        if not matching:
            raise UnknownName("task", name, all_tasks())
        yield from matching
        return
    if name in registry.names("task"):
        plugin = registry.load("task", name)
        if isinstance(plugin, Group):
            for member in plugin.members:
                yield from _matching(member)
            return
        found = task_classes(plugin)
        if not found:
            raise PluginError(
                f"the task {name!r} of package {registry.package_of('task', name)} is a "
                f"{type(plugin).__name__}; it must be a Task subclass, a Benchmark or a Group"
            )
        yield from found
        return
    head = name.split("/", maxsplit=1)[0]
    plugin = registry.load("task", head) if head in registry.names("task") else None
    classes = {cls.name: cls for cls in task_classes(plugin)}
    if name not in classes and name in all_tasks():
        yield all_tasks()[name]  # a plugin may register its task under another name
        return
    if name not in classes:
        raise UnknownName("task", name, classes or set(all_tasks()) | set(registry.names("task")))
    yield classes[name]


def _fields(cls: type[Task]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls.Options)


def _required(cls: type[Task]) -> list[str]:
    missing = dataclasses.MISSING
    return [
        field.name for field in _fields(cls) if field.default is missing and field.default_factory is missing
    ]


def _check_arguments(spec: Spec, classes: list[type[Task]]) -> None:
    known = {field.name for cls in classes for field in _fields(cls)}
    for name in spec.arguments:
        if name not in known:
            raise UnknownName("option", name, known, where=f"task {spec.name!r}")


def rebuild_task(name: str, held: Mapping[str, Any], options: Mapping[str, Any], used: set[str]) -> Task:
    """A task from what the store holds of it, with dotted options on top; those that apply enter `used`."""
    (cls,) = _matching(name)
    given = {**held, **_applying(cls, options, used)}
    return cls(build(cls.Options, Spec(name, None, given), kind="task"))


def _applying(cls: type[Task], options: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    names = {field.name for field in _fields(cls)}
    given: dict[str, Any] = {}
    for dotted, value in options.items():
        prefix, _, option = dotted.rpartition(".")
        if option in names and (cls.name == prefix or cls.name.startswith(f"{prefix}/")):
            given[option] = value
            used.add(dotted)
    return given


def _build_task(cls: type[Task], spec: Spec, options: Mapping[str, Any], used: set[str]) -> Task:
    names = {field.name for field in _fields(cls)}
    given = _applying(cls, options, used)
    given.update({name: value for name, value in spec.arguments.items() if name in names})
    if not names and spec.positional is not None:
        raise UsageError(f"task {cls.name!r} takes no options, got {spec.positional!r}")
    return cls(build(cls.Options, Spec(spec.name, spec.positional, given), kind="task"))


def resolve_model(given: Given | AnyModel) -> AnyModel:
    """A model from a spec, a table with `name` and arguments, or the object itself."""
    model: AnyModel = _part("model", given, (Model, AsyncModel, SampleModel))
    return model


def resolve_judge(given: Given | Judge) -> Judge:
    """A judge from a spec, a table, or the object itself."""
    judge: Judge = _part("judge", given, (Judge,))
    return judge


def resolve_transcriber(given: Given | Transcriber) -> Transcriber:
    """A transcriber from a spec, a table, or the object itself."""
    transcriber: Transcriber = _part("transcriber", given, (Transcriber,))
    return transcriber


def resolve_meter(given: Given | QualityMeter) -> QualityMeter:
    """A quality meter from a spec, a table, or the object itself."""
    meter: QualityMeter = _part("meter", given, (QualityMeter,))
    return meter


def resolve_embedder(given: Given | Embedder) -> Embedder:
    """An embedder from a spec, a table, or the object itself."""
    embedder: Embedder = _part("embedder", given, (Embedder,))
    return embedder


def resolve_synthesizer(given: Given | Synthesizer) -> Synthesizer:
    """A synthesizer from a spec, a table, or the object itself."""
    synthesizer: Synthesizer = _part("synthesizer", given, (Synthesizer,))
    return synthesizer


def _part(kind: registry.Kind, given: Any, bases: tuple[type, ...]) -> Any:
    if isinstance(given, bases):
        return given
    spec = _spec(given, kind)
    cls = registry.load(kind, spec.name)
    if not (isinstance(cls, type) and issubclass(cls, bases)):
        names = ", ".join(base.__name__ for base in bases)
        raise PluginError(f"the {kind} {spec.name!r} must be a subclass of {names}")
    return build(cls, spec, kind=kind)


def rubrics_of(plugin: str) -> tuple[Rubric, ...]:
    """The rubrics that one entry point of the `fac_eval.rubrics` group brings."""
    found = registry.load("rubric", plugin)
    if not (isinstance(found, tuple) and all(isinstance(rubric, Rubric) for rubric in found)):
        raise PluginError(
            f"the rubrics {plugin!r} of package {registry.package_of('rubric', plugin)} are a "
            f"{type(found).__name__}; they must be a tuple of Rubric"
        )
    return found


def find_rubric(name: str, *, where: str = "") -> Rubric:
    """The rubric of a name such as `voicebench/open`; `where` says in an error who asks for it."""
    plugin = name.split("/", maxsplit=1)[0]
    if plugin in registry.names("rubric"):
        known = {rubric.name: rubric for rubric in rubrics_of(plugin)}
        if name in known:
            return known[name]
        raise UnknownName("rubric", name, known, where=where)
    # What the other packages' rubrics are called need not be known to say that none of them brings this one.
    raise UnknownName("rubric", name, registry.names("rubric"), where=where)


def all_rubrics() -> dict[str, Rubric]:
    """Every rubric that can be loaded, by name."""
    found = {}
    for plugin in registry.names("rubric"):
        try:
            found.update({rubric.name: rubric for rubric in rubrics_of(plugin)})
        except PluginError:
            continue  # `fac-eval ls rubrics` shows what is wrong with it
    return found


def task_rubrics(task: Task) -> list[Rubric]:
    """The rubrics that a task's questions go by."""
    return [find_rubric(name, where=f"task {task.name}") for name in task.rubrics]


def _spec(given: Given, kind: str) -> Spec:
    if isinstance(given, str):
        return parse_spec(given)
    table = dict(given)
    name = table.pop("name", None)
    if not isinstance(name, str):
        raise UsageError(f"a {kind} table needs a 'name', got {given!r}")
    return Spec(name, None, table)


def settings_overrides(gen_kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Generation settings split into those that every model knows and those for one family's adapter."""
    from fac_eval.vocabulary import Settings

    hints = get_type_hints(Settings)
    known = {name for name in hints if name != "extra"}
    common = convert(
        {name: value for name, value in gen_kwargs.items() if name in known},
        hints,
        sorted(known),
        where="gen_kwargs",
    )
    extra = {name: _scalar(value) for name, value in gen_kwargs.items() if name not in known}
    return common, extra


def _scalar(value: Any) -> Any:
    """A value of a setting whose type only the model knows: JSON where it reads as JSON, text elsewhere."""
    if not isinstance(value, str):
        return value
    import msgspec

    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
