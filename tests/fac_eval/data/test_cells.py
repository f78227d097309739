"""Typed cells: right values come through, wrong ones are told with place, column and what was found."""

from __future__ import annotations

from typing import Any

import pytest

from fac_eval.data.cells import FLAG, INTEGER, NUMBER, OBJECT, OBJECTS, TEXT, TEXTS, Kind, cell, optional_cell
from fac_eval.errors import DataError

WHERE = "rows.jsonl, line 7"


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (TEXT, "", ""),
        (NUMBER, 1, 1.0),
        (NUMBER, 0, 0.0),
        (NUMBER, " 2.5 ", 2.5),
        (INTEGER, 0, 0),
        (INTEGER, 3.0, 3),
        (INTEGER, "-12", -12),
        (FLAG, False, False),
        (TEXTS, [], []),
        (TEXTS, ["a", "b"], ["a", "b"]),
        (OBJECT, {}, {}),
        (OBJECTS, [{"a": 1}, {}], [{"a": 1}, {}]),
    ],
    ids=lambda thing: thing.name if isinstance(thing, Kind) else repr(thing),
)
def test_values_of_the_kind_come_through(kind: Kind[Any], given: Any, value: Any) -> None:
    for read in (cell, optional_cell):
        found = read({"x": given}, "x", kind, WHERE)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (TEXT, 3, "expected text, found a number: 3"),
        (TEXT, ["a"], "expected text, found a list: ['a']"),
        (NUMBER, True, "expected a number, found a truth value: True"),
        (NUMBER, "many", "expected a number, found text: 'many'"),
        (NUMBER, "nan", "expected a number"),
        (NUMBER, float("inf"), "expected a number"),
        (NUMBER, 10**400, "expected a number"),
        (INTEGER, 2.5, "expected a whole number, found a number: 2.5"),
        (INTEGER, "2.5", "expected a whole number"),
        (INTEGER, False, "expected a whole number"),
        (FLAG, 1, "expected true or false"),
        (TEXTS, "ab", "expected a list of texts, found text: 'ab'"),
        (TEXTS, ["a", None], "expected a list of texts, found a list: ['a', None]"),
        (OBJECT, [1], "expected an object"),
        (OBJECTS, [{}, 1], "expected a list of objects"),
        (TEXT, list(range(50)), "..."),
    ],
    ids=lambda thing: thing.name if isinstance(thing, Kind) else repr(thing)[:30],
)
def test_other_values_are_told(kind: Kind[Any], given: Any, told: str) -> None:
    for read in (cell, optional_cell):
        with pytest.raises(DataError) as caught:
            read({"x": given}, "x", kind, WHERE)
        assert str(caught.value).startswith(f"{WHERE}, column 'x': ")
        assert told in str(caught.value)
        assert len(str(caught.value)) < 200


def test_null_is_wrong_unless_optional() -> None:
    with pytest.raises(DataError, match="expected text, found null"):
        cell({"x": None}, "x", TEXT, WHERE)
    assert optional_cell({"x": None}, "x", TEXT, WHERE) is None
    assert optional_cell({}, "x", TEXT, WHERE) is None


def test_a_missing_column_is_told_with_the_ones_there() -> None:
    with pytest.raises(DataError) as caught:
        cell({"prompt": 1, "answer": 2}, "awnser", TEXT, WHERE)
    assert str(caught.value) == (
        f"{WHERE}: no column 'awnser'.\nIt has 'prompt', 'answer'. Did you mean 'answer'?"
    )
    with pytest.raises(DataError, match="It has none"):
        cell({}, "x", TEXT, WHERE)
