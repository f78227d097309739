from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.acebench_check import check_acebench
from fac_eval.metrics.bfcl_check import check_bfcl
from fac_eval.metrics.toolcall_check import (
    CallCheck,
    ErrorKind,
    ScorerError,
    error_breakdown,
    error_kind,
    fold,
)
from tests.support.tool_records import call, record, tool

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "f", "name", "object"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["f", "name", "description", "parameters", "properties", "required", "type"]),
            inner,
        )
    ),
    max_leaves=12,
)
CHECKERS = [check_bfcl, check_acebench]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Port-Alder, North_1/2*3^4.", "portaldernorth1234"),
        ("It's", 'it"s'),
        ("a\tb\u00a0c\u3000d，e；", "a\tb\u00a0c\u3000d，e；"),
        ("ＡÉ", "ａé"),
    ],
    ids=["separators", "apostrophe", "other-blanks-stay", "case"],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("correct", None),
        ("ast_decoder:decoder_failed", "decoder_failed"),
        ("wrong functions number", "count"),
        ("function_mismatch", "wrong_name"),
        ("lack_args", "missing"),
        ("simple_function_checker:unexpected_param", "extra"),
        ("wrong_param", "arguments"),
        ("type_error", "type"),
        ("type_error:nested", "type"),
        ("value_error:list/tuple", "value"),
        ("dict_checker:unclear", "value"),
        ("parallel_function_checker_no_order:cannot_find_match", "no_match"),
        ("scorer_error:KeyError", "scorer_error"),
    ],
)
def test_every_label_has_a_kind(label: str, kind: str | None) -> None:
    assert error_kind(label) == kind
    assert kind is None or kind in get_args(ErrorKind)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(DataError, match="wrong_moon"):
        error_kind("wrong_moon")


def test_the_breakdown_counts_labels_the_most_frequent_first() -> None:
    checks = [CallCheck("type_error"), CallCheck("correct"), CallCheck("correct")]
    assert list(error_breakdown(checks).items()) == [("correct", 2), ("type_error", 1)]


@pytest.mark.parametrize("check", CHECKERS, ids=["bfcl", "acebench"])
class TestBothCheckers:
    @given(JSON, JSON, JSON)
    def test_no_record_crashes_a_checker(self, check: Any, tools: Any, answers: Any, predict: Any) -> None:
        given_record = {"function": tools, "ground_truth": answers, "predict": predict, "utterance": ""}
        assert check(given_record).label

    @given(JSON, JSON, JSON)
    def test_no_call_crashes_a_checker(self, check: Any, schema: Any, answer: Any, arguments: Any) -> None:
        tools = [{"name": "f", "description": "", "parameters": schema}]
        answers = [{"f": answer}] if check is check_bfcl else {"f": answer}
        assert check(record(tools, answers, call("f", arguments))).label

    def test_an_undecodable_reply_says_why(self, check: Any) -> None:
        found = check(record([tool("f", {})], [], call("f", None)))
        assert (found.label, found.kind, found.valid) == (
            "ast_decoder:decoder_failed",
            "decoder_failed",
            False,
        )
        assert "NoneType" in found.message

    def test_an_absent_reply_has_no_calls(self, check: Any) -> None:
        given_record = record([tool("f", {})], [{"f": {}}])
        del given_record["predict"]
        assert check(given_record).kind == "count"

    def test_blocks_that_were_dropped_are_kept_with_the_verdict(self, check: Any) -> None:
        found = check(record([tool("f", {})], [{"f": {}}], "<tool_call>{f}</tool_call>"))
        assert found.kind == "count"
        assert len(found.decoded.dropped) == 1

    @pytest.mark.parametrize(
        ("change", "crash"),
        [
            ({"function": "not json"}, "JSONDecodeError"),
            ({"function": '[{"name": "f"}]'}, "KeyError"),
            ({"function": "[]"}, "TypeError"),
            ({"ground_truth": "oops"}, "JSONDecodeError"),
            ({"predict": call("f", {"x": "\ud83d"})}, "UnicodeEncodeError"),
            ({"predict": call("f", {"x": "?"}).replace("?", "\\ud83d")}, "UnicodeEncodeError"),
        ],
        ids=["no-json", "tool-not-wrapped", "no-tool", "answer", "lone-surrogate", "escaped-lone-surrogate"],
    )
    def test_a_malformed_record_is_wrong_with_its_own_label_or_raises(
        self, check: Any, change: dict[str, str], crash: str
    ) -> None:
        answers: Any = [{"f": {"x": ["a"]}}] if check is check_bfcl else {"f": {"x": "a"}}
        given_record = record([tool("f", {"x": "string"})], answers, call("f", {"x": "a"})) | change
        found = check(given_record)
        assert (found.label, found.kind) == (f"scorer_error:{crash}", "scorer_error")
        assert crash in found.message
        with pytest.raises(ScorerError, match="cannot be checked") as raised:
            check(given_record, malformed="raise")
        assert raised.value.crash == crash

    def test_an_escaped_pair_of_surrogates_is_a_character(self, check: Any) -> None:
        answers: Any = [{"f": {"x": ["💧"]}}] if check is check_bfcl else {"f": {"x": "💧"}}
        reply = call("f", {"x": "?"}).replace("?", "\\ud83d\\udca7")
        assert check(record([tool("f", {"x": "string"})], answers, reply)).valid

    def test_an_unknown_policy_is_refused(self, check: Any) -> None:
        with pytest.raises(UsageError, match="skip"):
            check(record([], []), malformed="skip")
