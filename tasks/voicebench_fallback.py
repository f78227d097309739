"""Official code answers for a model whose answer no rule can read; here that is named, seeded, counted and shown."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

from fac_eval.scores import Metric
from fac_eval.vocabulary import Figure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.scores import ScoreTable

Fallback = Literal["random", "wrong"]
"""An answer that cannot be read: `random` draws one of those to choose from, as upstream does; `wrong` never does."""


def accuracies(table: ScoreTable, choices: int, fallback: Fallback, seed: int) -> list[Figure]:
    """Accuracy under the fallback chosen, the strict one beside it, and how often the fallback fired.

    The scores' parts are `unparsed`, and `reference` for the right answer's place among the choices.
    """
    unparsed = table.figure(Metric("unparsed", of="unparsed", higher_is_better=False))
    if fallback == "wrong":
        return [table.figure(Metric("accuracy", main=True)), unparsed]
    return [_with_draws(table, choices, seed), table.figure(Metric("strict accuracy")), unparsed]


def _with_draws(table: ScoreTable, choices: int, seed: int) -> Figure:
    """Accuracy with a random answer for each unparsed item, drawn in item order as upstream does."""
    from fac_eval.scores import figure_of
    from fac_eval.stats import RatioSums

    values: npt.NDArray[np.float64] = table.column("value")
    references, unparsed = table.column("reference"), table.column("unparsed")
    generator = random.Random(seed)
    drawn = 0
    for position in unparsed.nonzero()[0]:
        values[position] = generator.choice(range(choices)) == references[position]
        drawn += 1
    estimate = RatioSums().add(values, clusters=table.clusters).estimate().scaled(100)
    note = f"{drawn} unparsed answers drawn at random, seed {seed}" if drawn else None
    return figure_of("accuracy", estimate, main=True, note=note)
