"""`fac-eval plot`: what is drawn, number by number, and the files that come of it."""

from __future__ import annotations

import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import fac_eval
from fac_eval import Response
from fac_eval.errors import FacEvalError, MissingExtra, StoreError, UnknownName, UsageError
from fac_eval.reports.compare.comparison import compare_sides
from fac_eval.reports.leaderboard.cells import Cell
from fac_eval.reports.plot.chart import (
    HEADLINES,
    Axis,
    Chart,
    chosen,
    headline_chart,
    layout_chart,
    readable,
    task_layout,
)
from fac_eval.reports.plot.command import command
from fac_eval.reports.plot.forest import forest
from fac_eval.reports.plot.latency import latency
from fac_eval.reports.plot.radar import write_radar
from fac_eval.reports.tables.layouts import builtin_layout
from fac_eval.reports.tables.published import published
from fac_eval.vocabulary import Figure, Request, Timings, Total
from tests.reports._compared import WER, bits, made_side, scores
from tests.reports._stored_runs import Made, percent, store_run
from tests.support.toys import Echo, ToyOptions, ToyTask

DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


class Timed(Echo):
    """Echo, with times that are told: a tenth of a second more each."""

    def __init__(self) -> None:
        super().__init__(batch_size=4)
        self.answered = 0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        answers = super().generate(requests)
        timed = []
        for answer in answers:
            self.answered += 1
            timings = Timings(total=self.answered / 10, first_token=self.answered / 100)
            timed.append(Response(text=answer.text, timings=timings, finish_reason="stop"))
        return timed


def call(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=True)


def refused(*arguments: object) -> FacEvalError:
    error = call(*arguments).exception
    assert isinstance(error, FacEvalError), error
    return error


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAC_EVAL_STORE", raising=False)
    return tmp_path


def column(chart: Chart, title: str) -> int:
    return [one.title for one in chart.series].index(title)


def axis(label: str, *values: float | None, lower: bool = False, high: float = 100.0) -> Axis:
    from decimal import Decimal

    cells = tuple(
        Cell(missing="not run") if value is None else Cell(str(value), Decimal(str(value)))
        for value in values
    )
    return Axis(label, "", "%", lower, 0.0, high, cells)


# The published figures at a glance.


def test_the_headlines_are_the_printed_figures() -> None:
    chart = headline_chart()
    assert [one.label for one in chart.axes] == [one.label for one in HEADLINES]
    at = column(chart, "Fun-Audio-Chat-8B")
    assert [one.cells[at].text for one in chart.axes] == [
        "76.61",
        "83.21",
        "59.56",
        "76.6",
        "58.0",
        "67.8",
        "76.19",
        "3.35",
        "3.46",
    ]
    assert chart.series[at].kind == "open"
    assert chart.series[column(chart, "GPT-Audio")].kind == "api"


def test_a_benchmark_of_two_tables_is_one_axis() -> None:
    chart = headline_chart()
    voicebench = chart.axes[1]
    assert sum(cell.value is not None for cell in voicebench.cells) == 4 + 7
    assert voicebench.best == {column(chart, "GPT-Audio")}


@pytest.mark.parametrize("table", published().tables)
def test_every_table_can_be_drawn(table: str) -> None:
    chart = layout_chart([builtin_layout(f"table{table}")])
    figures = {cell.text for one in chart.axes for cell in one.cells if cell.value is not None}
    assert figures <= {cell.value for cell in published().cells if cell.place.table == table}
    names = [one.name for one in chart.axes]
    assert len(set(names)) == len(names)
    assert all(
        one.low <= float(cell.value) <= one.high for one in chart.axes for cell in one.cells if cell.value
    )


def test_less_is_better_in_a_row_of_errors() -> None:
    chart = layout_chart([builtin_layout("table3")])
    clean = next(one for one in chart.axes if one.label == "Librispeech clean")
    assert clean.lower_is_better
    assert (clean.low, clean.high) == (0, 4)
    assert clean.best == {column(chart, "Kimi-Audio")}
    assert clean.place(0) == 1
    assert clean.place(4) == 0


