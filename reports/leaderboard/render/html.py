"""Leaderboards as one HTML file: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from ...text import one_line
from ..board import Leaderboard, Table
from ..cells import Cell
from . import common

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8883; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; max-width: 110rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; font-size: 1.1rem; padding: 0.4rem 0; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { border-bottom-width: 2px; vertical-align: bottom; }
tbody th { text-align: left; font-weight: 400; }
tbody th.block { font-weight: 600; background: var(--soft); }
td, thead th { text-align: right; }
td.text { text-align: left; white-space: normal; }
.measured { background: var(--soft); }
.interval { font-size: 0.85em; opacity: 0.8; }
.notes { font-size: 0.9em; max-width: 80rem; }
"""


def render(board: Leaderboard) -> str:
    """A whole page that opens from disk; its policy allows its own style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = [_table(table) for table in board.tables]
    body += [_list(lines) for lines in (common.legend_of(board, "bold"), list(board.remarks)) if lines]
    if board.audit is not None:
        body.append(_audit(board))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>Leaderboard</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            "<h1>Leaderboard</h1>",
            *body,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _text(text: str) -> str:
    return escape(one_line(text))


def _table(table: Table) -> str:
    notes = common.Footnotes()
    lines = [
        '<div class="wide"><table>',
        f"<caption>{_text(table.title)}</caption>",
        "<thead><tr><th></th><th></th>",
    ]
    lines += [f'<th scope="col"{_kind(column.kind)}>{_text(column.title)}</th>' for column in table.columns]
    lines.append("</tr></thead><tbody>")
    block = None
    for row in table.rows:
        if row.layout.block != block:
            block = row.layout.block
            width = len(table.columns) + 2
            lines.append(f'<tr><th class="block" scope="rowgroup" colspan="{width}">{_text(block)}</th></tr>')
        label = _text(common.label_of(row.layout)) + _sup(notes.marks([row.layout.note]))
        lines.append(
            f'<tr><th scope="row">{label}</th><td class="text">{_text(common.metric_of(row.layout))}</td>'
        )
        lines += [
            f"<td{_kind(column.kind)}>{_cell(cell, notes)}</td>"
            for column, cell in zip(table.columns, row.cells, strict=True)
        ]
        lines.append("</tr>")
    lines.append("</tbody></table></div>")
    below = [f"{_sup(str(number))} {_text(note)}" for number, note in notes]
    below += [_text(line) for line in common.sources_of(table)]
    lines.append(f'<p class="notes">{"<br>".join(below)}</p>')
    return "\n".join(lines)


def _kind(kind: str) -> str:
    return ' class="measured"' if kind == "measured" else ""


def _cell(cell: Cell, notes: common.Footnotes) -> str:
    marks = _sup(notes.marks(common.notes_of(cell)))
    if cell.missing:
        return common.DASH + marks
    text = f"<strong>{_text(cell.text)}</strong>" if cell.best else _text(cell.text)
    interval = common.interval_of(cell)
    shown = f'{text} <span class="interval">{escape(interval)}</span>' if interval else text
    return shown + ("=" if cell.tie else "") + ("~" if cell.close else "") + marks


def _sup(marks: str) -> str:
    return f"<sup>{marks}</sup>" if marks else ""


def _list(lines: list[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{_text(line)}</li>" for line in lines)}</ul>'


def _audit(board: Leaderboard) -> str:
    assert board.audit is not None
    lines = ["<h2>Audit of the published figures</h2>", _list(common.checks_of(board.audit))]
    lines.append('<div class="wide"><table><thead><tr>')
    lines += [f'<th scope="col">{name}</th>' for name in ("kind", "figures", "where", "what", "see")]
    lines.append("</tr></thead><tbody>")
    for remark in common.remarks_of(board.audit):
        texts = (remark.kind, str(remark.n), remark.where, remark.text, remark.upstream)
        cells = "".join(f'<td class="text">{_text(text)}</td>' for text in texts)
        lines.append(f"<tr>{cells}</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)
