"""`fac-eval doctor`: what this machine can do, and what it lacks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from fac_eval.cli.output import echo_json, store_folder, store_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fac_eval.cli.checks import Check


@click.command(short_help="Check this machine and say what is missing.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print every check as JSON.")
def command(store: str | None, as_json: bool) -> int:
    """Check this machine: packages, devices, keys, caches, the store, audio, language data, plugins.

    Each line is `ok`, `missing` (something optional, with what it enables and how to get it) or a `problem`. Keys are
    named, never shown; nothing is fetched and nothing is left behind. The exit code is 1 where fac-eval itself cannot
    work.
    """
    from fac_eval.cli.checks import all_checks

    found = list(all_checks(store_folder(store)))
    broken = [check for check in found if check.core and check.status != "ok"]
    if as_json:
        echo_json({"ok": not broken, "checks": [dataclasses.asdict(check) for check in found]})
    else:
        click.echo(_text(found))
        click.echo(f"\n{_verdict(found, len(broken))}")
    return 1 if broken else 0


def _text(checks: Iterable[Check]) -> str:
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.group, []).append(check)
    return "\n".join(line for group, held in groups.items() for line in (group, *_lines(held)))


def _lines(checks: list[Check]) -> list[str]:
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        enables = f"for {check.enables}" if check.enables else ""
        told = ", ".join(part for part in (check.found.replace("\n", " ").rstrip("."), enables) if part)
        lines.append(f"  {check.status:<8} {check.name:<{width}}  {told}".rstrip())
        if check.status != "ok" and check.remedy:
            lines += [f"  {'':<8} {'':<{width}}  -> {line}" for line in check.remedy.splitlines()]
    return lines


def _verdict(checks: list[Check], broken: int) -> str:
    if broken:
        return f"fac-eval cannot work here: {broken} of its own parts are broken."
    problems = sum(check.status == "problem" for check in checks)
    missing = sum(check.status == "missing" for check in checks)
    return f"fac-eval works here. Problems: {problems}; optional things missing: {missing}."
