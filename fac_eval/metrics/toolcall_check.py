"""What the two checkers of tool calls share: the verdict, its taxonomy, reading a record, folding texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.toolcall_parse import Decoded, decode_calls

Malformed = Literal["count_wrong", "raise"]
"""What happens with a record that stops the official scorer: a wrong item of its own kind, or ScorerError."""

ErrorKind = Literal[
    "decoder_failed",
    "count",
    "wrong_name",
    "missing",
    "extra",
    "arguments",
    "type",
    "value",
    "no_match",
    "scorer_error",
]
"""`arguments`: either side has none at all; `no_match`: none of several calls fits an answer."""

CORRECT = "correct"
DECODER_FAILED = "ast_decoder:decoder_failed"

# The labels of Fun-Audio-Chat evaluate/SpeechFCEval/utils/compute_metrics_{bfcl,acebench}.py.
_KINDS: Mapping[str, ErrorKind] = {
    DECODER_FAILED: "decoder_failed",
    "ast_decoder:decoder_wrong_output_format": "decoder_failed",
    "simple_function_checker:wrong_count": "count",
    "multiple_function_checker:wrong_count": "count",
    "parallel_function_checker_no_order:wrong_count": "count",
    "wrong functions number": "count",
    "simple_function_checker:wrong_func_name": "wrong_name",
    "wrong_function_name": "wrong_name",
    "function_mismatch": "wrong_name",
    "simple_function_checker:missing_required": "missing",
    "simple_function_checker:missing_optional": "missing",
    "lack_args": "missing",
    "simple_function_checker:unexpected_param": "extra",
    "addition_args": "extra",
    "wrong_param": "arguments",
    "dict_checker:unclear": "value",
    "list_dict_checker:unclear": "value",
    "parallel_function_checker_no_order:cannot_find_match": "no_match",
    "simple_function_checker:unclear": "no_match",
}
_FOLDED_AWAY = str.maketrans("", "", " ,./-_*^")

# What malformed records and values raise here and in the official scorers, which do not catch it.
_CRASHES = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)


class ScorerError(DataError):
    """A record that the official scorer crashes on; `crash` is the name of what it raises there."""

    def __init__(self, crash: Exception) -> None:
        self.crash = type(crash).__name__
        super().__init__(
            f"the record cannot be checked: {self.crash}: {crash}",
            remedy="Repair the record, or let such items count as wrong, each labelled scorer_error.",
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a call does not fit an answer: the official label, and a sentence for the reader."""

    label: str
    message: str


@dataclass(frozen=True, slots=True)
class CallCheck:
    """The verdict on one reply."""

    label: str
    """`correct`, the official scorer's error label, or `scorer_error:` and what stops that scorer."""
    message: str = ""
    decoded: Decoded = Decoded()
    """The calls that were read, and the blocks that were no JSON."""

    @property
    def valid(self) -> bool:
        """Whether the reply counts as correct."""
        return self.label == CORRECT

    @property
    def kind(self) -> ErrorKind | None:
        """The label's place in the taxonomy that both checkers share; None for a correct reply."""
        return error_kind(self.label)


@dataclass(frozen=True, slots=True)
class Item:
    """A record as read: the tools, the answers as stored, and what the reply decodes to."""

    tools: Any
    answers: Any
    decoded: Decoded


def error_kind(label: str) -> ErrorKind | None:
    """The kind of error that a label stands for; None for `correct`."""
    if label == CORRECT:
        return None
    if label in _KINDS:
        return _KINDS[label]
    family = label.partition(":")[0]
    kinds: Mapping[str, ErrorKind] = {
        "type_error": "type",
        "value_error": "value",
        "scorer_error": "scorer_error",
    }
    if family not in kinds:
        raise DataError(f"unknown label of a tool-call checker: {label!r}")
    return kinds[family]


def error_breakdown(checks: Iterable[CallCheck]) -> dict[str, int]:
    """How many verdicts bear each label, the most frequent first."""
    return dict(Counter(check.label for check in checks).most_common())


def fold(text: str) -> str:
    """`text` as both scorers compare it: without blanks and `,./-_*^`, in lower case, `'` as `"`."""
    return text.translate(_FOLDED_AWAY).lower().replace("'", '"')


def fold_texts(values: Any) -> list[Any]:
    """The entries of a list, its texts folded; a text gives its characters."""
    # By index, as the official code does: an object here, which is malformed, stops both.
    entries = [values[index] for index in range(len(values))]
    return [fold(entry) if isinstance(entry, str) else entry for entry in entries]


def read_item(record: Mapping[str, Any]) -> Item:
    """Read `function`, `ground_truth` and `predict`; an absent `predict` is an empty reply.

    Tools given as JSON text are in the chat format and are taken out of it; tools given as values are bare.
    """
    tools, answers = record["function"], record["ground_truth"]
    if isinstance(tools, str):
        functions = [tool["function"] for tool in json.loads(tools)]
        tools = [{key: each[key] for key in ("name", "description", "parameters")} for each in functions]
    if isinstance(answers, str):
        answers = json.loads(answers)
    return Item(tools, answers, decode_calls(record.get("predict", "")))


def guarded(check: Callable[[], CallCheck], malformed: Malformed) -> CallCheck:
    """Run a check; a record that it crashes on counts as wrong or raises ScorerError."""
    if malformed not in get_args(Malformed):
        raise UsageError(f"unknown policy for malformed records {malformed!r}: count_wrong or raise")
    try:
        return check()
    except _CRASHES as crash:
        if malformed == "raise":
            raise ScorerError(crash) from crash
        return CallCheck(f"scorer_error:{type(crash).__name__}", f"the record cannot be checked: {crash}")


def shown(value: Any) -> str:
    """A value in a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
