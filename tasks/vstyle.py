"""VStyle: spoken instructions about how to speak, answered in speech that a listening judge rates (Table 5).

Data: zhanjun/VStyle. Rules: alibaba/vstyle, lalm_eval/gemini_eval.py; the pure scorer is fac_eval/metrics/vstyle.py.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.audio import Audio
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.tables import require_columns
from fac_eval.errors import DataError, UnreadableReply
from fac_eval.task import Benchmark, Need, Task
from fac_eval.vocabulary import Evidence, Figure, Question, Response, Sample, Score, Settings, user

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.scores import ScoreTable

SAMPLE_DATA = Path(__file__).parent / "sample_data" / "vstyle"
COLUMNS = ("id", "ability", "instruct_text", "file_name")


@dataclass(frozen=True, slots=True)
class VStyleOptions:
    """How often and with what the judge is asked, and what a failure counts."""

    draws: int = 1
    """Ratings of each answer; the judge's sampling is unseeded, and their mean is steadier than one."""
    instruction_audio: bool = False
    """Also let the judge hear the instruction, which officially comes as a transcript alone."""
    failures: Literal["left_out", "as_one"] = "left_out"
    """An answer without a rating leaves the means, as officially, or counts as the lowest rating."""


class VStyleTask(Task):
    """One language: an instruction is heard, the spoken answer is rated from 1 to 5."""

    Options = VStyleOptions
    options: VStyleOptions
    output = "speech"
    needs: frozenset[Need] = frozenset({"judge"})
    # The authors' limit; text is greedy and speech sampled, as each model's own settings for speech have it.
    settings = Settings(max_tokens=2048)

    @cached_property
    def dataset(self) -> HubDataset:
        """The language's folder on the hub."""
        assert self.language is not None
        return HubDataset(
            "zhanjun/VStyle",
            self.language,
            columns=COLUMNS,
            audio="file_name",
            id_column="id",
            files=(f"{self.language}/**",),
            table=f"{self.language}/metadata.jsonl",
            benchmark=self.name,
            sample=SAMPLE_DATA,
        )

    @property
    def rubrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """One a category."""
        from fac_eval.metrics.vstyle import ABILITIES

        return tuple(f"vstyle/{category}-{self.language}" for category in ABILITIES)

    @property
    def judge_calls(self) -> int:  # type: ignore[override]
        """As many as there are draws."""
        return self.options.draws

    def datasets(self) -> tuple[HubDataset, ...]:
        """The language's folder."""
        return (self.dataset,)

    def check(self, data: DataFinder) -> None:
        """Make sure of the columns."""
        require_columns(data.table(self.dataset), COLUMNS)

    def size(self, data: DataFinder) -> int:
        """The lines of the table of instructions."""
        return data.table(self.dataset).count

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The instructions in the table's order."""
        from fac_eval.metrics.vstyle import weights

        table, known = data.table(self.dataset), weights()
        for number, row in table.rows():
            if row["ability"] not in known:
                raise DataError(
                    f"{table.where(number)}: the ability {row['ability']!r} is none of VStyle's.",
                    remedy=f"Known: {', '.join(known)}.",
                )
            yield Sample(
                id=str(row["id"]),
                messages=(user(Audio.from_file(data.clip_path(self.dataset, str(row["file_name"])))),),
                metadata={"ability": row["ability"], "instruction": row["instruct_text"]},
            )

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """One question a draw: the instruction's text, and the answer's sound."""
        ability = sample.metadata["ability"]
        inputs = {"instruction_type": ability, "input_instruction": sample.metadata["instruction"]}
        heard = _clips(sample) if self.options.instruction_audio else ()
        rubric = f"vstyle/{ability.partition('/')[0]}-{self.language}"
        return ratings_asked(rubric, inputs, heard, response, self.options.draws)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """The mean rating over the draws."""
        from fac_eval.metrics.vstyle import weights

        ability = list(weights()).index(sample.metadata["ability"])
        return rated(evidence, {"ability": float(ability)})

    def forgone(self, sample: Sample) -> Mapping[str, float]:
        """Where the sample would have counted."""
        from fac_eval.metrics.vstyle import weights

        return {"ability": float(list(weights()).index(sample.metadata["ability"])), "value": 1.0}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Overall by the official weights, the categories, and the sub-types with their counts."""
        from fac_eval.metrics.vstyle import ABILITIES, category_of, weights

        columns = _Columns(table, as_one=self.options.failures == "as_one")
        figures = [columns.figure("overall", weights())]
        for category in ABILITIES:
            own = {
                ability: weight for ability, weight in weights().items() if category_of(ability) == category
            }
            figures += [columns.figure(category, own), *(columns.figure(name, {name: 1.0}) for name in own)]
        figures += [spread(table), out_of_range(table)]
        return [figure for figure in figures if figure.n]

    def ideal(self, sample: Sample) -> Response:
        """Some speech: the instruction itself. What it is worth is for the judge to say."""
        return Response(text=sample.metadata["instruction"], speech=_clips(sample)[0], finish_reason="stop")


class VStyleEn(VStyleTask):
    """English instructions."""

    name = "vstyle/en"
    title = "VStyle, English"
    description = (
        "Spoken English instructions on age, pace, emotion, role and empathy; a listening judge rates them."
    )
    language = "en"


class VStyleZh(VStyleTask):
    """Mandarin instructions."""

    name = "vstyle/zh"
    title = "VStyle, Mandarin"
    description = (
        "Spoken Mandarin instructions on age, pace, emotion, role and empathy; a listening judge rates them."
    )
    language = "zh"


def _clips(sample: Sample) -> tuple[Audio, ...]:
    return tuple(part for message in sample.messages for part in message.parts if isinstance(part, Audio))


def ratings_asked(
    rubric: str, inputs: Mapping[str, Any], heard: Sequence[Audio], response: Response, draws: int
) -> list[Question]:
    """The questions about a spoken answer, which the judge hears last.

    Raises DataError for an answer without sound: there is nothing to rate, and no call is made.
    """
    if response.speech is None:
        raise DataError("the answer holds no speech, so there is nothing to rate")
    clips = (*heard, response.speech)
    return [Question(rubric, inputs, clips, draw) for draw in range(draws)]


def rated(evidence: Evidence, parts: Mapping[str, float]) -> Score:
    """The mean of the ratings, and how far they lie apart.

    Raises UnreadableReply for a reply without a number, or with one that is none (nan, inf).
    """
    from math import isfinite

    from fac_eval.metrics.vstyle import is_in_range, score_text

    ratings = []
    for verdict in evidence.verdicts:
        text = score_text(verdict.reply)
        if text is None or not isfinite(float(text)):
            raise UnreadableReply(verdict.reply)
        ratings.append(float(text))
    mean = statistics.fmean(ratings)
    own = {
        "spread": statistics.pstdev(ratings),
        "out_of_range": float(not all(map(is_in_range, ratings))),
        "draws": float(len(ratings)),
    }
    return Score(value=mean, label=f"{mean:g}", parts={**parts, **own})


def spread(table: ScoreTable) -> Figure:
    """How far the draws of one answer lie apart; no figure where each was drawn once."""
    repeated = bool((table.column("draws") > 1).any())
    mean = float(table.column("spread").mean()) if repeated else 0.0
    return Figure("spread of the draws", mean, table.n if repeated else 0, unit="", higher_is_better=False)


def out_of_range(table: ScoreTable) -> Figure:
    """Ratings outside 1 to 5, which count as they are; no figure where there are none."""
    count = float(table.column("out_of_range").sum())
    return Figure("out of range", count, table.n if count else 0, unit="", higher_is_better=False)


class _Columns:
    """Ratings and abilities side by side, failed answers among them where they count."""

    def __init__(self, table: ScoreTable, *, as_one: bool) -> None:
        import numpy as np

        lost = [table.forgone("ability"), table.forgone("value")]
        own = [table.column("ability"), table.column("value")]
        counted = [np.concatenate(pair) for pair in zip(own, lost, strict=True)] if as_one else own
        self._abilities, self._values = counted
        self._lost = lost[0]

    def figure(self, name: str, weights: Mapping[str, float]) -> Figure:
        """The weighted mean over the abilities that have answers, by their share of the weight."""
        from fac_eval.metrics.vstyle import weights as all_weights
        from fac_eval.scores import figure_of
        from fac_eval.stats import composite

        places = {ability: index for index, ability in enumerate(all_weights())}
        masks = {ability: (self._abilities == places[ability]).astype(float) for ability in weights}
        present = {ability: mask for ability, mask in masks.items() if mask.any()}
        if not present:
            return Figure(name, None, 0, unit="")
        total = sum(weights[ability] for ability in present)
        pairs: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = [
            (self._values * mask, mask) for mask in present.values()
        ]
        estimate = composite(pairs, [weights[ability] / total for ability in present])
        n = int(sum(mask.sum() for mask in present.values()))
        failed = int(sum((self._lost == places[ability]).sum() for ability in weights))
        remarks = [f"{failed} without a rating"] if failed else []
        if len(present) < len(weights):
            share = total / sum(weights.values())
            remarks.append(f"over {len(present)} of {len(weights)} sub-types, {share:.0%} of the weight")
        shown = figure_of(name, estimate, unit="", main=name == "overall", note="; ".join(remarks) or None)
        return Figure(
            name,
            shown.value,
            n,
            "",
            True,
            shown.se,
            shown.low,
            shown.high,
            shown.method,
            shown.main,
            shown.note,
        )


BENCHMARK = Benchmark(
    name="vstyle",
    title="VStyle",
    description="Spoken instructions about style, role and feeling, answered in speech (arXiv 2509.09716).",
    tasks=(VStyleEn, VStyleZh),
)
