"""`fac-eval completion`: completion of commands, options and names in the shell."""

from __future__ import annotations

import os
from pathlib import Path

import click

from fac_eval.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the shell completion script.")
@click.argument("shell", required=False, type=click.Choice(SHELLS))
def command(shell: str | None) -> None:
    """Print the script that completes commands, options, and names of tasks, models and runs.

    SHELL is bash, zsh or fish; without it, the one that $SHELL names. To install it once for all:

    \b
    bash  fac-eval completion bash > ~/.local/share/bash-completion/completions/fac-eval
    zsh   fac-eval completion zsh > ~/.zfunc/_fac-eval   (a folder in $fpath, before compinit)
    fish  fac-eval completion fish > ~/.config/fish/completions/fac-eval.fish

    For this session alone: source <(fac-eval completion bash)
    """
    from click.shell_completion import get_completion_class

    from fac_eval.cli.main import cli

    name = shell or Path(os.environ.get("SHELL", "")).name
    script = get_completion_class(name) if name in SHELLS else None
    if script is None:
        raise UsageError(
            f"cannot tell the shell from SHELL={os.environ.get('SHELL', '')!r}.",
            remedy=f"Name it: fac-eval completion {' | '.join(SHELLS)}.",
        )
    click.echo(script(cli, {}, "fac-eval", "_FAC_EVAL_COMPLETE").source())
