"""Comparisons as text, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from fac_eval.engine.table import text_table

from ..text import markdown_escaped, one_line
from .comparison import ALPHA, Comparison, Difference
from .samples import Answer, ChangedSample

Format = Literal["terminal", "md", "csv", "json"]
FORMATS: tuple[Format, ...] = ("terminal", "md", "csv", "json")
SUFFIXES: Mapping[str, Format] = {".txt": "terminal", ".md": "md", ".csv": "csv", ".json": "json"}

Changed = Sequence[Sequence[ChangedSample]]
"""The changed samples to be shown, for each comparison."""

_HEADER = (
    "task",
    "metric",
    "reference",
    "candidate",
    "difference",
    "95% interval",
    "p",
    "p Holm",
    "effect",
    "detectable",
    "better/worse/same",
    "n",
)
_RIGHT = tuple(range(2, len(_HEADER)))
_ROWS = (
    "reference",
    "candidate",
    "task",
    "metric",
    "unit",
    "higher_is_better",
    "reference_value",
    "candidate_value",
    "difference",
    "low",
    "high",
    "interval",
    "p",
    "p_holm",
    "test",
    "effect",
    "detectable",
    "better",
    "worse",
    "same",
    "n",
    "clusters",
    "verdict",
    "notes",
)
_LONGEST = 100


def render(comparisons: Sequence[Comparison], changed: Changed, to: Format) -> str:
    """Comparisons in one of `FORMATS`, ending in a line break."""
    writers: dict[Format, Callable[[Sequence[Comparison], Changed], str]] = {
        "terminal": _terminal,
        "md": _markdown,
        "csv": _csv,
        "json": _json,
    }
    return writers[to](comparisons, changed).rstrip("\n") + "\n"


# What both kinds of text say.


def difference_cells(one: Difference) -> tuple[str, ...]:
    """A difference as the cells of a table's row."""
    return (
        one_line(one.task),
        metric_text(one),
        number(one.reference, one.unit),
        number(one.candidate, one.unit),
        number(one.estimate.value, one.unit, signed=True),
        interval_text(one),
        p_text(one.p),
        p_text(one.p_holm),
        "" if one.effect is None else f"{one.effect:+.2f}",
        number(one.detectable, one.unit),
        f"{one.better:,}/{one.worse:,}/{one.same:,}",
        f"{one.n:,}",
    )


def metric_text(one: Difference) -> str:
    """A metric with its unit, and an arrow where lower is better."""
    name = one_line(one.metric) + (f" ({one.unit})" if one.unit else "")
    return name.strip() if one.higher_is_better else f"{name} \u2193".strip()


