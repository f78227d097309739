"""`fac-eval leaderboard`: the report's tables again, with our own columns beside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fac_eval.cli.output import store_folder, store_option

from .render.formats import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from fac_eval.engine.result import RunResult

    from ..tables.layouts import Layout


@click.command(short_help="Print the report's tables, your figures beside.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--tables",
    metavar="LIST",
    help="Tables of the report, such as 1,3 or 1-4.  [default: all; none with --layout]",
)
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    metavar="FILE.toml",
    type=click.Path(dir_okay=False),
    help="A table of your own; may be given several times.",
)
@store_option
@click.option("--published-only", is_flag=True, help="No measured columns; no store is needed.")
@click.option(
    "--audit", "with_audit", is_flag=True, help="Recompute published figures, mark what does not hold."
)
@click.option(
    "--to", type=click.Choice(FORMATS), help="The format.  [default: what --out is named, or terminal]"
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
def command(
    runs: tuple[str, ...],
    tables: str | None,
    layouts: tuple[str, ...],
    store: str | None,
    published_only: bool,
    with_audit: bool,
    to: str | None,
    out: Path | None,
) -> None:
    """Print Tables 1 to 7 of the Fun-Audio-Chat report, with the figures of RUNs in columns beside the published ones.

    A RUN is `latest`, an id, the beginning of one, or STORE_FOLDER#ID. Without any, every run of the store is shown
    that has a task of the tables.
    """
    from fac_eval.errors import UsageError

    from .board import leaderboard

    if published_only and runs:
        raise UsageError("--published-only shows no run", remedy="Leave out the runs, or the flag.")
    to = to or (SUFFIXES.get(out.suffix.lower(), "terminal") if out is not None else "terminal")
    chosen = _layouts(tables, layouts)
    results = [] if published_only else _results(runs, store_folder(store))
    audit = None
    if with_audit:
        from ..tables.audit import audit as audited

        places = {row.place.table for layout in chosen for row in layout.rows if row.place is not None}
        audit = audited().limited(sorted(places))
    text = render(leaderboard(chosen, results, audit), to)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error
    click.echo(f"wrote {out}", err=True)


def _layouts(tables: str | None, files: tuple[str, ...]) -> list[Layout]:
    from fac_eval.errors import UsageError

    from ..tables.layouts import builtin_layout, read_layout
    from ..tables.published import chosen_tables

    own = [read_layout(file) for file in files]
    names = [layout.name for layout in own]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two layouts are called {twice}", remedy="Rename one of the files.")
    if tables is None and own:
        return own
    asked = (tables or "").split(",") if tables is not None else []
    if tables is not None and not any(name.strip() for name in asked):
        raise UsageError("--tables names no table", remedy="Write for instance --tables 1,3 or --tables 1-4.")
    return [*(builtin_layout(f"table{table}") for table in chosen_tables(asked)), *own]


def _results(runs: tuple[str, ...], folder: str) -> list[RunResult]:
    from fac_eval.errors import StoreError

    from ..runs import find_runs

    try:
        return [place.load() for place in find_runs(runs, folder)]
    except StoreError as error:
        if runs or not error.message.startswith("there is no store"):
            raise
        raise StoreError(
            error.message,
            remedy="Make one with 'fac-eval run', name the right folder with --store, or ask for --published-only.",
        ) from error
