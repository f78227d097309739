"""Figures, coverage and failures of a run as text for a terminal, and text tables of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fac_eval.vocabulary import Counts, Figure, Total

if TYPE_CHECKING:
    from fac_eval.store import CellRow

_HEADER = ("model", "task", "variant", "metric", "value", "95% interval", "n", "failed", "skipped", "total")
_RIGHT = (4, 5, 6, 7, 8, 9)
_EXAMPLE_LENGTH = 120


def result_table(cells: Sequence[CellRow], totals: Sequence[Total]) -> str:
    """A line a figure, those of each cell together, and the totals under them."""
    rows = []
    for cell in cells:
        figures = cell.figures or (Figure("-", None, cell.counts.scored, unit=""),)
        for index, figure in enumerate(figures):
            first = index == 0
            coverage = (
                (_count(cell.counts.n_failed), _count(cell.counts.n_skipped), _count(cell.counts.total))
                if first
                else ("", "", "")
            )
            names = (cell.model, cell.task, cell.variant) if first else ("", "", "")
            rows.append((*names, _metric(figure), *numbers(figure), _count(figure.n), *coverage))
    rows += [
        (total.model, total.benchmark, "", _metric(total.figure), *numbers(total.figure), "", "", "", "")
        for total in totals
        if total.figure is not None
    ]
    return text_table(_HEADER, rows, _RIGHT)


def remarks(cells: Sequence[CellRow], totals: Sequence[Total]) -> str:
    """What the table has no room for: notes, what failed or was skipped and why, and totals that there are none of."""
    lines = []
    for cell in cells:
        where = f"{cell.model} on {cell.task}"
        lines += [f"note: {where}: {figure.name}: {figure.note}" for figure in cell.figures if figure.note]
        lines += [f"{where}: {text}" for text in _outcomes(cell.counts, cell.failures)]
    lines += [f"{total.model} on {total.benchmark}: {total.reason}" for total in totals if total.reason]
    return "\n".join(lines)


def numbers(figure: Figure) -> tuple[str, str]:
    """A figure's value and its interval, as distances from the value."""
    if figure.value is None:
        return "-", ""
    if figure.unit == "count":
        return f"{figure.value:,.0f}", ""
    value = f"{figure.value:.2f}{'' if figure.unit != '%' else ' %'}"
    if figure.low is None or figure.high is None:
        return value, ""
    up, down = figure.high - figure.value, figure.value - figure.low
    same = f"{up:.2f}" == f"{down:.2f}"
    return value, f"\u00b1 {up:.2f}" if same else f"+{up:.2f} / -{down:.2f}"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of text columns; those named in `right` are set flush right, and empty ones are left out."""
    kept = [column for column in range(len(header)) if any(row[column] for row in rows) or not rows]
    widths = {column: max(len(row[column]) for row in [header, *rows]) for column in kept}

    def line(cells: Sequence[str]) -> str:
        set_cells = [
            cells[column].rjust(width) if column in right else cells[column].ljust(width)
            for column, width in widths.items()
        ]
        return "  ".join(set_cells).rstrip()

    rule = "  ".join("-" * width for width in widths.values())
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def _metric(figure: Figure) -> str:
    return figure.name if figure.higher_is_better else f"{figure.name} \u2193"


def _count(n: int) -> str:
    return f"{n:,}"


def _outcomes(counts: Counts, failures: Mapping[str, str]) -> list[str]:
    lines = [
        f"{n:,} failed: {kind}{_example(failures.get(kind))}" for kind, n in sorted(counts.failed.items())
    ]
    lines += [f"{n:,} skipped: {reason}" for reason, n in sorted(counts.skipped.items())]
    if counts.n_pending:
        lines.append(f"{counts.n_pending:,} still to do")
    return lines


def _example(detail: str | None) -> str:
    first = (detail or "").strip().partition("\n")[0]
    if not first:
        return ""
    return f", e.g. {first if len(first) <= _EXAMPLE_LENGTH else first[: _EXAMPLE_LENGTH - 3] + '...'}"