def number(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A number with as many decimals as its unit asks for."""
    if value is None:
        return "-"
    digits = 2 if unit else 3
    # A difference that rounds to nothing has no sign.
    value = 0.0 if abs(value) < 0.5 * 10**-digits else value
    return f"{value:+.{digits}f}" if signed and value else f"{value:.{digits}f}"


def interval_text(one: Difference) -> str:
    """The ends of a difference's interval."""
    low, high = one.estimate.low, one.estimate.high
    if low is None or high is None:
        return ""
    return f"[{number(low, one.unit, signed=True)}, {number(high, one.unit, signed=True)}]"


def p_text(p: float | None) -> str:
    """A p-value with four decimals."""
    if p is None:
        return ""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _title(comparison: Comparison) -> str:
    return f"{one_line(comparison.candidate.name)} against {one_line(comparison.reference.name)}"


def _verdicts(comparison: Comparison) -> Iterator[str]:
    for verdict in ("worse", "better", "not shown"):
        tasks = [one_line(one.task) for one in comparison.differences if one.verdict == verdict]
        if tasks:
            what = "no difference shown" if verdict == "not shown" else verdict
            yield f"{what}: {', '.join(tasks)}"


def _remarks(comparison: Comparison) -> Iterator[str]:
    yield from (f"warning: {one_line(text)}" for text in comparison.warnings)
    yield from (
        f"note: {one_line(one.task)}: {one_line(text)}"
        for one in comparison.differences
        for text in one.notes
    )
    for side, tasks in (
        (comparison.reference, comparison.only_reference),
        (comparison.candidate, comparison.only_candidate),
    ):
        if tasks:
            yield f"only {one_line(side.name)} has: {', '.join(map(one_line, tasks))}"


def _legend(comparisons: Sequence[Comparison]) -> list[str]:
    tests = sum(one.p is not None for comparison in comparisons for one in comparison.differences)
    lines = ["difference: candidate - reference, over the samples that both have a score for"]
    if tests > 1:
        lines.append(f"p Holm: p corrected for {tests} tests; better and worse go by it, at {ALPHA:.0%}")
    lines.append("effect: the difference in standard deviations of a single pair's (Cohen's d)")
    lines.append("detectable: the smallest true difference that so many samples show in 4 of 5 cases")
    return lines


def _terminal(comparisons: Sequence[Comparison], changed: Changed) -> str:
    parts = []
    for comparison, samples in zip(comparisons, changed, strict=True):
        rows = [difference_cells(one) for one in (*comparison.differences, *comparison.totals)]
        parts += [_title(comparison), text_table(_HEADER, rows, _RIGHT), "\n".join(_verdicts(comparison))]
        parts.append("\n".join(_remarks(comparison)))
        parts.append(_changed_text(comparison, samples))
    parts.append("\n".join(_legend(comparisons)))
    return "\n\n".join(part for part in parts if part)


def _changed_text(comparison: Comparison, samples: Sequence[ChangedSample]) -> str:
    if not samples:
        return ""
    names = (comparison.reference.name, comparison.candidate.name)
    width = max(len(one_line(name)) for name in names)
    lines = ["changed samples, the greatest losses of each task first"]
    for sample in samples:
        lines.append(f"{one_line(sample.task)}  {one_line(sample.id)}  {cut(sample.question)}".rstrip())
        for name, answer in zip(names, (sample.reference, sample.candidate), strict=True):
            lines.append(f"    {one_line(name).ljust(width)}  {_answer_text(answer)}".rstrip())
    return "\n".join(lines)


def _answer_text(answer: Answer) -> str:
    label = "" if answer.label is None else f"[{cut(answer.label)}]  "
    return f"{answer.score}  {label}{cut(answer.text)}"


def cut(text: str | None, longest: int = _LONGEST) -> str:
    """A text in one line of bounded length."""
    line = one_line(text or "")
    return line if len(line) <= longest else line[: longest - 3] + "..."


def _markdown(comparisons: Sequence[Comparison], changed: Changed) -> str:
    parts = []
    for comparison, samples in zip(comparisons, changed, strict=True):
        rows = [difference_cells(one) for one in (*comparison.differences, *comparison.totals)]
        parts += [f"## {markdown_escaped(_title(comparison))}", markdown_table(_HEADER, rows, _RIGHT)]
        parts.append(markdown_list([*_verdicts(comparison), *_remarks(comparison)]))
        if samples:
            cells = [
                (one.task, one.id, cut(one.question), *map(_answer_text, (one.reference, one.candidate)))
                for one in samples
            ]
            header = ("task", "sample", "question", comparison.reference.name, comparison.candidate.name)
            parts += [
                "### Changed samples, the greatest losses of each task first",
                markdown_table(header, cells),
            ]
    parts.append(markdown_list(_legend(comparisons)))
    return "\n\n".join(part for part in parts if part)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A GitHub table of plain texts."""
    rules = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [
        [markdown_escaped(text) for text in header],
        rules,
        *([markdown_escaped(text) for text in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_list(lines: Sequence[str]) -> str:
    """Plain texts as a list."""
    return "\n".join(f"- {markdown_escaped(line)}" for line in lines)


# For programs.


def facts(comparison: Comparison, one: Difference) -> dict[str, Any]:
    """A difference as plain data."""
    paired = one.paired
    return {
        "reference": comparison.reference.name,
        "candidate": comparison.candidate.name,
        "task": one.task,
        "metric": one.metric,
        "unit": one.unit,
        "higher_is_better": one.higher_is_better,
        "reference_value": one.reference,
        "candidate_value": one.candidate,
        "difference": one.estimate.value,
        "low": one.estimate.low,
        "high": one.estimate.high,
        "interval": one.estimate.method,
        "p": one.p,
        "p_holm": one.p_holm,
        "test": one.test,
        "effect": one.effect,
        "detectable": one.detectable,
        "better": one.better,
        "worse": one.worse,
        "same": one.same,
        "n": one.n,
        "clusters": one.estimate.clusters,
        "verdict": one.verdict,
        "notes": list(one.notes),
        "only_reference": {} if paired is None else dict(paired.only_reference),
        "only_candidate": {} if paired is None else dict(paired.only_candidate),
        "reference_protocol": None if paired is None else paired.reference.protocol_id,
        "candidate_protocol": None if paired is None else paired.candidate.protocol_id,
    }


def _csv(comparisons: Sequence[Comparison], changed: Changed) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, _ROWS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for comparison in comparisons:
        warnings = list(comparison.warnings)
        for one in (*comparison.differences, *comparison.totals):
            row = facts(comparison, one)
            mine = [text for text in warnings if text.startswith(f"{one.task}: ")]
            writer.writerow({**row, "notes": "; ".join([*mine, *row["notes"]])})
    return out.getvalue()


def _json(comparisons: Sequence[Comparison], changed: Changed) -> str:
    import msgspec

    data = [
        {
            "reference": _side_facts(comparison, "reference"),
            "candidate": _side_facts(comparison, "candidate"),
            "differences": [facts(comparison, one) for one in comparison.differences],
            "totals": [facts(comparison, one) for one in comparison.totals],
            "only_reference": list(comparison.only_reference),
            "only_candidate": list(comparison.only_candidate),
            "warnings": list(comparison.warnings),
            "changed": [asdict(sample) for sample in samples],
        }
        for comparison, samples in zip(comparisons, changed, strict=True)
    ]
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def _side_facts(comparison: Comparison, which: Literal["reference", "candidate"]) -> dict[str, str]:
    side = comparison.reference if which == "reference" else comparison.candidate
    return {"name": side.name, "run": side.run, "model": side.model}
