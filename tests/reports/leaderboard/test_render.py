"""The formats: each shows every figure, and no text of anybody's leaves its place."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.reports.leaderboard.board import Column, Leaderboard, Table, TableRow, leaderboard
from fac_eval.reports.leaderboard.cells import Cell
from fac_eval.reports.leaderboard.render import common
from fac_eval.reports.leaderboard.render.formats import FORMATS, render
from fac_eval.reports.leaderboard.render.latex import _ESCAPES
from fac_eval.reports.leaderboard.render.latex import escaped as latex_escaped
from fac_eval.reports.tables.audit import audit
from fac_eval.reports.tables.layouts import RowLayout, builtin_layout, builtin_names, parse_layout
from fac_eval.reports.tables.published import published
from fac_eval.reports.text import markdown_escaped, one_line
from tests.reports._stored_runs import Made, percent, store_run


@pytest.fixture(scope="module")
def whole() -> Leaderboard:
    """All published tables."""
    return leaderboard(map(builtin_layout, builtin_names()))


@pytest.fixture(scope="module")
def audited() -> Leaderboard:
    return leaderboard(map(builtin_layout, builtin_names()), audit=audit())


# Every figure is there.


def test_csv_is_the_published_file_with_more_columns(whole: Leaderboard) -> None:
    rows = list(csv.DictReader(io.StringIO(render(whole, "csv"))))
    names = ("table", "block", "row", "metric", "lang", "model", "value")
    wanted = [(*cell.place, cell.model, cell.value) for cell in published().cells]
    assert sorted(tuple(row[name] for name in names) for row in rows) == sorted(wanted)
    assert list(rows[0]) == [*names, "source", "n", "low", "high", "protocol", "best", "flags"]
    assert {row["source"] for row in rows} == {"arXiv 2512.20156v1"}
    assert {row["flags"] for row in rows if row["value"]} <= {"", "tie"}
    assert {row["flags"] for row in rows if not row["value"]} == {"missing: a dash in the report"}


def test_the_best_are_the_same_in_csv_and_json(whole: Leaderboard) -> None:
    rows = list(csv.DictReader(io.StringIO(render(whole, "csv"))))
    names = ("table", "block", "row", "metric", "lang", "model")
    from_csv = {tuple(row[name] for name in names) for row in rows if row["best"]}
    from_json = set()
    for table in json.loads(render(whole, "json"))["tables"]:
        for row in table["rows"]:
            for column, cell in zip(table["columns"], row["cells"], strict=True):
                if cell["best"]:
                    from_json.add((*row["published"].values(), column["title"]))
    assert from_csv == from_json
    assert len(from_csv) == 101


def cells_of(text: str, to: str) -> list[list[str]]:
    """The figures of a rendered table, by row, without marks and footnotes."""
    if to == "terminal":
        rows = [re.split(r"\s{2,}", line) for line in text.splitlines()]
    elif to == "md":
        rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    elif to == "latex":
        rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    else:
        rows = [re.findall(r"<td.*?>(.*?)</td>", row) for row in text.split("<tr>")]
    marks = r"\[[\d,]+\]|<sup>.*?</sup>|\\textsuperscript\{.*?\}|</?strong>|\\textbf|[*{}=~ ]|\\tilde"
    return [[re.sub(marks, "", cell) for cell in row] for row in rows]


@pytest.mark.parametrize("to", ["terminal", "md", "latex", "html"])
@pytest.mark.parametrize("name", builtin_names())
def test_every_published_figure_is_in_its_row(name: str, to: str) -> None:
    (table,) = leaderboard([builtin_layout(name)]).tables
    text = render(Leaderboard((table,)), to)
    shown = [row for row in cells_of(text.replace("\n<td", "<td"), to) if len(row) > len(table.columns)]
    dashes = {"": {"–", r"\textendash"}}
    wanted = [[cell.text for cell in row.cells] for row in table.rows]
    found = [row[-len(table.columns) :] for row in shown]
    for row in wanted:
        assert any(
            all(got == cell or got in dashes.get(cell, set()) for got, cell in zip(line, row, strict=True))
            for line in found
        ), row


@pytest.mark.parametrize("to", FORMATS)
def test_findings_are_flagged_in_every_format(audited: Leaderboard, whole: Leaderboard, to: str) -> None:
    text, plain = render(audited, to), render(whole, to)
    assert text != plain
    if to == "csv":
        flagged = [row for row in csv.DictReader(io.StringIO(text)) if "audit:" in row["flags"]]
        assert len(flagged) == len({(found.place, found.model) for found in audit().findings})
        (wrong,) = [row for row in flagged if "audit:wrong" in row["flags"]]
        assert (wrong["model"], wrong["row"], wrong["value"]) == ("GLM-4-Voice", "IFEval", "52.80")
        return
    told = one_line("this is the model's BBH figure on the VoiceBench leaderboard")
    told = {"html": told.replace("'", "&#x27;"), "latex": latex_escaped(told)}.get(to, told)
    assert text.count(told) == 2  # at the cell and in the audit
    assert "BBH figure" not in plain


def test_json_holds_the_audit(audited: Leaderboard) -> None:
    held = json.loads(render(audited, "json"))["audit"]
    assert (len(held["checks"]), len(held["findings"])) == (280, 215)


# A small table in full.

SMALL = """
title = "Mine & theirs"
table = "4"
columns = ["GPT-Audio", "Fun-Audio-Chat-8B"]
metric = "accuracy"
unit = "%"
[[blocks]]
name = "Speech Function Calling"
rows = [
  { label = "Speech-BFCL (Single)", task = "speech_fc/bfcl_single", items = 100 },
  { label = "Speech-BFCL (Parallel)", task = "speech_fc/bfcl_parallel", items = 100 },
]
"""


@pytest.fixture
def small(tmp_path: Path) -> Leaderboard:
    one, two = "speech_fc/bfcl_single", "speech_fc/bfcl_parallel"
    protocol = {"options": {"wording": "official"}}
    made = [
        Made(one, [percent("accuracy", 92.5, 1.0)], model="a_b", total=100, protocol=protocol),
        Made(two, None, model="a_b", total=100, protocol=protocol),
        Made(
            one,
            [percent("accuracy", 90.0, None, low=80.0, high=91.0)],
            model="c",
            total=12,
            protocol=protocol,
        ),
    ]
    return leaderboard([parse_layout(SMALL, name="mine", where="mine.toml")], [store_run(tmp_path, made)])


def test_for_a_terminal(small: Leaderboard) -> None:
    assert (
        render(small, "terminal")
        == """\
