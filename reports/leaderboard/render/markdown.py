"""Leaderboards as GitHub tables."""

from __future__ import annotations

from ...text import markdown_escaped
from ..board import Leaderboard, Table
from ..cells import Cell
from . import common


def render(board: Leaderboard) -> str:
    """One table after the other, with footnotes below each."""
    parts = [_table(table) for table in board.tables]
    parts += [_list(lines) for lines in (common.legend_of(board, "bold"), list(board.remarks)) if lines]
    if board.audit is not None:
        parts.append(_audit(board))
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    notes = common.Footnotes()
    header = ["", "", *(markdown_escaped(column.title) for column in table.columns)]
    lines = [_line(header), _line(["---", "---", *("---:" for _ in table.columns)])]
    block = None
    for row in table.rows:
        if row.layout.block != block:
            block = row.layout.block
            lines.append(
                _line([f"**{markdown_escaped(block)}**" if block else "", "", *("" for _ in table.columns)])
            )
        label = markdown_escaped(common.label_of(row.layout)) + _sup(notes.marks([row.layout.note]))
        cells = [_cell(cell, notes) for cell in row.cells]
        lines.append(_line([label, markdown_escaped(common.metric_of(row.layout)), *cells]))
    parts = [f"### {markdown_escaped(table.title)}", "\n".join(lines)]
    if notes.numbers:
        parts.append("  \n".join(f"{_sup(str(number))} {markdown_escaped(note)}" for number, note in notes))
    parts.append("  \n".join(markdown_escaped(line) for line in common.sources_of(table)))
    return "\n\n".join(part for part in parts if part)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell, notes: common.Footnotes) -> str:
    marks = _sup(notes.marks(common.notes_of(cell)))
    if cell.missing:
        return common.DASH + marks
    text = f"**{markdown_escaped(cell.text)}**" if cell.best else markdown_escaped(cell.text)
    shown = " ".join(part for part in (text, common.interval_of(cell)) if part)
    return shown + ("=" if cell.tie else "") + (r"\~" if cell.close else "") + marks


def _sup(marks: str) -> str:
    return f"<sup>{marks}</sup>" if marks else ""


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {markdown_escaped(line)}" for line in lines)


def _audit(board: Leaderboard) -> str:
    assert board.audit is not None
    parts = ["### Audit of the published figures", _list(common.checks_of(board.audit))]
    rows = [_remark(remark) for remark in common.remarks_of(board.audit)]
    if rows:
        header = [
            _line(["kind", "figures", "where", "what", "see"]),
            _line(["---", "---:", "---", "---", "---"]),
        ]
        parts.append("\n".join([*header, *rows]))
    return "\n\n".join(parts)


def _remark(remark: common.Remark) -> str:
    texts = (remark.kind, str(remark.n), remark.where, remark.text, remark.upstream)
    return _line([markdown_escaped(text) for text in texts])
