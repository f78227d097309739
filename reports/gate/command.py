"""`fac-eval gate`: did this make anything worse?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fac_eval.cli.complete import complete_runs
from fac_eval.cli.output import echo_json, store_folder, store_option
from fac_eval.errors import FacEvalError, UsageError

from ..text import write_text

if TYPE_CHECKING:
    from ..compare.sides import PairBy, Side, TaskScores
    from .checks import Check
    from .policy import Policy
    from .verdict import Verdict

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Pass or fail a run against a baseline, by a policy.")
@click.option(
    "--baseline", metavar="RUN|FILE", help="What to compare with: a stored run, or a baseline file."
)
@click.option(
    "--candidate",
    default="latest",
    show_default=True,
    metavar="RUN",
    shell_complete=complete_runs,
    help="The run that is judged.",
)
@click.option(
    "--policy",
    "policy_path",
    type=_FILE,
    default=Path("gate.toml"),
    show_default=True,
    help="What is demanded.",
)
@click.option("--junit", type=_FILE, help="Write a JUnit file.")
@click.option(
    "--summary",
    type=_FILE,
    help="Write the verdict as Markdown.  [default: $GITHUB_STEP_SUMMARY, which is appended to]",
)
@click.option(
    "--update-baseline",
    "update",
    type=_FILE,
    help="Write the candidate as a baseline file: without --baseline at once, with it once the gate has passed.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def command(
    baseline: str | None,
    candidate: str,
    policy_path: Path,
    junit: Path | None,
    summary: Path | None,
    update: Path | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Judge a candidate against a baseline by a policy, for CI.

    RUN is `latest`, a run's id, the beginning of one, or FOLDER#RUN in another store; RUN@MODEL is one of its models.

    Exit codes: 0 passed; 1 the gate failed; 2 it cannot be told, because the policy cannot be read, the baseline is
    of another protocol, or the like. In GitHub Actions, what is wrong is annotated in the policy's lines, too.
    """
    from .policy import read_policy

    if baseline is None and update is None:
        raise UsageError(
            "there is nothing to compare with.",
            remedy="Name a --baseline, or make one: fac-eval gate --candidate RUN --update-baseline baseline.json",
        )
    outputs = _Outputs(junit, summary, policy_path)
    try:
        policy = read_policy(policy_path) if baseline is not None or policy_path.exists() else None
        side = _candidate(candidate, store_folder(store), policy)
        if baseline is None or policy is None:
            assert update is not None
            _write_baseline(update, side, policy)
            return 0
        verdict = _verdict(policy, _baseline(baseline, store_folder(store), policy), side)
    except FacEvalError as error:
        outputs.problem(error)
        raise
    outputs.verdict(verdict, as_json)
    if update is not None and verdict.exit_code == 0:
        _write_baseline(update, side, policy, quiet=as_json)
    elif update is not None:
        click.echo(f"{update} is left as it is, because the gate has not passed", err=True)
    return verdict.exit_code


def _candidate(argument: str, folder: str, policy: Policy | None) -> Side:
    from ..compare.sides import chosen, load_side

    choice = chosen(argument, folder)
    name = f"{choice.model} (run {choice.place.id})"
    return load_side(choice, pair_by="content" if policy is None else policy.pair_by, name=name)


def _baseline(argument: str, folder: str, policy: Policy) -> Side:
    from .baseline import read_baseline

    path = Path(argument)
    if path.is_file() or path.suffix == ".json":
        return read_baseline(path, policy.pair_by)
    return _candidate(argument, folder, policy)


def _verdict(policy: Policy, before: Side, side: Side) -> Verdict:
    from functools import cache

    from .usage import Usage, read_usage
    from .verdict import judge

    @cache
    def of_cell(cell: int) -> Usage:
        assert side.place is not None
        return read_usage(side.place, cell)

    def usage(scores: TaskScores) -> Usage:
        assert scores.stored is not None
        return of_cell(scores.stored.cell)

    return judge(policy, before, side, usage)


def _write_baseline(path: Path, side: Side, policy: Policy | None, *, quiet: bool = False) -> None:
    from .baseline import baseline_text
    from .policy import demands_on

    unfinished = [scores.task for scores in side.tasks if not scores.done]
    if unfinished:
        raise UsageError(
            f"{side.name} is unfinished: {', '.join(unfinished)}.",
            remedy="Its command goes on where it stopped; a baseline is made of a finished run.",
        )
    metrics: dict[str, list[str]] = {}
    pair_by: PairBy = "content" if policy is None else policy.pair_by
    if policy is not None:
        metrics = {
            scores.task: [name for name, _ in demands_on(policy, scores.task, None) if name is not None]
            for scores in side.tasks
        }
    write_text(path, baseline_text(side, pair_by, metrics))
    samples = sum(len(scores.keys) for scores in side.tasks)
    if not quiet:
        click.echo(f"baseline written to {path}: tasks {len(side.tasks)}, samples {samples:,}")


class _Outputs:
    """Where a verdict goes besides the terminal."""

    def __init__(self, junit: Path | None, summary: Path | None, policy: Path) -> None:
        given = os.environ.get("GITHUB_STEP_SUMMARY")
        self._junit = junit
        self._summary = summary or (Path(given) if given else None)
        # GitHub's file collects what all commands of a step have to say.
        self._append = given is not None and self._summary == Path(given)
        self._policy = policy
        self._in_actions = os.environ.get("GITHUB_ACTIONS") == "true"

    def verdict(self, verdict: Verdict, as_json: bool) -> None:
        """Write a verdict everywhere."""
        from .text import github_annotations, summary_markdown, verdict_facts, verdict_text

        if as_json:
            echo_json(verdict_facts(verdict))
        else:
            click.echo(verdict_text(verdict))
        # In a JSON document they would be noise; GitHub reads both streams.
        self._annotate(github_annotations(verdict), err=as_json)
        self._files(verdict.checks, summary_markdown(verdict))

    def problem(self, error: FacEvalError) -> None:
        """Write that there is no verdict, and why."""
        from .checks import Check
        from .policy import PolicyError
        from .text import annotation, problem_markdown

        line = (error.line if isinstance(error, PolicyError) else None) or 0
        check = Check("gate", "can be made", "error", str(error), line)
        self._annotate(
            [annotation("error", "fac-eval gate", str(error), file=str(self._policy), line=line)], err=True
        )
        self._files([check], problem_markdown(str(error)))

    def _annotate(self, lines: Iterable[str], *, err: bool) -> None:
        if self._in_actions:
            for line in lines:
                click.echo(line, err=err)

    def _files(self, checks: Sequence[Check], markdown: str) -> None:
        from .junit import write_junit

        if self._junit is not None:
            write_junit(self._junit, checks)
        if self._summary is not None:
            write_text(self._summary, markdown, append=self._append)