Mine & theirs
                                                               GPT-Audio  Fun-Audio-Chat-8B            a_b                       c
-----------------------  ----------------------  ------------  ---------  -----------------  -------------  ----------------------
Speech Function Calling  Speech-BFCL (Single)    accuracy % ↑      88.58            *92.73*  92.50 ± 1.00~  90.00 +1.00/-10.00 [1]
                         Speech-BFCL (Parallel)  accuracy % ↑      83.60            *87.63*          – [2]                   – [3]
[1] over 12 items, not the report's 100
[2] unfinished: 0 of 100 done
[3] not run
Published figures: arXiv 2512.20156v1.
Measured: a_b: run aaaaaaaaaaaa; c: run aaaaaaaaaaaa.
Published, and not measured here: GPT-Audio (behind an API, not run); Fun-Audio-Chat-8B (open weights, not run).

*figure*: the best of its row; a figure that a note calls another measurement does not compete.
~: not the best, but the 95% intervals of the two overlap.
± and +/-: the 95% interval, as distances from the figure.
"""  # noqa: E501
    )


def test_for_github(small: Leaderboard) -> None:
    lines = render(small, "md").splitlines()
    assert lines[0] == r"### Mine \& theirs"
    assert lines[2] == r"|  |  | GPT-Audio | Fun-Audio-Chat-8B | a\_b | c |"
    assert lines[5] == (
        r"| Speech-BFCL (Single) | accuracy % ↑ | 88.58 | **92.73** | 92.50 ± 1.00\~ | 90.00 +1.00/-10.00<sup>1</sup> |"
    )
    assert "<sup>1</sup> over 12 items, not the report's 100  " in lines


def test_for_latex(small: Leaderboard) -> None:
    text = render(small, "latex")
    assert r"\begin{tabular}{llrrrr}" in text
    assert r"\caption{Mine \& theirs}" in text
    assert r"\textbf{92.73} & 92.50 {\scriptsize $\pm$ 1.00}\textasciitilde{} & 90.00" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1


def test_as_csv(small: Leaderboard) -> None:
    rows = [
        row for row in csv.DictReader(io.StringIO(render(small, "csv"))) if row["source"].startswith("run")
    ]
    first, _, partial, missing = [
        next(row for row in rows if (row["model"], row["row"]) == key)
        for key in (
            ("a_b", "Speech-BFCL (Single)"),
            ("a_b", "Speech-BFCL (Parallel)"),
            ("c", "Speech-BFCL (Single)"),
            ("c", "Speech-BFCL (Parallel)"),
        )
    ]
    assert (first["value"], first["n"], first["low"], first["high"]) == ("92.50", "100", "91.5", "93.5")
    assert (first["best"], first["flags"], len(first["protocol"])) == ("", "overlap", 12)
    assert partial["flags"] == "items"
    assert missing["flags"] == "missing: not run"


def test_as_json(small: Leaderboard) -> None:
    (table,) = json.loads(render(small, "json"))["tables"]
    cell = table["rows"][0]["cells"][3]
    assert (cell["value"], cell["notes"], cell["best"]) == (
        90.0,
        ["over 12 items, not the report's 100"],
        False,
    )
    assert table["columns"][2] == {"title": "a_b", "kind": "measured", "source": f"run {'a' * 12}"}
    assert table["rows"][1]["cells"][2]["missing"] == "unfinished: 0 of 100 done"


def test_the_page_allows_no_script_and_nothing_from_elsewhere(audited: Leaderboard) -> None:
    text = render(audited, "html")
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert policy.startswith("default-src &#x27;none&#x27;; style-src &#x27;sha256-")
    assert not re.search(r"<script|<link|<img|\bsrc=|\bhref=|\bon\w+=|\bstyle=|https?://", text)


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        ("50.00", 48.0, 52.0, "± 2.00"),
        ("50.0", 48.04, 52.0, "± 2.0"),
        ("50.00", 40.0, 52.0, "+2.00/-10.00"),
        ("100", 96.0, 100.0, "+0/-4"),
        ("99.99", 96.0, 99.985, "+0.00/-3.99"),
        ("50", None, 52.0, ""),
    ],
)
def test_intervals(value: str, low: float | None, high: float, shown: str) -> None:
    assert common.interval_of(Cell(value, Decimal(value), low, high)) == shown


# No text leaves its place.

ANY_TEXT = st.text(min_size=1).filter(lambda text: one_line(text) != "")
NASTY = [
    "<script>alert(1)</script>",
    "a|b`c*d_e",
    r"\input{x} & % $y$ #1 ^~{}",
    "</td><td>",
    "line\nbreak\r\nand\ttab",
    "[link](javascript:x) ![i](y)",
    '" onload="x',
    "\u202eright to left",
    "<!-- -->",
    "&lt;b&gt;",
]


def with_text(text: str) -> Leaderboard:
    """A leaderboard in which every text that a user, a model or a file can bring is `text`."""
    layout = RowLayout(text, text, metric=text, unit=text, note=text, task=text)
    cells = (
        Cell("1.00", Decimal("1.00"), 0.5, 1.5, 3, notes=(text,), best=True),
        Cell(missing=text),
        Cell(text, None),
    )
    columns = tuple(Column(text, kind, text) for kind in ("published", "measured", "measured"))  # type: ignore[arg-type]
    return Leaderboard((Table(text, text, columns, (TableRow(layout, cells),), (text,)),), (text,))


class Texts(HTMLParser):
    """The texts, tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read_page(text: str) -> Texts:
    found = Texts()
    found.feed(text)
    return found


