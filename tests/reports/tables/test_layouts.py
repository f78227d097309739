"""Layouts: what a file may say, and what is said of one that makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from fac_eval.errors import UnknownName, UsageError
from fac_eval.metrics.vstyle import weights
from fac_eval.reports.tables.layouts import builtin_layout, builtin_names, parse_layout, read_layout
from fac_eval.reports.tables.published import Place, published
from fac_eval.resolve import benchmarks


def layout(text: str):  # type: ignore[no-untyped-def]
    return parse_layout(text, name="own", where="the layout own.toml")


def test_keys_are_handed_down_from_table_and_block() -> None:
    made = layout(
        """
        unit = "%"
        decimals = 1
        [[blocks]]
        name = "B"
        metric = "accuracy"
        decimals = 0
        rows = [{ label = "a" }, { label = "b", metric = "wer", direction = "lower", decimals = 3 }]
        """
    )
    one, two = made.rows
    assert (one.block, one.metric, one.unit, one.decimals, one.direction) == (
        "B",
        "accuracy",
        "%",
        0,
        "higher",
    )
    assert (two.metric, two.unit, two.decimals, two.direction) == ("wer", "%", 3, "lower")
    assert (made.title, made.columns, one.place) == ("own", (), None)


def test_a_row_names_its_published_figures() -> None:
    made = layout(
        """
        table = "1"
        columns = ["Gemini-2.5-Pro"]
        [[blocks]]
        name = "VoiceBench (S2T)"
        metric = "accuracy"
        rows = [
          { label = "SD-QA" },
          { label = "my MMSU", published = { row = "MMSU" } },
          { label = "Overall", metric = "overall", published = { table = "4", block = "Speech Function Calling" } },
          { label = "mine", published = false },
        ]
        """
    )
    places = [row.place for row in made.rows]
    assert places[0] == Place("1", "VoiceBench (S2T)", "SD-QA", "accuracy", "")
    assert places[1] is not None
    assert places[1].row == "MMSU"
    assert places[2] == Place("4", "Speech Function Calling", "Overall", "overall", "")
    assert places[3] is None
    assert made.columns == ("Gemini-2.5-Pro",)


def test_published_columns_are_those_that_some_row_has() -> None:
    made = layout(
        """
        table = "6"
        metric = "judge_1_5"
        [[blocks]]
        name = "Internal test set"
        rows = [{ label = "Semantics-based Empathy" }]
        """
    )
    assert made.columns == published().models("6")


def test_a_layout_can_start_from_a_built_in_one() -> None:
    made = layout('extends = "table4"\ncolumns = ["GPT-Audio"]\n[models]\n"random" = "Dice"\n')
    base = builtin_layout("table4")
    assert (made.rows, made.title) == (base.rows, base.title)
    assert (made.columns, made.models, made.name) == (("GPT-Audio",), {"random": "Dice"}, "own")


def test_rows_can_be_added_to_a_built_in_one() -> None:
    made = layout(
        'extends = "table4"\ntitle = "More"\n[[blocks]]\nname = "B"\nrows = [{ label = "a", task = "t" }]\n'
    )
    assert [row.label for row in made.rows[-2:]] == ["Overall", "a"]
    assert (made.title, made.columns) == ("More", published().models("4"))


ROWS = '[[blocks]]\nname = "B"\nrows = [{ label = "a", %s }]\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\ntitle == 1", r"not valid TOML.*line 2"),
        ("title = 'x'", "has no row"),
        ("titel = 'x'", r"unknown key 'titel' in the layout own.toml \(line 1\)\nDid you mean 'title'"),
        (
            "[[blocks]]\nnam = 'B'\nrows = []",
            r"unknown key 'nam' in the layout own.toml, blocks\[0\] \(line 2\)",
        ),
        ("[[blocks]]\nname = 'B'", "missing required field `rows`"),
        (ROWS % "tsk = 't'", r"blocks\[0\].rows\[0\] \(line 3\)\nDid you mean 'task'"),
        (ROWS % "published = { tabel = '1' }", r"rows\[0\].published \(line 3\)\nDid you mean 'table'"),
        (ROWS % "decimals = 'two'", r"blocks\[0\].rows\[0\].decimals: Expected `int"),
        (ROWS % "decimals = 9", r"\(a\): decimals is from 0 to 6, got 9"),
        (ROWS % "items = 0", "items is a number of items, got 0"),
        (ROWS % "direction = 'up'", "Invalid enum value 'up'"),
        (ROWS % "task = 't', total = 'x'", "both a task and a total"),
        (ROWS % "figure = 'x'", "has a figure, but no task"),
        (ROWS % "overall = 'x'", "overall names a total"),
        (ROWS % "table = '8'", "unknown published table '8'"),
        (ROWS % "table = '1'", r"unknown published block 'B' in .*says published = false"),
        (ROWS % "published = { row = 'x' }", "published names no table"),
        (
            'table = "4"\n[[blocks]]\nname = "Speech Function Calling"\nrows = [{ label = "Overal" }]',
            "'Overall'",
        ),
        ('extends = "table9"', r"unknown layout 'table9'\nDid you mean"),
        ('extends = "table4"\ncolumns = ["GPT-Audi"]', r"columns\[0\]\nDid you mean 'GPT-Audio'"),
        ("blocks = 3", "blocks: Expected `array`"),
        ("[[blocks]]\nname = 'B'\nrows = [3]", r"blocks\[0\].rows\[0\]: Expected `object`"),
        ("[models]\nx = 3", "models"),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if isinstance(value, str) else None,
)
def test_a_layout_that_makes_no_sense_is_told_where(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=rf"(?s){told}") as caught:
        layout(text)
    assert "own.toml" in str(caught.value) or isinstance(caught.value, UnknownName)


@pytest.mark.parametrize(("content", "told"), [(None, "cannot read the layout"), (b"\xff", "is not UTF-8")])
def test_a_file_that_cannot_be_read(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        read_layout(path)


def test_table_5_names_the_sub_types_of_vstyle() -> None:
    figures = [row.figure for row in builtin_layout("table5").rows]
    assert sorted(map(str, figures)) == sorted(2 * ["overall", *weights()])


def test_built_in_layouts_name_tasks_and_totals_that_there_are() -> None:
    """As far as their benchmarks are installed."""
    known = {benchmark.name: benchmark for benchmark in benchmarks()}
    seen = set()
    for name in builtin_names():
        for row in builtin_layout(name).rows:
            head = (row.task or row.total or "").partition("/")[0]
            benchmark = known.get(head)
            if benchmark is None:
                continue
            seen.add(head)
            if row.task is not None:
                assert row.task in {task.name for task in benchmark.tasks}
            else:
                assert row.overall in (None, *(overall.name for overall in benchmark.overall))
                assert benchmark.overall
    assert {"voicebench", "speech_fc"} <= seen
