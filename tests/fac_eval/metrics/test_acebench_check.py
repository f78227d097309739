from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.acebench_check import check_acebench
from tests.support.tool_records import call, record, tool

STRINGS = {"type": "array", "items": {"type": "string"}}
ROWS = {"type": "array", "items": {"type": "object"}}

TYPE = "type_error"
VALUE = "value_error"
TEXT = "value_error:string"
LIST = "value_error:list/tuple"
COUNT = "value_error:list_dict_count"
CRASH = "scorer_error:"


@pytest.mark.parametrize(
    ("schema", "answer", "value", "label"),
    [
        pytest.param(
            "string", "东区三号棚", "请把东区 三号-棚打开", "correct", id="contains-the-folded-answer"
        ),
        pytest.param("string", "东区三号棚", "三号棚", TEXT, id="part-of-the-answer"),
        pytest.param("string", "", "anything", "correct", id="empty-answer"),
        pytest.param("string", "true", "true", TYPE, id="text-true-is-a-boolean"),
        pytest.param("string", "True", "True", "correct", id="text-True-is-a-text"),
        pytest.param("string", 5, "abc", "correct", id="declared-class-but-other-answer-is-not-compared"),
        pytest.param("string", 5, 6, "correct", id="class-of-the-answer-is-not-compared"),
        pytest.param("string", None, None, "correct", id="null"),
        pytest.param("integer", 23, 24, "correct", id="numbers-are-not-compared"),
        pytest.param("integer", 23, 23.0, "correct", id="equal-across-classes"),
        pytest.param("integer", 23, 24.0, TYPE, id="float-for-int"),
        pytest.param("number", 36.5, 37.5, "correct", id="number-by-class-of-the-answer"),
        pytest.param("float", 36.5, 99, "correct", id="int-for-float"),
        pytest.param("float", 36.5, 10**400, f"{CRASH}OverflowError", id="int-beyond-floats"),
        pytest.param("boolean", True, False, "correct", id="booleans-are-not-compared"),
        pytest.param("boolean", True, "false", "correct", id="boolean-as-text"),
        pytest.param("boolean", True, "False", TYPE, id="boolean-as-other-text"),
        pytest.param("enum", "low", "high", "correct", id="enum-is-not-compared"),
        pytest.param("enum", "", "high", TYPE, id="enum-without-answer"),
        pytest.param("bool", True, True, f"{CRASH}KeyError", id="unknown-type"),
        pytest.param(STRINGS, ["A b"], ["a-b"], "correct", id="list-folded"),
        pytest.param(STRINGS, ["a", "b"], ["b", "a"], LIST, id="list-order"),
        pytest.param(STRINGS, [], [], TYPE, id="empty-list-never-matches"),
        pytest.param(STRINGS, "", ["a"], TYPE, id="empty-answer-never-matches-a-list"),
        pytest.param(STRINGS, "ab", ["x"], "correct", id="text-answer-to-a-list"),
        pytest.param(STRINGS, 5, ["a"], f"{CRASH}TypeError", id="number-answer-to-a-list"),
        pytest.param(STRINGS, [["a"]], [1], TYPE, id="elements-are-typed-where-the-answer-is-nested"),
        pytest.param(STRINGS, ["a"], [1], LIST, id="elements-are-not-typed-otherwise"),
        pytest.param("list", "", [], "correct", id="plain-list-without-answer"),
        pytest.param("list(string)", ["a"], ["A"], "correct", id="list-of-strings"),
        pytest.param("list(enum)", ["a"], ["b"], LIST, id="list-of-enums"),
        pytest.param("array", ["a"], ["a"], VALUE, id="array-without-items-holds-objects"),
        pytest.param({"type": "array", "items": {}}, ["a"], ["a"], VALUE, id="items-without-type"),
        pytest.param({"type": "array", "items": None}, ["a"], ["a"], VALUE, id="items-null"),
        pytest.param("object", {"k": 5}, {"k": "15 kg"}, "correct", id="object-text-containment"),
        pytest.param("object", {"k": 5.0}, {"k": 5}, VALUE, id="object-float-text"),
        pytest.param("object", {"k": "true"}, {"k": True}, VALUE, id="object-text-true-never-matches"),
        pytest.param("object", {"k": True}, {"k": "true"}, "correct", id="object-true-as-text"),
        pytest.param("object", {"k": ["A", 1]}, {"k": ["a", 1]}, VALUE, id="object-list-unfolded"),
        pytest.param("object", {"k": {"m": "a"}}, {"k": {"m": "xA"}}, "correct", id="object-nested"),
        pytest.param("object", {"k": {"m": "a"}}, {"k": "a"}, VALUE, id="object-nested-not-an-object"),
        pytest.param("object", {"k": 1}, {"k": 1, "m": 1}, VALUE, id="object-extra-key"),
        pytest.param("object", {}, {}, TYPE, id="empty-object-never-matches"),
        pytest.param("dict", "", {"k": 1}, f"{CRASH}AttributeError", id="dict-without-answer"),
        pytest.param(ROWS, [{"k": 1}, {"k": 2}], [{"k": 1}, {"k": 2}], "correct", id="rows"),
        pytest.param(ROWS, [{"k": 1}, {"k": 2}], [{"k": 2}, {"k": 1}], VALUE, id="rows-order"),
        pytest.param(ROWS, [{"k": 1}], [{"k": 1}, {"k": 1}], COUNT, id="rows-count"),
        pytest.param(ROWS, ["a"], [{"k": 1}], f"{CRASH}AttributeError", id="answer-row-is-no-object"),
        pytest.param("objectArray", [{"k": 1}], [{"k": 1}], f"{CRASH}TypeError", id="object-array"),
        pytest.param("objectArray", [{"k": 1}], [], "value_error:dict_items", id="object-array-count"),
        pytest.param(
            {"type": "objectArray", "items": {"type": "string"}},
            ["a"],
            ["A"],
            "correct",
            id="object-array-of-texts",
        ),
    ],
)
def test_one_argument(schema: Any, answer: Any, value: Any, label: str) -> None:
    tools = [tool("f", {"x": schema, "y": "string"})]
    found = check_acebench(record(tools, {"f": {"x": answer}}, call("f", {"x": value})))
    assert found.label == label
    assert bool(found.message) is (label != "correct")


