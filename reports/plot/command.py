"""`fac-eval plot`: figures for papers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fac_eval.cli.complete import complete_runs, complete_tasks
from fac_eval.cli.output import store_folder, store_option

if TYPE_CHECKING:
    from fac_eval.engine.result import RunResult

    from .chart import Chart


@click.group(short_help="Draw figures for papers: SVG, PDF, PNG.")
def command() -> None:
    """Draw the figures of stored runs, and the report's beside them.

    The file's name says the format: .svg, .pdf or .png. The same data makes the same file, byte by byte. What limits a
    figure (another protocol, sample items, failed samples) is printed when it is drawn.
    """


def _figure_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        store_option,
        click.option("--title", default="", metavar="TEXT", help="A title above the figure."),
        click.option(
            "-o",
            "--out",
            required=True,
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="The file to write: .svg, .pdf or .png.",
        ),
    ):
        function = option(function)
    return function


def _task_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "-t",
        "--task",
        "tasks",
        multiple=True,
        metavar="TASK",
        shell_complete=complete_tasks,
        help=f"{text}: a task, a benchmark or a wildcard. Repeat it for more.",
    )


_RUNS = click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=complete_runs)


def _board_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "-c",
            "--column",
            "columns",
            multiple=True,
            metavar="NAME",
            help="Only these models, published or measured, in this order.",
        ),
        click.option("--published-only", is_flag=True, help="No measured columns; no store is needed."),
        _task_option("Axes are these tasks of the runs, without published figures"),
        click.option(
            "--layout",
            "layouts",
            multiple=True,
            metavar="FILE.toml",
            type=click.Path(dir_okay=False),
            help="Axes are the rows of a table of your own.",
        ),
        click.option("--tables", metavar="LIST", help="Axes are the rows of tables of the report: 3 or 1-2."),
        _RUNS,
    ):
        function = option(function)
    return function


@command.command("radar", short_help="Models on several benchmarks at a glance.")
@_board_options
@click.option("--zoom", is_flag=True, help="Every axis on no more of its scale than the figures take up.")
@_figure_options
def radar(columns: tuple[str, ...], zoom: bool, out: Path, title: str, **given: Any) -> None:
    """Draw models on several benchmarks at a glance, each benchmark on its own scale.

    Axes are the benchmarks that the Fun-Audio-Chat report compares models on, unless --tables, --layout or --task say
    otherwise. Without --column, up to eight models are drawn: measured ones, then those with the most figures.
    """
    from .chart import chosen, readable
    from .radar import MOST, write_radar
    from .style import check_file

    check_file(out)
    chart = _chart(**given)
    chart = chosen(chart, columns) if columns else readable(chart, MOST)
    write_radar(chart.zoomed() if zoom else chart, out, title=title)
    _tell(out, chart.remarks)


@command.command("bars", short_help="A panel a benchmark, a bar a model.")
@_board_options
@_figure_options
def bars(columns: tuple[str, ...], out: Path, title: str, **given: Any) -> None:
    """Draw a panel for each benchmark with a bar for each model, and intervals of measured figures.

    Axes are the benchmarks that the Fun-Audio-Chat report compares models on, unless --tables, --layout or --task say
    otherwise.
    """
    from .bars import write_bars
    from .chart import chosen
    from .style import check_file

    check_file(out)
    chart = chosen(_chart(**given), columns)
    write_bars(chart, out, title=title)
    _tell(out, chart.remarks)


@command.command("forest", short_help="Differences between models, with intervals.")
@click.argument("runs", nargs=-1, metavar="[RUN[@MODEL]]...", shell_complete=complete_runs)
@_task_option("Only these")
@_figure_options
def forest(runs: tuple[str, ...], tasks: tuple[str, ...], out: Path, title: str, store: str | None) -> None:
    """Draw how far models are from the first one, task by task, on the samples that both have.

    The numbers are those of `fac-eval compare`: paired 95% intervals, and colours by tests that are corrected for
    their number. RUN@MODEL is one of a run's models; a RUN alone stands for all of its models, and no RUN for the
    latest.
    """
    from fac_eval.errors import UsageError

    from ..compare.comparison import compare_sides
    from ..compare.sides import choices, load_side, named
    from .forest import forest as compared
    from .forest import write_forest
    from .style import check_file

    check_file(out)
    folder = store_folder(store)
    found = list(dict.fromkeys(choice for run in runs or ("latest",) for choice in choices(run, folder)))
    if len(found) < 2:
        raise UsageError(
            "there are not two models to compare.",
            remedy="Name two runs: fac-eval plot forest REFERENCE CANDIDATE -o FILE",
        )
    sides = [
        load_side(choice, tasks=tasks, name=name) for choice, name in zip(found, named(found), strict=True)
    ]
    data = compared(compare_sides(sides[0], sides[1:]))
    write_forest(data, out, title=title)
    _tell(out, data.remarks)


@command.command("latency", short_help="Percentiles of the time that answers took.")
@_RUNS
@_task_option("Only these")
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="first_token, first_audio, total, generation_rtf, tokens_per_second, audio_seconds_per_second or "
    "peak_memory.  [default: the first three]",
)
@_figure_options
def latency(
    runs: tuple[str, ...],
    tasks: tuple[str, ...],
    measures: tuple[str, ...],
    out: Path,
    title: str,
    store: str | None,
) -> None:
    """Draw percentiles of the time to the first token, to the first sound, and to the end of an answer.

    Of the latest run, unless others are named.
    """
    from .latency import latency as measured
    from .latency import write_latency
    from .style import check_file

    check_file(out)
    results = _results(runs or ("latest",), store_folder(store))
    data = measured(results, measures=measures, tasks=tasks)
    write_latency(data, out, title=title)
    _tell(out, data.remarks)


def _chart(
    runs: tuple[str, ...],
    tables: str | None,
    layouts: tuple[str, ...],
    tasks: tuple[str, ...],
    published_only: bool,
    store: str | None,
) -> Chart:
    from fac_eval.errors import UsageError

    from ..tables.layouts import builtin_layout, read_layout
    from ..tables.published import chosen_tables
    from .chart import headline_chart, layout_chart, task_layout

    if published_only and (runs or tasks):
        raise UsageError(
            f"--published-only shows no {'run' if runs else 'task of a run'}",
            remedy="Leave out one of the two.",
        )
    if tasks and (tables is not None or layouts):
        raise UsageError("--task is for figures without tables", remedy="Leave out --tables and --layout.")
    results = [] if published_only else _results(runs, store_folder(store))
    if tasks:
        return layout_chart([task_layout(results, tasks)], results)
    if tables is None and not layouts:
        return headline_chart(results)
    names = [] if tables is None else chosen_tables(tables.split(","))
    chosen = [*(builtin_layout(f"table{name}") for name in names), *(read_layout(file) for file in layouts)]
    return layout_chart(chosen, results)


def _results(runs: Iterable[str], folder: str) -> list[RunResult]:
    from ..runs import find_runs

    return [place.load() for place in find_runs(runs, folder)]


def _tell(out: Path, remarks: Iterable[str]) -> None:
    click.echo(f"wrote {out}", err=True)
    for remark in remarks:
        click.echo(f"  {remark}", err=True)
