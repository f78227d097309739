"""`fac-eval ls`: what is installed, third-party packages and broken plugins included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fac_eval.cli.kinds import PARTS
from fac_eval.cli.output import echo_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fac_eval.registry import Kind

KINDS = ("tasks", *PARTS.values(), "rubrics", "reports")


@click.command(short_help="List tasks, models, judges and what else is installed.")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(kind: str | None, as_json: bool) -> None:
    """List what is installed: tasks with their benchmarks and groups, models, judges, ...; all without KIND.

    A plugin that cannot be loaded is named at the end with the reason. `fac-eval show NAME` tells more.
    """
    broken: list[dict[str, str]] = []
    found: dict[str, Any] = {}
    for one in KINDS if kind is None else (kind,):
        if one == "tasks":
            found |= _tasks(broken)
        else:
            found[one] = _rubrics(broken) if one == "rubrics" else _parts(one, broken)
    found["broken"] = broken
    if as_json:
        echo_json(found)
    else:
        click.echo("\n\n".join(_sections(found, headed=kind is None)))


def _tasks(broken: list[dict[str, str]]) -> dict[str, Any]:
    from fac_eval import registry

    found: dict[str, list[Any]] = {"benchmarks": [], "tasks": [], "groups": []}
    for name, plugin in _loaded("task", broken):
        package = registry.package_of("task", name)
        try:
            listed = _task_plugin(plugin, package)
        except Exception as error:  # noqa: BLE001 (one plugin, whatever is wrong with it, must not end the list)
            reason = (
                f"the task {name!r} of package {package} cannot be listed: {type(error).__name__}: {error}"
            )
            broken.append({"kind": "task", "name": name, "package": package, "reason": reason})
            continue
        for key, entries in listed.items():
            found[key] += entries
    return found


def _task_plugin(plugin: Any, package: str) -> dict[str, list[Any]]:
    from fac_eval.cli.describe import benchmark_facts, brief_facts
    from fac_eval.resolve import task_classes
    from fac_eval.task import Benchmark, Group

    if isinstance(plugin, Benchmark):
        facts = benchmark_facts(plugin, package)
        members = [{**task, "benchmark": plugin.name, "package": package} for task in facts["tasks"]]
        return {"benchmarks": [{**facts, "tasks": [task["name"] for task in members]}], "tasks": members}
    if isinstance(plugin, Group):
        held = {"name": plugin.name, "title": plugin.title, "members": list(plugin.members)}
        return {"groups": [{**held, "package": package}]}
    if not task_classes(plugin):
        raise TypeError(
            f"it is a {type(plugin).__name__}, and must be a Task subclass, a Benchmark or a Group"
        )
    return {"tasks": [{**brief_facts(plugin), "benchmark": None, "package": package}]}


def _parts(plural: str, broken: list[dict[str, str]]) -> list[dict[str, str]]:
    from fac_eval import registry
    from fac_eval.cli.describe import summary, where_it_runs

    kinds: dict[str, Kind] = {name: kind for kind, name in PARTS.items()} | {"reports": "report"}
    kind = kinds[plural]
    return [
        {
            "name": name,
            "summary": summary(plugin),
            "runs": where_it_runs(plugin),
            "package": registry.package_of(kind, name),
        }
        for name, plugin in _loaded(kind, broken)
    ]


def _rubrics(broken: list[dict[str, str]]) -> list[dict[str, Any]]:
    from fac_eval import registry
    from fac_eval.cli.describe import rubric_facts
    from fac_eval.errors import PluginError
    from fac_eval.resolve import rubrics_of

    found = []
    for plugin in registry.names("rubric"):
        package = registry.package_of("rubric", plugin)
        try:
            found += [rubric_facts(rubric, package) for rubric in rubrics_of(plugin)]
        except PluginError as error:
            broken.append({"kind": "rubric", "name": plugin, "package": package, "reason": error.message})
    return found


def _loaded(kind: Kind, broken: list[dict[str, str]]) -> Iterator[tuple[str, Any]]:
    from fac_eval import registry

    for name, plugin in registry.load_all(kind):
        if isinstance(plugin, registry.Broken):
            held = {"kind": kind, "name": name, "package": plugin.package, "reason": plugin.reason}
            broken.append(held)
        else:
            yield name, plugin


def _sections(found: dict[str, Any], *, headed: bool) -> Iterator[str]:
    from fac_eval.engine.table import text_table

    if "tasks" in found:
        yield text_table(("task", "title", "needs", "sample data", "package"), _task_rows(found))
    for plural in KINDS[1:]:
        if plural == "rubrics" and found.get(plural):
            header = ("rubric", "judge of the protocol", "hears", "upstream prompt", "package")
            yield text_table(header, [_rubric_row(rubric) for rubric in found[plural]])
        elif plural in found:
            rows = [
                (part["name"], part["summary"], part["runs"], _foreign(part["package"]))
                for part in found[plural]
            ]
            if rows:
                yield text_table((plural[:-1], "what it is", "runs", "package"), rows)
            elif not headed:
                yield f"No {plural} are installed."
    if found["broken"]:
        yield "\n".join(["Cannot be loaded:", *(f"  {_indented(one['reason'])}" for one in found["broken"])])


def _task_rows(found: dict[str, Any]) -> list[Sequence[str]]:
    by_name = {task["name"]: task for task in found["tasks"]}
    rows: list[Sequence[str]] = []
    for benchmark in found["benchmarks"]:
        count = f"{benchmark['title']} ({len(benchmark['tasks'])} tasks)"
        rows.append((benchmark["name"], count, "", "", _foreign(benchmark["package"])))
        rows += [_task_row(by_name[name], "  ") for name in benchmark["tasks"]]
    rows += [_task_row(task, "") for task in found["tasks"] if task["benchmark"] is None]
    for group in found["groups"]:
        rows.append((group["name"], f"{group['title']} (a group)", "", "", _foreign(group["package"])))
        rows += [(f"  {member}", "", "", "", "") for member in group["members"]]
    return rows


def _task_row(task: dict[str, Any], indent: str) -> Sequence[str]:
    sample = {True: "yes", False: "no", None: ""}[task["sample_data"]]
    package = "" if indent else _foreign(task["package"])
    return (indent + task["name"], task["title"], ", ".join(task["needs"]), sample, package)


def _rubric_row(rubric: dict[str, Any]) -> Sequence[str]:
    upstream = rubric["upstream"]
    there = "none" if upstream is None else "here" if upstream["path"] else "not here"
    return (
        rubric["name"],
        rubric["model"],
        "yes" if rubric["hears"] else "",
        there,
        _foreign(rubric["package"]),
    )


def _foreign(package: str) -> str:
    from fac_eval.cli.describe import OWN_PACKAGE

    return "" if package == OWN_PACKAGE else package


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