@pytest.mark.parametrize(
    ("schema", "answer", "value", "label"),
    [
        pytest.param("integer", 23, 24, "value_error:strict", id="wrong-number"),
        pytest.param("integer", 23, 23.0, "correct", id="equal-across-classes"),
        pytest.param("number", 36.5, 37.5, "value_error:strict", id="by-class-of-the-answer"),
        pytest.param("float", 36.0, 36, "correct", id="int-for-float"),
        pytest.param("boolean", True, False, "value_error:strict", id="wrong-boolean"),
        pytest.param("boolean", True, "false", "value_error:strict", id="wrong-boolean-as-text"),
        pytest.param("boolean", "true", True, "correct", id="answer-as-text"),
        pytest.param("integer", "many", 3, "correct", id="answer-is-no-number"),
        pytest.param("integer", 23, "24", TYPE, id="type-comes-first"),
        pytest.param("string", "a", "ab", "correct", id="texts-stay-lenient"),
        pytest.param("object", {"k": 5}, {"k": 15}, "correct", id="top-level-only"),
    ],
)
def test_strict_values_also_compares_numbers_and_booleans(
    schema: Any, answer: Any, value: Any, label: str
) -> None:
    tools = [tool("f", {"x": schema, "y": "string"})]
    given_record = record(tools, {"f": {"x": answer}}, call("f", {"x": value}))
    assert check_acebench(given_record, strict_values=True).label == label
    if label in ("correct", "value_error:strict"):
        assert check_acebench(given_record).valid


def test_agent_categories_compare_texts_for_equality() -> None:
    tools = [tool("f", {"x": "string", "y": "string"})]
    longer = record(tools, {"f": {"x": "a"}}, call("f", {"x": "ab"}))
    same = record(tools, {"f": {"x": "a"}}, call("f", {"x": "A."}))
    assert check_acebench(longer).valid
    assert check_acebench(longer, category="agent_multi").label == TEXT
    assert check_acebench(same, category="agent_multi").valid


@pytest.mark.parametrize(
    ("answer", "arguments", "label"),
    [
        ({"a": "x", "b": "y"}, {"a": "x"}, "correct"),
        ({"a": "x", "b": "y"}, {"b": "y"}, "lack_args"),
        ({"a": "x"}, {"a": "x", "b": "y"}, "addition_args"),
        ({"a": "x", "z": "y"}, {"a": "x", "z": "y"}, "addition_args"),
        ({"a": "x"}, {}, "wrong_param"),
        ({}, {"a": "x"}, "wrong_param"),
        ({"a": {"type": "string"}, "b": {"type": "string"}}, {"junk": 1}, "correct"),
    ],
    ids=[
        "optional-absent",
        "required",
        "not-in-answer",
        "not-in-schema",
        "empty",
        "answer-empty",
        "the-schema",
    ],
)
def test_parameters(answer: dict[str, Any], arguments: dict[str, Any], label: str) -> None:
    tools = [tool("f", {"a": "string", "b": "string"}, ["a"])]
    assert check_acebench(record(tools, {"f": answer}, call("f", arguments))).label == label


