"""The baseline file: a run's scores by sample hash, small and steady enough for a git repository."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from fac_eval import __version__
from fac_eval.errors import DataError
from fac_eval.scores import VALUE, Metric
from fac_eval.vocabulary import Counts, Figure

from ..compare.sides import PairBy, Side, TaskScores, labelled

FORMAT = 1
_DIGITS = 12
"""Enough that a score is the same one when it is read again."""

Scores = float | list[float]


@dataclass(frozen=True)
class _Task:
    task: str
    variant: str
    protocol_id: str
    data: str
    protocol: dict[str, str]
    counts: Counts
    figures: list[Figure]
    metrics: list[Metric]
    columns: list[str]
    samples: dict[str, Scores]


@dataclass(frozen=True)
class _File:
    format: int
    run: str
    model: str
    pair_by: PairBy
    made_by: str = ""
    tasks: list[_Task] = field(default_factory=list)


def baseline_text(side: Side, pair_by: PairBy, metrics: Mapping[str, Iterable[str]] | None = None) -> str:
    """A side as the text of a baseline file, a sample a line, in an order that does not depend on the run.

    It holds the samples' own scores, and what the main figures and, by task, those in `metrics` are sums of.
    """
    head = {"format": FORMAT, "made_by": f"fac-eval {__version__}", "run": side.run, "model": side.model}
    lines = ["{", *(f"{_json(key)}: {_json(value)}," for key, value in {**head, "pair_by": pair_by}.items())]
    lines.append('"tasks": [')
    tasks = sorted(side.tasks, key=lambda scores: (scores.task, scores.variant))
    for index, scores in enumerate(tasks):
        lines += _task_lines(scores, set((metrics or {}).get(scores.task, ())))
        lines.append("}," if index + 1 < len(tasks) else "}")
    return "\n".join([*lines, "]", "}"]) + "\n"


def _task_lines(scores: TaskScores, names: set[str]) -> Iterator[str]:
    main = scores.main
    metrics = [
        metric
        for name, several in sorted(scores.metrics.items())
        for metric in several
        if name in names or (main is not None and name == main.name)
    ]
    # The samples' own scores are compared where the candidate's figure turns out to be none of the metrics.
    columns = sorted({VALUE, *(name for one in metrics for name in (one.of, one.per) if name is not None)})
    yield "{"
    yield f'"task": {_json(scores.task)},'
    yield f'"variant": {_json(scores.variant)},'
    yield f'"protocol_id": {_json(scores.protocol_id)},'
    yield f'"data": {_json(scores.data)},'
    yield from _block(
        "protocol", "{}", [f"{_json(k)}: {_json(v)}" for k, v in sorted(scores.protocol.items())]
    )
    yield f'"counts": {_json(asdict(scores.counts))},'
    yield from _block("figures", "[]", [_json(_figure(figure)) for figure in scores.figures])
    yield from _block("metrics", "[]", [_json(_changed(asdict(metric), Metric(""))) for metric in metrics])
    yield f'"columns": {_json(columns)},'
    samples = sorted(
        f"{_json(key)}: {_json(_scores([scores.columns[name][row] for name in columns]))}"
        for row, key in enumerate(scores.keys)
    )
    yield from _block("samples", "{}", samples, last=True)


def _block(name: str, brackets: str, entries: Sequence[str], *, last: bool = False) -> Iterator[str]:
    yield f'"{name}": {brackets[0]}'
    yield from (f"{entry}," for entry in entries[:-1])
    yield from entries[-1:]
    yield brackets[1] + ("" if last else ",")


def _figure(figure: Figure) -> dict[str, Any]:
    kept = _changed(asdict(figure), Figure("", None, 0))
    # What is worked out anew from the samples does not belong into a file that people compare line by line.
    dropped = ("se", "low", "high", "method", "note")
    return {key: _rounded(value) for key, value in kept.items() if key not in dropped}


def _changed(values: dict[str, Any], defaults: Any) -> dict[str, Any]:
    required = ("name", "value", "n") if isinstance(defaults, Figure) else ("name",)
    return {k: value for k, value in values.items() if k in required or value != getattr(defaults, k)}


def _scores(values: Sequence[float]) -> Any:
    rounded = [_rounded(float(value)) for value in values]
    return rounded[0] if len(rounded) == 1 else rounded


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() else short


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_baseline(path: Path, pair_by: PairBy) -> Side:
    """Read a baseline file.

    Raises:
        DataError: it cannot be read, is damaged, or was made by a newer fac-eval or with other keys than `pair_by`.
    """
    remedy = "Write it anew: fac-eval gate --candidate RUN --update-baseline FILE"
    try:
        body = path.read_bytes()
        held = msgspec.json.decode(body, type=_File)
        tasks = labelled([_task(task) for task in held.tasks])
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise DataError(f"{path} is no baseline of fac-eval: {error}.", remedy=remedy) from error
    if held.format > FORMAT:
        raise DataError(
            f"{path} was written by a newer fac-eval (format {held.format}, this one knows {FORMAT}).",
            remedy="Update fac-eval: pip install -U fac-eval",
        )
    if held.pair_by != pair_by:
        raise DataError(
            f"{path} names samples by {held.pair_by}, and the policy pairs them by {pair_by}.",
            remedy=f'Say pair_by = "{held.pair_by}" in the policy, or write the baseline anew.',
        )
    return Side(f"{held.model} ({path.name})", held.run, held.model, tasks)


def _task(held: _Task) -> TaskScores:
    import numpy as np

    width = len(held.columns)
    rows = [row if isinstance(row, list) else [row] for row in held.samples.values()]
    wrong = next((key for key, row in zip(held.samples, rows, strict=True) if len(row) != width), None)
    if wrong is not None or not width:
        raise ValueError(f"task {held.task}, sample {wrong}: expected {width} scores")
    metrics: dict[str, tuple[Metric, ...]] = {}
    for metric in held.metrics:
        metrics[metric.name] = (*metrics.get(metric.name, ()), metric)
    table = np.array(rows, dtype=np.float64).reshape(-1, width)
    return TaskScores(
        task=held.task,
        variant=held.variant,
        protocol_id=held.protocol_id,
        protocol=held.protocol,
        data=held.data,
        figures=tuple(held.figures),
        counts=held.counts,
        metrics=metrics,
        keys=list(held.samples),
        columns={name: table[:, index] for index, name in enumerate(held.columns)},
    )
