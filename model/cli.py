"""`fac-eval model`: look at a checkpoint, or write a tiny one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from fac_eval.cli.output import echo_json


@click.group(short_help="Check a Fun-Audio-Chat checkpoint, or write a tiny one.")
def command() -> None:
    """Fun-Audio-Chat checkpoints."""


@command.command(short_help="Say what a checkpoint is, and whether it will load.")
@click.argument("path")
@click.option("--revision", help="The pinned revision of a hub id.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def check(context: click.Context, path: str, revision: str | None, as_json: bool) -> None:
    """Read everything about the checkpoint at PATH, a folder or a hub id, but its weights.

    Exit codes: 0 it loads; 1 it does not; 2 there is no such checkpoint.
    """
    from .check import check as check_files
    from .check import report_text

    report = check_files(path, revision=revision)
    if as_json:
        echo_json({**dataclasses.asdict(report), "loads": report.loads})
    else:
        click.echo(report_text(report))
    context.exit(0 if report.loads else 1)


@command.command(short_help="Write a tiny checkpoint with random weights.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Equal seeds write equal weights.")
def tiny(folder: Path, seed: int) -> None:
    """Write a complete checkpoint into FOLDER: model, processor, tokenizers, and the vocoder in FOLDER/vocoder."""
    from fac_eval.errors import UsageError

    from .tiny import write_tiny

    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", remedy="Name a new folder.")
    write_tiny(folder, seed)
    spec = f"fun-audio-chat:path={folder},vocoder={folder}/vocoder"
    click.echo(f"wrote {folder}\ntry: fac-eval run -m {spec} -t voicebench --data sample")
