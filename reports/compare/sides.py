"""What is compared: one model's scores in one run, task by task, as columns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.codec import digest, to_json
from fac_eval.errors import UnknownName, UsageError
from fac_eval.scores import VALUE, Metric
from fac_eval.vocabulary import Counts, Figure

from ..runs import RunPlace, find_run
from .metrics import Recorder, metrics_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from fac_eval.store import CellRow, Store

    Floats = npt.NDArray[np.float64]

PairBy = Literal["content", "id"]
"""What makes two samples the same: all that they hold, or their id alone."""

KEY_LENGTH = 16
"""Hexadecimal digits of a sample's key; among a million samples two agree by chance once in forty million cases."""
_HERE = re.compile(r"(?P<run>latest|[0-9a-f]*)(?:@(?P<model>.+))?\Z")
_ELSEWHERE = re.compile(r"(?P<run>.+?#(?:latest|[0-9a-f]*))(?:@(?P<model>.+))?\Z")
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class StoredSamples:
    """The scored samples of a cell of the store, in the order of `TaskScores.keys`."""

    cell: int
    ids: Sequence[str]
    labels: Sequence[str | None]
    samples: Sequence[bytes | None]
    """Keys of what was asked."""
    answers: Sequence[bytes | None]
    """Keys of what was answered."""


@dataclass(frozen=True, eq=False)
class TaskScores:
    """One task of one side: its scored samples as columns, and what is known about the others."""

    task: str
    variant: str
    protocol_id: str
    protocol: Mapping[str, str]
    """Everything that defines the scores, by dotted key."""
    data: str
    figures: tuple[Figure, ...]
    counts: Counts
    metrics: Mapping[str, tuple[Metric, ...]]
    """The figures that are ratios of sums of columns, by name."""
    keys: Sequence[str]
    """One a scored sample."""
    columns: Mapping[str, Floats]
    """What the metrics are made of, and the samples' own scores as `value`."""
    clusters: Sequence[str | None] | None = None
    unscored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Why a sample has no score, by its key."""
    stored: StoredSamples | None = None
    """Where the store has more about the scored samples; None for a baseline file."""
    done: bool = True
    label: str = ""
    """The task's name, with its variant where the side has several."""

    @property
    def main(self) -> Figure | None:
        """The figure that stands for the task."""
        return next((figure for figure in self.figures if figure.main), None) or next(
            iter(self.figures), None
        )

    def figure(self, name: str | None) -> Figure | None:
        """A figure by name, the main one without."""
        return self.main if name is None else next((one for one in self.figures if one.name == name), None)


