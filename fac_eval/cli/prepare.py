"""`fac-eval prepare`: everything that tasks, models and instruments need, fetched and checked ahead of time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fac_eval.cli.complete import complete_needing
from fac_eval.cli.output import echo_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fac_eval.data.hub import DataFinder
    from fac_eval.data.hub_dataset import HubDataset
    from fac_eval.data.prepare import Prepared
    from fac_eval.task import Task

Facts = dict[str, Any]


@click.command(short_help="Fetch data, protocol files and weights ahead of time.")
@click.argument("names", nargs=-1, required=True, metavar="NAMES...", shell_complete=complete_needing)
@click.option(
    "--to",
    type=click.Path(file_okay=False),
    help="Fetch into this folder, to be copied to a machine without internet and named there with --data and "
    "--assets.  [default: the cache, where runs find it by themselves; env FAC_EVAL_CACHE]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what became of everything as JSON.")
def command(names: tuple[str, ...], to: str | None, as_json: bool) -> int:
    """Fetch the data sets and protocol files of tasks (names, groups or wildcards), and check them.

    Protocol files are what tasks themselves read, and the official prompts that judges are asked with. NAMES may
    also be models, transcribers, meters and embedders, such as `utmos` and `whisper`. Their pinned files are kept
    beside the protocol files. Weights on the hub go into the hub's own cache, just the files that are read. Those
    of some models have to be named:

    \b
      fac-eval prepare fun-audio-chat:path=OWNER/NAME@REVISION,vocoder=OWNER/NAME

    What is there already is checked and kept. Every data set is then read through and compared with what its benchmark
    published. The exit code is 2 where something is missing or unusable.
    """
    from fac_eval.cli.describe import assets_of
    from fac_eval.cli.kinds import is_part, part_needs
    from fac_eval.data.hub import DataFinder
    from fac_eval.data.hub_dataset import HubDataset
    from fac_eval.data.prepare import Need, prepare
    from fac_eval.resolve import resolve_tasks

    parts = [name for name in names if is_part(name)]
    resolved = resolve_tasks(name for name in names if name not in parts)
    folder = None if to is None else Path(to).expanduser()
    needs: list[Need] = [need for part in parts for need in part_needs(part)]
    for task in resolved:
        needs += [*task.datasets(), *assets_of(task)]
    outcomes = prepare(needs, folder, progress=sys.stderr.isatty())
    # Only what is here counts now. A folder that nothing could be put into is not there to look in.
    finder = DataFinder(folder if folder is not None and folder.is_dir() else None, offline=True)
    found = []
    for outcome in outcomes:
        if isinstance(outcome.need, HubDataset) and outcome.status != "failed":
            click.echo(f"fac-eval: checking {outcome.need.identity}", err=True)
            found.append(_facts(outcome) | _checked(outcome.need, finder))
        else:
            found.append(_facts(outcome))
    problems = _other_problems(resolved, finder, found)
    if as_json:
        echo_json({"needs": found, "problems": problems})
    else:
        click.echo(_text(found, problems, to))
    usable = all(one["status"] != "failed" and not one.get("errors") for one in found)
    # What is fetched into a folder is for another machine: what this one lacks besides is told, but no failure.
    return 0 if usable and (to is not None or not problems) else 2


def _facts(outcome: Prepared) -> Facts:
    from fac_eval.data.hub_dataset import HubDataset
    from fac_eval.data.weights import HubWeights

    need = outcome.need
    if isinstance(need, HubDataset):
        kind, name = "data set", need.identity
    elif isinstance(need, HubWeights):
        kind, name = "weights", need.path
    else:
        kind, name = "asset", need.name
    return {
        "kind": kind,
        "name": name,
        "status": outcome.status,
        "path": None if outcome.path is None else str(outcome.path),
        "files": outcome.files,
        "bytes": outcome.bytes,
        "commit": outcome.commit,
        "error": None if outcome.error is None else str(outcome.error),
    }


def _checked(dataset: HubDataset, finder: DataFinder) -> Facts:
    """What is there against what was published."""
    from fac_eval.data.validate import validate
    from fac_eval.errors import FacEvalError

    findings = validate(dataset, finder)

    def told(level: str) -> list[str]:
        return [
            f"{finding.split}: {finding.problem}" if finding.split else finding.problem
            for finding in findings
            if finding.level == level
        ]

    try:
        rows = {split: finder.count(dataset, split) for split in finder.splits(dataset)}
    except FacEvalError:
        rows = {}  # the findings say why
    return {
        "rows": rows,
        "expected_rows": dict(dataset.expected_rows),
        "errors": told("error"),
        "warnings": told("warning"),
    }


def _other_problems(tasks: Sequence[Task], finder: DataFinder, found: list[Facts]) -> list[str]:
    """What tasks still lack on this machine, such as language resources that cannot be fetched from here."""
    from fac_eval.errors import FacEvalError

    told = {one["error"] for one in found}
    problems: dict[str, list[str]] = {}
    for task in tasks:
        try:
            task.check(finder)
        except FacEvalError as error:
            if str(error) not in told:
                problems.setdefault(str(error), []).append(task.name)
    return [f"{', '.join(names)} on this machine: {problem}" for problem, names in problems.items()]


def _text(found: list[Facts], problems: list[str], to: str | None) -> str:
    from fac_eval.engine.table import text_table

    header = ("what", "name", "status", "files", "size", "rows", "published")
    rows = [
        (
            one["kind"],
            one["name"],
            one["status"],
            f"{one['files']:,}" if one["files"] else "",
            _size(one["bytes"]) if one["bytes"] else "",
            _rows(one.get("rows")),
            _rows(one.get("expected_rows")),
        )
        for one in found
    ]
    parts = [text_table(header, rows, (3, 4, 5, 6))] if rows else ["There is nothing to fetch for them."]
    remarks = [f"{one['name']}: {one['error']}" for one in found if one["error"]]
    remarks += [f"{one['name']}: {text}" for one in found for text in one.get("errors", ())]
    remarks += [f"warning: {one['name']}: {text}" for one in found for text in one.get("warnings", ())]
    remarks += problems
    if remarks:
        parts.append("\n".join(remarks))
    parts.append(_summary(found, to))
    return "\n\n".join(part for part in parts if part)


def _summary(found: list[Facts], to: str | None) -> str:
    there = [one for one in found if one["status"] != "failed"]
    if not there:
        return ""
    # Several data sets may lie in one folder; their files are their own.
    size = _size(sum(one["bytes"] for one in there))
    places = sorted(
        {str(Path(one["path"]).parent if one["kind"] == "asset" else one["path"]) for one in there}
    )
    lines = [f"{len(there)} of {len(found)} are here, {size}, in {', '.join(places)}"]
    if to is not None:
        lines.append(f"copy {to} to the other machine, and run there with --data {to} --assets {to}")
        lines += [
            f"copy {one['path']} there as well, following its links, and give it in place of {one['name']}"
            for one in there
            if one["kind"] == "weights"
        ]
    return "\n".join(lines)


def _rows(rows: Facts | None) -> str:
    """The rows of all splits together, where every one is known."""
    if not rows or None in rows.values():
        return ""
    return f"{sum(rows.values()):,}"


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
