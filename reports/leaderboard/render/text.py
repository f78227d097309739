"""Leaderboards for a terminal."""

from __future__ import annotations

from fac_eval.engine.table import text_table

from ...tables.audit import KINDS
from ...text import one_line
from ..board import Leaderboard, Table
from ..cells import Cell
from . import common


def render(board: Leaderboard) -> str:
    """Plain text; the best figures between asterisks, footnotes in brackets."""
    parts = [_table(table) for table in board.tables]
    remarks = (common.legend_of(board, "*figure*"), board.remarks)
    parts += ["\n".join(map(one_line, lines)) for lines in remarks if lines]
    if board.audit is not None:
        parts.append(_audit(board))
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    notes = common.Footnotes()
    rows: list[list[str]] = []
    block = ""
    for row in table.rows:
        layout = row.layout
        first = "" if layout.block == block else one_line(layout.block)
        block = layout.block
        label = _marked(one_line(common.label_of(layout)), notes.marks([layout.note]))
        metric = one_line(common.metric_of(layout))
        rows.append([first, label, metric, *(_cell(cell, notes) for cell in row.cells)])
    header = ["", "", "", *(one_line(column.title) for column in table.columns)]
    lines = text_table(header, rows, right=range(3, len(header))).split("\n")
    parts = [one_line(table.title), *lines]
    parts += [f"[{number}] {one_line(note)}" for number, note in notes]
    return "\n".join([*parts, *(one_line(line) for line in common.sources_of(table))])


def _cell(cell: Cell, notes: common.Footnotes) -> str:
    marks = notes.marks(common.notes_of(cell))
    if cell.missing:
        return _marked(common.DASH, marks)
    text = one_line(cell.text)
    shown = [f"*{text}*" if cell.best else text, common.interval_of(cell)]
    joined = " ".join(part for part in shown if part)
    return _marked(joined + ("=" if cell.tie else "") + ("~" if cell.close else ""), marks)


def _marked(text: str, marks: str) -> str:
    return f"{text} [{marks}]" if marks else text


def _audit(board: Leaderboard) -> str:
    assert board.audit is not None
    lines = ["Audit of the published figures", "", "Recomputed"]
    lines += [f"  {line}" for line in common.checks_of(board.audit)]
    remarks = common.remarks_of(board.audit)
    kinds = dict.fromkeys(remark.kind for remark in remarks)
    for kind in kinds:
        lines += ["", f"{kind}: {KINDS[kind]}"]
        lines += [f"  {remark.sentence}" for remark in remarks if remark.kind == kind]
    if not remarks:
        lines += ["", "Nothing is known against these figures."]
    return "\n".join(lines)
