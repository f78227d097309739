"""`fac-eval conformance`: official code's recorded cases against ours."""

from __future__ import annotations

import dataclasses

import click

from fac_eval.cli.output import echo_json


@click.command(short_help="Check scorers against recorded official cases.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option(
    "--max-shown",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Disagreements printed for each file.",
)
@click.pass_context
def command(context: click.Context, paths: tuple[str, ...], as_json: bool, max_shown: int) -> None:
    """Run recorded cases of official code through ours.

    A PATH is a .jsonl of cases, the index of a set of tensors, or a folder of these. Floats may differ by the
    absolute tolerance in the file's header (1e-9 where it has none), everything else must be equal.

    Exit codes: 0 every case agrees; 1 some disagree; 2 a file is unknown or malformed, or a case
    cannot be run.
    """
    from fac_eval.conformance import report_text, run_conformance

    reports = run_conformance(paths)
    disagree = any(report.disagreements for report in reports)
    cannot_run = any(report.cannot_run for report in reports)
    if as_json:
        files = [{**dataclasses.asdict(report), "path": str(report.path)} for report in reports]
        echo_json({"agrees": not disagree and not cannot_run, "files": files})
    else:
        click.echo(report_text(reports, max_shown))
    context.exit(2 if cannot_run else 1 if disagree else 0)
