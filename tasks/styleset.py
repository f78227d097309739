"""A set of your own for the three dimensions of Table 6: following instructions on speech, and two kinds of empathy.

The report's own set is not public. A manifest of JSON lines takes its place, judged as VStyle is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from fac_eval.audio import Audio
from fac_eval.data.places import FileHashes
from fac_eval.task import Need, Task
from fac_eval.vocabulary import Evidence, Figure, Question, Response, Sample, Score, Settings, user

from .styleset_manifest import EMPATHY, PARALINGUISTIC, Row, Subset, read_manifest
from .vstyle import out_of_range, rated, ratings_asked, spread

if TYPE_CHECKING:
    from fac_eval.data.hub import DataFinder
    from fac_eval.scores import ScoreTable

SUBSETS: tuple[Subset, ...] = get_args(Subset)


@dataclass(frozen=True, slots=True)
class StyleSetOptions:
    """The manifest, and how its answers are judged."""

    file: str
    """A file of JSON lines; docs/benchmarks/styleset.md has the fields. Clips are found from its folder."""
    instruction_rubric: str = "vstyle/instruction"
    """The judge's rubric for instruction following, without the language at its end."""
    empathy_rubric: str = "vstyle/empathy"
    """The judge's rubric for both kinds of empathy, without the language at its end."""
    draws: int = 1
    """Ratings of each answer."""


class StyleSet(Task):
    """Spoken requests of a manifest, answered in speech that a listening judge rates."""

    name = "styleset"
    title = "Your own style set"
    description = (
        "Speech instruction following and empathy on your own recordings: -t styleset:file=styleset.jsonl"
    )
    Options = StyleSetOptions
    options: StyleSetOptions
    output = "speech"
    needs: frozenset[Need] = frozenset({"judge"})
    settings = Settings(max_tokens=2048)

    @cached_property
    def _path(self) -> Path:
        return Path(self.options.file).expanduser()

    @cached_property
    def _rows(self) -> list[Row]:
        return read_manifest(self._path)

    @property
    def rubrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the languages and sub-sets that the manifest has."""
        return tuple(dict.fromkeys(self._rubric(row) for row in self._rows))

    @property
    def judge_calls(self) -> int:  # type: ignore[override]
        """As many as there are draws."""
        return self.options.draws

    def check(self, data: DataFinder) -> None:
        """Read the whole manifest; all its problems are told at once."""
        self.__dict__.pop("_rows", None)  # the file may have changed since this task was last used
        _ = self._rows

    def size(self, data: DataFinder) -> int:
        """The lines of the manifest."""
        return len(self._rows)

    def data_fingerprint(self, data: DataFinder) -> str:
        """The content of the manifest and of its clips, wherever they lie."""
        files = [self._path, *dict.fromkeys(self._path.parent / row.audio for row in self._rows)]
        content = json.dumps(FileHashes().sha256(*files)).encode()
        return f"styleset:{blake2b(content, digest_size=16).hexdigest()}"

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The manifest's lines in order."""
        for row in self._rows:
            yield Sample(
                id=row.id,
                messages=(user(Audio.from_file(self._path.parent / row.audio)),),
                reference=row.reference,
                metadata={
                    "subset": row.subset,
                    "ability": row.ability,
                    "instruction": _told(row),
                    "rubric": self._rubric(row),
                    "weight": row.weight,
                },
            )

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """The judge hears the request where its words alone do not tell the feeling, then the answer."""
        told = sample.metadata
        clips = [part for part in sample.messages[0].parts if isinstance(part, Audio)]
        inputs = {"instruction_type": told["ability"], "input_instruction": told["instruction"]}
        heard = clips if told["subset"] == PARALINGUISTIC else []
        return ratings_asked(told["rubric"], inputs, heard, response, self.options.draws)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """The mean rating over the draws."""
        weight = float(sample.metadata["weight"])
        subset = SUBSETS.index(sample.metadata["subset"])
        score = rated(evidence, {"weight": weight, "subset": float(subset)})
        return Score(score.value, score.label, parts={**score.parts, "weighted": weight * score.value})

    def forgone(self, sample: Sample) -> Mapping[str, float]:
        """Which sub-set lacks the sample's rating."""
        return {"subset": float(SUBSETS.index(sample.metadata["subset"]))}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The weighted mean of each sub-set; there is no Overall, as in the report."""
        from fac_eval.scores import figure_of
        from fac_eval.stats import RatioSums

        figures: list[Figure] = []
        for index, name in enumerate(SUBSETS):
            chosen = table.column("subset") == index
            lost = int((table.forgone("subset") == index).sum())
            if not chosen.any():
                continue
            sums = RatioSums().add(table.column("weighted")[chosen], table.column("weight")[chosen])
            note = f"{lost} without a rating" if lost else None
            figures.append(
                figure_of(name, sums.estimate(proportion=False), unit="", main=not figures, note=note)
            )
        return [*figures, *(figure for figure in (spread(table), out_of_range(table)) if figure.n)]

    def ideal(self, sample: Sample) -> Response:
        """Some speech: the request itself. What it is worth is for the judge to say."""
        clip = sample.messages[0].parts[0]
        assert isinstance(clip, Audio)
        return Response(text=sample.metadata["instruction"], speech=clip, finish_reason="stop")

    def protocol(self) -> Mapping[str, Any]:
        """The base's; which file holds the items is told by the data's fingerprint."""
        options = {**super().protocol()["options"]}
        del options["file"]
        return {**super().protocol(), "options": options}

    def _rubric(self, row: Row) -> str:
        stem = self.options.empathy_rubric if row.subset in EMPATHY else self.options.instruction_rubric
        return f"{stem}-{row.lang}"


def _told(row: Row) -> str:
    """The request's words, and what in the voice carries the feeling where they do not."""
    if row.subset != PARALINGUISTIC:
        return row.text
    return f"{row.text}\n(emotion in the speaker's voice: {row.emotion}; heard as: {row.cue})"
