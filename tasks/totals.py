"""An Overall figure together with its interval."""

from __future__ import annotations

from collections.abc import Mapping

from fac_eval.scores import figure_of
from fac_eval.vocabulary import Figure


def combined(
    name: str,
    value: float,
    terms: Mapping[str, Figure],
    weights: Mapping[str, float],
    *,
    note: str | None = None,
) -> Figure:
    """The figure that `value` is, with the interval that the terms' own add up to, each times its weight."""
    from dataclasses import replace

    from fac_eval.stats import Estimate, combine_independent

    estimates = [
        Estimate(figure.value, figure.n, figure.se, figure.low, figure.high, "combined")
        for figure in terms.values()
    ]
    found = combine_independent(estimates, [weights[term] for term in terms])
    return figure_of(name, replace(found, value=value), main=True, note=note)
