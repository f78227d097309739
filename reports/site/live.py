"""A run that is going on, in numbers cheap enough to ask for every other second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from fac_eval.cli.runs import run_facts

from ..runs import RunPlace

_HISTORY = 180


class Progress:
    """Follows runs; what it has seen before makes their speed."""

    def __init__(self) -> None:
        self._seen: dict[RunPlace, deque[tuple[float, int]]] = {}

    def plain(self, places: Sequence[RunPlace]) -> dict[str, Any]:
        """How the runs stand now."""
        return {"time": time.time(), "runs": [self._run(place) for place in places]}

    def _run(self, place: RunPlace) -> dict[str, Any]:
        with place.opened() as store:
            row = store.run(place.id)
            facts, cells, sessions = run_facts(store, row), store.cells(row.id), store.sessions(row.id)
            running = facts["state"] == "running"
            finished = int(facts["done"]) + int(facts["failed"])
            costs = store.costs(row.id)
        history = self._seen.setdefault(place, deque(maxlen=_HISTORY))
        if running or not history:
            history.append((time.time(), finished))
        failures: dict[str, tuple[int, str]] = {}
        for cell in cells:
            for kind, n in cell.counts.failed.items():
                failures[kind] = (failures.get(kind, (0, ""))[0] + n, cell.failures.get(kind, ""))
        return {
            "id": row.id,
            "state": facts["state"],
            "started": sessions[-1].started if sessions else row.created,
            "ended": sessions[-1].ended if sessions else None,
            "done": facts["done"],
            "failed": facts["failed"],
            "total": None
            if any(cell.total is None for cell in cells)
            else sum(cell.total or 0 for cell in cells),
            "cost": sum(costs.values()),
            "costs": costs,
            "history": [list(point) for point in history],
            "failures": [[kind, n, example] for kind, (n, example) in sorted(failures.items())],
            "cells": [
                {
                    "model": cell.model,
                    "task": cell.task,
                    "variant": cell.variant,
                    "total": cell.total,
                    "scored": cell.counts.scored,
                    "failed": cell.counts.n_failed,
                    "skipped": cell.counts.n_skipped,
                    "done": cell.done,
                }
                for cell in cells
            ],
        }
