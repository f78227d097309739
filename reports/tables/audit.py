"""What does not hold of the report's own figures: sums that are recomputed here, and what is known of their origin.

A figure is recomputed wherever the report prints its parts, by the formulas that fac-eval's own totals follow. Counts
are recomputed too: an accuracy over 520 items is a number of hits in 520, or something else was divided.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from fac_eval.errors import DataError

from .counts import COUNTS, CountRule
from .published import Place, Published, PublishedCell, published

Kind = Literal[
    "arithmetic", "wrong", "rests-on", "copied", "origin", "measure", "denominator", "item-sets", "unit"
]

KINDS: Mapping[str, str] = {
    "arithmetic": "does not follow from its parts",
    "wrong": "is not the figure of its row",
    "rests-on": "follows from a part that is wrong",
    "copied": "taken over from elsewhere, not measured again",
    "origin": "from an unknown other source than its block",
    "measure": "another measure than the rest of its row",
    "denominator": "items are missing from its denominator, or it is another average",
    "item-sets": "over other items than its row says",
    "unit": "a rate of something else than its row says",
}
"""What each kind of finding says of a figure, gravest first."""


@dataclass(frozen=True, slots=True)
class Check:
    """A published figure made again from others, or from whole numbers of hits."""

    rule: str
    place: Place
    model: str
    printed: str
    recomputed: str
    """What comes out; for a count, the number of hits or the nearest that there is."""
    agrees: bool
    kind: Kind = "arithmetic"
    """What it is called where it does not agree."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is to be said against one published figure."""

    place: Place
    model: str
    value: str
    kind: Kind
    text: str
    upstream: str = ""
    """Where it can be looked up; empty where the figures themselves show it."""


@dataclass(frozen=True)
class Audit:
    """All checks, and everything found."""

    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    _by_cell: Mapping[tuple[Place, str], list[Finding]] = field(default_factory=dict, repr=False)

    def of(self, place: Place, model: str) -> Sequence[Finding]:
        """What was found against one figure."""
        return self._by_cell.get((place, model), [])

    def limited(self, tables: Sequence[str]) -> Audit:
        """The part of it that is about some of the tables."""
        return _audit(
            tuple(check for check in self.checks if check.place.table in tables),
            tuple(finding for finding in self.findings if finding.place.table in tables),
        )


def audit(data: Published | None = None) -> Audit:
    """Recompute what can be recomputed of the report's figures, and add what is known of them."""
    data = published() if data is None else data
    stated = tuple(_stated(data))
    checks = (*_overalls(data), *_frame_rates(data), *_counts(data, stated))
    explained = {(finding.place, finding.model, finding.kind) for finding in stated}
    shown = tuple(
        Finding(check.place, check.model, check.printed, check.kind, _unlike(check))
        for check in checks
        if not check.agrees and (check.place, check.model, check.kind) not in explained
    )
    order = list(KINDS)
    return _audit(checks, tuple(sorted((*shown, *stated), key=lambda found: order.index(found.kind))))


def _audit(checks: tuple[Check, ...], findings: tuple[Finding, ...]) -> Audit:
    by_cell: dict[tuple[Place, str], list[Finding]] = {}
    for finding in findings:
        by_cell.setdefault((finding.place, finding.model), []).append(finding)
    return Audit(checks, findings, by_cell)


def _unlike(check: Check) -> str:
    if check.kind == "arithmetic":
        return f"its parts give {check.recomputed} ({check.rule})"
    return f"not {check.rule}; the nearest sum is {check.recomputed}"


# What follows from other figures.


def _overalls(data: Published) -> Iterator[Check]:
    from fac_eval.metrics.printed import printed_overall

    for cell in data.cells:
        place = cell.place
        rule = _RULES.get((place.block, place.row))
        if rule is None or not cell.value:
            continue
        name, compute = rule
        if compute is None:
            names = [part.row for part in _parts(data, place)]
            wanted = printed_overall(data.value(part, cell.model) or None for part in _parts(data, place))
            yield _check(f"{name}: mean of {', '.join(names)} as printed", cell, wanted or "-")
            continue
        exact = compute({part: data.value(part, cell.model) or "" for part in _parts(data, place)})
        yield _check(name, cell, exact, slack=_VSTYLE_SLACK if place.table == "5" else Decimal(0))


def _parts(data: Published, whole: Place) -> list[Place]:
    """The rows that a total row is made of."""
    if whole.table == "5":
        return [row for row in data.rows("5") if row.block != whole.block and row.lang == whole.lang]
    same_metric = whole.table == "7"
    return [
        row
        for row in data.rows(whole.table)
        if row.block == whole.block
        and row.row != whole.row
        and (row.metric == whole.metric or not same_metric)
    ]


def _check(rule: str, cell: PublishedCell, recomputed: str, slack: Decimal = Decimal(0)) -> Check:
    agrees = cell.value == recomputed
    if slack:
        agrees = abs(Decimal(cell.value) - Decimal(recomputed)) <= slack
    return Check(rule, cell.place, cell.model, cell.value, recomputed, agrees)


def _voicebench(parts: Mapping[Place, str]) -> str:
    from fac_eval.metrics.printed import printed
    from fac_eval.metrics.voicebench_overall import OverallWithheld, overall7

    outcome = overall7({part.row.lower(): float(value) for part, value in parts.items() if value})
    return "-" if isinstance(outcome, OverallWithheld) else printed(Decimal(repr(outcome.value)))


def _table4(parts: Mapping[Place, str]) -> str:
    from fac_eval.metrics.printed import printed
    from fac_eval.metrics.speech_fc_aggregate import SUBSETS, table4_overall
    from fac_eval.metrics.voicebench_overall import OverallWithheld

    values = dict(zip(SUBSETS, parts.values(), strict=True))
    outcome = table4_overall({subset: value for subset, value in values.items() if value})
    # Its terms are whole hundredths, which binary floats miss by less than this.
    return "-" if isinstance(outcome, OverallWithheld) else printed(round(Decimal(outcome.value), 6))


