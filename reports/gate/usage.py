"""How long the candidate's answers took and what they cost, where a policy sets a ceiling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from fac_eval.codec import from_json

if TYPE_CHECKING:
    from fac_eval.metrics.percentiles import Distribution
    from fac_eval.store import ItemRow, Store

    from ..runs import RunPlace

_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Usage:
    """What a task's answers and verdicts took."""

    cost: float
    """US dollars, of those calls whose cost is known."""
    n_cost_known: int
    n_cost_unknown: int
    seconds: Distribution | None
    """Of whole answers; None where no answer says how long it took."""
    first_token: Distribution | None
    first_audio: Distribution | None


def read_usage(place: RunPlace, cell: int) -> Usage:
    """What the stored answers of one task took, and what judging them cost."""
    from fac_eval.metrics.percentiles import distribution

    costs: list[float | None] = []
    timings: list[Mapping[str, Any]] = []
    with place.opened() as store:
        items = store.items(cell)
        while chunk := list(islice(items, _CHUNK)):
            for response in _responses(store, chunk):
                costs.append(response.get("usage", {}).get("cost"))
                timings.append(response.get("timings", {}))
            costs += [
                verdict.get("usage", {}).get("cost")
                for item in chunk
                for verdict in item.evidence.get("verdicts", ())
            ]
    known = [cost for cost in costs if cost is not None]
    return Usage(
        cost=math.fsum(known),
        n_cost_known=len(known),
        n_cost_unknown=len(costs) - len(known),
        seconds=distribution(timing.get("total") for timing in timings),
        first_token=distribution(timing.get("first_token") for timing in timings),
        first_audio=distribution(timing.get("first_audio") for timing in timings),
    )


def _responses(store: Store, chunk: list[ItemRow]) -> list[Mapping[str, Any]]:
    keys = [item.work for item in chunk if item.work is not None]
    bodies = store.works(keys)
    return [from_json(bodies[key]) for key in keys if key in bodies]
