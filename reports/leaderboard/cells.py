"""One cell of a leaderboard: a published figure as printed, or a measured one with its interval and what limits it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from fac_eval.engine.result import RunResult
from fac_eval.store import CellRow
from fac_eval.vocabulary import Figure, Total

from ..tables.layouts import RowLayout
from ..tables.published import published
from .protocols import departures

DASH = "a dash in the report"
NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as it is printed, or why there is none, and everything a reader must know beside it."""

    text: str = ""
    value: Decimal | None = None
    """The figure as printed; None where there is none or it is a text."""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    missing: str = ""
    """Why there is no figure."""
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    protocol_id: str = ""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    comparable: bool = True
    """Whether it competes for the best of its row."""
    best: bool = False
    tie: bool = False
    close: bool = False
    """Not the best, but its interval and the best one's overlap."""

    def noted(self, note: str, flag: str, *, comparable: bool = True) -> Cell:
        """The same cell with a further note."""
        return dataclasses.replace(
            self,
            notes=(*self.notes, note),
            flags=self.flags if flag in self.flags else (*self.flags, flag),
            comparable=self.comparable and comparable,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A model in a run."""

    result: RunResult
    model: str

    @property
    def run(self) -> str:
        """The run's id."""
        return self.result.id

    def cells(self, task: str) -> list[CellRow]:
        """Its cells for a task, one a variant."""
        return [cell for cell in self.result.cells if cell.model == self.model and cell.task == task]

    def total(self, benchmark: str, overall: str | None) -> Total | None:
        """A benchmark's total by name, or its first one."""
        for total in self.result.totals:
            if total.model != self.model or total.benchmark != benchmark:
                continue
            if overall is None or overall == total_name(total):
                return total
        return None


def total_name(total: Total) -> str:
    """What a total is called, also where there is only a reason why it is missing."""
    if total.figure is not None:
        return total.figure.name
    return (total.reason or "").removeprefix("no ").partition(":")[0]


def published_cell(row: RowLayout, model: str) -> Cell:
    """What the report prints for a model in a row."""
    text = None if row.place is None else published().value(row.place, model)
    if not text:
        return Cell(missing="not in the report" if text is None else DASH)
    return Cell(text, None if row.direction == "text" else _number(text))


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def measured_cell(row: RowLayout, title: str, sources: Sequence[Source]) -> Cell:
    """What a measured column has in a row that a task fills; a text of the layout's, or the reason for nothing."""
    if row.values is not None and title in row.values:
        text = row.values[title]
        return Cell(text, None if row.direction == "text" else _number(text), flags=("given",))
    if row.task is None:
        return Cell(missing=row.why or "no task fills this row")
    found = [(source, cell) for source in sources for cell in source.cells(row.task)]
    if not found:
        return Cell(missing=NOT_RUN)
    # The one that is most like the report's, and finished if there is a choice.
    source, chosen = min(found, key=lambda pair: (not pair[1].done, len(_departures(row, pair[1]))))
    made = _task_cell(row, source, chosen)
    others = [f"{cell.variant or cell.task} (run {other.run})" for other, cell in found if cell is not chosen]
    return made.noted(f"also measured: {', '.join(others)}", "variants") if others else made


def _departures(row: RowLayout, cell: CellRow) -> list[str]:
    return departures(cell.protocol, row.report or {})


def _task_cell(row: RowLayout, source: Source, cell: CellRow) -> Cell:
    base = Cell(protocol_id=cell.protocol_id, protocol=cell.protocol, data=cell.data)
    counts = cell.counts
    if not cell.done:
        seen, total = counts.total - counts.n_pending, "?" if cell.total is None else f"{cell.total:,}"
        return dataclasses.replace(
            base, missing=f"unfinished: {seen:,} of {total} done", flags=("unfinished",), comparable=False
        )
    if not cell.figures:
        return dataclasses.replace(base, missing=_nothing_scored(cell), flags=("failed",), comparable=False)
    figure = _figure(cell.figures, row.figure)
    if figure is None:
        names = ", ".join(known.name for known in cell.figures)
        return dataclasses.replace(base, missing=f"{cell.task} has no figure {row.figure!r}; it has {names}")
    made = _figure_cell(row, figure, base)
    return made if made.missing else _limits(row, source, cell, made)


def _nothing_scored(cell: CellRow) -> str:
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(cell.counts.failed.items()))
    if kinds:
        return f"failed: {kinds}"
    return f"nothing scored: {cell.counts.n_skipped:,} skipped of {cell.counts.total:,}"


