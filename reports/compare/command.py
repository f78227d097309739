"""`fac-eval compare`: models on the same samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fac_eval.cli.complete import complete_runs, complete_tasks
from fac_eval.cli.output import store_folder, store_option

from ..text import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sides import Choice

FORMATS = ("terminal", "md", "csv", "json")


@click.command(short_help="Compare models on the same samples, with paired tests.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN[@MODEL]...", shell_complete=complete_runs)
@click.option(
    "-t",
    "--task",
    "tasks",
    multiple=True,
    metavar="TASK",
    shell_complete=complete_tasks,
    help="Only these: a task, a benchmark or a wildcard. Repeat it for more.",
)
@click.option("-m", "--model", metavar="MODEL", help="The model to take of each run that holds several.")
@click.option(
    "--pair-by",
    type=click.Choice(["content", "id"]),
    default="content",
    show_default=True,
    help="Samples are the same where all that they hold is, or where their ids are.",
)
@click.option("--bootstrap", is_flag=True, help="Intervals from 10,000 bootstrap draws.")
@click.option(
    "--samples",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Show up to N changed samples of each task, the greatest losses first.",
)
@click.option(
    "--to", type=click.Choice(FORMATS), help="The format.  [default: what --out is named, or terminal]"
)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@store_option
def command(
    runs: tuple[str, ...],
    tasks: tuple[str, ...],
    model: str | None,
    pair_by: str,
    bootstrap: bool,
    samples: int,
    to: str | None,
    out: Path | None,
    store: str | None,
) -> None:
    """Compare models, checkpoints, prompts or judges on the same samples. The first is the reference.

    RUN is `latest`, a run's id, the beginning of one, or FOLDER#RUN in another store. RUN@MODEL is one of a run's
    models, @MODEL one of the latest run's. A single RUN compares its models with each other.

    Each task gets the difference with its paired 95% interval, a p-value (McNemar's exact test for right and wrong,
    a permutation test for all else; by clusters where samples share a source), the same corrected for the number of
    tests (Holm), the effect size, and the smallest difference that so many samples could have shown. Samples that
    only one side has a score for are counted, and different protocols are named.
    """
    from typing import cast

    from .comparison import compare_sides
    from .samples import changed_samples
    from .sides import PairBy, load_side, named
    from .text import SUFFIXES, Format, render

    chosen = _chosen(runs, store_folder(store), model)
    sides = [
        load_side(choice, tasks=tasks, pair_by=cast("PairBy", pair_by), name=name)
        for choice, name in zip(chosen, named(chosen), strict=True)
    ]
    comparisons = compare_sides(sides[0], sides[1:], bootstrap=bootstrap)
    given = to or SUFFIXES.get(out.suffix.lower() if out else "", "terminal")
    changed = [changed_samples(comparison, samples) for comparison in comparisons]
    text = render(comparisons, changed, cast("Format", given))
    if out is None:
        click.echo(text, nl=False)
        return
    write_text(out, text)
    click.echo(f"written to {out}")


def _chosen(runs: Sequence[str], folder: str, model: str | None) -> list[Choice]:
    from fac_eval.errors import UsageError

    from .sides import choices
    from .sides import chosen as one_of

    if len(runs) > 1:
        return [one_of(run, folder, model) for run in runs]
    found = choices(runs[0], folder)
    if len(found) < 2:
        raise UsageError(
            f"there is nothing to compare {runs[0]} with: it stands for one model.",
            remedy="Name a second run: fac-eval compare REFERENCE CANDIDATE",
        )
    return found