@dataclass(frozen=True, eq=False)
class Side:
    """One model's scores in one run, or those that a baseline file holds of them."""

    name: str
    run: str
    model: str
    tasks: tuple[TaskScores, ...]
    place: RunPlace | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One model of one run, as an argument named it."""

    place: RunPlace
    model: str


def choices(argument: str, store: str | Path, model: str | None = None) -> list[Choice]:
    """The models that `RUN` or `RUN@MODEL` names; `model` chooses where the argument does not.

    RUN is `latest`, an id or the beginning of one, or `FOLDER#RUN` in another store; `@MODEL` alone is of the latest.
    """
    match = _HERE.match(argument) or _ELSEWHERE.match(argument)
    run, wanted = (match["run"] or "latest", match["model"]) if match else (argument, None)
    place = find_run(run, store)
    with place.opened() as opened:
        models = list(dict.fromkeys(cell.model for cell in opened.cells(place.id)))
    wanted = wanted or (model if model in models or len(models) > 1 else None)
    if wanted is not None and wanted not in models:
        raise UnknownName("model", wanted, models, where=f"run {place.id}")
    return [Choice(place, one) for one in models if wanted in (None, one)]


def chosen(argument: str, store: str | Path, model: str | None = None) -> Choice:
    """The one model that an argument names."""
    found = choices(argument, store, model)
    if len(found) != 1:
        held = ", ".join(choice.model for choice in found) or "none yet"
        raise UsageError(
            f"run {argument} holds several models: {held}."
            if found
            else f"run {argument} holds no result yet.",
            remedy=f"Say which: {argument}@{found[0].model}" if found else None,
        )
    return found[0]


def load_side(
    choice: Choice, *, tasks: Sequence[str] = (), pair_by: PairBy = "content", name: str | None = None
) -> Side:
    """Read a model's scores; `tasks` keeps only those that a name, a benchmark's name or a wildcard matches."""
    from fac_eval.engine.export import chosen_cells

    with choice.place.opened() as store:
        cells = [
            cell for cell in chosen_cells(store, choice.place.id, tasks=tasks) if cell.model == choice.model
        ]
        read = [read_cell(store, cell, pair_by) for cell in cells]
    return Side(name or choice.model, choice.place.id, choice.model, labelled(read), choice.place)


def labelled(tasks: Sequence[TaskScores]) -> tuple[TaskScores, ...]:
    """The tasks, with the variant in the label of those that are there under several."""
    names = [scores.task for scores in tasks]
    return tuple(
        dataclasses.replace(
            scores,
            label=scores.task if names.count(scores.task) == 1 else f"{scores.task} ({scores.variant})",
        )
        for scores in tasks
    )


def named(found: Sequence[Choice]) -> list[str]:
    """What tables call each choice: the model, with the run where the model alone would not tell them apart."""
    models = [choice.model for choice in found]
    return [
        choice.model if models.count(choice.model) == 1 else f"{choice.model} ({choice.place.id[:6]})"
        for choice in found
    ]


def read_cell(store: Store, cell: CellRow, pair_by: PairBy) -> TaskScores:
    """One model on one task, read in one pass."""
    keys: list[str] = []
    ids: list[str] = []
    samples: list[bytes | None] = []
    answers: list[bytes | None] = []
    clusters: list[str | None] = []
    unscored: dict[str, str] = {}
    parts: set[str] = set()

    def scores() -> Iterator[Mapping[str, Any]]:
        for item in store.items(cell.id):
            key = sample_key(item.sample, item.sample_id, pair_by)
            score = item.score if item.outcome == "scored" else None
            if score is None:
                prefix = "skipped: " if item.outcome == "skipped" else ""
                unscored[key] = f"{prefix}{item.reason or item.outcome}"
                continue
            keys.append(key)
            ids.append(item.sample_id)
            samples.append(item.sample)
            answers.append(item.work)
            clusters.append(score.get("cluster"))
            parts.update(score.get("parts", {}))
            yield score

    table = Recorder(scores())
    metrics = metrics_of(cell, table, parts)
    ratios = [(one.of, one.per) for several in metrics.values() for one in several]
    wanted = {VALUE, *(name for ratio in ratios for name in ratio if name is not None)}
    return TaskScores(
        task=cell.task,
        variant=cell.variant,
        protocol_id=cell.protocol_id,
        protocol=flat(cell.protocol),
        data=cell.data,
        figures=cell.figures,
        counts=cell.counts,
        metrics=metrics,
        keys=keys,
        columns={name: table.column(name) for name in sorted(wanted)},
        clusters=clusters if any(clusters) else None,
        unscored=unscored,
        stored=StoredSamples(cell.id, ids, table.labels, samples, answers),
        done=cell.done,
    )


def sample_key(content: bytes | None, sample_id: str, pair_by: PairBy) -> str:
    """The key that a sample is paired by."""
    if pair_by == "id" or content is None:
        return digest(b"sample id", sample_id.encode()).hex()[:KEY_LENGTH]
    return content.hex()[:KEY_LENGTH]


def flat(protocol: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A protocol by dotted key, with long values as their hash and empty ones left out."""
    found: dict[str, str] = {}
    for key, value in protocol.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
            continue
        if value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else to_json(value).decode()
        found[f"{prefix}{key}"] = text if len(text) <= _SHOWN else f"text {digest(text.encode()).hex()[:12]}"
    return found