def _figure(figures: Sequence[Figure], name: str | None) -> Figure | None:
    if name is None:
        return next((figure for figure in figures if figure.main), figures[0])
    return next((figure for figure in figures if _folded(figure.name) == _folded(name)), None)


def _folded(name: str) -> str:
    return re.sub(r"[-_ ]", " ", name).casefold()


def _figure_cell(row: RowLayout, figure: Figure, base: Cell) -> Cell:
    """A figure as the row prints it."""
    if figure.value is None or not math.isfinite(figure.value):
        return dataclasses.replace(base, missing=figure.note or f"no value over {figure.n:,} scored samples")
    value = (Decimal(repr(figure.value)) * Decimal(repr(row.scale))).quantize(
        Decimal(1).scaleb(-row.decimals), rounding=ROUND_HALF_UP
    )
    ends = (figure.low, figure.high)
    low, high = (end * row.scale if end is not None and math.isfinite(end) else None for end in ends)
    made = dataclasses.replace(base, text=f"{value:f}", value=value, low=low, high=high, n=figure.n)
    if figure.note and row.remarks:
        made = made.noted(figure.note, "remark")
    wanted = {"higher": True, "lower": False}.get(row.direction, figure.higher_is_better)
    if figure.higher_is_better != wanted:
        better = "more" if figure.higher_is_better else "less"
        return made.noted(
            f"{figure.name}: {better} is better, unlike in this row", "direction", comparable=False
        )
    return made


def _limits(row: RowLayout, source: Source, cell: CellRow, made: Cell) -> Cell:
    """The figure with what keeps it from being the report's measurement, or a whole one."""
    told = _departures(row, cell)
    if told:
        made = made.noted(f"not the report's protocol: {'; '.join(told)}", "protocol", comparable=False)
    if row.apart:
        made = made.noted(row.apart, "protocol", comparable=False)
    total, config = cell.counts.total - cell.counts.n_skipped, source.result.run.config
    if row.items is not None and total != row.items:
        made = made.noted(f"over {total:,} items, not the report's {row.items:,}", "items", comparable=False)
    elif config.get("data") == "sample":
        made = made.noted(f"over {total:,} sample items", "items", comparable=False)
    elif row.items is None and config.get("limit") is not None:
        made = made.noted(f"over the first {total:,} items only", "items", comparable=False)
    if cell.counts.n_failed:
        kinds = ", ".join(sorted(cell.counts.failed))
        made = made.noted(f"{cell.counts.n_failed:,} of {total:,} failed ({kinds})", "failed-samples")
    return made


def total_cell(row: RowLayout, sources: Sequence[Source], parts: Iterable[tuple[RowLayout, Cell]]) -> Cell:
    """What a measured column has in a row that a benchmark's total fills; `parts` are the block's other cells."""
    assert row.total is not None
    parts = list(parts)
    totals = [total for source in sources if (total := source.total(row.total, row.overall)) is not None]
    unfinished = [part.label for part, cell in parts if "unfinished" in cell.flags]
    if unfinished:
        return Cell(missing=f"unfinished: {', '.join(unfinished)}", flags=("unfinished",), comparable=False)
    figures = [total.figure for total in totals if total.figure is not None]
    if not figures:
        return Cell(missing=_no_total(row, totals, parts))
    made = _figure_cell(row, figures[0], Cell())
    limited = [part.label for part, cell in parts if not cell.comparable]
    if limited and not made.missing:
        made = made.noted(
            f"rests on other measurements than the report's: {', '.join(limited)}", "parts", comparable=False
        )
    return made


def _no_total(row: RowLayout, totals: Sequence[Total], parts: Sequence[tuple[RowLayout, Cell]]) -> str:
    reasons = [total.reason for total in totals if total.reason]
    if reasons:
        return reasons[0]
    there = [part.label for part, cell in parts if not cell.missing]
    if not there:
        return NOT_RUN
    return f"no {row.overall or 'total'}: of {row.total} there is only {', '.join(there)}"
