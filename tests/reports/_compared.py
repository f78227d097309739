"""Runs whose every score is known: questions from a file, answered from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval.reports.compare.sides import Side, TaskScores, choices, labelled, load_side
from fac_eval.scores import Metric
from fac_eval.vocabulary import Counts, Figure
from tests.support.plugins import install

STORE = "store"
ACCURACY = Metric("accuracy", main=True)
WER = Metric("wer", of="errors", per="words", higher_is_better=False, main=True)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def questions(path: Path, references: Sequence[str], **columns: Sequence[Any]) -> None:
    """A file of questions with the ids q0, q1, ..."""
    write_rows(
        path,
        [
            {
                "id": f"q{row}",
                "text": f"question {row}",
                "reference": reference,
                **{name: values[row] for name, values in columns.items()},
            }
            for row, reference in enumerate(references)
        ],
    )


def answered(
    folder: Path,
    name: str,
    answers: Sequence[str | None],
    *,
    file: str = "q.jsonl",
    store: str = STORE,
    **options: Any,
) -> str:
    """Run a file of answers as the model `name` on a file of questions; None is an answer that is missing."""
    replay = folder / f"{name}.jsonl"
    write_rows(
        replay, [{"id": f"q{row}", "text": text} for row, text in enumerate(answers) if text is not None]
    )
    place = str(folder / store)
    result = fac_eval.run(
        f"replay:{replay},name={name}", f"file:{folder / file}", store=place, progress=False, **options
    )
    return result.id


def side(folder: Path, run: str, store: str = STORE, **options: Any) -> Side:
    """A run's only model."""
    (choice,) = choices(run, folder / store)
    return load_side(choice, **options)


def bits(n: int, wrong: Sequence[int] = ()) -> list[float]:
    """Right at all but the given rows."""
    return [float(row not in wrong) for row in range(n)]


def scores(
    values: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    task: str = "t",
    variant: str = "",
    metric: Metric = ACCURACY,
    extra: Sequence[Metric] = (),
    figures: Sequence[Figure] = (),
    keys: Sequence[str] | None = None,
    protocol: str = "p1",
    failed: Mapping[str, int] | None = None,
    clusters: Sequence[str | None] | None = None,
    unscored: Mapping[str, str] | None = None,
    **more: Any,
) -> TaskScores:
    """A task's scores made up from plain numbers."""
    columns = {name: np.array(column, dtype=float) for name, column in _columns(values).items()}
    n = len(next(iter(columns.values())))
    metrics = {one.name: one for one in (metric, *extra)}
    made = [
        Figure(
            one.name,
            _value(one, columns),
            n,
            unit=one.unit,
            higher_is_better=one.higher_is_better,
            main=one.main,
        )
        for one in metrics.values()
    ]
    n_failed = sum((failed or {}).values())
    return TaskScores(
        task=task,
        variant=variant,
        protocol_id=protocol,
        protocol={"version": protocol},
        data="d1",
        figures=tuple(figures or made),
        counts=Counts(n + n_failed, n, dict(failed or {})),
        metrics={name: (one,) for name, one in metrics.items()},
        keys=list(keys) if keys is not None else [f"k{row}" for row in range(n)],
        columns=columns,
        clusters=clusters,
        unscored=dict(unscored or {}),
        **more,
    )


def _columns(values: Sequence[float] | Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    if not isinstance(values, Mapping):
        return {"value": values}
    first = next(iter(values.values()))
    return {"value": [0.0] * len(first), **values}


def _value(metric: Metric, columns: Mapping[str, Any]) -> float | None:
    below = float(columns[metric.per].sum()) if metric.per else float(len(columns[metric.of]))
    return float(columns[metric.of].sum()) / below * metric.scale if below else None


def made_side(*tasks: TaskScores, name: str = "side") -> Side:
    """A side of made-up tasks."""
    return Side(name, "run", name, labelled(tasks))


def install_commands(patch: pytest.MonkeyPatch) -> None:
    """The two commands, whether the package that is installed knows them or not."""
    commands = ("compare", "gate")
    install(patch, "command", {name: f"fac_eval.reports.{name}.command:command" for name in commands})