_VSTYLE_SLACK = Decimal("0.006")
"""The printed parts are rounded themselves: half a hundredth, and a little for the weights."""


def _vstyle(parts: Mapping[Place, str]) -> str:
    from fac_eval.metrics.vstyle import weights

    # Table 5 has the sub-types in VStyle's own order.
    terms = list(zip(weights().values(), parts.values(), strict=True))
    if not all(value for _, value in terms):
        return "-"
    return f"{sum(weight * float(value) for weight, value in terms):.4f}"


_RULES: Mapping[tuple[str, str], tuple[str, Callable[[Mapping[Place, str]], str] | None]] = {
    ("OpenAudioBench (S2T)", "Overall"): ("OpenAudioBench Overall", None),
    ("VoiceBench (S2T)", "Overall"): ("VoiceBench Overall: mean of seven, ratings times 20", _voicebench),
    ("UltraEval-Audio (S2S)", "Overall"): ("UltraEval-Audio Overall", None),
    ("Speech Function Calling", "Overall"): ("Table 4 Overall: mean of five accuracies as printed", _table4),
    ("Overall", "Overall"): ("VStyle Overall: official weights", _vstyle),
    ("UltraEval-Audio full duplex", "Avg."): ("Table 7 Avg.", None),
}


# What follows from how a model is built.

_FRAME_RATES: Sequence[tuple[str, str, str, str]] = (
    ("Fun-Audio-Chat-30B-A3B", "Frame Rate-In", "5", "25 Hz tokens in groups of 5"),
    ("Fun-Audio-Chat-30B-A3B", "Frame Rate-Out", "5", "25 Hz tokens in groups of 5"),
    ("Fun-Audio-Chat-8B", "Frame Rate-In", "5", "25 Hz tokens in groups of 5"),
    ("Fun-Audio-Chat-8B", "Frame Rate-Out", "5", "25 Hz tokens in groups of 5"),
    ("Longcat-Flash-Omni-Instruct", "Frame Rate-Out", "16.67", "12.5 Hz times 4/3"),
)


def _frame_rates(data: Published) -> Iterator[Check]:
    wanted = {(model, row): (rate, why) for model, row, rate, why in _FRAME_RATES}
    for cell in data.cells:
        if cell.place.metric == "hz" and (cell.model, cell.place.row) in wanted:
            rate, why = wanted[cell.model, cell.place.row]
            yield _check(f"frame rate: {why}", cell, rate)


# What is a number of hits among a number of items.


def _counts(data: Published, stated: Sequence[Finding]) -> Iterator[Check]:
    elsewhere = {
        (finding.place, finding.model)
        for finding in stated
        if finding.kind in ("copied", "origin", "item-sets")
    }
    for rule in COUNTS:
        for cell in data.cells:
            if not cell.value or not rule.covers(cell.place, cell.model):
                continue
            if rule.own_only and (cell.place, cell.model) in elsewhere:
                continue
            hits = _hits(cell.value, rule)
            nearest = "" if hits is None else f"{hits:,}"
            yield Check(
                rule.name,
                cell.place,
                cell.model,
                cell.value,
                nearest or _nearest(cell.value, rule),
                hits is not None,
                "denominator",
            )


def _hits(value: str, rule: CountRule) -> int | None:
    """The number of hits that prints as `value`, rounded in either way."""
    about = int(Decimal(value) * rule.items / rule.scale)
    return next(
        (hits for hits in range(max(0, about - 2), about + 4) if value in _prints(hits, value, rule)), None
    )


def _nearest(value: str, rule: CountRule) -> str:
    hits = round(Decimal(value) * rule.items / rule.scale)
    return f"{hits:,}, which is {_prints(hits, value, rule)[0]}"


def _prints(hits: int, value: str, rule: CountRule) -> list[str]:
    decimals = len(value.partition(".")[2])
    exact = Decimal(rule.scale) * hits / rule.items
    if rule.rounded_first:
        exact = round(exact, 1)
    places = Decimal(1).scaleb(-decimals)
    return [str(exact.quantize(places, rounding=way)) for way in (ROUND_HALF_UP, ROUND_HALF_EVEN)]


# What is known and cannot be computed.


class _Statement(msgspec.Struct, forbid_unknown_fields=True):
    kind: Kind
    text: str
    upstream: str
    table: str | list[str] = []
    block: str | list[str] = []
    row: str | list[str] = []
    metric: str | list[str] = []
    lang: str | list[str] = []
    model: str | list[str] = []


class _Statements(msgspec.Struct, forbid_unknown_fields=True):
    statement: list[_Statement]


@cache
def _statements() -> tuple[_Statement, ...]:
    text = files("fac_eval.reports.tables").joinpath("data/audit.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _Statements).statement)


def _stated(data: Published) -> Iterator[Finding]:
    for statement in _statements():
        picked = [cell for cell in data.cells if cell.value and _picks(statement, cell)]
        if not picked:
            raise DataError(f"audit.toml: no published figure is picked by the statement {statement.text!r}")
        for cell in picked:
            yield Finding(
                cell.place, cell.model, cell.value, statement.kind, statement.text, statement.upstream
            )


def _picks(statement: _Statement, cell: PublishedCell) -> bool:
    wanted = [getattr(statement, name) for name in (*Place._fields, "model")]
    held = (*cell.place, cell.model)
    return all(
        not some or value in ([some] if isinstance(some, str) else some)
        for some, value in zip(wanted, held, strict=True)
    )
