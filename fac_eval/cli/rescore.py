"""`fac-eval rescore`: stored answers, other options."""

from __future__ import annotations

import click

from fac_eval.cli.complete import complete_runs
from fac_eval.cli.output import echo_json, store_folder, store_option


@click.command(short_help="Score stored answers again under other options.")
@click.argument("run", default="latest", shell_complete=complete_runs)
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="TASK.OPTION=VALUE",
    help="A task option: `voicebench.mode=official`. Repeat it for more.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(run: str, options: tuple[str, ...], store: str | None, as_json: bool) -> int:
    """Score a run's stored answers again, with other task options or after an update of fac-eval.

    RUN is a run's id, the beginning of one, or `latest` (the default). No model or judge is asked and no data set is
    read; the result is a run of its own beside the first. The exit code is 1 where more samples failed than the
    run's --max-failed allowed.
    """
    from fac_eval.engine.rescore import rescore_run
    from fac_eval.specs import parse_pairs

    given = {name: value for text in options for name, value in parse_pairs(text).items()}
    result = rescore_run(run, options=given, folder=store_folder(store))
    if as_json:
        echo_json(result.to_dict())
    else:
        click.echo(str(result))
    allowed = float(result.run.config.get("max_failed", 0.0))
    return 1 if result.counts.n_failed > allowed * result.counts.total else 0
