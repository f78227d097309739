"""What the two checkers of tool calls share: the verdict and its taxonomy, reading a record, comparing texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.toolcall_parse import Decoded, decode_calls

Malformed = Literal["count_wrong", "raise"]
"""What happens with a record that stops the official scorer: a wrong item with a label of its own, or ScorerError."""

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
"""`arguments`: one side has none at all; `no_match`: none of the calls fits an answer."""

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
_FAMILIES: Mapping[str, ErrorKind] = {
    "type_error": "type",
    "value_error": "value",
    "scorer_error": "scorer_error",
}
_FOLDED_AWAY = str.maketrans("", "", " ,./-_*^")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

# What malformed records, and values that nobody foresaw, raise here and in the official scorers.
_CRASHES = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)


class ScorerError(DataError):
    """A record that stops the official scorer; `crash` is the name of the exception that escapes there."""

    def __init__(self, crash: Exception) -> None:
        self.crash = type(crash).__name__
        super().__init__(
            f"the record cannot be checked: {self.crash}: {crash}",
            remedy="Repair the record, or let such items count as wrong (label scorer_error).",
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the calls do not fit the answers: the official label, and a sentence for the reader."""

    label: str
    message: str


@dataclass(frozen=True, slots=True)
class CallCheck:
    """The verdict on one reply."""

    label: str
    """`correct`, the official scorer's error label, or `scorer_error:` and what stops that scorer."""
    message: str = ""
    decoded: Decoded = field(default_factory=Decoded)
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
    """A record as read: bare tools, the answers, and what the reply decodes to."""

    tools: Any
    answers: Any
    decoded: Decoded


def error_kind(label: str) -> ErrorKind | None:
    """The kind of error that a label stands for; None for `correct`."""
    if label == CORRECT:
        return None
    kind = _KINDS.get(label) or _FAMILIES.get(label.partition(":")[0])
    if kind is None:
        raise DataError(f"no checker of tool calls gives the label {label!r}")
    return kind


def error_breakdown(checks: Iterable[CallCheck]) -> dict[str, int]:
    """How many of the verdicts bear each label, the most frequent first."""
    return dict(Counter(check.label for check in checks).most_common())


def check_record(
    record: Mapping[str, Any],
    find_fault: Callable[[Item], Fault | None],
    malformed: Malformed,
    *,
    fields: tuple[str, ...] = ("ground_truth", "function"),
) -> CallCheck:
    """Read a record and check its calls. A record that either step crashes on is treated as `malformed` says.

    `fields` must be there, as in the official scorer; an absent `predict` is an empty reply.
    """
    if malformed not in get_args(Malformed):
        raise UsageError(f"unknown policy for malformed records {malformed!r}: count_wrong or raise")
    try:
        for name in fields:
            record[name]
        item = _read(record)
        check = _check(item, find_fault)
        _require_utf8(record, item)
    except _CRASHES as crash:
        if malformed == "raise":
            raise ScorerError(crash) from crash
        raised = type(crash).__name__
        return CallCheck(f"scorer_error:{raised}", f"the record cannot be checked: {raised}: {crash}")
    return check


def fold(text: str) -> str:
    """`text` as both scorers compare it: without blanks and `,./-_*^`, in lower case, `'` as `"`."""
    return text.translate(_FOLDED_AWAY).lower().replace("'", '"')


def entries(values: Any) -> list[Any]:
    """The entries of a list, or the characters of a text.

    They are taken by index, as upstream takes them: an object in a list's place stops the scorer.
    """
    return [values[index] for index in range(len(values))]


def fold_texts(values: Any) -> list[Any]:
    """The entries of a list with its texts folded, but not those further inside."""
    return [fold(entry) if isinstance(entry, str) else entry for entry in entries(values)]


def shown(value: Any) -> str:
    """A value in a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _read(record: Mapping[str, Any]) -> Item:
    answers, tools = record["ground_truth"], record["function"]
    if isinstance(answers, str):
        answers = json.loads(answers)
    if isinstance(tools, str):
        # Tools as text are in the chat format; tools as values are bare already.
        functions = [tool["function"] for tool in json.loads(tools)]
        tools = [{key: each[key] for key in ("name", "description", "parameters")} for each in functions]
    return Item(tools, answers, decode_calls(record.get("predict", "")))


def _check(item: Item, find_fault: Callable[[Item], Fault | None]) -> CallCheck:
    if item.decoded.failure is not None:
        return CallCheck(DECODER_FAILED, item.decoded.failure, item.decoded)
    fault = find_fault(item)
    if fault is None:
        return CallCheck(CORRECT, decoded=item.decoded)
    return CallCheck(fault.label, fault.message, item.decoded)


def _require_utf8(record: Mapping[str, Any], item: Item) -> None:
    """Raise for half a surrogate pair: upstream stores records, answers and calls as UTF-8, which has none."""
    escaped = False
    for value in record.values():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text.encode()
        escaped = escaped or _SURROGATE_ESCAPE.search(text) is not None
    if escaped:
        calls = [[call.name, call.arguments] for call in item.decoded.calls]
        json.dumps([item.answers, calls], ensure_ascii=False).encode()
