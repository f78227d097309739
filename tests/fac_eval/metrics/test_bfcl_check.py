from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.bfcl_check import check_bfcl
from tests.support.tool_records import call, record, tool

GOLDEN = Path(__file__).parents[2] / "golden" / "bfcl_check.jsonl"
BFCL_TYPES = frozenset({"string", "integer", "float", "boolean", "array", "tuple", "dict", "any"})

STRINGS = {"type": "array", "items": {"type": "string"}}
FLOATS = {"type": "array", "items": {"type": "float"}}
DICTS = {"type": "array", "items": {"type": "dict"}}

COUNT = "multiple_function_checker:wrong_count"
TYPE = "type_error:simple"
NESTED = "type_error:nested"
VALUE = "value_error:others"
TEXT = "value_error:string"
LIST = "value_error:list/tuple"
KEY = "value_error:dict_key"
INNER = "value_error:dict_value"
ROWS = "value_error:list_dict_count"


@pytest.mark.parametrize(
    ("schema", "allowed", "value", "label"),
    [
        pytest.param("string", ["Port Alder, North"], "port-alder_NORTH.", "correct", id="folded"),
        pytest.param("string", ["北京"], "北京市", TEXT, id="no-containment"),
        pytest.param("string", [""], " .-", "correct", id="folds-to-the-optional-mark"),
        pytest.param("string", ["a", 5], 5, TYPE, id="second-class-does-not-count"),
        pytest.param("string", [5], 5, "correct", id="class-of-the-answer"),
        pytest.param("string", [5], "5", VALUE, id="declared-class-but-other-answer"),
        pytest.param("integer", [5], 5, "correct", id="int"),
        pytest.param("integer", [5], 5.0, TYPE, id="int-given-float"),
        pytest.param("integer", [1], True, TYPE, id="bool-is-no-int"),
        pytest.param("integer", ["", 5.0], 5, "correct", id="equal-across-classes"),
        pytest.param("number", [29.5, 23.5], 29, VALUE, id="number-is-int"),
        pytest.param("float", [2], 2, "correct", id="float-converted-then-int-answer"),
        pytest.param("float", [0.3], 0.30000000000000004, VALUE, id="no-tolerance"),
        pytest.param("float", [float("nan")], float("nan"), "correct", id="nan-is-found-by-identity"),
        pytest.param("boolean", [True], "true", TYPE, id="bool-given-text"),
        pytest.param("any", [5], 5, "correct", id="any-by-answer"),
        pytest.param("object", [{"x": 1}], "whatever", "correct", id="object-is-not-checked"),
        pytest.param(STRINGS, [["A b"], ""], ["a-b"], "correct", id="list-folded"),
        pytest.param(STRINGS, [["a", "b"]], ["b", "a"], LIST, id="list-order"),
        pytest.param(STRINGS, [["a"], ""], [], "correct", id="empty-list-meets-the-optional-mark"),
        pytest.param(STRINGS, [["a"]], [1], NESTED, id="list-element-class"),
        pytest.param(STRINGS, ["", ["a"]], [1], LIST, id="optional-mark-first-stops-the-element-check"),
        pytest.param(STRINGS, ["a"], ["a"], VALUE, id="list-where-the-answer-is-text"),
        pytest.param(STRINGS, [], ["a"], TYPE, id="nothing-allowed"),
        pytest.param(FLOATS, [[1.0, 2.5]], [1, 2.5], NESTED, id="ints-inside-stay-ints"),
        pytest.param(FLOATS, [[1, 2.5]], [1, 2.5], "correct", id="element-class-of-the-answer"),
        pytest.param("dict", [{"k": ["a b"], "o": [1, ""]}], {"k": "A-B"}, "correct", id="dict-folded"),
        pytest.param("dict", [{"k": ["a"]}], {"k": "b"}, INNER, id="dict-value"),
        pytest.param("dict", [{"k": ["a"], "m": [1]}], {"k": "b"}, KEY, id="missing-key-beats-wrong-value"),
        pytest.param(
            "dict", [{"k": ["a"]}, {"m": ["a"]}], {"k": "b"}, KEY, id="label-of-the-last-alternative"
        ),
        pytest.param("dict", [{"k": "abc"}], {"k": "b"}, "correct", id="bare-text-walked-by-character"),
        pytest.param("dict", [""], {}, "dict_checker:unclear", id="dict-only-optional-mark"),
        pytest.param(
            "dict", [{"k": {"a": 1}}], {"k": 1}, "scorer_error:KeyError", id="dict-in-a-list-s-place"
        ),
        pytest.param(DICTS, [[{"k": [1]}, {"k": [2]}]], [{"k": 1}, {"k": 2}], "correct", id="rows"),
        pytest.param(DICTS, [[{"k": [1]}, {"k": [2]}]], [{"k": 2}, {"k": 1}], INNER, id="rows-order"),
        pytest.param(DICTS, [[{"k": [1]}], [{"k": [1]}] * 2], [{"k": 2}], ROWS, id="rows-label-of-the-last"),
        pytest.param(DICTS, [[{"k": [1]}], ""], [], "correct", id="no-rows-meet-the-optional-mark"),
        pytest.param(DICTS, [[], [""]], [{}], "dict_checker:unclear", id="row-without-answer"),
        pytest.param("tuple", [[1]], [1], "scorer_error:KeyError", id="no-items"),
        pytest.param("enum", ["a"], "a", "scorer_error:KeyError", id="unknown-type"),
        pytest.param("float", [1.0], 10**400, "scorer_error:OverflowError", id="int-beyond-floats"),
    ],
)
def test_one_argument(schema: Any, allowed: Any, value: Any, label: str) -> None:
    given_record = record([tool("f", {"x": schema}, ["x"])], [{"f": {"x": allowed}}], call("f", {"x": value}))
    found = check_bfcl(given_record)
    assert found.label == label
    assert bool(found.message) is (label != "correct")


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        ({"a": 1}, "correct"),
        ({"a": 1, "b": 2}, "correct"),
        ({"b": 2}, "simple_function_checker:missing_required"),
        ({"a": 1, "b": 3}, VALUE),
        ({"a": 1, "z": 1}, "simple_function_checker:unexpected_param"),
        ({"a": 1, "c": 1}, "simple_function_checker:unexpected_param"),
        ({"a": 2, "z": 1}, VALUE),
        ({"z": 1, "a": 2}, "simple_function_checker:unexpected_param"),
    ],
    ids=["optional-absent", "all", "required", "value", "unknown", "not-in-answer", "in-order", "in-order-2"],
)
def test_parameters(arguments: dict[str, Any], label: str) -> None:
    tools = [tool("f", {"a": "integer", "b": "integer", "c": "integer"}, ["a"])]
    assert check_bfcl(record(tools, [{"f": {"a": [1], "b": [2, ""]}}], call("f", arguments))).label == label


