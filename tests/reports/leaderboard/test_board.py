"""Leaderboards: published figures as printed, measured ones beside them, and what is said of each."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fac_eval.engine.result import RunResult
from fac_eval.reports.leaderboard.board import Leaderboard, Table, leaderboard
from fac_eval.reports.leaderboard.cells import Cell
from fac_eval.reports.tables.layouts import Layout, builtin_layout, builtin_names, parse_layout
from fac_eval.reports.tables.published import published
from fac_eval.vocabulary import Figure, Total
from tests.reports._stored_runs import Made, percent, store_run

LIKE_REPORT = {"options": {"wording": "official"}}
SINGLE = "speech_fc/bfcl_single"


def board(layout: Layout | str, *results: RunResult) -> Leaderboard:
    return leaderboard([builtin_layout(layout) if isinstance(layout, str) else layout], results)


def cell(table: Table, label: str, column: str, metric: str | None = None, lang: str | None = None) -> Cell:
    (row,) = [
        row
        for row in table.rows
        if row.layout.label == label
        and metric in (None, row.layout.metric)
        and lang in (None, row.layout.lang)
    ]
    (at,) = [at for at, known in enumerate(table.columns) if known.title == column]
    return row.cells[at]


def bfcl(*made: Made, tmp_path: Path, **more: object) -> Table:
    """Table 4 with one run."""
    (table,) = board("table4", store_run(tmp_path, made, **more)).tables  # type: ignore[arg-type]
    return table


# The report alone.


def test_every_published_figure_is_where_it_was() -> None:
    shown = {}
    for table in leaderboard(map(builtin_layout, builtin_names())).tables:
        for row in table.rows:
            for column, made in zip(table.columns, row.cells, strict=True):
                shown[row.layout.place, column.model] = made.text
    assert {key: value for key, value in shown.items() if value} == {
        key: value for key, value in published().values.items() if value
    }


def test_the_best_of_each_published_row_is_bold() -> None:
    for table in leaderboard(map(builtin_layout, builtin_names())).tables:
        for row in table.rows:
            numbers = [
                Decimal(made.text) for made in row.cells if made.text and row.layout.direction != "text"
            ]
            best = [made.text for made in row.cells if made.best]
            if len(numbers) < 2:
                assert best == []
                continue
            top = min(numbers) if row.layout.metric == "wer" else max(numbers)
            assert [Decimal(text) for text in best] == [number for number in numbers if number == top]


@pytest.mark.parametrize(
    ("layout", "label", "metric", "lang", "best"),
    [
        ("table2", "OpenBookQA", None, None, ["Kimi-Audio", "Fun-Audio-Chat-8B"]),
        ("table3", "Common Voice", None, "en", ["Step-Audio2-Mini"]),
        ("table3", "Librispeech clean", None, None, ["Kimi-Audio"]),
        ("table5", "Age", None, "en", ["Fun-Audio-Chat-8B"]),
        ("table5", "Age", None, "zh", ["Doubao"]),
        ("table6", "Semantics-based Empathy", None, None, ["Fun-Audio-Chat-30B-A3B", "Fun-Audio-Chat-8B"]),
        ("table7", "Web Q.", "s2m_t", None, ["FreezeOmni"]),
        ("table7", "Llama Q.", "s2m_s", None, ["Fun-Audio-Chat-Duplex-30B-A3B"]),
        ("table1", "Frame Rate-In", None, None, []),
        ("table3.2", "UTMOS", None, None, []),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bold_by_row(layout: str, label: str, metric: str | None, lang: str | None, best: list[str]) -> None:
    (table,) = board(layout).tables
    made = {column.title: cell(table, label, column.title, metric, lang) for column in table.columns}
    assert [title for title, shown in made.items() if shown.best] == best
    assert all(made[title].tie == (len(best) > 1) for title in best)


def test_a_dash_is_explained() -> None:
    (table,) = board("table3").tables
    made = cell(table, "Common Voice", "Audio-Flamingo-3", lang="zh")
    assert (made.text, made.missing) == ("", "a dash in the report")


# Measured columns.


def test_a_measured_figure_stands_beside_the_published_ones(tmp_path: Path) -> None:
    table = bfcl(Made(SINGLE, 95.005, total=578, protocol=LIKE_REPORT), tmp_path=tmp_path)
    assert [column.title for column in table.columns if column.kind == "measured"] == ["ours"]
    made = cell(table, "Speech-BFCL (Single)", "ours")
    assert (made.text, made.low, made.high, made.n) == ("95.01", 93.005, 97.005, 100)
    assert made.notes == ()
    assert made.best
    assert not cell(table, "Speech-BFCL (Single)", "Fun-Audio-Chat-8B").best


@pytest.mark.parametrize(
    ("value", "ours", "published_best"),
    [(92.0, "close", True), (92.73, "tie", True), (80.0, "", True), (93.0, "best", False)],
)
def test_ties_and_overlapping_intervals_are_marked(
    value: float, ours: str, published_best: bool, tmp_path: Path
) -> None:
    table = bfcl(Made(SINGLE, value, total=578, protocol=LIKE_REPORT), tmp_path=tmp_path)
    made, other = (cell(table, "Speech-BFCL (Single)", name) for name in ("ours", "Fun-Audio-Chat-8B"))
    assert other.best is published_best
    assert {"close": made.close, "tie": made.tie, "best": made.best and not made.tie, "": True}[ours]
    assert bool(ours) == (made.close or made.tie or made.best)
    # Of the published figures, that one is within the interval of the best.
    assert other.close == (ours == "best")


def test_less_is_better_in_a_row_of_error_rates(tmp_path: Path) -> None:
    wer = percent("wer", 1.2, 0.05, higher_is_better=False)
    made = Made(
        "asr/librispeech_clean", [wer], total=2620, protocol={"options": {"normalizer": "whisper_normalizer"}}
    )
    (table,) = board("table3", store_run(tmp_path, [made])).tables
    assert cell(table, "Librispeech clean", "ours").best
    assert not cell(table, "Librispeech clean", "Kimi-Audio").best


def test_a_figure_of_the_other_direction_does_not_compete(tmp_path: Path) -> None:
    made = Made(SINGLE, [percent("error", 99.0, higher_is_better=False)], total=578, protocol=LIKE_REPORT)
    shown = cell(bfcl(made, tmp_path=tmp_path), "Speech-BFCL (Single)", "ours")
    assert not shown.best
    assert "less is better, unlike in this row" in shown.notes[0]


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (
            Made(SINGLE, 99.0, total=578, protocol={"options": {"wording": "own"}}),
            "not the report's protocol: options.wording own (report: official)",
        ),
        (
            Made(SINGLE, 99.0, total=578),
            "not the report's protocol: options.wording not stated (report: official)",
        ),
        (Made(SINGLE, 99.0, total=12, protocol=LIKE_REPORT), "over 12 items, not the report's 578"),
    ],
    ids=["another protocol", "a protocol that does not say", "other items"],
)
def test_what_is_another_measurement_says_so_and_is_never_bold(made: Made, note: str, tmp_path: Path) -> None:
    table = bfcl(made, tmp_path=tmp_path)
    shown = cell(table, "Speech-BFCL (Single)", "ours")
    assert note in shown.notes
    assert not shown.best
    assert cell(table, "Speech-BFCL (Single)", "Fun-Audio-Chat-8B").best


@pytest.mark.parametrize(
    ("config", "note"),
    [
        ({"data": "sample"}, "over 40 sample items"),
        ({"limit": 40}, "over the first 40 items only"),
        ({}, None),
    ],
    ids=["sample", "limit", "whole"],
)
def test_a_part_of_the_data_is_told_of(config: dict[str, object], note: str | None, tmp_path: Path) -> None:
    style = {"judge": {"vstyle/x": {"prompt": "official", "judge": "gemini-2.5-pro"}}}
    made = Made("vstyle/en", [Figure("overall", 4.99, 40, unit="", main=True)], total=40, protocol=style)
    (table,) = board("table5", store_run(tmp_path, [made], config=config)).tables
    shown = cell(table, "Overall", "ours", lang="en")
    assert shown.notes == (() if note is None else (note,))
    assert shown.best is (note is None)


def test_what_the_task_remarks_is_a_footnote_unless_the_layout_leaves_it_out(tmp_path: Path) -> None:
    made = Made(SINGLE, [percent("accuracy", 90.0, note="wrong: this and that")], protocol=LIKE_REPORT)
    run = store_run(tmp_path, [made])
    own = parse_layout(OWN, name="own", where="own")
    assert board(own, run).tables[0].rows[0].cells[-1].notes == ("wrong: this and that",)
    (table,) = board("table4", run).tables
    assert "wrong: this and that" not in cell(table, "Speech-BFCL (Single)", "ours").notes


def test_skipped_items_are_not_among_the_items(tmp_path: Path) -> None:
    made = Made(SINGLE, 90.0, total=580, protocol=LIKE_REPORT, skipped=2)
    shown = cell(bfcl(made, tmp_path=tmp_path), "Speech-BFCL (Single)", "ours")
    assert shown.notes == ()


def test_failed_samples_are_told_of(tmp_path: Path) -> None:
    made = Made(SINGLE, 95.0, total=578, protocol=LIKE_REPORT, failed={"timeout": 3})
    shown = cell(bfcl(made, tmp_path=tmp_path), "Speech-BFCL (Single)", "ours")
    assert shown.notes == ("3 of 578 failed (timeout)",)


def test_two_models_under_two_protocols_are_told_apart(tmp_path: Path) -> None:
    one = {**LIKE_REPORT, "settings": {"temperature": 0.0}}
    two = {**LIKE_REPORT, "settings": {"temperature": 1.0}}
    table = bfcl(
        Made(SINGLE, 95.0, model="a", total=578, protocol=one),
        Made(SINGLE, 96.0, model="b", total=578, protocol=two),
        Made(SINGLE, 94.0, model="c", total=578, protocol=one),
        tmp_path=tmp_path,
    )
    a, b, c = (cell(table, "Speech-BFCL (Single)", name) for name in "abc")
    assert b.notes == ("otherwise than a: settings.temperature 1.0, not 0.0",)
    assert (a.notes, c.notes) == ((), ())
    assert (a.best, b.best) == (True, False)


def test_the_judge_is_named_where_it_differs(tmp_path: Path) -> None:
    def made(model: str, judge: str, prompt: str) -> Made:
        asked = {"voicebench/qa": {"judge": judge, "prompt": prompt}}
        protocol = {"options": {"mode": "kimi"}, "judge": asked}
        return Made("voicebench/sd-qa", 70.0, model=model, total=553, protocol=protocol)

    mini = '{"endpoint": "https://api.openai.com", "kind": "openai", "model": "gpt-4o-mini"}'
    other = '{"endpoint": "http://localhost:8000", "kind": "openai", "model": "qwen"}'
    run = store_run(tmp_path, [made("a", mini, "official"), made("b", other, "own")])
    (table,) = board("table2", run).tables
    assert cell(table, "SD-QA", "a").notes == ()
    report, ours = cell(table, "SD-QA", "b").notes
    assert "judge.voicebench/qa.prompt own (report: official)" in report
    assert "judge.voicebench/qa.judge qwen (report: gpt-4o-mini)" in report
    assert "judge.voicebench/qa.judge.model qwen, not gpt-4o-mini" in ours


def test_other_data_is_another_measurement(tmp_path: Path) -> None:
    table = bfcl(
        Made(SINGLE, 95.0, model="a", total=578, protocol=LIKE_REPORT),
        Made(SINGLE, 96.0, model="b", total=578, protocol=LIKE_REPORT, data="data-2"),
        tmp_path=tmp_path,
    )
    assert cell(table, "Speech-BFCL (Single)", "b").notes == ("otherwise than a: other data",)


# What is missing, and why.


@pytest.mark.parametrize(
    ("made", "missing"),
    [
        (Made("speech_fc/smartinteract_single", 50.0), "not run"),
        (Made(SINGLE, None, total=300, scored=2), "unfinished: 2 of 300 done"),
        (Made(SINGLE, None, total=None), "unfinished: 0 of ? done"),
        (
            Made(SINGLE, [], total=3, failed={"judge_error": 2, "timeout": 1}),
            "failed: 2 judge_error, 1 timeout",
        ),
        (Made(SINGLE, [percent("accuracy", None, note="no sample was scored")]), "no sample was scored"),
        (Made(SINGLE, [percent("accuracy", float("nan"))]), "no value over 100 scored samples"),
    ],
    ids=["not run", "unfinished", "unfinished, size unknown", "failed", "no value", "not a number"],
)
def test_a_missing_figure_says_why(made: Made, missing: str, tmp_path: Path) -> None:
    shown = cell(bfcl(made, tmp_path=tmp_path), "Speech-BFCL (Single)", "ours")
    assert (shown.text, shown.missing, shown.best) == ("", missing, False)


def test_a_figure_that_the_task_does_not_have_names_the_others(tmp_path: Path) -> None:
    run = store_run(tmp_path, [Made("vstyle/en", [Figure("overall", 4.0, 9, unit="1-5", main=True)])])
    (table,) = board("table5", run).tables
    assert cell(table, "Overall", "ours", lang="en").text == "4.00"
    assert cell(table, "Overall", "ours", lang="zh").missing == "not run"
    missing = cell(table, "Age", "ours", lang="en").missing
    assert missing == "vstyle/en has no figure 'acoustic_attributes/age'; it has overall"


def test_figures_are_found_whatever_their_hyphens(tmp_path: Path) -> None:
    figures = [Figure("s2s", 70.0, 9, main=True), Figure("ASR WER", 5.0, 9, higher_is_better=False)]
    run = store_run(tmp_path, [Made("ultraeval_audio/llama_questions", figures, total=300)])
    (table,) = board("table3.2", run).tables
    assert cell(table, "ASR-WER", "ours").text == "5.00"


def test_what_no_run_can_measure_is_told(tmp_path: Path) -> None:
    table = bfcl(Made(SINGLE, 50.0, model="Fun-Audio-Chat-8B", total=578), tmp_path=tmp_path)
    (remark,) = table.remarks
    assert "GPT-Audio, Gemini-2.5-Pro (behind an API, not run)" in remark
    assert "Fun-Audio-Chat-30B-A3B (weights not public)" in remark
    assert "Fun-Audio-Chat-8B" not in remark
    assert [column.title for column in table.columns][-1] == "Fun-Audio-Chat-8B (measured)"


def test_a_model_without_a_task_of_the_tables_is_named(tmp_path: Path) -> None:
    made = board("table4", store_run(tmp_path, [Made("toy", 50.0)]))
    assert made.remarks == (f"ours (run {'a' * 12}) has no task of these tables",)
    assert all(column.kind == "published" for column in made.tables[0].columns)


def test_a_published_set_that_is_not_public_is_no_measure(tmp_path: Path) -> None:
    figures = [Figure("semantic_empathy", 5.0, 9, unit="1-5", main=True)]
    (table,) = board("table6", store_run(tmp_path, [Made("styleset", figures)])).tables
    shown = cell(table, "Semantics-based Empathy", "ours")
    assert not shown.best
    assert "not public" in shown.notes[0]


# Several runs and variants.


def test_models_of_one_name_are_told_apart_by_their_runs(tmp_path: Path) -> None:
    one = store_run(tmp_path / "1", [Made(SINGLE, 50.0)], run="a" * 12)
    two = store_run(tmp_path / "2", [Made(SINGLE, 60.0)], run="b" * 12)
    (table,) = board("table4", one, two, one).tables
    assert [column.title for column in table.columns[-2:]] == ["ours @aaaaaa", "ours @bbbbbb"]
    assert [column.source for column in table.columns[-2:]] == [f"run {'a' * 12}", f"run {'b' * 12}"]


def test_of_two_variants_the_one_like_the_report_is_shown(tmp_path: Path) -> None:
    table = bfcl(
        Made(SINGLE, 50.0, total=578, protocol={"options": {"wording": "own"}}, variant="wording=own"),
        Made(SINGLE, 60.0, total=578, protocol=LIKE_REPORT, variant="wording=official"),
        tmp_path=tmp_path,
    )
    shown = cell(table, "Speech-BFCL (Single)", "ours")
    assert shown.text == "60.00"
    assert shown.notes == (f"also measured: wording=own (run {'a' * 12})",)


# Totals.

PARTS = ("acebench_single", "acebench_parallel", "bfcl_single", "bfcl_parallel", "smartinteract_single")
SIZES = (208, 88, 578, 372, 668)


def parts(*, unfinished: str = "", wording: str = "official") -> list[Made]:
    protocol = {"options": {"wording": wording}}
    return [
        Made(f"speech_fc/{name}", None if name == unfinished else 90.0, total=size, protocol=protocol)
        for name, size in zip(PARTS, SIZES, strict=True)
    ]


def total(value: float | None, reason: str | None = None) -> Total:
    return Total("ours", "speech_fc", None if value is None else percent("Overall", value), reason)


def test_a_total_of_the_run_is_shown(tmp_path: Path) -> None:
    table = bfcl(*parts(), tmp_path=tmp_path, totals=[total(90.0)])
    shown = cell(table, "Overall", "ours")
    assert (shown.text, shown.low, shown.best, shown.notes) == ("90.00", 88.0, True, ())


def test_a_total_is_no_better_than_its_parts(tmp_path: Path) -> None:
    table = bfcl(*parts(wording="own"), tmp_path=tmp_path, totals=[total(90.0)])
    shown = cell(table, "Overall", "ours")
    assert not shown.best
    assert shown.notes[0].startswith("rests on other measurements than the report's: Speech-ACEBench")


@pytest.mark.parametrize(
    ("made", "totals", "missing"),
    [
        (
            parts()[:2],
            [total(None, "no Overall: no score for smartinteract")],
            "no Overall: no score for smartinteract",
        ),
        (parts(unfinished="bfcl_single"), [total(90.0)], "unfinished: Speech-BFCL (Single)"),
        (parts()[:1], [], "no Overall: of speech_fc there is only Speech-ACEBench (Single)"),
        (parts(), [Total("other", "speech_fc", percent("Overall", 1.0))], "no Overall: of speech_fc"),
    ],
    ids=["a part is missing", "a part is unfinished", "one part", "another model's total"],
)
def test_no_total_says_why(made: list[Made], totals: list[Total], missing: str, tmp_path: Path) -> None:
    shown = cell(bfcl(*made, tmp_path=tmp_path, totals=totals), "Overall", "ours")
    assert shown.text == ""
    assert shown.missing.startswith(missing)


def test_a_total_is_chosen_by_its_name(tmp_path: Path) -> None:
    nine = Total("ours", "voicebench", percent("Overall (leaderboard, 9 terms)", 50.0))
    seven = Total("ours", "voicebench", None, "no Overall (report, 7 terms): no score for mmsu")
    run = store_run(tmp_path, [Made("voicebench/advbench", 99.0)], totals=[nine, seven])
    (table,) = board("table2", run).tables
    shown = [row.cells[-1] for row in table.rows if row.layout.total == "voicebench"]
    assert shown[0].missing == "no Overall (report, 7 terms): no score for mmsu"


# Tables of a user's own.


OWN = """
title = "Ours"
[models]
"ours@bbbb" = "New"
"ours" = "Old"
[[blocks]]
name = "Calls"
unit = "%"
rows = [
  { label = "One call", task = "speech_fc/bfcl_single" },
  { label = "Size", direction = "text", values = { "New" = "9B" } },
]
"""


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    one = store_run(tmp_path / "1", [Made(SINGLE, 50.0)], run="a" * 12)
    two = store_run(tmp_path / "2", [Made(SINGLE, 60.0)], run="b" * 12)
    (table,) = board(parse_layout(OWN, name="own", where="own.toml"), one, two).tables
    assert [column.title for column in table.columns] == ["Old", "New"]
    assert cell(table, "One call", "New").best
    assert cell(table, "Size", "New").text == "9B"
    assert cell(table, "Size", "Old").missing == "no task fills this row"
    assert table.remarks == ()


def test_without_published_figures_the_first_protocol_is_the_measure(tmp_path: Path) -> None:
    run = store_run(
        tmp_path,
        [
            Made(SINGLE, 50.0, model="a", protocol={"x": 1}),
            Made(SINGLE, 70.0, model="b", protocol={"x": 2}),
            Made(SINGLE, 60.0, model="c", protocol={"x": 1}),
        ],
        config={"limit": 5},
    )
    (table,) = board(parse_layout(OWN, name="own", where="own.toml"), run).tables
    made = {name: cell(table, "One call", name) for name in "abc"}
    assert [name for name, shown in made.items() if shown.best] == ["c"]
    assert "otherwise than a: x 2, not 1" in made["b"].notes
    assert "over the first 100 items only" in made["a"].notes


def test_runs_of_one_name_share_a_column(tmp_path: Path) -> None:
    text = OWN.replace('"Old"', '"New"').replace("bfcl_single", "bfcl_parallel")
    text += '[[blocks]]\nname = "More"\nrows = [{ label = "Single", task = "speech_fc/bfcl_single" }]\n'
    one = store_run(tmp_path / "1", [Made(SINGLE, 50.0)], run="a" * 12)
    two = store_run(tmp_path / "2", [Made("speech_fc/bfcl_parallel", 60.0)], run="b" * 12)
    (table,) = board(parse_layout(text, name="own", where="own.toml"), one, two).tables
    (column,) = table.columns
    assert (column.title, column.source) == ("New", f"run {'a' * 12} + run {'b' * 12}")
    assert (cell(table, "One call", "New").text, cell(table, "Single", "New").text) == ("60.00", "50.00")


def test_a_name_that_no_run_has_is_told(tmp_path: Path) -> None:
    made = board(parse_layout(OWN, name="own", where="own.toml"), store_run(tmp_path, [Made(SINGLE, 50.0)]))
    assert made.remarks == ("no run has the model 'ours@bbbb', which a layout gives another name",)


def test_a_scaled_row(tmp_path: Path) -> None:
    text = OWN.replace('bfcl_single"', 'bfcl_single", scale = 0.05, decimals = 3, unit = "1-5"')
    (table,) = board(
        parse_layout(text, name="own", where="own"), store_run(tmp_path, [Made(SINGLE, 50.0)])
    ).tables
    shown = cell(table, "One call", "Old")
    assert (shown.text, shown.low, shown.high) == ("2.500", pytest.approx(2.4), pytest.approx(2.6))


def test_a_table_of_ones_own_knows_what_the_built_in_one_does(tmp_path: Path) -> None:
    text = """
        table = "4"
        metric = "accuracy"
        [[blocks]]
        name = "Speech Function Calling"
        rows = [
          { label = "Speech-BFCL (Single)", task = "speech_fc/bfcl_single" },
          { label = "Speech-BFCL (Parallel)", task = "mine/parallel", note = "a remark" },
        ]
    """
    run = store_run(tmp_path, [Made(SINGLE, 99.0, total=8), Made("mine/parallel", 99.0, total=372)])
    (table,) = board(parse_layout(text, name="own", where="own"), run).tables
    single, parallel = (row.cells[-1] for row in table.rows)
    assert [note.partition(":")[0] for note in single.notes] == [
        "not the report's protocol",
        "over 8 items, not the report's 578",
    ]
    assert parallel.notes == ("another task than that of the published figure",)
    assert not single.best
    assert not parallel.best