# Scales and columns.


@pytest.mark.parametrize(
    ("values", "lower", "ends"),
    [
        ((57.7, 84.94), False, (40, 90)),
        ((66.0, 67.0, 78.0), False, (60, 80)),
        ((1.28, 3.56), True, (1, 4.5)),
        ((50.0, 50.0), False, (0, 100)),
        ((0.0, 100.0), False, (0, 100)),
    ],
)
def test_a_zoomed_axis_lies_between_round_numbers(
    values: tuple[float, ...], lower: bool, ends: tuple[float, float]
) -> None:
    zoomed = axis("a", *values, None, lower=lower).zoomed()
    assert (zoomed.low, zoomed.high) == ends


def test_a_radar_shows_what_can_be_told_apart() -> None:
    chart = readable(headline_chart(), 8)
    assert [one.title for one in chart.series] == [
        "GPT-Audio",
        "Fun-Audio-Chat-30B-A3B",
        "Kimi-Audio",
        "Step-Audio2-Mini",
        "MiMo-Audio",
        "Fun-Audio-Chat-8B",
    ]
    assert "Doubao" in chart.remarks[-1]


def test_columns_by_name_in_their_order() -> None:
    chart = chosen(headline_chart(), ["doubao", "GPT-4o", "GPT-4o"])
    assert [one.title for one in chart.series] == ["Doubao", "GPT-4o"]
    assert [one.label for one in chart.axes] == ["VStyle en", "VStyle zh"]
    with pytest.raises(UnknownName, match=r"unknown column 'Kimi.Audio'"):
        chosen(headline_chart(), ["Kimi_Audio"])


# Measured columns.


def test_a_measured_total_stands_beside_with_what_limits_it(tmp_path: Path) -> None:
    tasks = ("acebench_single", "acebench_parallel", "bfcl_single", "bfcl_parallel", "smartinteract_single")
    made = [Made(f"speech_fc/{task}", 50.0, total=8, scored=8) for task in tasks]
    total = Total("ours", "speech_fc", percent("Overall", 50.0))
    chart = headline_chart([store_run(tmp_path, made, totals=[total])])
    at = column(chart, "ours")
    calls = next(one for one in chart.axes if one.label == "Function calling")
    assert (calls.cells[at].text, calls.cells[at].low, calls.cells[at].high) == ("50.00", 48, 52)
    assert not calls.cells[at].comparable
    assert at not in calls.best
    assert chart.series[at].kind == "measured"
    assert any(remark.startswith("ours: Function calling: rests on other") for remark in chart.remarks)
    assert "another measurement" in chart.apart
    assert "ours 50.00 (another measurement)" in chart.told


def test_runs_of_a_model_on_different_tasks_share_a_column(tmp_path: Path) -> None:
    first = store_run(tmp_path / "a", [Made("mmau", 70.0)], run="a" * 12)
    second = store_run(tmp_path / "b", [Made("mmsu", 60.0)], run="b" * 12)
    chart = headline_chart([first, second])
    assert [one.title for one in chart.series if one.kind == "measured"] == ["ours"]
    assert chart.figures(column(chart, "ours")) == 2


def test_runs_of_a_model_on_the_same_task_are_columns_of_their_own(tmp_path: Path) -> None:
    first = store_run(tmp_path / "a", [Made("mmau", 70.0)], run="a" * 12)
    second = store_run(tmp_path / "b", [Made("mmau", 60.0)], run="b" * 12)
    chart = headline_chart([first, second])
    titles = [one.title for one in chart.series if one.kind == "measured"]
    assert titles == ["ours @aaaaaa", "ours @bbbbbb"]


def test_a_measured_model_with_a_published_name_is_told_apart(tmp_path: Path) -> None:
    chart = headline_chart([store_run(tmp_path, [Made("mmau", 70.0, model="Kimi-Audio")])])
    kinds = {one.title: one.kind for one in chart.series}
    assert (kinds["Kimi-Audio"], kinds["Kimi-Audio (measured)"]) == ("open", "measured")


