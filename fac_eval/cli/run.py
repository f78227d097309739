"""`fac-eval run`: evaluate models on tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from fac_eval.cli.complete import complete_models, complete_tasks, completer
from fac_eval.cli.main import EXIT_INTERRUPTED
from fac_eval.cli.output import echo_json, store_folder, store_option


@click.command(short_help="Evaluate models on tasks.")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    shell_complete=complete_models,
    help="A model: `oracle`, `openai:model=gpt-audio,base_url=...`. Repeat it, or separate plain names by commas.",
)
@click.option(
    "-t",
    "--tasks",
    "tasks",
    multiple=True,
    metavar="TASKS",
    shell_complete=complete_tasks,
    help="Tasks, groups or wildcards: `voicebench`, `voicebench/ifeval`, `'*bbh'`, `file:questions.jsonl`.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False),
    help="A TOML or YAML file that holds what the flags can say; flags win over it.",
)
@click.option("-l", "--limit", type=float, help="Only the first N samples of each task; below 1: a fraction.")
@click.option("--seed", type=int, help="Every sample's seed derives from this one.  [default: 0]")
@click.option(
    "-b", "--batch-size", metavar="N|auto", help="Requests a batch for local models.  [default: auto]"
)
@click.option(
    "--workers",
    type=int,
    help="Requests in flight at remote models and judges, and threads for scoring.",
)
@click.option(
    "--gen-kwargs",
    metavar="K=V,...",
    help="Generation settings that override the tasks' own: `temperature=0,max_tokens=512`.",
)
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="TASK.OPTION=VALUE",
    help="A task option: `voicebench.mode=official`.",
)
@click.option(
    "--metric",
    type=click.Choice(["exact", "contains", "choice", "wer", "none"]),
    help="How a `file:` task is scored.  [default: by its columns]",
)
@click.option(
    "--judge",
    metavar="JUDGE",
    shell_complete=completer("judge"),
    help="The judge that open answers are put to: `openai:model=gpt-4o-mini`.",
)
@click.option(
    "--judge-mode",
    type=click.Choice(["live", "batch"]),
    help="Ask the judge question by question, or in batches at half the price.  [default: live]",
)
@click.option(
    "--judge-refresh", is_flag=True, help="Ask the judge again, whatever the store holds of its replies."
)
@click.option(
    "--transcriber",
    metavar="TRANSCRIBER",
    shell_complete=completer("transcriber"),
    help="What writes down spoken answers: `whisper`.",
)
@click.option(
    "--quality",
    metavar="METER",
    shell_complete=completer("meter"),
    help="What measures how spoken answers sound: `utmos`.",
)
@click.option(
    "--embedder",
    metavar="EMBEDDER",
    shell_complete=completer("embedder"),
    help="What answers are compared by in meaning: `nv-embed`.",
)
@click.option(
    "--speech-metrics",
    metavar="METRICS",
    help="Figures for every task with spoken answers besides its own: `utmos,asr_wer,rtf`.",
)
@click.option(
    "--data",
    metavar="DIR|sample",
    help="Data sets in their upstream layout, or `sample`: the few items that come with fac-eval.",
)
@click.option("--assets", type=click.Path(file_okay=False), help="A folder with pinned protocol files.")
@store_option
@click.option("--max-cost", type=float, metavar="USD", help="Stop before models and judges cost more.")
@click.option(
    "--max-failed",
    type=float,
    metavar="SHARE",
    help="Share of samples that may fail before the exit code is 1.  [default: 0]",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would run: items, audio, judge calls, cost. Asks no model."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(config_path: str | None, as_json: bool, dry_run: bool, **flags: Any) -> int:
    """Evaluate models on tasks.

    What is already in the store is not done again: the same command after a crash or ctrl-C goes on where it stopped.
    """
    from fac_eval.engine.api import prepare_plan
    from fac_eval.engine.execution import execute
    from fac_eval.engine.progress import default_progress

    config = _config(config_path, flags)
    plan = prepare_plan(config)
    if dry_run:
        from fac_eval.engine.dry_run import estimate_text, estimates

        found = estimates(plan, default_progress())
        if as_json:
            echo_json([dataclasses.asdict(estimate) for estimate in found])
        else:
            click.echo(estimate_text(plan, found))
        return 0
    result = execute(plan, progress=default_progress())
    if as_json:
        echo_json(result.to_dict())
    else:
        click.echo(str(result))
    if not result.finished:
        click.echo(
            f"fac-eval: stopped early; run the same command again to go on (run {result.id})", err=True
        )
        return EXIT_INTERRUPTED
    counts = result.counts
    return 1 if counts.n_failed > config.max_failed * counts.total else 0


def _config(path: str | None, flags: Mapping[str, Any]) -> Any:
    """The configuration file with the flags on top."""
    from fac_eval.config import RunConfig, config_from, read_config
    from fac_eval.specs import parse_pairs

    base = RunConfig() if path is None else read_config(path)
    data = {field.name: getattr(base, field.name) for field in dataclasses.fields(RunConfig)}
    # A switch that is off leaves the word to the file; so does an option that was not given. A 0 is neither.
    given = {
        name: value
        for name, value in flags.items()
        if name in data and value is not None and value is not False and value != ()
    }
    if "store" not in given and base.store == RunConfig().store:
        given["store"] = store_folder(None)
    for name in ("models", "tasks"):
        if name in given:
            given[name] = [spec for text in given[name] for spec in _split_specs(text)]
    if "speech_metrics" in given:
        given["speech_metrics"] = _split_specs(given["speech_metrics"])
    if "limit" in given and given["limit"] >= 1:
        given["limit"] = _whole(given["limit"])
    if given.get("batch_size", "auto") != "auto":
        given["batch_size"] = _batch_size(given["batch_size"])
    if "gen_kwargs" in given:
        given["gen_kwargs"] = {**data["gen_kwargs"], **parse_pairs(given["gen_kwargs"])}
    options = {name: value for text in flags["options"] for name, value in parse_pairs(text).items()}
    if flags["metric"] is not None:
        options["file.metric"] = flags["metric"]
    given["set"] = {**data["set"], **options}
    return config_from({**data, **given}, where="the command line")


def _split_specs(text: str) -> list[str]:
    """Plain names separated by commas; a spec with arguments stands alone, for its commas are its own."""
    from fac_eval.specs import split_arguments

    return [text] if ":" in text else split_arguments(text)


def _whole(limit: float) -> int | float:
    return int(limit) if limit == int(limit) else limit


def _batch_size(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a number nor `auto`", param_hint="--batch-size"
        ) from None