def test_a_parameter_that_the_answer_needs_may_not_be_left_out() -> None:
    tools = [tool("f", {"a": "integer"})]
    found = check_bfcl(record(tools, [{"f": {"a": [1]}}], call("f", {})))
    assert (found.label, found.kind) == ("simple_function_checker:missing_optional", "missing")


@pytest.mark.parametrize(
    ("name", "model_name", "label"),
    [
        ("a.b", "fun-audio-chat-s2t", "correct"),
        ("a_b", "fun-audio-chat-s2t", "simple_function_checker:wrong_func_name"),
        ("a_b", "gpt-4o-audio", "correct"),
        ("a.b", "gpt-4o-audio", "simple_function_checker:wrong_func_name"),
        ("A.b", "", "simple_function_checker:wrong_func_name"),
        (None, "", "simple_function_checker:wrong_func_name"),
    ],
)
def test_names(name: Any, model_name: str, label: str) -> None:
    given_record = record([tool("a.b", {})], [{"a.b": {}}], call(name, {}))
    assert check_bfcl(given_record, model_name=model_name).label == label


def one(value: int) -> str:
    return call("f", {"a": value})


def answer(*values: int) -> dict[str, Any]:
    return {"f": {"a": list(values)}}


@pytest.mark.parametrize(
    ("category", "answers", "calls", "label"),
    [
        ("multiple", [answer(1)], [one(1), one(1)], COUNT),
        ("multiple", [answer(1), answer(2)], [one(1), one(9)], "correct"),
        ("multiple", [], [], "scorer_error:IndexError"),
        ("live_multiple", [answer(1)], [one(1)], "correct"),
        ("simple", [answer(1)], [one(1)], "correct"),
        ("simple", [answer(1), answer(2)], [one(1), one(2)], "simple_function_checker:wrong_count"),
        ("parallel", [answer(1), answer(2)], [one(2), one(1)], "correct"),
        ("parallel_multiple", [answer(1), answer(2)], [one(2), one(1)], "correct"),
        ("parallel", [answer(1)], [], "parallel_function_checker_no_order:wrong_count"),
        ("parallel", [], [], "correct"),
        (
            "parallel",
            [answer(1, 2), answer(1)],
            [one(1), one(2)],
            "parallel_function_checker_no_order:cannot_find_match",
        ),
        ("parallel", [answer(1, 2), answer(1)], [one(2), one(1)], "correct"),
    ],
    ids=[
        "too-many",
        "only-the-first-is-compared",
        "nothing-at-all",
        "live",
        "simple",
        "simple-count",
        "any-order",
        "parallel-comes-first",
        "too-few",
        "none-expected",
        "greedy",
        "greedy-lucky",
    ],
)
def test_several_calls(category: str, answers: list[Any], calls: list[str], label: str) -> None:
    given_record = record([tool("f", {"a": "integer"})], answers, *calls)
    assert check_bfcl(given_record, category=category).label == label