PLAIN_PAGE = read_page(render(with_text("x"), "html"))


def check_page(text: str) -> None:
    found = read_page(render(with_text(text), "html"))
    assert found.tags == PLAIN_PAGE.tags
    assert found.attributes == PLAIN_PAGE.attributes
    assert sum(one_line(text) in shown for shown in found.texts) >= 9


@given(ANY_TEXT)
def test_a_page_keeps_any_text_a_text(text: str) -> None:
    check_page(text)


@pytest.mark.parametrize("text", NASTY)
def test_a_page_keeps_nasty_texts_texts(text: str) -> None:
    check_page(text)


def unescaped_markdown(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@given(ANY_TEXT | st.sampled_from(NASTY))
def test_markdown_is_the_text_again_once_read(text: str) -> None:
    escaped = markdown_escaped(text)
    assert unescaped_markdown(escaped) == one_line(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_<>\[\]&]", escaped)


@given(ANY_TEXT | st.sampled_from(NASTY))
def test_markdown_tables_keep_their_shape(text: str) -> None:
    def shape(board: Leaderboard) -> list[int]:
        lines = render(board, "md").splitlines()
        return [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines if line.startswith("|")]

    assert shape(with_text(text)) == shape(with_text("x"))


def unescaped_latex(text: str) -> str:
    for char, code in sorted(_ESCAPES.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(code, f"\x00{ord(char):x}\x01")
    return re.sub(r"\x00([0-9a-f]+)\x01", lambda match: chr(int(match[1], 16)), text)


@given(ANY_TEXT | st.sampled_from(NASTY))
def test_latex_is_the_text_again_once_set(text: str) -> None:
    escaped = latex_escaped(text)
    assert unescaped_latex(escaped) == one_line(text)
    rest = escaped
    for code in sorted(_ESCAPES.values(), key=len, reverse=True):
        rest = rest.replace(code, "")
    assert not re.search(r"[\\{}$&#%_^~]", rest)


@given(ANY_TEXT | st.sampled_from(NASTY))
def test_latex_tables_keep_their_shape(text: str) -> None:
    def shape(board: Leaderboard) -> list[int]:
        lines = render(board, "latex").splitlines()
        return [len(re.findall(r"(?<!\\)&", line)) for line in lines if line.endswith(r" \\")]

    assert shape(with_text(text)) == shape(with_text("x"))


@given(ANY_TEXT | st.sampled_from(NASTY))
def test_csv_and_json_bring_back_the_text(text: str) -> None:
    board = with_text(text)
    rows = list(csv.DictReader(io.StringIO(render(board, "csv"), newline="")))
    assert [row["model"] for row in rows] == 3 * [one_line(text)]
    assert rows[2]["value"] == one_line(text)
    assert json.loads(render(board, "json"))["tables"][0]["title"] == text


@given(ANY_TEXT | st.sampled_from(NASTY))
def test_a_terminal_gets_no_control_characters(text: str) -> None:
    shown = render(with_text(text), "terminal")
    assert all(char.isprintable() or char == "\n" for char in shown)
