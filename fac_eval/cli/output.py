"""What sub-commands share: the store option and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--store DIR`, with the same default everywhere."""
    return click.option(
        "--store",
        type=click.Path(file_okay=False),
        help="The workspace's store.  [default: .fac-eval; env FAC_EVAL_STORE]",
    )(function)


def store_folder(given: str | None) -> str:
    """The store that was named, or that of the environment, or the default one."""
    import os

    from fac_eval.config import RunConfig

    return given or os.environ.get("FAC_EVAL_STORE") or RunConfig().store


def echo_json(data: Any) -> None:
    """Print plain data as indented JSON; paths and the like as text."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2).decode())


def local_time(seconds: float) -> str:
    """A time stamp as the clock on the wall showed it."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def field_lines(pairs: Iterable[tuple[str, str]]) -> str:
    """Labels and values in two columns; pairs without a value are left out."""
    kept = [(label, value) for label, value in pairs if value]
    width = max((len(label) for label, _ in kept), default=0)
    return "\n".join(f"{label.ljust(width)}  {value}" for label, value in kept)
