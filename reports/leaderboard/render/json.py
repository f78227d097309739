"""Leaderboards as JSON, with everything that the other formats say."""

from __future__ import annotations

from typing import Any

from ...tables.audit import Audit
from ...tables.layouts import RowLayout
from ...tables.published import REPORT
from ..board import Leaderboard, Table
from ..cells import Cell


def render(board: Leaderboard) -> str:
    """Indented JSON."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(as_data(board)), indent=2).decode() + "\n"


def as_data(board: Leaderboard) -> dict[str, Any]:
    """The leaderboard as plain data."""
    found: dict[str, Any] = {
        "report": REPORT,
        "tables": [_table(table) for table in board.tables],
        "remarks": list(board.remarks),
    }
    if board.audit is not None:
        found["audit"] = _audit(board.audit)
    return found


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": [
            {"title": column.title, "kind": column.kind, "source": column.source} for column in table.columns
        ],
        "rows": [{**_row(row.layout), "cells": [_cell(cell) for cell in row.cells]} for row in table.rows],
        "remarks": list(table.remarks),
    }


def _row(row: RowLayout) -> dict[str, Any]:
    return {
        "block": row.block,
        "label": row.label,
        "metric": row.metric,
        "lang": row.lang,
        "unit": row.unit,
        "direction": row.direction,
        "task": row.task,
        "published": None if row.place is None else row.place._asdict(),
        "note": row.note or None,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "text": cell.text or None,
        "value": None if cell.value is None else float(cell.value),
        "low": cell.low,
        "high": cell.high,
        "n": cell.n,
        "missing": cell.missing or None,
        "notes": list(cell.notes),
        "flags": list(cell.flags),
        "protocol": cell.protocol_id or None,
        "best": cell.best,
        "tie": cell.tie,
        "overlap": cell.close,
    }


def _audit(audit: Audit) -> dict[str, Any]:
    return {
        "checks": [
            {
                "rule": check.rule,
                **check.place._asdict(),
                "model": check.model,
                "printed": check.printed,
                "recomputed": check.recomputed,
                "agrees": check.agrees,
            }
            for check in audit.checks
        ],
        "findings": [
            {
                **finding.place._asdict(),
                "model": finding.model,
                "value": finding.value,
                "kind": finding.kind,
                "text": finding.text,
                "upstream": finding.upstream or None,
            }
            for finding in audit.findings
        ],
    }
