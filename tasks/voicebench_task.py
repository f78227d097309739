"""What VoiceBench's subsets share: where the rows are, what the model is given, and what a judge is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Question, Response, Sample, Settings, user

from .answers import answer_text

REPO = "hlt-lab/voicebench"
SAMPLE_DATA = Path(__file__).parent / "sample_data" / "voicebench"

KIMI_LONGEST = 60.0
KIMI_SHORTEST = 0.1
"""Seconds of audio outside which Kimi-Audio-Evalkit's runner (run_audio.py) leaves an item out."""


class VoiceBenchTask(Task):
    """The spoken request alone is what the model is given."""

    config: ClassVar[str]
    rows: ClassVar[int]
    columns: ClassVar[tuple[str, ...]] = ("audio", "prompt")
    # The official runner's limit; Kimi-Audio-Evalkit leaves it to the model.
    settings = Settings(max_tokens=2048)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are run, in order."""
        return ("test",)

    @property
    def expected_rows(self) -> Mapping[str, int]:
        """Rows of each split, where they are published."""
        return dict.fromkeys(self.splits, self.rows)

    @cached_property
    def dataset(self) -> HubDataset:
        """Where the subset's rows are."""
        return HubDataset(
            REPO,
            self.config,
            self.splits,
            columns=self.columns,
            expected_rows=self.expected_rows,
            benchmark=self.name,
            sample=SAMPLE_DATA,
        )

    def datasets(self) -> tuple[HubDataset, ...]:
        """The one configuration of the hub data set."""
        return (self.dataset,)

    def size(self, data: DataFinder) -> int | None:
        """Rows over all splits."""
        return data.count(self.dataset)

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The rows of all splits in split order, numbered through as Kimi-Audio-Evalkit does."""
        index = 0
        for split in data.splits(self.dataset):
            for row in data.rows(self.dataset, split):
                yield self.sample(row, split, index, data)
                index += 1

    def sample(self, row: Mapping[str, Any], split: str, index: int, data: DataFinder) -> Sample:
        """One row as a sample."""
        return Sample(
            id=f"{self.config}/{split}/{index}",
            messages=(user(data.audio_of(self.dataset, row["audio"])),),
            reference=self.reference(row),
            metadata={"prompt": row["prompt"], "split": split},
        )

    def reference(self, row: Mapping[str, Any]) -> Any:
        """What the answer is measured against."""
        return row.get("reference")

    @property
    def kimi(self) -> bool:
        """Whether the rules in force are Kimi-Audio-Evalkit's."""
        return str(getattr(self.options, "mode", "")).startswith("kimi")

    def skip(self, sample: Sample) -> str | None:
        """Kimi-Audio-Evalkit's runner leaves out what is very long or very short."""
        if not self.kimi:
            return None
        (clip,) = sample.messages[0].parts
        seconds = getattr(clip, "seconds", None)
        if seconds is None or KIMI_SHORTEST <= seconds <= KIMI_LONGEST:
            return None
        return f"audio not between {KIMI_SHORTEST} and {KIMI_LONGEST:g} s (kimi)"

    # The judge, for the subsets and modes that have one.

    def ask(self, rubric: str, draws: int = 1) -> None:
        """Have each answer put to the judge under a rubric, so many times."""
        self.needs = frozenset({"judge"})
        self.rubrics = (rubric,)
        self.judge_calls = draws

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """The request, the answer, and the right one where there is one; `kimi` strips all but the answer."""
        inputs = {"question": str(sample.metadata["prompt"])}
        if sample.reference is not None:
            inputs["reference"] = str(sample.reference)
        if self.kimi:
            inputs = {name: text.strip() for name, text in inputs.items()}
        inputs["answer"] = answer_text(response)
        return [
            Question(rubric, inputs, draw=draw) for rubric in self.rubrics for draw in range(self.judge_calls)
        ]
