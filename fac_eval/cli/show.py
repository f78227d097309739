"""`fac-eval show`: one task, benchmark, group, model, judge, rubric or run in full."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click

from fac_eval.cli.complete import complete_anything
from fac_eval.cli.kinds import PARTS
from fac_eval.cli.output import echo_json, store_folder, store_option

if TYPE_CHECKING:
    from fac_eval.registry import Kind
    from fac_eval.specs import Spec

KINDS = ("task", *PARTS, "rubric", "run")
_RUN_ID = re.compile(r"[0-9a-f]{2,}\Z")


@click.command(short_help="Show a task, model, judge, rubric or run in full.")
@click.argument("name", shell_complete=complete_anything)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="What NAME is, where several things have it.  [default: the first of these that there is]",
)
@click.option(
    "--data",
    metavar="DIR|sample",
    help="Look for the task's data sets here too, or at the items that come with fac-eval.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(name: str, kind: str | None, data: str | None, store: str | None, as_json: bool) -> None:
    """Show everything about NAME: a task, benchmark, group, model, judge, rubric, run id or `latest`.

    A spec shows what it stands for: `fac-eval show voicebench/ifeval:mode=official` has the protocol under that
    option, `fac-eval show openai:model=gpt-audio` what that model can do. No model is asked, nothing is fetched.
    """
    from fac_eval.specs import parse_spec

    folder = store_folder(store)
    spec = parse_spec(name)
    found = [kind] if kind is not None else _kinds(spec, folder)
    if not found:
        raise _unknown(spec, folder)
    if len(found) > 1:
        others = " or ".join(f"--kind {other}" for other in found[1:])
        click.echo(f"fac-eval: {name} names several things; this is the {found[0]} ({others})", err=True)
    if found[0] == "run":
        _show_run(name, folder, as_json)
        return
    facts = _facts(name, spec, found[0], data)
    if as_json:
        echo_json(facts)
        return
    from fac_eval.cli.show_text import facts_text

    click.echo(facts_text(facts))


def _kinds(spec: Spec, folder: str) -> list[str]:
    from fac_eval import registry
    from fac_eval.resolve import all_tasks

    found = []
    head = spec.name.split("/", maxsplit=1)[0]
    is_rubric = _is_rubric(spec.name)
    # Tasks and rubrics of a benchmark begin alike: what is a rubric need not be a task with a slip of the pen.
    if head in registry.names("task") and (not is_rubric or spec.name in all_tasks()):
        found.append("task")
    found += [kind for kind in PARTS if spec.name in registry.names(kind)]
    found += ["rubric"] if is_rubric else []
    bare = spec.positional is None and not spec.arguments
    if bare and (spec.name == "latest" or (_RUN_ID.match(spec.name) and _runs(spec.name, folder))):
        found.append("run")
    return found


def _is_rubric(name: str) -> bool:
    from fac_eval.errors import PluginError, UnknownName
    from fac_eval.resolve import find_rubric

    try:
        return find_rubric(name).name == name
    except (PluginError, UnknownName):
        return False


def _runs(beginning: str, folder: str) -> list[str]:
    from fac_eval.errors import StoreError
    from fac_eval.store import Store

    try:
        with Store.reader(folder) as store:
            return [run.id for run in store.runs() if run.id.startswith(beginning)]
    except StoreError:
        return []


def _unknown(spec: Spec, folder: str) -> Exception:
    from fac_eval import registry
    from fac_eval.errors import UnknownName
    from fac_eval.resolve import all_rubrics, all_tasks

    known = {*registry.names("task"), *all_tasks(), *all_rubrics()}
    known.update(name for kind in PARTS for name in registry.names(kind))
    return UnknownName("task, model, judge, rubric or run", spec.name, known | set(_runs("", folder)))


def _show_run(name: str, folder: str, as_json: bool) -> None:
    from fac_eval.engine.result import RunResult
    from fac_eval.store import Store

    with Store.reader(folder) as store:
        result = RunResult.load(store, name)
    efficiency = result.efficiency()
    if as_json:
        echo_json({**result.to_dict(), "efficiency": efficiency})
        return
    from fac_eval.cli.show_text import run_text

    click.echo(run_text(result, efficiency))


def _facts(name: str, spec: Spec, kind: str, data: str | None) -> dict[str, Any]:
    if kind == "task":
        return _task(name, spec, data)
    if kind == "rubric":
        from fac_eval import registry
        from fac_eval.cli.describe import rubric_facts
        from fac_eval.resolve import find_rubric

        return rubric_facts(find_rubric(name), registry.package_of("rubric", name.partition("/")[0]))
    return _part(name, spec, cast("Kind", kind))


def _task(name: str, spec: Spec, data: str | None) -> dict[str, Any]:
    from fac_eval import registry
    from fac_eval.cli.describe import benchmark_facts, group_facts, made, task_facts
    from fac_eval.data.hub import DataFinder
    from fac_eval.errors import UsageError
    from fac_eval.resolve import resolve_tasks, task_classes
    from fac_eval.task import Benchmark, Group

    head = spec.name.split("/", maxsplit=1)[0]
    package = registry.package_of("task", head) if head in registry.names("task") else ""
    plugin = registry.load("task", spec.name) if spec.name in registry.names("task") else None
    bare = spec.positional is None and not spec.arguments
    if bare and isinstance(plugin, Group):
        return group_facts(plugin, package, resolve_tasks([name]))
    if bare and isinstance(plugin, Benchmark):
        return benchmark_facts(plugin, package)
    # Off the hub: what is on this machine can be told at once.
    finder = DataFinder(data, offline=True)
    if bare and plugin is not None and len(task_classes(plugin)) == 1:
        (cls,) = task_classes(plugin)
        return task_facts(cls, made(cls), package, finder)
    task, *more = resolve_tasks([name])
    if more:
        raise UsageError(
            f"{name} stands for {len(more) + 1} tasks.", remedy=f"Show one of them, such as {task.name}."
        )
    return task_facts(type(task), task, package, finder)


def _part(name: str, spec: Spec, kind: Kind) -> dict[str, Any]:
    from fac_eval import registry
    from fac_eval.cli.describe import part_facts
    from fac_eval.cli.kinds import make
    from fac_eval.data.places import off_the_network
    from fac_eval.errors import PluginError

    cls = registry.load(kind, spec.name)
    if not isinstance(cls, type):
        raise PluginError(f"the {kind} {spec.name!r} is a {type(cls).__name__}; it must be a class")
    given = spec.positional is not None or bool(spec.arguments)
    with off_the_network("fac-eval show"):
        return part_facts(kind, spec.name, cls, partial(make, kind, name) if given else None)
