"""`fac-eval view` and `fac-eval report`: the runs as pages, served while they go on or written to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fac_eval.cli.complete import complete_runs
from fac_eval.cli.output import store_folder, store_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..runs import RunPlace

_RUNS = click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=complete_runs)


def _data_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data",
        metavar="DIR|sample",
        help="Where the data sets lie, for the sound of the questions.  [default: where the run found them]",
    )(function)


@click.command(short_help="Look at runs in the browser, also while they go on.")
@_RUNS
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="The port; 0 takes any that is free.",
    show_default=True,
)
@click.option("--no-browser", is_flag=True, help="Print the address and open nothing.")
@_data_option
@store_option
def view(runs: tuple[str, ...], port: int, no_browser: bool, data: str | None, store: str | None) -> None:
    """Serve the runs as pages on this machine, until ctrl-C.

    RUN is `latest`, a run's id or the beginning of one, or `STORE#RUN` for another store; without any, all runs of
    the store, also those that begin later. A run that is going on is shown as it stands, with its progress.

    Nothing is written, and nothing outside this machine can reach the pages or be reached by them.
    """
    from .server import Pages, SiteServer

    folder = store_folder(store)
    with SiteServer(Pages(lambda: _found(runs, folder), data=data), port) as server:
        click.echo(f"{server.url}  (ctrl-C ends it)")
        if not no_browser:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()


@click.command(short_help="Write runs as pages that open from disk.")
@_RUNS
@click.option(
    "--html", "folder", required=True, metavar="DIR", help="The folder to write; an older report is replaced."
)
@click.option(
    "--audio",
    type=click.Choice(["copy", "link", "none"]),
    default="copy",
    show_default=True,
    help="Bring the sound along as copies, as hard links to the store where that can be, or not at all.",
)
@click.option("--title", default="fac-eval", show_default=True, help="The name on top of every page.")
@_data_option
@store_option
def report(
    runs: tuple[str, ...], folder: str, audio: str, title: str, data: str | None, store: str | None
) -> None:
    """Write the runs as pages to a folder: open its index.html, or put it on any web server.

    RUN is `latest`, a run's id or the beginning of one, or `STORE#RUN` for another store; without any, all runs of
    the store.
    """
    from typing import cast

    from tqdm import tqdm

    from .export import AudioMode, write_site

    places = _found(runs, store_folder(store))
    with tqdm(desc="pages", unit=" files", leave=False, disable=None) as bar:
        written = write_site(
            places,
            folder,
            audio=cast("AudioMode", audio),
            data=data,
            title=title,
            step=lambda _: bar.update(),
        )
    for remark in written.remarks:
        click.echo(f"fac-eval: {remark}", err=True)
    sound = f", {written.clips:,} clips ({_size(written.audio_bytes)})" if written.clips else ""
    click.echo(
        f"{written.systems} systems on {written.tasks} tasks, {written.samples:,} samples"
        f" ({_size(written.data_bytes)}){sound} written to {written.folder / 'index.html'}"
    )


def _found(runs: tuple[str, ...], folder: str) -> list[RunPlace]:
    from fac_eval.errors import UsageError

    from ..runs import find_runs

    places = find_runs(runs, folder)
    if not places:
        raise UsageError(
            f"the store {folder} holds no run yet.",
            remedy="Make one with 'fac-eval run', or name another store with --store.",
        )
    return places


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
