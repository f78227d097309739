"""MMAU-Pro: closed questions, open questions, and instructions to follow, about one clip or several.

Data: gamma-lab-umd/MMAU-Pro. Rules: sonalkum/MMAUPro evaluate_mmau_pro_comprehensive.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.errors import DataError, UnreadableReply
from fac_eval.metrics.mmau_pro import (
    CRITERIA,
    GOOD_FROM,
    POOR_UP_TO,
    open_score,
    parse_open_scores,
    route,
)
from fac_eval.scores import VALUE, Metric
from fac_eval.task import Need, Task
from fac_eval.vocabulary import Evidence, Figure, Question, Request, Response, Sample, Score, Settings, user

from .answers import answer_text
from .audio_questions import (
    code_of,
    group_figures,
    mean_figure,
    put,
    strict_figure,
    with_options,
)
from .mmau_pro_items import Clips, Row, follow, read_row

if TYPE_CHECKING:
    from fac_eval.scores import ScoreTable

DATASET = HubDataset(
    "gamma-lab-umd/MMAU-Pro",
    splits=("test",),
    columns=(
        *("id", "audio_path", "question", "answer", "choices", "category", "length_type"),
        *("task_identifier", "kwargs"),
    ),
    audio="audio_path",
    id_column="id",
    expected_rows={"test": 5305},
    files=("data.zip",),
    archive="data.zip",
    benchmark="mmau_pro",
    sample=Path(__file__).parent / "sample_data" / "mmau_pro",
)
CLOSED = (
    "sound",
    "music",
    "speech",
    "sound_music",
    "music_speech",
    "sound_speech",
    "sound_music_speech",
    "spatial_audio",
    "voice_chat",
    "multi",
)
CATEGORIES = (*CLOSED, "open", "instruction following")
RUBRIC = "mmau_pro/open"
_DECORATION = str.maketrans({"*": None, "[": None, "]": None, "：": ":"})
"""What keeps the official patterns from reading a score."""


@dataclass(frozen=True, slots=True)
class MmauProOptions:
    """Which items are asked, how they are put, and how each kind is scored."""

    audio: Literal["single", "all"] = "single"
    """`single` takes the items with one clip, as the Fun-Audio-Chat report does; `all` those with several, too."""
    closed: Literal["embedding", "embedding_resolved", "string_match"] = "embedding"
    """`embedding` takes the option that an embedding model finds most like the answer; `embedding_resolved` first
    takes an answer that opens with a letter for that option; `string_match` is MMAU's rule, which needs no weights."""
    open: Literal["judge", "skip"] = "judge"
    """`skip` leaves the open items out: no judge is needed, and the closed items' accuracy is the main figure."""
    parser: Literal["official", "strict", "robust"] = "official"
    """`official` takes 3 for a score that it does not find in the judge's reply; under `strict` the item fails as
    `judge_error`; so it does under `robust`, which also reads scores set in bold or brackets."""
    open_choices: Literal["hidden", "shown"] = "hidden"
    """Whether the open items that have options show them."""


