"""What a benchmark is to the engine: samples, a request, a score, and figures over the scores.

A benchmark author writes one `Task` subclass in one file (docs/writing-a-task.md) and names it in the
`fac_eval.tasks` entry-point group. Several tasks with a common total form a `Benchmark`; a `Group` only gives a
name to patterns of task names.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_origin, get_type_hints

from fac_eval.scores import Metric, ScoreTable
from fac_eval.vocabulary import (
    Evidence,
    Figure,
    Output,
    Question,
    Request,
    Response,
    Sample,
    Score,
    Settings,
)

if TYPE_CHECKING:
    from pathlib import Path

    from fac_eval.data.assets import Asset
    from fac_eval.data.hub import DataFinder
    from fac_eval.data.hub_dataset import HubDataset

Need = Literal["transcript", "quality", "similarity", "judge"]


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a task that has none."""


class Task(ABC):
    """One benchmark subset under one set of options."""

    name: str
    title: ClassVar[str] = ""
    description: ClassVar[str] = ""
    Options: ClassVar[type] = NoOptions
    """A frozen dataclass whose fields are the task's named variants; docstrings under the fields are shown."""
    version: ClassVar[int] = 1
    """Part of the protocol identity: raise it when a change of code changes a score."""
    needs: frozenset[Need] = frozenset()
    output: Output = "text"
    language: str | None = None
    """What is spoken (`en`, `zh`), for recognisers to be told; None leaves it to them."""
    settings: Settings = Settings()
    metrics: tuple[Metric, ...] = (Metric("accuracy", main=True),)
    rubrics: tuple[str, ...] = ()
    """The rubrics that `questions` may name, under the options in force."""
    judge_calls: int = 0
    """Judge calls one sample is expected to take, for `--dry-run`."""

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The samples in the data set's order, read lazily, with unique ids."""

    def size(self, data: DataFinder) -> int | None:
        """How many samples there are, where that is cheap to know."""
        return None

    def data_fingerprint(self, data: DataFinder) -> str:
        """Identity of the data: a content hash, or repository and revision."""
        return ",".join(data.fingerprint(source) for source in self.datasets())

    def datasets(self) -> tuple[HubDataset, ...]:
        """The hub data sets that the samples come from."""
        return ()

    def assets(self) -> tuple[Asset, ...]:
        """Pinned files of others (prompts, language data) that `fac-eval prepare` fetches."""
        return ()

    def over_items_of(self, file: Path) -> Task:
        """This task over the items that a file of predictions brings along; itself where it brings none."""
        return self

    def check(self, data: DataFinder) -> None:  # noqa: B027 - most tasks have nothing to check
        """Raise `DataError` or `MissingResource` now for what would otherwise fail hours into a run."""

    def skip(self, sample: Sample) -> str | None:
        """The reason why the protocol leaves this sample out, if it does."""
        return None

    def request(self, sample: Sample) -> Request:
        """What the model is asked; the engine fills in the seed and the user's overrides."""
        return Request(sample.messages, self.output, self.settings, sample.tools)

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """What the judge is asked about a response; `evidence` holds the transcript where one was needed."""
        return ()

    def comparison(self, sample: Sample, response: Response) -> tuple[str, Sequence[str]]:
        """The text whose likeness to each of the candidates is to be measured, for a task that needs `similarity`."""
        return "", ()

    @abstractmethod
    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """What the response is worth.

        `UnreadableReply` makes a counted `judge_error` of this sample, any other exception a `score_error`.
        """

    def forgone(self, sample: Sample) -> Mapping[str, float]:
        """The parts that a failed sample still adds to figures over all samples, such as its reference's length.

        A task with such parts is also asked for figures where every sample failed: its table then has no rows.
        """
        return {}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The printed numbers; by default one for each of `metrics`."""
        return [table.figure(metric) for metric in self.metrics]

    def ideal(self, sample: Sample) -> str | Response | None:
        """An answer that scores the maximum (what the `oracle` model says), or None where there is none."""
        return sample.reference if isinstance(sample.reference, str) else None

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str | None:
        """A blind answer (what the `random` model says); `pick` chooses one of several."""
        return pick(sample.choices) if sample.choices else None

    @property
    def idle_options(self) -> frozenset[str]:
        """Options that decide over nothing, given the others: they are no part of what a score stands for."""
        return frozenset()

    def protocol(self) -> Mapping[str, Any]:
        """Everything that defines the score, as JSON; its hash is the protocol identity."""
        options = dataclasses.asdict(self.options)
        return {
            "task": self.name,
            "version": self.version,
            "options": {name: held for name, held in options.items() if name not in self.idle_options},
            "datasets": [source.identity for source in self.datasets()],
            "output": self.output,
            "settings": dataclasses.asdict(self.settings),
            "needs": sorted(self.needs),
        }

    @property
    def spec(self) -> Mapping[str, Any]:
        """What rebuilds this task: its registered name and its options."""
        return {"name": type(self).name, "options": dataclasses.asdict(self.options)}

    @property
    def variant(self) -> str:
        """The named variants in force, and whatever else is not at its default, as the result table shows them."""
        hints = get_type_hints(self.Options)
        shown = []
        for field in dataclasses.fields(self.Options):
            held = getattr(self.options, field.name)
            if field.name in self.idle_options:
                continue
            if get_origin(hints[field.name]) is Literal or held not in (field.default, dataclasses.MISSING):
                shown.append(f"{field.name}={held}")
        return ",".join(shown)


@dataclass(frozen=True, slots=True)
class Overall:
    """A figure over one figure each of a benchmark's tasks.

    `compute` gets each task's figure by the task's short name and returns a figure, or the reason why there is
    none: a total over fewer terms than the formula has is never printed.
    """

    name: str
    compute: Callable[[Mapping[str, Figure]], Figure | str]
    of: str | None = None
    """The figure of each task that counts, by name; the main one if not given."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Tasks that are published together, `name/short_name` each."""

    name: str
    title: str
    tasks: tuple[type[Task], ...]
    description: str = ""
    overall: tuple[Overall, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A name for several task patterns, such as the rows of a published table."""

    name: str
    title: str
    members: tuple[str, ...]
