"""`fac-eval judge-check`: would this judge do?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fac_eval.cli.output import echo_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .agreement import Consistency, Part, Report

_PATH = click.Path(path_type=Path)


@click.command(short_help="Compare a judge with people, and with itself.")
@click.argument("file", required=False, type=_PATH)
@click.option("--ratings", type=_PATH, metavar="DIR", help="People's ratings, a file for each rater.")
@click.option("--scores", type=_PATH, metavar="FILE", help="A judge's scores of the same answers.")
@click.option("--official", type=_PATH, metavar="FILE", help="The protocol's own judge's scores of them.")
@click.option("--judge", metavar="SPEC", help="Ask this judge about the items of FILE.")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Replies wanted for each item; those in FILE count.",
)
@click.option("--out", type=_PATH, metavar="FILE", help="Keep the items with their replies here.")
@click.option("--max-cost", type=click.FloatRange(min=0), help="Spend no more than this, in US dollars.")
@click.option(
    "--scale", metavar="LOW-HIGH", help="The range of proper scores.  [default: the rubric's, or 1-5]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.pass_context
def command(context: click.Context, /, file: Path | None, **options: Any) -> None:
    """Say how well a judge agrees with people, by category, and how well it repeats itself.

    Either FILE holds items with ratings and a judge's scores or replies (docs/judges.md has the format), or
    --ratings and --scores name them apart, as VStyle publishes them.

    Exit codes: 0 it would do; 1 something speaks against it; 2 the files or the judge cannot be used.
    """
    reports = _reports(file, **options)
    if options["as_json"]:
        echo_json({"passes": all(found.passes for found in reports.values()), "reports": _plain(reports)})
    else:
        click.echo("\n\n".join(_text(name, found) for name, found in reports.items()))
    context.exit(0 if all(found.passes for found in reports.values()) else 1)


def _reports(
    file: Path | None,
    ratings: Path | None,
    scores: Path | None,
    official: Path | None,
    scale: str | None,
    **asking: Any,
) -> dict[str, Report]:
    from fac_eval.errors import UsageError

    from .agreement import report
    from .items import read_upstream

    if file is not None and not any((ratings, scores, official)):
        return _reports_on_items(file, scale, **asking)
    if file is not None or ratings is None or scores is None:
        raise UsageError(
            "judge-check takes a FILE of items, or --ratings DIR with --scores FILE",
            remedy="Both forms are described in docs/judges.md.",
        )
    if asking["judge"] is not None or asking["out"] is not None:
        raise UsageError("--judge and --out belong to a FILE of items", remedy="Leave them out.")
    low, high = (1.0, 5.0) if scale is None else _range(scale)
    found = read_upstream(ratings, scores, official)
    return {language: report(items, low, high) for language, items in found.items()}


def _reports_on_items(
    file: Path,
    scale: str | None,
    judge: str | None,
    repeat: int,
    out: Path | None,
    max_cost: float | None,
    as_json: bool,
) -> dict[str, Report]:
    from fac_eval.errors import DataError

    from .agreement import report
    from .ask import ask
    from .items import read_items
    from .readings import reading_of

    items = read_items(file)
    if judge is not None:
        items, remarks = ask(judge, items, folder=file.parent, repeat=repeat, max_cost=max_cost, out=out)
        for remark in remarks:
            click.echo(remark, err=True)
    if scale is not None:
        low, high = _range(scale)
    else:
        readings = {(reading_of(item.rubric or "").low, reading_of(item.rubric or "").high) for item in items}
        if len(readings) > 1:
            raise DataError(
                f"{file} mixes rubrics of different scales", remedy="Make a file of each, or give --scale."
            )
        ((low, high),) = readings
    return {"": report([item.judged() for item in items], low, high)}


def _range(text: str) -> tuple[float, float]:
    from fac_eval.errors import UsageError

    low, _, high = text.partition("-")
    try:
        found = float(low), float(high)
    except ValueError:
        raise UsageError(f"--scale {text!r} is not LOW-HIGH", remedy="For example: --scale 1-10") from None
    if not found[0] < found[1]:
        raise UsageError(f"--scale {text!r}: the lower end comes first")
    return found


def _text(name: str, found: Report) -> str:
    lines = [f"language {name}"] if name else []
    lines += _table({"all": found.whole, **found.categories})
    lines += ["", *_remarks(found)]
    if found.passes:
        lines.append("It would do: nothing here speaks against this judge.")
    else:
        lines += ["It would not do:", *(f"- {reason}" for reason in found.objections)]
    return "\n".join(lines)


def _table(parts: Mapping[str, Part]) -> list[str]:
    head = ("", "items", "people", "judge, each", "judge, mean", "tau-b", "kappa people", "kappa judge")
    rows = [
        (
            name,
            str(part.items),
            _number(part.correlations.human_human.mean),
            _number(part.correlations.human_judge.mean),
            _number(part.correlations.average_judge.rho),
            _number(part.kendall),
            _number(part.human_kappa.mean),
            _number(part.judge_kappa.mean),
        )
        for name, part in parts.items()
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return ["  ".join(_cells(row, widths)).rstrip() for row in (head, *rows)]


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    yield row[0].ljust(widths[0])
    for cell, width in zip(row[1:], widths[1:], strict=True):
        yield cell.rjust(width)


def _remarks(found: Report) -> Iterator[str]:
    calls = f"{found.failed} of {found.calls} calls without a score"
    yield f"{found.raters} raters; {calls}; {found.out_of_range} scores out of range"
    if found.shift is not None:
        yield f"mean shift against people {found.shift:+.2f}"
    if found.official.n:
        match = found.official
        yield f"the official judge's score on {match.exact} of {match.n}, within 1 of it on {match.within_one}"
    if found.consistency.items:
        yield _repeats(found.consistency)


def _repeats(found: Consistency) -> str:
    return (
        f"repeats: the same score on {found.identical} of {found.items}, mean spread "
        f"{_number(found.spread)}, mean deviation {_number(found.deviation)}, correlation of rounds "
        f"{_number(found.correlations.mean)}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def _plain(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    return [{"language": name or None, **_report(found)} for name, found in reports.items()]


def _report(found: Report) -> dict[str, Any]:
    repeats = found.consistency
    return {
        "passes": found.passes,
        "objections": list(found.objections),
        "raters": found.raters,
        "calls": found.calls,
        "failed": found.failed,
        "out_of_range": found.out_of_range,
        "mean_shift": found.shift,
        "official": found.official._asdict(),
        "all": _part(found.whole),
        "categories": {name: _part(part) for name, part in found.categories.items()},
        "repeats": {
            "items": repeats.items,
            "identical": repeats.identical,
            "spread": repeats.spread,
            "deviation": repeats.deviation,
            "spearman": repeats.correlations.mean,
        },
    }


def _part(part: Part) -> dict[str, Any]:
    found = part.correlations
    return {
        "items": part.items,
        "common": found.average_judge.n,
        "spearman": {
            "human_human": found.human_human.mean,
            "human_judge": found.human_judge.mean,
            "average_judge": found.average_judge.rho,
        },
        "kendall": part.kendall,
        "kappa": {"human_human": part.human_kappa.mean, "human_judge": part.judge_kappa.mean},
    }
