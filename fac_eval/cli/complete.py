"""Names for the shell's completion; whatever goes wrong here completes to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_eval.errors import FacEvalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    from fac_eval.registry import Kind

    Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of models, also after a comma."""
    return _after_commas(_registered("model"), incomplete)


def completer(kind: Kind) -> Completer:
    """Completes the names of one kind of plugin."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return _starting(_registered(kind), incomplete)

    return complete


def complete_tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of tasks, benchmarks and groups, also after a comma."""
    return _after_commas(_tasks(), incomplete)


def complete_needing(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What `fac-eval prepare` can fetch for."""
    from fac_eval.cli.kinds import PARTS

    parts = (name for kind in PARTS for name in _registered(kind))
    return _starting(dict.fromkeys([*_tasks(), *parts]), incomplete)


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the runs in the store, the newest first."""
    return _starting(_runs(ctx), incomplete)


def complete_anything(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What `fac-eval show` can show."""
    from fac_eval.cli.kinds import PARTS

    parts = (name for kind in PARTS for name in _registered(kind))
    names = dict.fromkeys([*_tasks(), *parts, *_rubrics(), *_runs(ctx)])
    return _starting(names, incomplete)


def _registered(kind: Kind) -> list[str]:
    from fac_eval import registry

    return registry.names(kind)


def _tasks() -> list[str]:
    from fac_eval.resolve import all_tasks

    return sorted({*_registered("task"), *all_tasks()})


def _rubrics() -> list[str]:
    from fac_eval.resolve import all_rubrics

    return sorted(all_rubrics())


def _runs(ctx: click.Context) -> list[str]:
    from fac_eval.cli.output import store_folder
    from fac_eval.store import Store

    try:
        with Store.reader(store_folder(ctx.params.get("store"))) as store:
            return ["latest", *(run.id for run in reversed(store.runs()))]
    except FacEvalError:
        return []


def _after_commas(names: Iterable[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(names, last)]


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
