"""What all formats say in the same words: rows, cells, footnotes, legends, the audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...tables.audit import KINDS, Audit, Finding, Kind
from ...tables.layouts import RowLayout
from ...tables.published import REPORT
from ..board import Leaderboard, Table
from ..cells import Cell

DASH = "\u2013"
ARROWS = {"higher": "\u2191", "lower": "\u2193", "text": ""}

_METRICS = {
    "parameters": "",
    "hz": "",
    "overall": "",
    "judge_percent": "judge",
    "judge_1_5": "judge",
    "refusal_rate": "refusals",
    "s2m_s": "S2M-S",
    "s2m_t": "S2M-T",
    "turn_taking_success": "successes",
    "utmos": "",
    "wer": "WER",
}
_FEW = 3


@dataclass
class Footnotes:
    """The notes of one table, numbered as they come; the same words have the same number."""

    numbers: dict[str, int] = field(default_factory=dict)

    def marks(self, notes: Iterable[str]) -> str:
        """The numbers of some notes: `1,3`."""
        found = {self.numbers.setdefault(note, len(self.numbers) + 1) for note in notes if note}
        return ",".join(str(number) for number in sorted(found))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter((number, note) for note, number in self.numbers.items())


def metric_of(row: RowLayout) -> str:
    """What a row's figures are, in which unit, and where better is: `WER % \u2193`."""
    shown = (_METRICS.get(row.metric, row.metric), row.unit, ARROWS[row.direction])
    return " ".join(part for part in shown if part)


def label_of(row: RowLayout) -> str:
    """A row's label with its language."""
    return f"{row.label} ({row.lang})" if row.lang else row.label


def notes_of(cell: Cell) -> tuple[str, ...]:
    """A cell's footnotes; first why it is empty."""
    return (cell.missing, *cell.notes) if cell.missing else cell.notes


def interval_of(cell: Cell) -> str:
    """A figure's interval as distances from it, with as many decimals: `\u00b1 1.20` or `+1.20/-1.40`."""
    if cell.value is None or cell.low is None or cell.high is None:
        return ""
    decimals = max(0, -int(cell.value.as_tuple().exponent))
    up, down = (max(0.0, end) for end in (cell.high - float(cell.value), float(cell.value) - cell.low))
    above, below = f"{up:.{decimals}f}", f"{down:.{decimals}f}"
    return f"\u00b1 {above}" if above == below else f"+{above}/-{below}"


def legend_of(board: Leaderboard, bold: str) -> list[str]:
    """What the marks mean that occur; `bold` says how the best figures look."""
    cells = [cell for table in board.tables for row in table.rows for cell in row.cells]
    lines = []
    if any(cell.best for cell in cells):
        rule = "the best of its row"
        if _measured(board):
            rule += "; a figure that a note calls another measurement does not compete"
        lines.append(f"{bold}: {rule}.")
    if any(cell.tie for cell in cells):
        lines.append("=: as good as another figure of its row, and none is better.")
    if any(cell.close for cell in cells):
        lines.append("~: not the best, but the 95% intervals of the two overlap.")
    if any(cell.low is not None for cell in cells):
        lines.append("\u00b1 and +/-: the 95% interval, as distances from the figure.")
    return lines


def _measured(board: Leaderboard) -> bool:
    return any(column.kind == "measured" for table in board.tables for column in table.columns)


def sources_of(table: Table) -> list[str]:
    """Where the columns are from."""
    lines = []
    if any(column.kind == "published" for column in table.columns):
        lines.append(f"Published figures: {REPORT}.")
    measured = [f"{column.title}: {column.source}" for column in table.columns if column.kind == "measured"]
    if measured:
        lines.append(f"Measured: {'; '.join(measured)}.")
    return [*lines, *table.remarks]


@dataclass(frozen=True, slots=True)
class Remark:
    """One statement of the audit and the figures that it is about."""

    kind: Kind
    where: str
    n: int
    text: str
    upstream: str

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        figures = "1 figure" if self.n == 1 else f"{self.n} figures"
        source = f" ({self.upstream})" if self.upstream else ""
        return f"{self.where}, {figures}: {self.text}{source}"


def remarks_of(audit: Audit) -> list[Remark]:
    """The findings, those of one statement together, the gravest kind first."""
    groups: dict[tuple[Kind, str], list[Finding]] = {}
    for finding in audit.findings:
        groups.setdefault((finding.kind, finding.text), []).append(finding)
    order = list(KINDS)
    return [
        Remark(kind, _where(found), len(found), text, found[0].upstream)
        for (kind, text), found in sorted(groups.items(), key=lambda group: order.index(group[0][0]))
    ]


def _where(found: list[Finding]) -> str:
    tables = _joined(finding.place.table for finding in found)
    if len(found) <= _FEW:
        cells = (
            f"{finding.place.row}{_in_brackets(finding.place.lang)} of {finding.model} ({finding.value})"
            for finding in found
        )
        return f"Table {tables}, {found[0].place.block}: {_joined(cells)}"
    blocks = list(dict.fromkeys(finding.place.block for finding in found))
    rows = list(dict.fromkeys(finding.place.row for finding in found))
    block = f", {blocks[0]}" if len(blocks) == 1 else ""
    block += f", {_joined(rows)}" if len(blocks) == 1 and len(rows) > 1 else ""
    return f"Table {tables}{block}: {_joined(finding.model for finding in found)}"


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _joined(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def checks_of(audit: Audit) -> list[str]:
    """How the recomputed figures came out, a line a rule; the many counts in one."""
    lines = []
    counts = [check for check in audit.checks if check.kind == "denominator"]
    others = [check for check in audit.checks if check.kind != "denominator"]
    for rule in dict.fromkeys(check.rule for check in others):
        checks = [check for check in others if check.rule == rule]
        lines.append(f"{rule}: {sum(check.agrees for check in checks)} of {len(checks)} agree")
    if counts:
        agreeing = sum(check.agrees for check in counts)
        lines.append(f"whole numbers of hits, or sums of ratings: {agreeing} of {len(counts)} agree")
    return lines