@pytest.mark.parametrize(
    ("parameters", "arguments", "label"),
    [
        ({}, {}, "correct"),
        ({}, {"a": 1}, "wrong_param"),
        ({"properties": {}, "required": []}, {}, "wrong_param"),
        ({"properties": {}, "required": []}, {"junk": 1}, "correct"),
    ],
    ids=["no-schema", "no-schema-but-arguments", "right-but-always-wrong", "junk-passes"],
)
def test_tools_without_parameters(parameters: dict[str, Any], arguments: dict[str, Any], label: str) -> None:
    bare = {"name": "f", "description": "", "parameters": parameters}
    assert check_acebench(record([bare], {"f": {}}, call("f", arguments))).label == label


SEED = tool("Seed", {"b": "string", "n": "integer"}, ["b"])
PLAN = tool("plan", {"a": "integer", "n": "integer"}, ["a"])
MISMATCH = "function_mismatch"


def seed(text: str) -> str:
    return call("Seed", {"b": text})


@pytest.mark.parametrize(
    ("answers", "calls", "label"),
    [
        ({"Seed_1": {"b": "x"}, "Seed_2": {"b": "y"}}, [seed("y"), seed("x")], "correct"),
        ({"Seed_1": {"b": "x"}, "Seed_2": {"b": "x"}}, [seed("x"), seed("?")], "correct"),
        ({"Seed_1": {"b": "x"}, "Seed_2": {"b": "y"}}, [seed("x")], "wrong functions number"),
        ({"Seed_1": {"b": "x"}}, [seed("x")], MISMATCH),
        ({"Seed_1": {"b": "x"}, "plan": {"a": 1}}, [seed("x"), seed("x")], MISMATCH),
        (
            {"Seed": {"b": "x"}, "plan": {"a": 1}},
            [seed("?"), call("plan", {"a": 1})],
            "simple_function_checker:unclear",
        ),
        ({"Seed": {"b": "x"}, "plan": {"a": 1}}, [call("plan", {"a": 1}), seed("?")], TEXT),
        ({"ghost": {"b": "x"}}, [call("ghost", {"b": "x"})], f"{CRASH}TypeError"),
        ([{"Seed": {"b": "?"}}, {"Seed": {"b": "x"}}], [seed("x")], "correct"),
        ([{"Seed": {"b": "?"}}, {"plan": {"a": 1}}], [seed("x")], TEXT),
        ([], [seed("x")], f"{CRASH}KeyError"),
        ({}, [], f"{CRASH}KeyError"),
        ({}, [seed("x")], "wrong functions number"),
        ([[]], [], f"{CRASH}AttributeError"),
    ],
    ids=[
        "swapped",
        "one-call-for-two-answers",
        "too-few",
        "lone-suffix-stays",
        "other-names",
        "label-of-the-last-call",
        "label-of-the-last-call-2",
        "no-such-tool",
        "second-alternative",
        "label-of-the-first-alternative",
        "no-alternative",
        "nothing-at-all",
        "none-expected",
        "alternative-is-a-list",
    ],
)
def test_several_calls(answers: Any, calls: list[str], label: str) -> None:
    assert check_acebench(record([SEED, PLAN], answers, *calls)).label == label


def test_a_tool_is_found_by_a_part_of_the_answer_s_name() -> None:
    tools = [tool("see", {"a": "string"}), tool("seek", {"a": "string", "b": "string"})]
    given_record = record(tools, {"seek": {"a": "x"}}, call("seek", {"a": "x"}))
    assert check_acebench(given_record).label == "wrong_function_name"
    assert check_acebench(record(tools[::-1], {"seek": {"a": "x"}}, call("seek", {"a": "x"}))).valid


def test_bare_tools_and_answers_may_be_given_as_values() -> None:
    given_record = {
        "function": [SEED],
        "ground_truth": {"Seed": {"b": "x"}},
        "predict": seed("x"),
        "utterance": "",
    }
    assert check_acebench(given_record).valid
    assert check_acebench({**given_record, "function": SEED}).valid
    del given_record["utterance"]
    assert check_acebench(given_record).label == f"{CRASH}KeyError"


@given(st.text(), st.text(), st.text())
def test_a_text_around_the_answer_passes(before: str, answer: str, after: str) -> None:
    tools = [tool("f", {"x": "string", "y": "string"})]
    value = (before + answer + after).replace("\\", "").replace("\n", " ")
    if value in ("true", "false"):
        return
    given_record = {
        "function": tools,
        "ground_truth": {"f": {"x": answer.replace("\\", "").replace("\n", " ")}},
        "predict": call("f", {"x": value}),
        "utterance": "",
    }
    if "</tool_call>" not in value:
        assert check_acebench(given_record).valid
