"""Leaderboards in the long form of the published tables: a line a cell."""

from __future__ import annotations

import csv
import io

from ...tables.layouts import RowLayout
from ...tables.published import COLUMNS
from ...text import one_line
from ..board import Column, Leaderboard, Table
from ..cells import Cell

HEADER = (*COLUMNS, "source", "n", "low", "high", "protocol", "best", "flags")


def render(board: Leaderboard) -> str:
    """CSV: the columns of the published file with the same values, and where each cell is from."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for table in board.tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if column.kind == "published" and cell.missing == "not in the report":
                    continue
                writer.writerow(map(one_line, _line(table, row.layout, column, cell)))
    return out.getvalue()


def _line(table: Table, row: RowLayout, column: Column, cell: Cell) -> list[str]:
    place = row.place
    where = tuple(place) if place is not None else (table.name, row.block, row.label, row.metric, row.lang)
    flags = [f"missing: {cell.missing}"] if cell.missing else []
    flags += [*cell.flags, *(["tie"] if cell.tie else []), *(["overlap"] if cell.close else [])]
    return [
        *where,
        column.title,
        cell.text,
        column.source,
        "" if cell.n is None else str(cell.n),
        _number(cell.low),
        _number(cell.high),
        cell.protocol_id,
        "1" if cell.best else "",
        "; ".join(flag.replace(";", ",") for flag in flags),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
