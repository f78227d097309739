"""`fac-eval compare` as a user types it, and each format that it prints."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fac_eval.reports.compare.command import command
from fac_eval.stats import paired_score_interval
from fac_eval.store import Store
from tests.reports._compared import answered, install_commands, questions
from tests.support.command_line import CommandLine, command_line


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A folder with three models' answers to ten questions in .fac-eval, each in a run of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAC_EVAL_STORE", raising=False)
    install_commands(monkeypatch)
    right = [f"word {row}" for row in range(10)]
    questions(tmp_path / "q.jsonl", right)
    for name, wrong in (("base", ()), ("worse", range(7)), ("odd", (0,))):
        answers: list[str | None] = [
            "\x1b[31m| <b>no</b>\n`" if row in wrong else text for row, text in enumerate(right)
        ]
        answered(tmp_path, name, answers[: 9 if name == "odd" else 10], store=".fac-eval")
    capsys.readouterr()
    return command_line(capsys)


def ids() -> list[str]:
    with Store.reader(".fac-eval") as store:
        return [run.id for run in store.runs()]


def test_a_candidate_against_its_reference(cli: CommandLine) -> None:
    base, worse, _ = ids()
    shown = cli("compare", base, worse)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == "worse against base"
    row = next(line for line in lines if line.startswith("file:q"))
    low, high = (f"{100 * end:+.2f}" for end in paired_score_interval(0, 7, 10))
    assert row.split()[:6] == ["file:q", "accuracy", "(%)", "100.00", "30.00", "-70.00"]
    assert row.split()[6:10] == [f"[{low},", f"{high}]", "0.0156", "0.0156"]
    assert row.split()[12:] == ["0/7/3", "10"]
    assert "worse: file:q" in lines
    assert "file:q  q0  question 0" in lines
    # What the model wrote can neither colour the terminal nor break the lines.
    assert "\x1b" not in shown.out
    assert any(line.split() == ["worse", "0", "[31m|", "<b>no</b>", "`"] for line in lines)


def test_several_candidates_are_compared_with_the_first(cli: CommandLine) -> None:
    shown = cli("compare", *ids(), "--samples", "0")
    titles = [line for line in shown.out.splitlines() if " against " in line]
    assert titles == ["worse against base", "odd against base"]
    assert "p corrected for 2 tests" in shown.out
    assert (
        "note: file:q: samples with a score in the reference alone: 1 (in the candidate: 1 miss" in shown.out
    )
    assert "changed samples" not in shown.out


def test_csv_has_a_row_a_difference(cli: CommandLine) -> None:
    shown = cli("compare", *ids(), "--to", "csv")
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert [(row["reference"], row["candidate"], row["task"], row["n"]) for row in rows] == [
        ("base", "worse", "file:q", "10"),
        ("base", "odd", "file:q", "9"),
    ]
    assert float(rows[0]["p_holm"]) == pytest.approx(2 * 2 / 2**7)
    assert rows[0]["verdict"] == "worse"
    assert rows[1]["notes"].startswith("samples with a score in the reference alone: 1 ")


def test_json_has_everything(cli: CommandLine) -> None:
    base, worse, _ = ids()
    (comparison,) = cli("compare", base, worse, "--to", "json", "--samples", "1").json
    assert comparison["reference"] == {"name": "base", "run": base, "model": "base"}
    (one,) = comparison["differences"]
    assert (one["difference"], one["test"], one["interval"]) == (-70.0, "mcnemar", "paired-score")
    assert (one["better"], one["worse"], one["same"], one["only_candidate"]) == (0, 7, 3, {})
    (sample,) = comparison["changed"]
    assert (sample["id"], sample["gain"], sample["reference"]["text"]) == ("q0", -1.0, "word 0")
    assert (comparison["totals"], comparison["warnings"]) == ([], [])


def test_markdown_shows_texts_as_they_are(cli: CommandLine) -> None:
    base, worse, _ = ids()
    shown = cli("compare", base, worse, "--to", "md").out
    assert shown.startswith("## worse against base\n\n| task | metric |")
    assert r"\<b\>no\</b\> \`" in shown
    rows = [line for line in shown.splitlines() if line.startswith("| file:q ")]
    assert len(rows) == 1 + 3
    # An unescaped bar would make a column.
    assert all(line.replace(r"\|", "").count("|") in (13, 6) for line in rows)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("c.md", "## worse"), ("c.csv", "reference,candidate"), ("c.json", "[\n"), ("c.txt", "worse against")],
)
def test_the_files_name_chooses_the_format(cli: CommandLine, name: str, beginning: str) -> None:
    base, worse, _ = ids()
    shown = cli("compare", base, worse, "--out", name)
    assert shown.out == f"written to {name}\n"
    assert Path(name).read_text("utf-8").startswith(beginning)


def test_the_models_of_one_run(cli: CommandLine, finished_store: Path) -> None:
    shown = cli("compare", "latest", "--store", finished_store, "--to", "json")
    (comparison,) = shown.json
    assert (comparison["reference"]["name"], comparison["candidate"]["name"]) == ("oracle", "empty")
    shown = cli(
        "compare", "@empty", "latest@oracle", "--store", finished_store, "--task", "*/bbh", "--to", "json"
    )
    (comparison,) = shown.json
    assert comparison["candidate"]["name"] == "oracle"
    assert [one["task"] for one in comparison["differences"]] == ["voicebench/bbh"]


def test_runs_of_another_store(cli: CommandLine, finished_store: Path) -> None:
    where = f"{finished_store}#latest"
    shown = cli("compare", f"{where}@oracle", where, "--model", "empty", "--to", "json")
    assert shown.json[0]["candidate"]["name"] == "empty"


def test_bootstrap_intervals_say_so(cli: CommandLine) -> None:
    base, worse, _ = ids()
    (comparison,) = cli("compare", base, worse, "--bootstrap", "--to", "json").json
    assert comparison["differences"][0]["interval"] == "bootstrap"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latest"], "there is nothing to compare latest with"),
        (["latest", "beef"], "unknown run 'beef'"),
        (["latest", "latest@nobody"], "unknown model 'nobody'"),
        (["latest", "latest", "--task", "nothing"], "unknown task 'nothing'"),
        (["latest", "nowhere#latest"], "there is no store in nowhere"),
        (["latest", "latest", "--out", "no/such/file.md"], "cannot write"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_done_ends_with_2(cli: CommandLine, arguments: list[str], message: str) -> None:
    shown = cli("compare", *arguments)
    assert shown.code == 2
    assert message in shown.err


def test_help_loads_nothing_heavy() -> None:
    work = (
        "import sys; from fac_eval.reports.compare.command import command as a; "
        "from fac_eval.reports.gate.command import command as b; print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert "RUN@MODEL" in CliRunner().invoke(command, ["--help"]).output


def test_json_is_json(cli: CommandLine) -> None:
    base, worse, _ = ids()
    assert isinstance(json.loads(cli("compare", base, worse, "--to", "json").out), list)
