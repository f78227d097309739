"""What sub-commands share: the store option and JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--store DIR`, with the same default everywhere."""
    return click.option(
        "--store",
        type=click.Path(file_okay=False),
        envvar="FAC_EVAL_STORE",
        help="The workspace's store.  [default: .fac-eval; env FAC_EVAL_STORE]",
    )(function)


def store_folder(given: str | None) -> str:
    """The store that was named, or the default one."""
    from fac_eval.config import RunConfig

    return given or RunConfig().store


def echo_json(data: Any) -> None:
    """Print plain data as indented JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
