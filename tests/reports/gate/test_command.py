"""`fac-eval gate` as CI calls it: exit code and JUnit file of every case, and where else the verdict goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

import fac_eval
from fac_eval import Request, Response
from fac_eval.vocabulary import Timings, Usage
from tests.reports._compared import answered, install_commands, questions
from tests.support.command_line import CommandLine, Outcome, command_line
from tests.support.toys import Echo, ToyTask

N = 60
RIGHT = [f"word {row}" for row in range(N)]
POLICY = """\
required = ["file:q"]

[[rule]]
max_drop = 5
significant_drop = 0.05
min_n = 50
"""


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A folder with questions, a policy, and a baseline file of a model that errs at ten of sixty."""
    monkeypatch.chdir(tmp_path)
    for name in ("FAC_EVAL_STORE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    install_commands(monkeypatch)
    questions(tmp_path / "q.jsonl", RIGHT)
    Path("gate.toml").write_text(POLICY, "utf-8")
    run("base", range(10))
    capsys.readouterr()
    call = command_line(capsys)
    assert call("gate", "--candidate", "latest", "--update-baseline", "baseline.json").code == 0
    return call


def run(name: str, wrong: Sequence[int] = (), missing: Sequence[int] = (), **options: object) -> str:
    """Answers of a model that errs at some questions and fails at others."""
    answers = [
        None if row in missing else "what?" if row in wrong else text for row, text in enumerate(RIGHT)
    ]
    return answered(Path.cwd(), name, answers, store=".fac-eval", **options)


def gate(cli: CommandLine, *arguments: str) -> Outcome:
    return cli("gate", "--baseline", "baseline.json", "--junit", "junit.xml", *arguments)


def junit() -> dict[str, int]:
    root = ElementTree.parse("junit.xml").getroot()
    return {name: int(root.get(name, "")) for name in ("failures", "errors", "skipped")}


def messages(tag: str) -> str:
    return "\n".join(str(found.get("message")) for found in ElementTree.parse("junit.xml").iter(tag))


# The cases that a gate is for.


def test_no_change_passes(cli: CommandLine) -> None:
    run("same", range(10))
    shown = gate(cli)
    assert (shown.code, junit()) == (0, {"failures": 0, "errors": 0, "skipped": 0})
    assert shown.out.startswith("gate PASSED: 5 passed of 5 checks")
    assert ElementTree.parse("junit.xml").getroot().get("tests") == "5"


def test_a_real_regression_fails(cli: CommandLine) -> None:
    run("worse", range(20))
    shown = gate(cli)
    assert (shown.code, junit()) == (1, {"failures": 2, "errors": 0, "skipped": 0})
    assert "accuracy 83.33 -> 66.67: worse by 16.67, allowed 5" in messages("failure")
    assert "p 0.0010; a drop is significant at 0.05" in messages("failure")
    assert "FAILED" in shown.out


def test_an_improvement_passes(cli: CommandLine) -> None:
    run("better", range(2))
    shown = gate(cli)
    assert (shown.code, junit()) == (0, {"failures": 0, "errors": 0, "skipped": 0})
    assert "+13.33" in shown.out


def test_a_missing_task_fails(cli: CommandLine) -> None:
    questions(Path("other.jsonl"), ["a"])
    answered(Path.cwd(), "other", ["a"], file="other.jsonl", store=".fac-eval")
    shown = gate(cli)
    # The candidate's own task is too small, too.
    assert (shown.code, junit()["failures"]) == (1, 2)
    assert "the policy requires it, and the candidate does not have it" in messages("failure")
    Path("gate.toml").write_text("[[rule]]\nmax_drop = 5\n", "utf-8")
    assert gate(cli).code == 1
    assert "the baseline has it, and the candidate does not" in messages("failure")


def test_too_few_samples_fail(cli: CommandLine) -> None:
    run("few", range(8), limit=49)
    shown = gate(cli)
    assert (shown.code, junit()) == (1, {"failures": 1, "errors": 0, "skipped": 0})
    assert messages("failure") == "49 samples with a score on both sides, at least 50"


def test_more_errors_than_allowed_fail(cli: CommandLine) -> None:
    run("failing", range(10), missing=range(10, 13))
    assert gate(cli).code == 1
    assert junit() == {"failures": 1, "errors": 0, "skipped": 0}
    assert messages("failure") == "3 of 60 samples failed (5.00%), allowed 0.00%: 3 missing_prediction"
    Path("gate.toml").write_text(POLICY + "max_error_rate = 0.05\n", "utf-8")
    assert gate(cli).code == 0


def test_a_baseline_of_another_protocol_is_none(cli: CommandLine) -> None:
    run("other", range(10), set={"file.metric": "contains"})
    shown = gate(cli)
    assert (shown.code, junit()) == (2, {"failures": 0, "errors": 1, "skipped": 0})
    assert "made under another protocol: options.metric: " in messages("error")
    assert "CANNOT BE TOLD" in shown.out


def test_an_unreadable_policy_is_named_with_line_and_key(cli: CommandLine) -> None:
    Path("gate.toml").write_text("[[rule]]\nmax_drop = 5\nmax_eror_rate = 0\n", "utf-8")
    shown = gate(cli)
    assert (shown.code, junit()) == (2, {"failures": 0, "errors": 1, "skipped": 0})
    assert "gate.toml, line 3, key 'max_eror_rate': unknown key." in shown.err
    assert "line 3, key 'max_eror_rate'" in messages("error")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "none.json"], "none.json cannot be read"),
        (["--baseline", "beef"], "unknown run 'beef'"),
        (["--candidate", "latest@nobody"], "unknown model 'nobody'"),
        (["--policy", "none.toml"], "none.toml: cannot be read"),
        (["--junit", "no/such/junit.xml"], "cannot write"),
    ],
)
def test_what_cannot_be_done_ends_with_2(cli: CommandLine, arguments: list[str], message: str) -> None:
    run("same", range(10))
    shown = gate(cli, *arguments)
    assert shown.code == 2
    assert message in shown.err