def test_ones_own_tasks_as_axes(tmp_path: Path) -> None:
    error_rate = Figure("wer", 3.0, 100, higher_is_better=False, low=2.0, high=7.0, main=True)
    run = store_run(tmp_path, [Made("set/a", 70.0), Made("set/b", [error_rate]), Made("other", 1.0)])
    chart = layout_chart([task_layout([run], ["set"])], [run])
    assert [(one.label, one.lower_is_better) for one in chart.axes] == [("set/a", False), ("set/b", True)]
    assert chart.axes[1].high == 8  # the interval is drawn whole
    with pytest.raises(UnknownName, match="unknown task 'sets' in these runs"):
        task_layout([run], ["sets"])


def test_a_model_without_a_figure_is_told(tmp_path: Path) -> None:
    chart = headline_chart([store_run(tmp_path, [Made("mmau", None, total=10, scored=5)])])
    assert all(one.kind != "measured" for one in chart.series)
    assert "ours: MMAU: unfinished: 5 of 10 done" in chart.remarks


def test_too_much_or_too_little_for_a_radar(tmp_path: Path) -> None:
    out = tmp_path / "r.svg"
    with pytest.raises(UsageError, match="needs 3 axes"):
        write_radar(chosen(headline_chart(), ["Doubao"]), out)
    with pytest.raises(UsageError, match="15 columns"):
        write_radar(headline_chart(), out)
    with pytest.raises(UsageError, match="34 axes"):
        write_radar(layout_chart([builtin_layout("table5")]), out)
    with pytest.raises(UsageError, match="nothing to draw"):
        headline_chart().kept([])


# Differences.


def test_a_forest_turns_errors_round_and_keeps_the_numbers() -> None:
    words = [10.0] * 40
    first = made_side(
        scores(bits(40, wrong=range(20)), task="t"),
        scores({"errors": [4.0] * 40, "words": words}, task="w", metric=WER),
        name="old",
    )
    second = made_side(
        scores(bits(40, wrong=range(2)), task="t"),
        scores({"errors": [1.0, 2.0] * 20, "words": words}, task="w", metric=WER),
        name="new",
    )
    data = forest(compare_sides(first, [second]))
    (panel,) = data.panels
    right, errors = panel.lines
    assert right.gain == pytest.approx(45)
    assert (right.low or 0) < 45 < (right.high or 0)
    assert right.figures == "50.00 \u2192 95.00  (+45.00)"
    assert right.verdict == "better"
    assert errors.turned
    assert errors.gain == pytest.approx(25)
    assert errors.figures == "40.00 \u2192 15.00  (\u221225.00)"
    assert "new against old" in data.told


def test_a_forest_has_a_panel_a_unit_and_its_mean_last() -> None:
    rating = fac_eval.scores.Metric("rating", scale=1, unit="1-5", main=True)
    sides = [
        made_side(
            scores(bits(30, wrong=range(wrong)), task="a"),
            scores([float(3 + shift)] * 29 + [1.0], task="r", metric=rating),
            scores(bits(30, wrong=range(wrong, wrong + 5)), task="b"),
            name=f"m{wrong}",
        )
        for wrong, shift in ((10, 0), (5, 1), (2, 1))
    ]
    data = forest(compare_sides(sides[0], sides[1:]))
    assert data.candidates == ("m5", "m2")
    assert [panel.unit for panel in data.panels] == ["%", "1-5"]
    assert [(line.task, line.candidate) for line in data.panels[0].lines] == [
        ("a", "m5"),
        ("a", "m2"),
        ("b", "m5"),
        ("b", "m2"),
        ("mean of 2 tasks", "m5"),
        ("mean of 2 tasks", "m2"),
    ]
    assert [line.is_total for line in data.panels[0].lines] == [False] * 4 + [True] * 2


# Latency.


