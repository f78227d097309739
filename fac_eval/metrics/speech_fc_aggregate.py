"""Accuracies of the speech function-calling sub-sets as Table 4 of the report prints them, and its Overall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fac_eval.errors import DataError, UnknownName
from fac_eval.metrics.voicebench_overall import Overall, OverallWithheld

SUBSETS = ("acebench_single", "acebench_parallel", "bfcl_single", "bfcl_parallel", "smartinteract")
"""The sub-sets in the order of the table."""

_ROUNDED_FIRST = frozenset({"acebench_single", "acebench_parallel"})


def printed_accuracy(subset: str, correct: int, total: int) -> str:
    """The percentage that the official scorer prints, two decimals without the sign.

    ACEBench accuracies are rounded to a tenth of a percent first. An empty sub-set prints `0.00`, which is no
    result: leave it out of what `table4_overall` is given.

    >>> printed_accuracy("acebench_single", 138, 208), printed_accuracy("bfcl_single", 536, 578)
    ('66.30', '92.73')
    """
    _require_known([subset])
    if not 0 <= correct <= total:
        raise DataError(f"{subset} has {correct} right answers among {total} items")
    accuracy = correct / total if total else 0.0
    if subset in _ROUNDED_FIRST:
        accuracy = round(accuracy, 3)
    return f"{accuracy:.2%}".removesuffix("%")


def table4_overall(printed: Mapping[str, str]) -> Overall | OverallWithheld:
    """The Overall of Table 4: the plain mean of the five accuracies as printed, withheld if one is missing.

    Only the printed values, not the unrounded ones, give all five published Overalls.
    """
    _require_known(printed)
    missing = tuple(subset for subset in SUBSETS if subset not in printed)
    if missing:
        return OverallWithheld(missing)
    return Overall(sum(float(printed[subset]) for subset in SUBSETS) / len(SUBSETS), SUBSETS)


def _require_known(subsets: Iterable[str]) -> None:
    for subset in subsets:
        if subset not in SUBSETS:
            raise UnknownName("speech function-calling sub-set", subset, SUBSETS)