class MmauPro(Task):
    """A question about one clip or several; how it is scored goes by its category."""

    name = "mmau_pro"
    title = "MMAU-Pro"
    description = (
        "Questions about sounds, music, speech and their mixtures: closed, open, and instructions to follow."
    )
    Options = MmauProOptions
    options: MmauProOptions
    # Text is decoded greedily; the length is the checkpoint's own.
    settings = Settings(temperature=0.0)
    metrics = (Metric("overall", main=True),)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        needs: set[Need] = set()
        if self.options.open == "judge":
            needs.add("judge")
            self.rubrics, self.judge_calls = (RUBRIC,), 1  # at most: one item in eight is open
        if self.options.closed != "string_match":
            needs.add("similarity")
        self.needs = frozenset(needs)

    @property
    def idle_options(self) -> frozenset[str]:
        """What is about the open items, where they are left out."""
        return frozenset({"parser", "open_choices"}) if self.options.open == "skip" else frozenset()

    def datasets(self) -> tuple[HubDataset, ...]:
        """The table of items and the archive of clips, which may be unpacked beside it."""
        return (DATASET,)

    def size(self, data: DataFinder) -> int | None:
        """Rows of the table."""
        return data.count(DATASET)

    def check(self, data: DataFinder) -> None:
        """Read every row, and make sure of what the sentence checks need, before hours are spent."""
        identifiers = {row.task_identifier for row in self._rows(data)}
        if any(identifier.startswith("Number Sentences") for identifier in identifiers):
            from fac_eval.metrics.text_resources import sentence_tokenizer

            sentence_tokenizer()

    def _rows(self, data: DataFinder) -> Iterator[Row]:
        for index, row in enumerate(data.rows(DATASET, "test")):
            yield read_row(row, f"{DATASET.repo}, row {index}")

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The rows in order."""
        with Clips(data.folder(DATASET)) as clips:
            for row in self._rows(data):
                yield Sample(
                    id=row.id,
                    messages=(user(*map(clips.clip, row.audio_path), row.question),),
                    reference=row.answer,
                    choices=row.choices,
                    metadata={
                        "category": row.category,
                        "clips": len(row.audio_path),
                        "length_type": row.length_type,
                        **({"task_identifier": row.task_identifier} if row.task_identifier else {}),
                        **({"kwargs": row.kwargs} if row.kwargs else {}),
                    },
                )

    def request(self, sample: Sample) -> Request:
        """The clips and the question, with its options where the item is closed."""
        question, kind = sample.messages[0].text, route(sample.metadata["category"])
        shown = kind == "closed" or (kind == "open" and self.options.open_choices == "shown")
        instruction = with_options(question, sample.choices) if shown and sample.choices else question
        return Request(put(sample, instruction), self.output, self.settings)

    def skip(self, sample: Sample) -> str | None:
        """Several clips, closed items without options to choose from, and open ones where they are not wanted."""
        if self.options.audio == "single" and sample.metadata["clips"] != 1:
            return "more than one clip (audio=single)"
        kind = route(sample.metadata["category"])
        if kind == "closed" and len(sample.choices) < 2:
            return "a closed item with fewer than two options"
        return "an open item (open=skip)" if kind == "open" and self.options.open == "skip" else None

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """The open items' answers beside the reference."""
        if route(sample.metadata["category"]) != "open":
            return ()
        inputs = {
            "question": sample.messages[0].text,
            "reference": str(sample.reference),
            "answer": answer_text(response),
        }
        return (Question(RUBRIC, inputs),)

    def comparison(self, sample: Sample, response: Response) -> tuple[str, Sequence[str]]:
        """A closed item's answer and the options that it may be like."""
        if route(sample.metadata["category"]) != "closed" or "similarity" not in self.needs:
            return "", ()
        return answer_text(response), sample.choices

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """From 0 to 1: right or wrong, followed or not, or a fifth of the judge's overall score."""
        category = sample.metadata["category"]
        kind = route(category)
        parts = {"category": code_of(CATEGORIES, category), kind: 1.0}
        if kind == "open":
            return self._open(evidence, parts)
        if kind == "aif":
            return _instruction_followed(sample, response, parts)
        return self._closed(sample, response, evidence, parts)

    def _closed(
        self, sample: Sample, response: Response, evidence: Evidence, parts: Mapping[str, float]
    ) -> Score:
        # Upstream compares texts, so an answer that is none of the options is never right.
        parts = {**parts, "unanswerable": float(sample.reference not in sample.choices)}
        from fac_eval.metrics.mmau import opening_option, string_match

        said, choices = answer_text(response), sample.choices
        if self.options.closed == "string_match":
            right = string_match(sample.reference, said, choices)
            return Score(float(right), "right" if right else "wrong", parts=parts)
        likeness = evidence.similarities
        if len(likeness) != len(choices):
            raise DataError(f"{len(likeness)} likenesses for {len(choices)} options")
        nearest = likeness.index(max(likeness))  # the first of equals
        option = opening_option(said, choices) if self.options.closed == "embedding_resolved" else None
        if option is not None:
            nearest = choices.index(option)
        return Score(
            value=float(choices[nearest] == sample.reference),
            label=ascii_uppercase[nearest] if nearest < len(ascii_uppercase) else None,
            explanation=f"{'nearest to' if option is None else 'names'} {choices[nearest]!r}",
            parts=parts,
        )

    def _open(self, evidence: Evidence, parts: Mapping[str, float]) -> Score:
        (verdict,) = evidence.verdicts
        robust = self.options.parser == "robust"
        scores = parse_open_scores(verdict.reply.translate(_DECORATION) if robust else verdict.reply)
        if scores.unread and self.options.parser != "official":
            raise UnreadableReply(verdict.reply, f"the judge's reply lacks {', '.join(scores.unread)}")
        ratings = {name: float(getattr(scores, name)) for name in (*CRITERIA, "overall")}
        return Score(
            value=open_score(scores.overall),
            label=f"{scores.overall:g}",
            parts={**parts, **ratings, "unread": float(bool(scores.unread))},
        )

    def forgone(self, sample: Sample) -> Mapping[str, float]:
        """Which kind of item a failed one is."""
        return {route(sample.metadata["category"]): 1.0}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The overall weighted performance and the closed items' accuracy, then each category's score."""
        values, closed = table.column(VALUE), table.column("closed") == 1
        lost, lost_closed = sum(table.failed.values()), int(table.forgone("closed").sum())
        # Categories weighted by their items make the mean over all items.
        overall, accuracy = self._named("overall"), self._named("closed accuracy")
        judged = self.options.open == "judge"
        figures = []
        if judged:
            figures = [mean_figure(overall, values, main=True), *strict_figure(overall, values, missing=lost)]
        figures += [
            mean_figure(accuracy, values[closed], main=not judged),
            *strict_figure(accuracy, values[closed], missing=lost_closed),
            *group_figures(values, table.column("category"), CATEGORIES),
        ]
        if table.column("unanswerable").any():
            figures.append(mean_figure("answer not among the options", table.column("unanswerable")[closed]))
        return figures + _ratings(table)

    def _named(self, figure: str) -> str:
        """Figures by the weight-free rule never stand in a column with the others."""
        return f"{figure} (string match)" if self.options.closed == "string_match" else figure

    def ideal(self, sample: Sample) -> str | None:
        """The right option, the reference, or a text that follows the instruction, where one is known."""
        if route(sample.metadata["category"]) == "aif":
            return follow(sample)
        return None if sample.reference is None else str(sample.reference)

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str | None:
        """One of a closed item's options."""
        if route(sample.metadata["category"]) != "closed" or not sample.choices:
            return None
        return pick(sample.choices)


def _instruction_followed(sample: Sample, response: Response, parts: Mapping[str, float]) -> Score:
    from fac_eval.metrics.mmau_pro_aif import check_aif

    followed = check_aif(
        answer_text(response),
        task_identifier=sample.metadata.get("task_identifier", ""),
        kwargs=sample.metadata.get("kwargs"),
        prompt=sample.messages[0].text,
    )
    return Score(float(followed), "followed" if followed else "violated", parts=parts)


def _ratings(table: ScoreTable) -> list[Figure]:
    """The judge's ratings of the open items, as the official script sums them up."""
    rated = table.column("open") == 1
    if not rated.any():
        return []
    overall = table.column("overall")[rated]
    return [
        mean_figure("open rating", overall, scale=1, unit=""),
        *(mean_figure(f"open {name}", table.column(name)[rated], scale=1, unit="") for name in CRITERIA),
        mean_figure("open good", (overall >= GOOD_FROM).astype(float)),
        mean_figure("open poor", (overall <= POOR_UP_TO).astype(float), higher_is_better=False),
        mean_figure("open scores not read", table.column("unread")[rated], higher_is_better=False),
    ]