class _Run:
    """What a latency plot reads of a run."""

    def __init__(self, *rows: dict[str, Any], run: str = "a" * 12) -> None:
        self.id, self._rows = run, rows

    def efficiency(self) -> list[dict[str, Any]]:
        return list(self._rows)


def measured(measure: str, unit: str = "s", *, task: str = "t", n: int = 30, **values: Any) -> dict[str, Any]:
    shares = {"p50": 1.0, "p90": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0}
    return {"model": "m", "task": task, "variant": "", "measure": measure, "unit": unit, "n": n, "batch": 1,
            **shares, **values}  # fmt: skip


def test_latency_is_that_of_the_stored_answers() -> None:
    run = _Run(measured("first_token"), measured("total", p50=7.0), measured("peak_memory", "bytes", p50=3e9))
    data = latency([run])  # type: ignore[list-item]
    assert data.measures == ("first_token", "total")
    (line,) = data.lines
    assert line.values["first_token"] == {"p50": 1.0, "p90": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0}
    assert line.values["total"]["p50"] == 7
    memory = latency([run], measures=["peak_memory"])  # type: ignore[list-item]
    assert memory.lines[0].values["peak_memory"]["p50"] == 3
    assert "peak memory p50 3 p90" in memory.told


def test_latency_says_what_to_beware_of() -> None:
    few = measured("total", n=5, p95=None, p99=None, batch=8)
    data = latency([_Run(few, measured("total", task="u"))])  # type: ignore[list-item]
    assert set(data.lines[0].values["total"]) == {"p50", "p90", "max"}
    assert any("batches of up to 8" in remark for remark in data.remarks)
    assert any("fewer than 20 answers: m on t" in remark for remark in data.remarks)


def test_the_same_model_in_two_runs_is_two_lines() -> None:
    data = latency([_Run(measured("total")), _Run(measured("total"), run="b" * 12)])  # type: ignore[list-item]
    assert [line.model for line in data.lines] == ["m @aaaaaa", "m @bbbbbb"]


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"measures": ["ttft"]}, UnknownName, "unknown measure 'ttft'"),
        ({"measures": ["first_audio"]}, UsageError, "nothing was recorded of: first sound"),
        ({"tasks": ["nothing"]}, UnknownName, "unknown task 'nothing'"),
    ],
)
def test_a_latency_plot_of_nothing(options: Any, kind: type[FacEvalError], told: str) -> None:
    with pytest.raises(kind, match=told):
        latency([_Run(measured("total"))], **options)  # type: ignore[list-item]


# Files.


@pytest.fixture
def twice(here: Path) -> Path:
    """A store in which two models have answered."""

    class Other(Timed):
        name = "other"
        fingerprint = "other/1"

        def generate(self, requests: Sequence[Request]) -> list[Response]:
            return [
                answer if int(answer.text or 0) % 3 else Response(text="no", timings=answer.timings)
                for answer in super().generate(requests)
            ]

    fac_eval.run([Timed(), Other()], ToyTask(ToyOptions(n=24)), progress=False)
    return here


