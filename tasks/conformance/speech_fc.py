"""Golden files `toolcall_parse`, `{bfcl,acebench,smartinteract}_check` and `table4_aggregate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fac_eval.conformance import Case, check_answer, read_golden
from fac_eval.errors import DataError
from fac_eval.metrics.acebench_check import check_acebench
from fac_eval.metrics.bfcl_check import check_bfcl
from fac_eval.metrics.speech_fc_aggregate import printed_accuracy, table4_overall
from fac_eval.metrics.toolcall_check import CallCheck
from fac_eval.metrics.toolcall_parse import decode_calls
from fac_eval.metrics.voicebench_overall import OverallWithheld

Input = Mapping[str, Any]

_COMPARED = ("valid", "error_type", "error")
"""The recorded `errors` are upstream's sentences, which the files call informational: ours are our own."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The cases of a checker's golden file, compared by verdict and label."""

    check: Callable[[Input], CallCheck]

    def cases(self, path: Path) -> Iterator[Case]:
        """The cases of a `.jsonl` file."""
        golden = read_golden(path)
        for row in golden.cases:
            expected = {key: row["expected"][key] for key in _COMPARED if key in row["expected"]}
            compare = partial(check_answer, partial(self.answer, row["input"]), expected, golden.tolerance)
            yield Case(row["id"], str(row.get("case", "")), compare)

    def answer(self, case_input: Input) -> dict[str, Any]:
        """Our verdict on a case; it raises where the official scorer does."""
        check = self.check(case_input)
        return {"valid": check.valid, "error_type": check.label}


def toolcall_parse(case_input: Input, header: Input) -> dict[str, Any]:
    """The calls in a text."""
    decoded = decode_calls(case_input["predict"])
    if decoded.failure is not None:
        return {"status": "decoder_failed"}
    return {"status": "ok", "calls": [[call.name, call.arguments] for call in decoded.calls]}


def table4_aggregate(case_input: Input, header: Input) -> dict[str, Any]:
    """The printed accuracies, and their mean."""
    printed = {
        subset: printed_accuracy(subset, correct, case_input["total"][subset])
        for subset, correct in case_input["correct"].items()
    }
    overall = table4_overall(printed)
    if isinstance(overall, OverallWithheld):
        raise DataError(overall.reason)
    return {"sub": printed, "overall_exact": overall.value, "overall": f"{overall.value:.2f}"}


def _bfcl(case_input: Input) -> CallCheck:
    return check_bfcl(
        case_input["record"],
        category=case_input["test_category"],
        model_name=case_input.get("model_name", ""),
        malformed="raise",
    )


def _acebench(case_input: Input) -> CallCheck:
    return check_acebench(case_input["record"], category=case_input["test_category"], malformed="raise")


bfcl_check = Verdicts(_bfcl)
smartinteract_check = Verdicts(_bfcl)
acebench_check = Verdicts(_acebench)
