"""The report's figures, as they come with the package."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest

from fac_eval.errors import UnknownName
from fac_eval.reports.tables.layouts import builtin_layout, builtin_names
from fac_eval.reports.tables.published import COLUMNS, Place, access, chosen_tables, published


def test_every_cell_is_there_once() -> None:
    data = published()
    assert len(data.cells) == len(data.values) == 607
    sizes = Counter(cell.place.table for cell in data.cells)
    assert sizes == {"1": 88, "2": 154, "3": 42, "4": 30, "5": 238, "6": 9, "7": 44, "3.2": 2}


def test_values_are_as_printed() -> None:
    data = published()
    advbench = Place("1", "VoiceBench (S2T)", "AdvBench", "refusal_rate")
    assert data.value(advbench, "Longcat-Flash-Omni-Instruct") == "100"
    assert data.value(advbench, "GPT-Audio") == "99.62"
    assert data.value(Place("2", "Model", "Frame Rate-Out", "hz"), "MiniCPM-o 2.6") == "tau"
    dash = Place("3", "Speech Recognition", "Common Voice", "wer", "zh")
    assert data.value(dash, "Audio-Flamingo-3") == ""
    assert data.value(dash, "Nobody") is None


def test_columns_come_in_the_order_of_the_report() -> None:
    assert published().models("4") == (
        "GPT-Audio",
        "Gemini-2.5-Pro",
        "Step-Audio2-Mini",
        "Fun-Audio-Chat-30B-A3B",
        "Fun-Audio-Chat-8B",
    )
    assert published().tables == ("1", "2", "3", "4", "5", "6", "7", "3.2")


def test_the_file_tells_where_it_is_from() -> None:
    data = files("fac_eval.reports.tables").joinpath("data")
    assert "arXiv 2512.20156v1" in data.joinpath("SOURCE.md").read_text("utf-8")
    assert data.joinpath("tables.csv").read_text("utf-8").splitlines()[0] == ",".join(COLUMNS)


def test_the_way_to_every_model_is_known() -> None:
    assert set(access()) == {cell.model for cell in published().cells}
    assert set(access().values()) == {"open", "api", "closed"}


@pytest.mark.parametrize(
    ("asked", "tables"),
    [
        ([], "1 2 3 4 5 6 7 3.2"),
        (["1-7"], "1 2 3 4 5 6 7 3.2"),
        (["3"], "3"),
        (["3-4"], "3 4 3.2"),
        ([" 7", "1-2 "], "1 2 7"),
        (["3.2"], "3.2"),
    ],
    ids=["none", "all", "one", "a range takes what lies between", "several", "a section"],
)
def test_tables_are_chosen_by_name_and_range(asked: list[str], tables: str) -> None:
    assert chosen_tables(asked) == tuple(tables.split())


@pytest.mark.parametrize("asked", ["8", "table1", "1-9", "7-1", "-", "1..3"])
def test_a_table_that_is_none_is_an_error_that_names_the_others(asked: str) -> None:
    with pytest.raises(UnknownName, match=r"Known|Did you mean"):
        chosen_tables([asked])


def test_the_layouts_show_every_published_row_once() -> None:
    rows = [row.place for name in builtin_names() for row in builtin_layout(name).rows]
    assert Counter(rows) == Counter(published().places)


def test_the_layouts_show_every_published_column() -> None:
    for table in published().tables:
        assert builtin_layout(f"table{table}").columns == published().models(table)