FIGURES = {
    "radar": ("radar", "--published-only", "--zoom", "--title", "At $5 a glance"),
    "bars": ("bars", "--published-only", "--tables", "6"),
    "own bars": ("bars", "-t", "toy"),
    "forest": ("forest", "latest"),
    "latency": ("latency",),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_the_same_file_each_time(figure: str, twice: Path) -> None:
    for name in ("one.svg", "new/two.svg"):
        done = call(*FIGURES[figure], "-o", name)
        assert done.exit_code == 0, done.exception
        assert done.stderr.startswith(f"wrote {name}\n")
    text = Path("one.svg").read_bytes()
    assert text == Path("new/two.svg").read_bytes()
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert b"<text" not in text  # letters are outlines: no font is needed
    assert b"<dc:date>" not in text
    assert "matplotlib" not in text.decode().split("<defs>")[0]


def description(path: Path) -> str:
    found = ET.parse(path).getroot().find(f".//{DUBLIN_CORE}description")
    assert found is not None
    return found.text or ""


def test_a_figure_says_its_numbers(twice: Path) -> None:
    call(*FIGURES["radar"], "-o", "r.svg")
    assert "VoiceBench: GPT-Audio 90.06; Fun-Audio-Chat-30B-A3B 85.63" in description(Path("r.svg"))
    call(*FIGURES["own bars"], "-o", "b.svg")
    assert description(Path("b.svg")) == "toy: echo 100.00; other 66.67"
    call(*FIGURES["forest"], "-o", "f.svg")
    assert description(Path("f.svg")) == (
        "toy: other against echo: 100.00 \u2192 66.67  (\u221233.33), worse"
    )
    call(*FIGURES["latency"], "-o", "l.svg")
    assert "echo on toy, 24 answers: first token p50 0.125" in description(Path("l.svg"))


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_as_png_and_pdf(figure: str, twice: Path) -> None:
    for name in ("f.png", "f.PDF", "again.png"):
        assert call(*FIGURES[figure], "-o", name).exit_code == 0
    picture = Path("f.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">I", picture[16:20]) == (2160,)
    assert picture == Path("again.png").read_bytes()
    document = Path("f.PDF").read_bytes()
    assert document.startswith(b"%PDF")
    assert b"CreationDate" not in document


def test_a_model_of_a_run_can_be_named(twice: Path) -> None:
    assert call("forest", "latest@other", "latest@echo", "-o", "f.svg").exit_code == 0
    assert "echo against other" in description(Path("f.svg"))


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        (["radar", "--published-only", "-o", "r.jpg"], UsageError, "r.jpg is no name of a figure"),
        (["bars", "--published-only", "-o", "file/r.svg"], UsageError, "cannot write file/r.svg"),
        (["bars", "--published-only", "-c", "GPT5", "-o", "r.svg"], UnknownName, "unknown column 'GPT5'"),
        (["bars", "--published-only", "latest", "-o", "r.svg"], UsageError, "--published-only shows no run"),
        (["bars", "--published-only", "-t", "toy", "-o", "r.svg"], UsageError, "no task of a run"),
        (["bars", "-t", "toy", "--tables", "1", "-o", "r.svg"], UsageError, "figures without tables"),
        (["bars", "--tables", "9", "-o", "r.svg"], UnknownName, "unknown table '9'"),
        (["bars", "-t", "toys", "-o", "r.svg"], UnknownName, "unknown task 'toys'"),
        (["bars", "--layout", "no.toml", "-o", "r.svg"], UsageError, "cannot read the layout no.toml"),
        (["radar", "--store", "nowhere", "-o", "r.svg"], StoreError, "there is no store in nowhere"),
        (["radar", "abc", "-o", "r.svg"], UnknownName, "unknown run 'abc'"),
        (["forest", "latest@echo", "-o", "f.svg"], UsageError, "not two models"),
        (["forest", "latest@gpt", "-o", "f.svg"], UnknownName, "unknown model 'gpt'"),
        (["latency", "--measure", "ttft", "-o", "l.svg"], UnknownName, "unknown measure 'ttft'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_makes_no_sense_is_told(
    arguments: list[str], kind: type[FacEvalError], told: str, twice: Path
) -> None:
    Path("file").write_text("")
    error = refused(*arguments)
    assert isinstance(error, kind)
    assert told in str(error)
    assert error.remedy
    assert not list(twice.glob("*.svg"))


def test_nothing_to_draw_with(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    error = refused("radar", "--published-only", "-o", "r.svg")
    assert isinstance(error, MissingExtra)
    assert error.remedy == "Install it with: pip install 'fac-eval[report]'"


def test_help_loads_nothing_heavy() -> None:
    probe = (
        "import sys; from fac_eval.reports.plot.command import command;"
        "command.main(['bars', '--help'], standalone_mode=False);"
        "sys.stderr.write(' '.join(m for m in ('numpy', 'matplotlib', 'pandas') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
