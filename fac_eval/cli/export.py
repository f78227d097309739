"""`fac-eval export`: a run's samples as a file."""

from __future__ import annotations

import click

from fac_eval.cli.complete import complete_runs, complete_tasks
from fac_eval.cli.output import store_folder, store_option


@click.command(short_help="Write a run's samples to a file.")
@click.argument("run", default="latest", shell_complete=complete_runs)
@click.option(
    "--to",
    "format",
    type=click.Choice(["parquet", "csv", "jsonl"]),
    help="The format.  [default: by the suffix of --out]",
)
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="FILE",
    help="The file to write, replaced if it exists; `-` for standard output (jsonl and csv).",
)
@click.option(
    "-t",
    "--task",
    "tasks",
    multiple=True,
    metavar="TASK",
    shell_complete=complete_tasks,
    help="Only these: a task, a benchmark or a wildcard. Repeat it for more.",
)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Only these models, as the result shows them.",
)
@store_option
def command(
    run: str,
    format: str | None,
    out: str,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    store: str | None,
) -> None:
    """Write a run's samples to a file, a row a sample.

    RUN is a run's id, the beginning of one, or `latest` (the default).

    The columns: run, model, task, variant, protocol, position and id; what was asked; the answer and the absolute
    path of its sound; outcome, score and error; transcript, quality and verdicts; tokens, cost and seconds. Nested
    values are JSON text in CSV and Parquet.

    `fac-eval run -m replay:FILE` scores such a file again.
    """
    from typing import cast

    from tqdm import tqdm

    from fac_eval.engine.export import (
        STANDARD_OUTPUT,
        Format,
        chosen_cells,
        format_of,
        sample_rows,
        write_rows,
    )
    from fac_eval.store import Store

    chosen = format_of(out, cast("Format | None", format))
    with Store.reader(store_folder(store)) as opened:
        row = opened.run(run)
        cells = chosen_cells(opened, row.id, tasks=tasks, models=models)
        total = sum(cell.counts.scored + cell.counts.n_failed + cell.counts.n_skipped for cell in cells)
        rows = sample_rows(opened, row.id, tasks=tasks, models=models)
        # No bar where nobody watches (`disable=None`).
        written = write_rows(
            tqdm(rows, "export", total, unit=" rows", leave=False, disable=None), out, chosen
        )
    if out != STANDARD_OUTPUT:
        click.echo(f"{written:,} samples of run {row.id} written to {out}")
