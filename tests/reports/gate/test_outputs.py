"""What a verdict looks like: on the terminal, in Markdown, as annotations, as JUnit."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fac_eval.errors import UsageError
from fac_eval.reports.gate.checks import Check, Outcome
from fac_eval.reports.gate.junit import write_junit
from fac_eval.reports.gate.text import (
    annotation,
    github_annotations,
    summary_markdown,
    verdict_facts,
    verdict_text,
)
from fac_eval.reports.gate.verdict import Verdict


def verdict(*checks: Check, warnings: tuple[str, ...] = ()) -> Verdict:
    return Verdict("gate.toml", "old", "new", checks, (), warnings)


def many(n: int, outcome: Outcome) -> list[Check]:
    return [Check(f"task {row}", "max_drop", outcome, f"message {row}", 3) for row in range(n)]


NASTY = "a|b <script>alert(1)</script>\n::error::x\x1b[31m\x00 %0A"


def test_the_headline_counts_checks() -> None:
    one, two = many(2, "passed")
    shown = verdict_text(
        verdict(one, two, Check("t", "min_n", "failed", "too few", 4), Check("t", "margin", "error", "no", 5))
    )
    assert shown.splitlines()[:2] == [
        "gate FAILED: 1 failed, 1 could not be made, 2 passed of 4 checks",
        "new against old by gate.toml",
    ]
    assert "failed: t, min_n: too few (gate.toml:4)" in shown
    assert "cannot be told: t, margin: no (gate.toml:5)" in shown


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_verdict_fits_on_a_screen(outcome: Outcome) -> None:
    shown = verdict_text(verdict(*many(300, outcome), warnings=tuple(f"warning {row}" for row in range(300))))
    assert len(shown.splitlines()) < 60
    assert f"... and 280 more tasks: 280 {outcome}" in shown


def test_what_failed_comes_first() -> None:
    rows = verdict_text(verdict(*many(3, "passed"), Check("z", "min_n", "failed", "too few", 4))).splitlines()
    assert rows[5].startswith("failed")


def test_nothing_that_is_shown_can_act() -> None:
    made = verdict(Check(NASTY, "max_drop", "failed", NASTY, 1), warnings=(NASTY,))
    text, page = verdict_text(made), summary_markdown(made)
    assert "\x1b" not in text + page
    assert "<script>" not in page
    assert r"\<script\>" in page
    lines = list(github_annotations(made))
    assert len(lines) == 2
    assert all("\n" not in line and line.count("::") >= 2 for line in lines)
    assert lines[0].startswith("::error file=gate.toml,line=1,title=fac-eval gate%3A a|b")
    assert "%0A::error::x" in lines[0]
    assert "%250A" in lines[0]


def test_annotations_point_at_the_policys_lines() -> None:
    assert annotation("error", "a,b:c", "50 %\nmore", file="p,q.toml", line=7) == (
        "::error file=p%2Cq.toml,line=7,title=a%2Cb%3Ac::50 %25%0Amore"
    )
    assert annotation("warning", "t", "m", file="p.toml") == "::warning title=t::m"


def test_junit_counts_and_escapes(tmp_path: Path) -> None:
    checks = [
        Check("a", "max_drop", "passed", "fine", 1),
        Check("a", "min_n", "failed", NASTY, 2),
        Check("b", "comparable", "error", "other protocol", 3),
        Check("b", "margin", "skipped", "no baseline", 4),
    ]
    path = tmp_path / "junit.xml"
    write_junit(path, checks)
    root = ElementTree.parse(path).getroot()
    assert (root.tag, root.attrib) == (
        "testsuites",
        {"name": "fac-eval gate", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"},
    )
    suites = {suite.get("name"): suite for suite in root}
    assert suites["a"].get("failures") == "1"
    assert suites["b"].get("errors") == "1"
    failure = suites["a"].find("testcase[@name='min_n']/failure")
    assert failure is not None
    assert failure.text == NASTY.replace("\x1b", "\ufffd").replace("\x00", "\ufffd")
    assert suites["b"].find("testcase[@name='margin']/skipped") is not None
    passed = suites["a"].find("testcase[@name='max_drop']")
    assert passed is not None
    assert [child.tag for child in passed] == ["system-out"]


def test_a_junit_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_junit(tmp_path / "no" / "junit.xml", [])


def test_plain_data_has_every_check() -> None:
    facts = verdict_facts(verdict(*many(2, "failed")))
    assert (facts["outcome"], facts["exit_code"]) == ("failed", 1)
    assert facts["checks"][1] == {
        "task": "task 1",
        "check": "max_drop",
        "outcome": "failed",
        "message": "message 1",
        "limit": None,
        "p": None,
        "line": 3,
    }
