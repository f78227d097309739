"""`fac-eval leaderboard` as it is called: what it prints, where it writes, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fac_eval
from fac_eval.errors import FacEvalError, StoreError, UnknownName, UsageError
from fac_eval.reports.leaderboard.command import command
from tests.reports._stored_runs import Made, store_run
from tests.support.toys import Echo, ToyOptions, ToyTask

TOY_LAYOUT = """
title = "Toys"
columns = []
[models]
"echo" = "My model v2"
[[blocks]]
name = "Toys"
rows = [
  { label = "Saying", task = "toy", unit = "%", decimals = 1 },
  { label = "Length", task = "toy", figure = "length", unit = "characters", direction = "lower" },
]
"""


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


@pytest.fixture
def store(here: Path) -> Path:
    """The default store with a real run of a toy model."""
    fac_eval.run(Echo(), ToyTask(ToyOptions(n=12)), progress=False)
    return here / ".fac-eval"


# What is printed.


def test_published_tables_need_no_store(here: Path) -> None:
    done = call("--published-only")
    assert done.exit_code == 0
    assert [line for line in done.output.splitlines() if line.startswith(("Table ", "Section "))] == [
        "Table 1: spoken question answering, large models",
        "Table 2: spoken question answering, models of about 8B",
        "Table 3: audio understanding and speech recognition",
        "Table 4: speech function calling",
        "Table 5: VStyle",
        "Table 6: speech style, internal set",
        "Table 7: full duplex",
        "Section 3.2: speech quality",
    ]
    assert list(here.iterdir()) == []


def test_some_tables(here: Path) -> None:
    done = call("--published-only", "--tables", "4,6")
    assert done.output.count("Published figures") == 2


def test_a_table_of_ones_own_with_a_real_run(store: Path) -> None:
    Path("toys.toml").write_text(TOY_LAYOUT)
    done = call("--layout", "toys.toml")
    assert done.exit_code == 0
    saying, length = (
        line.split() for line in done.output.splitlines() if "characters" in line or "Saying" in line
    )
    assert "100.0" in saying
    assert "1.17" in length
    assert "My model v2" in done.output
    assert "Table 1" not in done.output
    both = call("--layout", "toys.toml", "--tables", "6")
    assert both.output.count("Published figures") == 1


def test_a_named_run_and_a_run_of_another_store(store: Path) -> None:
    other = store_run(Path("other"), [Made("speech_fc/bfcl_single", 50.0)], run="b" * 12)
    done = call("latest", f"other#{other.id[:4]}", "--tables", "4", "--to", "csv")
    measured = [row for row in csv.DictReader(io.StringIO(done.output)) if row["source"].startswith("run")]
    assert {row["model"] for row in measured} == {"ours"}
    assert measured[2]["value"] == "50.00"


def test_the_store_of_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_run(here / "s", [Made("speech_fc/bfcl_single", 50.0)])
    monkeypatch.setenv("FAC_EVAL_STORE", str(here / "s"))
    assert "50.00" in call("--tables", "4").output


def test_an_unfinished_run_is_shown_as_it_is(here: Path) -> None:
    store_run(here / ".fac-eval", [Made("speech_fc/bfcl_single", None, total=578, scored=5)])
    done = call("--tables", "4")
    assert done.exit_code == 0
    assert "unfinished: 5 of 578 done" in done.output


def test_an_empty_store_shows_the_published_figures(here: Path) -> None:
    from fac_eval.store import Store

    Store.writer(".fac-eval").close()
    assert "Measured" not in call("--tables", "4").output


# Where it is written.


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("t.md", "### Table 6"),
        ("t.tex", "% \\usepackage{booktabs"),
        ("t.csv", "table,block,row"),
        ("t.json", "{"),
        ("t.html", "<!doctype html>"),
        ("t.txt", "Table 6"),
        ("other/t", "Table 6"),
    ],
)
def test_the_name_of_the_file_says_the_format(name: str, beginning: str, here: Path) -> None:
    done = call("--published-only", "--tables", "6", "--out", name)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"wrote {name}" in done.stderr
    assert Path(name).read_text("utf-8").startswith(beginning)


def test_the_format_can_be_named(here: Path) -> None:
    call("--published-only", "--tables", "6", "--to", "json", "--out", "t.md")
    assert json.loads(Path("t.md").read_text("utf-8"))["report"] == "arXiv 2512.20156v1"


def test_a_place_that_cannot_be_written(here: Path) -> None:
    Path("file").write_text("")
    assert "cannot write file/t.md" in refused("--published-only", "--out", "file/t.md").message


# The audit.


def test_the_audit_is_about_the_tables_shown(here: Path) -> None:
    done = call("--published-only", "--tables", "4", "--audit")
    assert done.exit_code == 0
    assert "Nothing is known against these figures." in done.output
    assert "Table 4 Overall: mean of five accuracies as printed: 5 of 5 agree" in done.output
    assert "wrong" in call("--published-only", "--tables", "2", "--audit").output


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        (["--tables", "9"], UnknownName, "unknown table '9'"),
        (["--tables", "5-3"], UnknownName, "unknown range of tables '5-3'"),
        (["--tables", ","], UsageError, "--tables names no table"),
        (["latest", "--published-only"], UsageError, "--published-only shows no run"),
        (["--layout", "nowhere.toml"], UsageError, "cannot read the layout nowhere.toml"),
        (["--layout", "a/t.toml", "--layout", "b/t.toml"], UsageError, "two layouts are called t"),
        (["--store", "nowhere"], StoreError, "ask for --published-only"),
        (["latest", "--store", "nowhere"], StoreError, "there is no store in nowhere"),
        (["abc"], UnknownName, "unknown run 'abc'"),
        (["nowhere#latest"], StoreError, "there is no store in nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_makes_no_sense_is_told(
    arguments: list[str], kind: type[FacEvalError], told: str, store: Path
) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "t.toml").write_text(TOY_LAYOUT)
    error = refused(*arguments)
    assert isinstance(error, kind)
    assert told in str(error)
    assert error.remedy


def test_an_unknown_format_names_the_others(here: Path) -> None:
    done = call("--to", "pdf")
    assert done.exit_code == 2
    assert "'latex'" in done.output


def test_nothing_heavy_is_imported() -> None:
    probe = (
        "import sys; from fac_eval.reports.leaderboard.command import command;"
        "command.main(['--published-only', '--audit', '--to', 'csv'], standalone_mode=False);"
        "sys.stderr.write(' '.join(m for m in ('numpy', 'pandas', 'torch', 'soundfile') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
