"""The `fac-eval` command: finds its sub-commands by name and loads only the one that is used."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from fac_eval import __version__
from fac_eval.errors import FacEvalError, PluginError, suggestion

COMMANDS = {
    "run": "Evaluate models on tasks.",
    "ls": "List tasks, models, judges and what else is installed.",
    "show": "Show a task, model, judge, rubric or run in full.",
    "runs": "List the runs in the store.",
    "rescore": "Score stored answers again under other options.",
    "export": "Write a run's samples to a file.",
    "prepare": "Fetch data and protocol files ahead of time.",
    "doctor": "Check this machine and say what is missing.",
    "conformance": "Check scorers against recorded official cases.",
    "completion": "Print the shell completion script.",
}
"""The built-in sub-commands with their one-line help, so that `--help` loads none of them."""

EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose built-in commands live in modules of their own and whose plugins are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Built-in commands in order of use, then those of plugins."""
        from fac_eval import registry

        return [*COMMANDS, *(name for name in registry.names("command") if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command behind a name, imported now."""
        if name in COMMANDS:
            command: click.Command = import_module(f"fac_eval.cli.{name}").command
            return command
        from fac_eval import registry

        if name not in registry.names("command"):
            return None
        try:
            plugin: click.Command = registry.load("command", name)
        except PluginError as error:
            return _broken(name, error)
        return plugin

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command suggests the nearest."""
        if args and args[0] not in self.list_commands(ctx):
            raise click.UsageError(
                f"no command {args[0]!r}. {suggestion(args[0], self.list_commands(ctx))}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a command; only plugins' commands have to be imported for theirs."""
        rows = []
        for name in self.list_commands(ctx):
            if name in COMMANDS:
                rows.append((name, COMMANDS[name]))
                continue
            command = self.get_command(ctx, name)
            rows.append((name, command.get_short_help_str(limit=90) if command else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _broken(name: str, error: PluginError) -> click.Command:
    """A command in the place of one that cannot be loaded: it says so when it is called."""

    def fail() -> None:
        raise error

    return click.Command(name, callback=fail, short_help=f"(cannot be loaded: {error.message})")


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with 'fac-eval run -m oracle -t voicebench/bbh --data sample', then put your model in.",
)
@click.version_option(__version__, prog_name="fac-eval")
def cli() -> None:
    """Evaluate spoken-dialogue models: exact scorers, durable runs, error bars.

    Exit codes: 0 done; 1 a check failed, or more samples failed than allowed; 2 the command cannot be done as given.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error that a person can act on is printed without a stack trace."""
    try:
        outcome = cli.main(args=arguments, prog_name="fac-eval", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FacEvalError as error:
        click.echo(f"fac-eval: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(outcome if isinstance(outcome, int) else 0)
