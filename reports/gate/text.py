"""A gate's verdict on one screen, as Markdown for a step summary, as annotations and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fac_eval.engine.table import text_table

from ..compare.text import (
    cut,
    interval_text,
    markdown_list,
    markdown_table,
    metric_text,
    number,
)
from ..text import markdown_escaped, one_line
from .checks import Check, Outcome
from .verdict import Verdict

_WORDS: dict[Outcome, str] = {
    "passed": "PASSED",
    "failed": "FAILED",
    "error": "CANNOT BE TOLD",
    "skipped": "SKIPPED",
}
_HEADER = ("", "task", "figure", "baseline", "candidate", "difference", "95% interval", "n", "checks")
_RIGHT = (3, 4, 5, 6, 7)
_ROWS = 20
_LINES = 12
_LONGEST = 300


def verdict_text(verdict: Verdict) -> str:
    """The verdict for a terminal: what failed in full, what passed in a line a task."""
    rows = _rows(verdict)
    shown, hidden = rows[:_ROWS], rows[_ROWS:]
    parts = [f"{_headline(verdict)}\n{_sides(verdict)}", text_table(_HEADER, shown, _RIGHT)]
    if hidden:
        outcomes = ", ".join(f"{n} {word}" for word, n in Counter(row[0] for row in hidden).items())
        parts[-1] += f"\n... and {len(hidden)} more tasks: {outcomes}"
    parts.append("\n".join(_limited([_line(verdict, check) for check in _bad(verdict)])))
    parts.append("\n".join(_limited([f"warning: {one_line(text)}" for text in verdict.warnings])))
    return "\n\n".join(part for part in parts if part)


def summary_markdown(verdict: Verdict) -> str:
    """The verdict as Markdown, for a step summary or a comment."""
    parts = [f"## {markdown_escaped(_headline(verdict))}", markdown_escaped(_sides(verdict))]
    if rows := _rows(verdict):
        parts.append(markdown_table(_HEADER, rows, _RIGHT))
    if bad := _bad(verdict):
        parts += ["### What is wrong", markdown_list([_line(verdict, check) for check in bad])]
    if verdict.warnings:
        parts += ["### Warnings", markdown_list([one_line(text) for text in verdict.warnings])]
    return "\n\n".join(parts) + "\n"


def problem_markdown(problem: str) -> str:
    """Why there is no verdict."""
    return f"## gate {_WORDS['error']}\n\n{markdown_list(problem.splitlines())}\n"


def github_annotations(verdict: Verdict) -> Iterator[str]:
    """GitHub's workflow commands: an error for each check that is not passed, a warning for each warning."""
    for check in _bad(verdict):
        title = f"fac-eval gate: {check.task}, {check.name}"
        yield annotation("error", title, check.message, file=verdict.policy, line=check.line)
    for text in verdict.warnings:
        yield annotation("warning", "fac-eval gate", text)


def annotation(level: str, title: str, message: str, *, file: str | None = None, line: int = 0) -> str:
    """One workflow command, with everything in it that has a meaning to GitHub escaped."""
    properties = [("title", title)]
    if file and line:
        properties = [("file", file), ("line", str(line)), *properties]
    shown = ",".join(f"{name}={_command(value, ':,')}" for name, value in properties)
    return f"::{level} {shown}::{_command(message, '')}"


def _command(text: str, also: str) -> str:
    for char in f"%\r\n{also}":
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def verdict_facts(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data, for `--json`."""
    return {
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "policy": verdict.policy,
        "baseline": verdict.baseline,
        "candidate": verdict.candidate,
        "checks": [
            {
                "task": check.task,
                "check": check.name,
                "outcome": check.outcome,
                "message": check.message,
                "limit": check.limit,
                "p": check.p,
                "line": check.line,
            }
            for check in verdict.checks
        ],
        "tasks": [
            {
                "task": one.task,
                "figure": one.metric,
                "unit": one.unit,
                "higher_is_better": one.higher_is_better,
                "baseline": one.reference,
                "candidate": one.candidate,
                "difference": one.estimate.value,
                "low": one.estimate.low,
                "high": one.estimate.high,
                "n": one.n,
                "detectable": one.detectable,
            }
            for one in verdict.differences
        ],
        "warnings": list(verdict.warnings),
    }


def _headline(verdict: Verdict) -> str:
    words: dict[Outcome, str] = {
        "failed": "failed",
        "error": "could not be made",
        "skipped": "skipped",
        "passed": "passed",
    }
    counts = [f"{len(verdict.of(outcome))} {word}" for outcome, word in words.items() if verdict.of(outcome)]
    return f"gate {_WORDS[verdict.outcome]}: {', '.join(counts)} of {len(verdict.checks)} checks"


def _sides(verdict: Verdict) -> str:
    return f"{one_line(verdict.candidate)} against {one_line(verdict.baseline)} by {one_line(verdict.policy)}"


def _rows(verdict: Verdict) -> list[tuple[str, ...]]:
    """A row a task, what failed first."""
    main = {one.task: one for one in verdict.differences}
    checks: dict[str, list[Check]] = {}
    for check in verdict.checks:
        checks.setdefault(check.task, []).append(check)
    order: list[Outcome] = ["failed", "error", "passed", "skipped"]
    rows = []
    for task, made in checks.items():
        worst = next(outcome for outcome in order if any(check.outcome == outcome for check in made))
        one = main.get(task)
        names = [check.name for check in made if check.outcome == worst]
        what = f"{len(names)} passed" if worst == "passed" else cut(", ".join(names), 60)
        figures = (
            ("",) * 6
            if one is None
            else (
                metric_text(one),
                number(one.reference, one.unit),
                number(one.candidate, one.unit),
                number(one.estimate.value, one.unit, signed=True),
                interval_text(one),
                f"{one.n:,}",
            )
        )
        rows.append((worst, (_WORDS[worst].lower(), one_line(task), *figures, what)))
    rows.sort(key=lambda row: order.index(row[0]))
    return [row for _, row in rows]


def _bad(verdict: Verdict) -> list[Check]:
    return [*verdict.of("failed"), *verdict.of("error")]


def _line(verdict: Verdict, check: Check) -> str:
    place = f" ({one_line(verdict.policy)}:{check.line})" if check.line else ""
    word = _WORDS[check.outcome].lower()
    return f"{word}: {one_line(check.task)}, {one_line(check.name)}: {cut(check.message, _LONGEST)}{place}"


def _limited(lines: list[str]) -> list[str]:
    hidden = len(lines) - _LINES
    return lines if hidden <= 0 else [*lines[:_LINES], f"... and {hidden} more (--json has them all)"]
