"""Copies of shipped Parquet tables with some cells changed, and what tests read out of results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fac_eval import RunResult
from fac_eval.vocabulary import Figure

SAMPLE_DATA = Path(__file__).parents[2] / "tasks" / "sample_data"

Rows = list[dict[str, Any]]


def changed_copy(benchmark: str, table: str, target: Path, change: Callable[[Rows], Rows | None]) -> Path:
    """The sample set of a benchmark, with the rows of its table as `change` leaves or returns them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.copytree(SAMPLE_DATA / benchmark, target)
    held = pq.read_table(target / table)
    rows = held.to_pylist()
    rows = change(rows) or rows
    pq.write_table(pa.Table.from_pylist(rows, schema=held.schema), target / table)
    return target


def figures_of(result: RunResult, model: str | None = None) -> Mapping[str, Figure]:
    """The figures of a model's only cell, by name."""
    (cell,) = [cell for cell in result.cells if model in (None, cell.model)]
    names = [figure.name for figure in cell.figures]
    assert len(names) == len(set(names)), names
    return {figure.name: figure for figure in cell.figures}


def main_figure(result: RunResult, model: str | None = None) -> Figure:
    """The figure that stands for a model's only cell."""
    (figure,) = [figure for figure in figures_of(result, model).values() if figure.main]
    return figure
