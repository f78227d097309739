"""`fac-eval runs`: what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fac_eval.cli.output import echo_json, local_time, store_folder, store_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fac_eval.store import RunRow, SessionRow, Store


@click.command(short_help="List the runs in the store.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(store: str | None, as_json: bool) -> None:
    """List the runs in the store, the newest last.

    A run is finished, running, stopped (by ctrl-C or an error) or killed; one that is not finished goes on when its
    command is given again. How many samples there will be is known once all have been read; until then `?` stands
    for it. `fac-eval show RUN` tells more.
    """
    from fac_eval.engine.table import text_table
    from fac_eval.store import Store

    with Store.reader(store_folder(store)) as opened:
        found = [run_facts(opened, run) for run in opened.runs()]
    if as_json:
        echo_json(found)
        return
    if not found:
        click.echo(f"The store {store_folder(store)} holds no run yet.")
        return
    header = ("run", "started", "models", "tasks", "state", "done", "failed", "rescored from")
    click.echo(text_table(header, [_line(run) for run in found], (5, 6)))


def run_facts(store: Store, run: RunRow) -> dict[str, Any]:
    """A run in a line, as plain data."""
    sessions, cells = store.sessions(run.id), store.cells(run.id)
    state = _state(store, sessions)
    totals = [cell.total for cell in cells]
    known = state == "finished" and None not in totals
    return {
        "run": run.id,
        "parent": run.parent,
        "started": run.created,
        "models": [_spec(model) for model in run.config.get("models", [])],
        "tasks": list(run.config.get("tasks", [])),
        "state": state,
        "sessions": len(sessions),
        "done": sum(cell.counts.scored + cell.counts.n_skipped for cell in cells),
        "failed": sum(cell.counts.n_failed for cell in cells),
        "total": sum(total or 0 for total in totals) if known else None,
    }


def _state(store: Store, sessions: Sequence[SessionRow]) -> str:
    if not sessions:
        return "stopped"
    last = sessions[-1]
    if last.outcome is not None:
        return "finished" if last.outcome == "finished" else "stopped"
    return "running" if _being_written(store.folder) else "killed"


def _being_written(folder: Path) -> bool:
    """Whether some process holds the store's lock; a killed one leaves the file, but not the lock."""
    import fcntl

    try:
        with (folder / "writer.lock").open() as file:
            # A lock file without a holder's name is nobody's: it need not be touched, lest a starting run meet us.
            if not file.read(1):
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _spec(model: str | Mapping[str, Any]) -> str:
    from fac_eval.specs import Spec

    if isinstance(model, str):
        return model
    return str(Spec(str(model.get("name")), None, {key: model[key] for key in model if key != "name"}))


def _line(run: Mapping[str, Any]) -> tuple[str, ...]:
    total = "?" if run["total"] is None else f"{run['total']:,}"
    return (
        run["run"],
        local_time(run["started"]),
        ", ".join(run["models"]),
        ", ".join(run["tasks"]),
        run["state"],
        f"{run['done']:,}/{total}",
        f"{run['failed']:,}" if run["failed"] else "",
        run["parent"] or "",
    )