def test_there_must_be_something_to_compare_with(cli: CommandLine) -> None:
    shown = cli("gate")
    assert shown.code == 2
    assert "--update-baseline" in shown.err


# Where a verdict goes.


def test_a_stored_run_may_be_the_baseline(cli: CommandLine) -> None:
    first = run("first", range(5, 15))
    second = run("second", range(30))
    shown = cli("gate", "--baseline", first, "--candidate", second, "--json")
    assert shown.code == 1
    facts = shown.json
    assert (facts["outcome"], facts["baseline"]) == ("failed", f"first (run {first})")
    (task,) = facts["tasks"]
    assert task["difference"] == pytest.approx(-100 / 3)


def test_in_actions_the_verdict_is_annotated_and_appended_to_the_summary(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n", "utf-8")
    run("worse", range(20))
    shown = gate(cli)
    annotations = [line for line in shown.out.splitlines() if line.startswith("::")]
    assert annotations[0].startswith(
        "::error file=gate.toml,line=4,title=fac-eval gate%3A file%3Aq%2C max_drop::"
    )
    assert len(annotations) == 2
    page = Path("summary.md").read_text("utf-8")
    assert page.startswith("before\n## gate FAILED")
    assert "| failed |" in page
    Path("gate.toml").write_text("[[rule]]\nmax_drop = 'x'\n", "utf-8")
    shown = gate(cli)
    assert shown.err.startswith("::error file=gate.toml,line=2,title=fac-eval gate::gate.toml, line 2")
    assert "CANNOT BE TOLD" in Path("summary.md").read_text("utf-8")


def test_elsewhere_nothing_is_annotated(cli: CommandLine) -> None:
    run("worse", range(20))
    assert "::" not in gate(cli).out


def test_a_summary_file_is_written_anew(cli: CommandLine) -> None:
    run("same", range(10))
    Path("s.md").write_text("old", "utf-8")
    gate(cli, "--summary", "s.md")
    assert Path("s.md").read_text("utf-8").startswith("## gate PASSED")


def test_json_stays_json_in_actions(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run("worse", range(20))
    shown = gate(cli, "--json")
    assert shown.json["outcome"] == "failed"
    assert shown.err.startswith("::error ")


def test_a_baseline_is_updated_by_a_run_that_passes_only(cli: CommandLine) -> None:
    before = Path("baseline.json").read_text("utf-8")
    run("worse", range(20))
    shown = gate(cli, "--update-baseline", "baseline.json")
    assert (shown.code, Path("baseline.json").read_text("utf-8")) == (1, before)
    assert "baseline.json is left as it is" in shown.err
    run("better", range(2))
    assert gate(cli, "--update-baseline", "baseline.json").code == 0
    after = Path("baseline.json").read_text("utf-8")
    assert after.count(": 0,\n") == 2
    assert '"model": "better"' in after


def test_ceilings_on_time_and_cost(cli: CommandLine) -> None:
    class Slow(Echo):
        def _answer(self, request: Request) -> Response:
            place = int(request.messages[0].text.split()[1])
            return Response(
                text=str(place),
                finish_reason="stop",
                usage=Usage(cost=0.01),
                timings=Timings(total=1.0 + place / 10, first_token=0.2),
            )

    fac_eval.run(Slow(), ToyTask(), store=".fac-eval", progress=False)
    cli("gate", "--update-baseline", "toy.json")
    policy = "[[rule]]\nmax_cost = {cost}\nmax_seconds = {{p50 = {p50}}}\nmax_first_token_seconds = {{p95 = 0.2}}\n"
    Path("toy.toml").write_text(policy.format(cost=0.2, p50=1.95), "utf-8")
    arguments = ("gate", "--baseline", "toy.json", "--policy", "toy.toml")
    assert cli(*arguments).code == 0
    Path("toy.toml").write_text(policy.format(cost=0.19, p50=1.9), "utf-8")
    shown = cli(*arguments)
    assert shown.code == 1
    assert "$0.2000, allowed $0.19" in shown.out
    assert "max_seconds.p50: 1.950 s, allowed 1.9 s" in shown.out


def test_a_replayed_file_says_nothing_about_time(cli: CommandLine) -> None:
    Path("gate.toml").write_text("[[rule]]\nmax_seconds = {p50 = 1}\nmax_cost = 1\n", "utf-8")
    run("same", range(10))
    shown = gate(cli)
    assert (shown.code, junit()["errors"]) == (2, 2)
    assert "0 answers say how long they took" in messages("error")
    assert "the cost of 60 of 60 calls is not known" in messages("error")
