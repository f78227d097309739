"""Leaderboards as LaTeX tables with booktabs."""

from __future__ import annotations

from ...text import one_line
from ..board import Leaderboard, Table
from ..cells import Cell
from . import common

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": "{-}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\u2013": r"\textendash{}",
    "\u00b1": r"$\pm$",
    "\u2191": r"$\uparrow$",
    "\u2193": r"$\downarrow$",
}
"""Two hyphens would become a dash, and a bracket or an asterisk at the start of a line belong to the line before."""


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is, in one line."""
    return "".join(_ESCAPES.get(char, char) for char in one_line(text))


def render(board: Leaderboard) -> str:
    """One `table` environment a table, to be put into a document that uses booktabs and textcomp."""
    parts = ["% \\usepackage{booktabs,textcomp} \\usepackage[T1]{fontenc}"]
    legend = common.legend_of(board, "Bold")
    parts += [_table(table, legend) for table in board.tables]
    parts += [f"% {one_line(remark)}" for remark in board.remarks]
    if board.audit is not None:
        parts.append(_audit(board))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, legend: list[str]) -> str:
    notes = common.Footnotes()
    width = len(table.columns) + 2
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escaped(table.title)}}}",
        rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(["", "", *(escaped(column.title) for column in table.columns)]).strip() + r" \\",
    ]
    block = None
    for row in table.rows:
        if row.layout.block != block:
            block = row.layout.block
            lines.append(r"\midrule")
            if block:
                lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escaped(block)}}}}} \\")
        label = escaped(common.label_of(row.layout)) + _sup(notes.marks([row.layout.note]))
        cells = [_cell(cell, notes) for cell in row.cells]
        lines.append(" & ".join([label, escaped(common.metric_of(row.layout)), *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    below = [f"{_sup(str(number))}~{escaped(note)}." for number, note in notes]
    below += [escaped(line) for line in (*legend, *common.sources_of(table))]
    lines.append(rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {' '.join(below)}}}")
    return "\n".join([*lines, r"\end{table}"])


def _cell(cell: Cell, notes: common.Footnotes) -> str:
    marks = _sup(notes.marks(common.notes_of(cell)))
    if cell.missing:
        return escaped(common.DASH) + marks
    text = rf"\textbf{{{escaped(cell.text)}}}" if cell.best else escaped(cell.text)
    interval = common.interval_of(cell)
    shown = f"{text} {{\\scriptsize {escaped(interval)}}}" if interval else text
    return shown + ("=" if cell.tie else "") + (escaped("~") if cell.close else "") + marks


def _sup(marks: str) -> str:
    return rf"\textsuperscript{{{marks}}}" if marks else ""


def _audit(board: Leaderboard) -> str:
    assert board.audit is not None
    items = [
        *common.checks_of(board.audit),
        *(f"{it.kind}: {it.sentence}" for it in common.remarks_of(board.audit)),
    ]
    lines = [r"\paragraph{Audit of the published figures}", r"\begin{itemize}"]
    lines += [rf"\item {escaped(item)}" for item in items]
    return "\n".join([*lines, r"\end{itemize}"])