def test_the_first_tool_of_the_answer_s_name_is_the_schema() -> None:
    tools = [tool("g", {"a": "string"}), tool("f", {"a": "integer"}), tool("f", {"a": "string"})]
    assert check_bfcl(record(tools, [answer(1)], one(1))).valid
    assert check_bfcl(record(tools, [answer(1)], one(1)), category="simple").kind == "wrong_name"


def test_bare_tools_and_answers_may_be_given_as_values() -> None:
    given_record = {"function": [tool("f", {"a": "integer"})], "ground_truth": [answer(1)], "predict": one(1)}
    assert check_bfcl(given_record).valid
    assert check_bfcl({**given_record, "function": tool("f", {"a": "integer"})}).valid


@given(st.permutations([1, 2, 3]))
def test_distinct_parallel_answers_match_in_any_order(order: list[int]) -> None:
    given_record = record(
        [tool("f", {"a": "integer"})], [answer(1), answer(2), answer(3)], *(one(value) for value in order)
    )
    assert check_bfcl(given_record, category="parallel").valid


def _cases_with_bfcl_types() -> list[dict[str, Any]]:
    _, *rows = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").split("\n") if line]
    return [
        row["input"]
        for row in rows
        if "error_type" in row["expected"]
        and "gpt-4o" not in row["input"]["model_name"]
        and set(_types(row["input"]["record"]["function"])) <= BFCL_TYPES
    ]


def _types(function: Any) -> list[str]:
    try:
        schemas = [each["function"]["parameters"]["properties"].values() for each in json.loads(function)]
    except (ValueError, KeyError, TypeError):
        return ["malformed"]
    properties = [schema for group in schemas for schema in group]
    nested = [schema["items"] for schema in properties if "items" in schema]
    return [str(schema.get("type")) for schema in properties + nested]


def test_bfcl_eval_agrees_on_schemas_with_types_of_its_own() -> None:
    upstream = pytest.importorskip("bfcl_eval.eval_checker.ast_eval.ast_checker", exc_type=ImportError)
    models = upstream.MODEL_CONFIG_MAPPING
    model = next(name for name, config in models.items() if not config.underscore_to_dot and "_" not in name)
    cases = _cases_with_bfcl_types()
    assert len(cases) > 300
    for case_input in cases:
        given_record, category = case_input["record"], case_input["test_category"]
        found = check_bfcl(given_record, category=category)
        if found.kind == "decoder_failed":
            continue
        expected = upstream.ast_checker(
            [each["function"] for each in json.loads(given_record["function"])],
            [{made.name: made.arguments} for made in found.decoded.calls],
            json.loads(given_record["ground_truth"]),
            upstream.Language.PYTHON,
            category,
            model,
        )
        assert found.label == ("correct" if expected["valid"] else expected["error_type"]), given_record
