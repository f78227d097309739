"""What a run came to, read back from the store: the same object right after the run and a year later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_eval.codec import plain
from fac_eval.engine.table import remarks, result_table
from fac_eval.errors import require
from fac_eval.store import CellRow, RunRow, SessionRow, Store
from fac_eval.vocabulary import Counts, Figure, Total

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class RunResult:
    """A run's figures and coverage; the samples stay in the store until they are asked for."""

    run: RunRow
    sessions: tuple[SessionRow, ...]
    cells: tuple[CellRow, ...]
    totals: tuple[Total, ...]
    store: Path
    cost: float = 0.0
    """US dollars that this run's own answers and verdicts have cost, where prices are known."""
    judge_cost: float = 0.0
    """What of it the judge has cost."""

    @classmethod
    def load(cls, store: Store, name: str = "latest") -> RunResult:
        """Read a run by id, by the beginning of its id, or the latest."""
        run = store.run(name)
        costs = store.costs(run.id)
        return cls(
            run=run,
            sessions=tuple(store.sessions(run.id)),
            cells=tuple(store.cells(run.id)),
            totals=tuple(_total(row) for row in run.totals),
            store=store.folder,
            cost=sum(costs.values()),
            judge_cost=costs.get("judge", 0.0),
        )

    def __str__(self) -> str:
        parts = (result_table(self.cells, self.totals), remarks(self.cells, self.totals), _whereabouts(self))
        return "\n\n".join(part for part in parts if part)

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        return f"<RunResult {self.id}: {len(self.cells)} tasks, {state}, in {self.store}>"

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run.id

    @property
    def finished(self) -> bool:
        """Whether every sample of every task has an outcome."""
        return all(cell.done for cell in self.cells)

    @property
    def counts(self) -> Counts:
        """Coverage over all cells."""
        failed: dict[str, int] = {}
        skipped: dict[str, int] = {}
        for cell in self.cells:
            for kind, n in cell.counts.failed.items():
                failed[kind] = failed.get(kind, 0) + n
            for reason, n in cell.counts.skipped.items():
                skipped[reason] = skipped.get(reason, 0) + n
        return Counts(
            total=sum(cell.counts.total for cell in self.cells),
            scored=sum(cell.counts.scored for cell in self.cells),
            failed=failed,
            skipped=skipped,
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """One plain row a figure, with the coverage beside it."""
        for cell in self.cells:
            for figure in cell.figures or (Figure("-", None, 0, unit="", main=True),):
                yield {
                    "model": cell.model,
                    "task": cell.task,
                    "variant": cell.variant,
                    "metric": figure.name,
                    **_numbers(figure),
                    "n_total": cell.counts.total,
                    "n_scored": cell.counts.scored,
                    "n_failed": cell.counts.n_failed,
                    "n_skipped": cell.counts.n_skipped,
                    "protocol": cell.protocol_id,
                    "note": figure.note,
                }
        for total in self.totals:
            if total.figure is not None:
                yield {
                    "model": total.model,
                    "task": total.benchmark,
                    "variant": "",
                    "metric": total.figure.name,
                    **_numbers(total.figure),
                    "note": total.figure.note,
                }

    @property
    def scores(self) -> pandas.DataFrame:
        """The figures as a data frame, a row a figure."""
        pd: Any = require("pandas", extra="data", purpose="Reading scores as a data frame")
        frame: pandas.DataFrame = pd.DataFrame(list(self.rows()))
        return frame

    @property
    def samples(self) -> pandas.DataFrame:
        """The samples as a data frame, a row a sample: id, task, model, output, scores, errors, timings."""
        from fac_eval.engine.export import sample_rows

        pd: Any = require("pandas", extra="data", purpose="Reading samples as a data frame")
        with Store.reader(self.store) as store:
            frame: pandas.DataFrame = pd.DataFrame(list(sample_rows(store, self.id)))
        return frame

    def efficiency(self) -> list[dict[str, Any]]:
        """How quickly the answers came: a row for each model, task and measure (see `fac_eval.engine.efficiency`)."""
        from fac_eval.engine.efficiency import efficiency_rows

        with Store.reader(self.store) as store:
            return efficiency_rows(store, self.id)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the samples as plain data, for `--json`."""
        return {
            "run": self.id,
            "parent": self.run.parent,
            "finished": self.finished,
            "store": str(self.store),
            "cost": self.cost,
            "judge_cost": self.judge_cost,
            "config": self.run.config,
            "results": list(self.rows()),
            "totals": [plain(total) for total in self.totals],
            "cells": [
                {
                    "model": cell.model,
                    "task": cell.task,
                    "variant": cell.variant,
                    "done": cell.done,
                    "protocol": cell.protocol_id,
                    "data": cell.data,
                    "counts": {
                        "total": cell.counts.total,
                        "scored": cell.counts.scored,
                        "failed": dict(cell.counts.failed),
                        "skipped": dict(cell.counts.skipped),
                    },
                }
                for cell in self.cells
            ],
            "sessions": [plain(session) for session in self.sessions],
        }


def _whereabouts(result: RunResult) -> str:
    """Where the run lies, what it has cost, and the commands that come next."""
    failed = result.counts.n_failed
    lines = [f"run {result.id}, stored in {result.store}"]
    store = "" if str(result.store) == ".fac-eval" else f" --store {result.store}"
    if result.cost:
        judge = f" (judge ${result.judge_cost:.4f})" if result.judge_cost else ""
        lines.append(f"cost ${result.cost:.4f}{judge}")
    lines.append(f"samples: fac-eval export {result.id} --to jsonl --out samples.jsonl{store}")
    if failed:
        samples = "sample" if failed == 1 else f"{failed:,} samples"
        lines.append(f"the same command again retries the {samples} that failed")
    return "\n".join(lines)


def _numbers(figure: Figure) -> dict[str, Any]:
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "se": figure.se,
        "n": figure.n,
        "unit": figure.unit,
        "higher_is_better": figure.higher_is_better,
        "main": figure.main,
        "interval": figure.method,
    }


def _total(row: Mapping[str, Any]) -> Total:
    figure = row.get("figure")
    return Total(
        model=row["model"],
        benchmark=row["benchmark"],
        figure=None if figure is None else Figure(**{"value": None, **figure}),
        reason=row.get("reason"),
    )
