"""What tasks with a judge share: the options of reading its replies, and figures that hide nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar

from fac_eval.errors import UnreadableReply
from fac_eval.scores import figure_of
from fac_eval.vocabulary import Figure

if TYPE_CHECKING:
    from fac_eval.scores import ScoreTable

Invalid = Literal["official", "count_wrong"]
"""What a reply without a verdict does: its sample leaves the denominator (as officially), or gets the worst mark."""
Parser = Literal["official", "robust"]
"""Who reads the replies: the official parser with all its quirks, or one that reads as a careful person would."""

INVALID = "invalid"
"""The label of a sample whose judge's reply could not be read and that counts as wrong."""

T = TypeVar("T")


def read_reply(reply: str, parse: Callable[[str], T | None], invalid: Invalid) -> T | None:
    """The verdict in a reply; None where an unreadable one is to get the worst mark.

    Raises:
        UnreadableReply: There is none, and the sample is to leave the denominator.
    """
    verdict = parse(reply)
    if verdict is None and invalid == "official":
        raise UnreadableReply(reply)
    return verdict


def invalid_figure(table: ScoreTable) -> Figure:
    """How many samples have no verdict, whether they were left out or counted as wrong."""
    count = table.failed.get("judge_error", 0) + table.labels.count(INVALID)
    total = table.n + sum(table.failed.values())
    return Figure(INVALID, float(count), total, unit="", higher_is_better=False)


def over_all(table: ScoreTable, name: str, *, of: str = "value", unit: str = "%") -> Figure:
    """A figure over all samples: those that failed, for whatever reason, count 0. `unit` is that of 0 to 100."""
    import numpy as np

    from fac_eval.stats import RatioSums

    failed = sum(table.failed.values())
    clusters = None if table.clusters is None else [*table.clusters, *[None] * failed]
    values = np.concatenate([table.column(of), np.zeros(failed)])
    estimate = RatioSums().add(values, clusters=clusters).estimate(proportion=None if unit == "%" else False)
    return figure_of(name, estimate.scaled(100), unit=unit)


def coverage(table: ScoreTable) -> str | None:
    """A note on how many samples a mean rating leaves out, for which there is no honest number to put in."""
    failed = sum(table.failed.values())
    return f"{table.n} of {table.n + failed} samples rated" if failed else None
