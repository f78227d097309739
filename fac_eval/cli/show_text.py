"""What `fac-eval show` prints, from plain facts."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from fac_eval.cli.output import field_lines, local_time
from fac_eval.engine.table import text_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fac_eval.engine.result import RunResult

Facts = dict[str, Any]

_WIDTH = 100
_IN_THE_TABLE = {"fac_eval", "git", "host", "command"}
_NEEDS = {
    "transcript": "a transcript of the spoken answer",
    "quality": "speech quality",
    "similarity": "likeness of texts",
    "judge": "a judge",
}


def facts_text(facts: Facts) -> str:
    """Facts of any kind (see `fac_eval.cli.describe`) as paragraphs and tables."""
    special = {
        "task": _task_sections,
        "benchmark": _members_sections,
        "group": _members_sections,
        "rubric": _rubric_sections,
    }
    sections = special.get(facts["kind"], _part_sections)
    return "\n\n".join(section for section in sections(facts) if section)


def _task_sections(facts: Facts) -> Iterator[str]:
    yield _heading(facts)
    if "protocol" not in facts:
        yield _options(facts["options"], "option")
        required = ", ".join(f"{one['name']}=..." for one in facts["options"] if one["required"])
        yield f"With its options given, more can be told: fac-eval show {facts['name']}:{required}"
        return
    yield field_lines(
        [
            ("package", facts["package"]),
            ("variant", facts["variant"]),
            ("needs", ", ".join(_NEEDS[need] for need in facts["needs"]) or "nothing but the answer"),
            ("judge calls", f"{facts['judge_calls']} a sample" if facts["judge_calls"] else ""),
            ("rubrics", ", ".join(facts["rubrics"])),
            ("answer", "text and speech" if facts["output"] == "speech" else "text"),
            ("settings", ", ".join(f"{key}={value}" for key, value in facts["settings"].items())),
            ("metrics", ", ".join(_metric(metric) for metric in facts["metrics"])),
        ]
    )
    yield _options(facts["options"], "option")
    for dataset in facts["datasets"]:
        yield _dataset(dataset, facts["name"])
    for asset in facts["assets"]:
        yield _asset(asset)
    tools = " before the transcriber, meter or judge of a run is added" if facts["needs"] else ""
    protocol = json.dumps(facts["protocol"], indent=2, ensure_ascii=False)
    yield f"protocol {facts['protocol_id']}{tools}\n{protocol}"


def _heading(facts: Facts) -> str:
    title = facts.get("title") or facts["kind"]
    first = f"{facts['name']}: {title}"
    description = textwrap.fill(facts.get("description") or "", _WIDTH)
    return f"{first}\n{description}".rstrip()


def _metric(metric: Facts) -> str:
    remarks = ["main"] if metric["main"] else []
    remarks += [] if metric["higher_is_better"] else ["lower is better"]
    return f"{metric['name']} ({', '.join(remarks)})" if remarks else str(metric["name"])


def _options(options: list[Facts], what: str) -> str:
    if not options:
        return f"It has no {what}s."
    width = max(len(option["name"]) for option in options) + 4
    lines = [f"{what}s"]
    for option in options:
        default = "required" if option["required"] else f"default {_value(option['default'])}"
        lines.append(f"  {option['name']}".ljust(width) + f"{option['type']}  [{default}]")
        lines += textwrap.wrap(
            option["doc"], _WIDTH, initial_indent=" " * width, subsequent_indent=" " * width
        )
    return "\n".join(lines)


def _value(value: Any) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value, default=str)


def _dataset(dataset: Facts, task: str) -> str:
    expected, rows = dataset["expected_rows"], dataset["rows"]
    if dataset["problem"] is not None:
        state = dataset["problem"]
    elif dataset["found"] is None:
        state = f"not here; it is read from the hub, or fetched by: fac-eval prepare {task}"
    else:
        state = dataset["folder"]
    return field_lines(
        [
            ("data set", dataset["identity"]),
            ("published rows", ", ".join(f"{split} {n:,}" for split, n in expected.items())),
            ("on this machine", state),
            ("rows there", "" if rows is None else ", ".join(f"{split} {n:,}" for split, n in rows.items())),
        ]
    )


def _asset(asset: Facts) -> str:
    return field_lines(
        [
            ("asset", asset["name"]),
            ("from", asset["url"]),
            ("licence", asset["licence"]),
            ("note", asset["note"]),
            ("on this machine", asset["path"] or asset["problem"].splitlines()[0]),
        ]
    )


def _members_sections(facts: Facts) -> Iterator[str]:
    yield _heading(facts)
    yield field_lines(
        [
            ("package", facts["package"]),
            ("members", ", ".join(facts.get("members", []))),
            ("totals", ", ".join(facts.get("overall", []))),
        ]
    )
    rows = [
        (
            task["name"],
            task["title"],
            ", ".join(task["needs"]),
            {True: "yes", False: "no", None: ""}[task["sample_data"]],
        )
        for task in facts["tasks"]
    ]
    yield text_table(("task", "title", "needs", "sample data"), rows)


def _part_sections(facts: Facts) -> Iterator[str]:
    yield _heading({**facts, "description": ""})
    yield facts["doc"]
    able = facts["capabilities"]
    pairs = [("package", facts["package"]), ("runs", facts["runs"])]
    if able is not None:
        pairs += [
            ("takes", ", ".join(able["inputs"])),
            ("gives", ", ".join(able["outputs"]) + (", tool calls" if able["tools"] else "")),
        ]
        if facts["runs"] == "remote":
            pairs.append(("concurrency", str(able["concurrency"])))
        else:
            pairs.append(("batch size", str(able["batch_size"])))
    pairs += [(key, _value(value)) for key, value in (facts["describe"] or {}).items() if key != "name"]
    pairs.append(("problem", facts["problem"] or ""))
    yield field_lines(pairs)
    yield _options(facts["arguments"], "argument")
    if able is None and facts["kind"] == "model":
        required = ",".join(f"{one['name']}=..." for one in facts["arguments"] if one["required"])
        yield f"What it can take and give depends on its arguments: fac-eval show {facts['name']}:{required}"


def _rubric_sections(facts: Facts) -> Iterator[str]:
    yield _heading({**facts, "title": "how a judge is asked"})
    yield field_lines(
        [
            ("package", facts["package"]),
            ("judge of the protocol", facts["model"]),
            ("settings", ", ".join(f"{key}={value}" for key, value in facts["settings"].items())),
            ("hears", "yes" if facts["hears"] else ""),
            ("attempts", str(facts["attempts"]) if facts["attempts"] > 1 else ""),
            ("right, wrong", ", ".join(facts["decisions"].values())),
        ]
    )
    if facts["upstream"] is not None:
        yield _asset(facts["upstream"])
    if facts["system"]:
        yield f"system prompt\n{_indented(facts['system'])}"
    yield f"own wording\n{_indented(facts['own'])}"


def run_text(result: RunResult, efficiency: Sequence[Facts]) -> str:
    """A run: its result, how quickly answers came, what was asked for, each session, and what the last one ran on."""
    sessions = [
        (
            local_time(session.started),
            "" if session.ended is None else _duration(session.ended - session.started),
            session.outcome or "running or killed",
            str(session.environment.get("fac_eval", "")),
            str(session.environment.get("git") or "")[:12],
            str(session.environment.get("host", "")),
            " ".join(session.environment.get("command", [])),
        )
        for session in result.sessions
    ]
    header = ("session", "took", "outcome", "fac-eval", "git", "host", "command")
    sections = [
        str(result),
        *_efficiency(efficiency),
        "configuration\n" + _indented(field_lines((key, _value(v)) for key, v in result.run.config.items())),
        text_table(header, sessions, (1,)),
    ]
    if result.run.parent:
        sections.insert(1, f"rescored from run {result.run.parent}")
    if result.sessions:
        environment = dict(result.sessions[-1].environment)
        packages = environment.pop("packages", {})
        environment["packages"] = " ".join(f"{name}={version}" for name, version in packages.items())
        # What the table of sessions shows is not said again.
        pairs = [(key, str(value)) for key, value in environment.items() if key not in _IN_THE_TABLE]
        sections.append("environment of the last session\n" + _indented(field_lines(pairs)))
    return "\n\n".join(sections)


def _efficiency(rows: Sequence[Facts]) -> list[str]:
    """A table of what was recorded; nothing where nothing was."""
    header = ("model", "task", "measure", "unit", "n", "pooled", "mean", "p50", "p90", "p99", "max", "batch")
    table = [
        (
            row["model"],
            row["task"],
            row["measure"],
            row["unit"],
            f"{row['n']:,}",
            *(_figure(row[name]) for name in header[5:11]),
            str(row["batch"]),
        )
        for row in rows
        if row["n"]
    ]
    return ["efficiency\n" + _indented(text_table(header, table, range(4, 12)))] if table else []


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _indented(text: str) -> str:
    return textwrap.indent(text, "  ")
