"""OpenAudioBench: spoken questions, text answers, each put to a judge (arXiv 2502.17239).

Data: baichuan-inc/OpenAudioBench. Rules: MoonshotAI/Kimi-Audio-Evalkit (`kimi`), and what is told of the data set's own
scripts (`hf_original`); the pure scorers stand in fac_eval/metrics/openaudiobench.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fac_eval.audio import Audio
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.tables import require_columns
from fac_eval.errors import DataError, UnreadableReply
from fac_eval.metrics.openaudiobench import SUBSETS, Judgement, Profile, judgement, overall, subset_score
from fac_eval.scores import Metric
from fac_eval.task import Benchmark, Overall, Task
from fac_eval.vocabulary import Evidence, Figure, Question, Response, Sample, Score, user

from .answers import answer_text
from .judged import INVALID, Invalid, Parser, invalid_figure, over_all
from .totals import combined

if TYPE_CHECKING:
    from fac_eval.scores import ScoreTable

REPO = "baichuan-inc/OpenAudioBench"
REVISION = "98f8fa0d5fa7e530ec8e6f097b55f10b003d111b"
SAMPLE_DATA = Path(__file__).parent / "sample_data" / "openaudiobench"
CLIP = "audio_filename"


@dataclass(frozen=True, slots=True)
class OpenAudioBenchOptions:
    """How the judge's replies are read."""

    profile: Profile = "kimi"
    """`kimi` reads verdicts as Kimi-Audio-Evalkit does, `hf_original` as the data set's scripts are said to."""
    invalid: Invalid = "official"
    """A reply without a verdict is treated as the profile does (`official`), or counts 0 (`count_wrong`)."""
    parser: Parser = "official"
    """`robust` reads verdicts as a careful person would, whatever the profile."""


class OpenAudioBenchTask(Task):
    """What the subsets share: a clip and nothing else for the model, and one question to the judge."""

    Options = OpenAudioBenchOptions
    options: OpenAudioBenchOptions
    subset: ClassVar[str]
    rows: ClassVar[int]
    question: ClassVar[str]
    reference: ClassVar[str]
    """The columns of the spoken question and of the right answer."""
    needs = frozenset({"judge"})
    judge_calls = 1
    metrics = (Metric("accuracy", main=True),)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.rubrics = (f"openaudiobench/{self.subset}",)

    # Where the items come from.

    @cached_property
    def dataset(self) -> HubDataset:
        """The subset's folder on the hub."""
        return HubDataset(
            REPO,
            self.subset,
            revision=REVISION,
            columns=(self.question, self.reference, CLIP),
            audio=CLIP,
            id_column=CLIP,
            expected_rows={self.subset: self.rows},
            files=(f"eval_datas/{self.subset}/**",),
            table=f"eval_datas/{self.subset}/{self.subset}.csv",
            clips="audios",
            benchmark="openaudiobench",
            sample=SAMPLE_DATA,
        )

    def datasets(self) -> tuple[HubDataset, ...]:
        """The one folder."""
        return (self.dataset,)

    def size(self, data: DataFinder) -> int:
        """The rows of the table. Upstream has clips that no row names: these are no items."""
        return data.table(self.dataset).count

    def check(self, data: DataFinder) -> None:
        """Make sure of the columns and of the clips, each of which one row names."""
        table = data.table(self.dataset)
        require_columns(table, self.dataset.columns)
        named: set[str] = set()
        for number, row in table.rows((CLIP,)):
            if row[CLIP] in named:
                raise DataError(f"{table.where(number)}: {row[CLIP]!r} is named twice.")
            if not data.clip_path(self.dataset, row[CLIP]).is_file():
                raise DataError(
                    f"{table.where(number)}: there is no audios/{row[CLIP]}.",
                    remedy="Run fac-eval prepare openaudiobench again.",
                )
            named.add(row[CLIP])

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """The rows of the table, known by the names of their clips."""
        for row in data.rows(self.dataset, self.subset):
            yield Sample(
                id=f"{self.subset}/{row[CLIP]}",
                messages=(user(Audio.from_file(data.clip_path(self.dataset, row[CLIP]))),),
                reference=row[self.reference],
                metadata={"question": row[self.question]},
            )

    # What an answer is worth.

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """The question and the right answer without blanks around them, the answer as it is."""
        inputs = {"question": sample.metadata["question"].strip(), "answer": answer_text(response)}
        if self.shows_reference:
            inputs["reference"] = sample.reference.strip()
        return [Question(self.rubrics[0], inputs)]

    @property
    def shows_reference(self) -> bool:
        """Whether the judge is told the right answer."""
        return True

    def judgement(self, reply: str) -> Judgement:
        """What a reply says, under the options; a reply that says nothing has no value, or a 0 that is marked."""
        if self.options.parser == "robust":
            found = Judgement(self.robust_value(reply))
        else:
            found = judgement(self.subset, reply, profile=self.options.profile)
        if found.value is None and self.options.invalid == "count_wrong":
            return Judgement(0, unread=True)
        return found

    def robust_value(self, reply: str) -> int | None:
        """The value, 0 to 100, that a careful person would read."""
        from fac_eval.metrics.robust_replies import find_correctness

        correct = find_correctness(reply)
        return None if correct is None else 100 * correct

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """The judge's verdict, from 0 to 1."""
        reply = evidence.verdicts[0].reply
        found = self.judgement(reply)
        if found.value is None:
            raise UnreadableReply(reply)
        return Score(
            found.value / 100,
            INVALID if found.unread else self.label(found.value),
            parts=self.parts(found.value),
        )

    def label(self, value: int) -> str:
        """What a verdict is called."""
        return "correct" if value else "incorrect"

    def parts(self, value: int) -> Mapping[str, float]:
        """Further numbers of a verdict."""
        return {}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The figure rounded as officially, the same over all samples, and how many have no verdict."""
        metric = self.metrics[0]
        strict = over_all(table, f"strict {metric.name}", unit=metric.unit)
        return [self.printed(table, metric), strict, invalid_figure(table)]

    def printed(self, table: ScoreTable, metric: Metric) -> Figure:
        """A figure with the value that official code prints."""
        judged = [Judgement(round(100 * value)) for value in table.column(metric.of)]
        return replace(table.figure(metric), value=subset_score(self.subset, judged).value)

    def ideal(self, sample: Sample) -> str:
        """The right answer; what the judge makes of it is the judge's affair."""
        return str(sample.reference)


class _Rated(OpenAudioBenchTask):
    """Subsets whose figure is a mean rating, shown out of 100."""

    metrics = (Metric("score", unit="", main=True),)
    lowest: ClassVar[int]
    highest: ClassVar[int]

    def robust_value(self, reply: str) -> int | None:
        """The rating on the scale of 0 to 100."""
        from fac_eval.metrics.robust_replies import find_rating

        rating = find_rating(reply, self.lowest, self.highest)
        return None if rating is None else round(100 * rating / self.highest)

    def label(self, value: int) -> str:
        """The rating as the judge gave it."""
        return f"{value * self.highest / 100:g}"


class AlpacaEval(_Rated):
    """Instructions without a right answer, rated from 1 to 10."""

    name = "openaudiobench/alpaca_eval"
    title = "OpenAudioBench AlpacaEval"
    description = "Instructions in synthetic speech, rated from 1 to 10 by a judge."
    subset = "alpaca_eval"
    rows = 199
    question, reference = "instruction", "output"
    lowest, highest = 1, 10

    @property
    def shows_reference(self) -> bool:
        """The judge sees no other model's answer."""
        return False


class LlamaQuestions(OpenAudioBenchTask):
    """Short questions of general knowledge."""

    name = "openaudiobench/llama_questions"
    title = "OpenAudioBench Llama Questions"
    description = "Short spoken questions of general knowledge."
    subset = "llama_questions"
    rows = 300
    question, reference = "Questions", "Answer"


@dataclass(frozen=True, slots=True)
class ReasoningOptions(OpenAudioBenchOptions):
    """The common options, and which of two figures stands for the subset."""

    show: Literal["score", "accuracy"] = "score"
    """`score` is the mean grade, the benchmark's own figure; `accuracy` is the share of passing grades, which the
    report's own rows seem to hold. Both are always there; this one is the main one and enters the Overall."""
    passing_grade: int = 4
    """The lowest grade of a right answer, 0 to 5; the report's is not known."""


class ReasoningQa(_Rated):
    """Mandarin puzzles, graded from 1 to 5 against a worked solution."""

    name = "openaudiobench/reasoning_qa"
    title = "OpenAudioBench Reasoning QA"
    description = "Spoken Mandarin puzzles, graded by a judge against a worked solution."
    Options = ReasoningOptions
    options: ReasoningOptions
    subset = "reasoning_qa"
    rows = 202
    question, reference = "Prompt", "参考答案"
    lowest, highest = 0, 5

    def parts(self, value: int) -> Mapping[str, float]:
        """Whether the grade is a passing one."""
        return {"passed": float(value >= 20 * self.options.passing_grade)}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Mean grade and share of passing grades, the chosen one first; each over all samples, too."""
        note = f"share of grades of {self.options.passing_grade} and more"
        score, accuracy = Metric("score", unit=""), Metric("accuracy", of="passed", note=note)
        pair = (score, accuracy) if self.options.show == "score" else (accuracy, score)
        figures = [self.printed(table, metric) for metric in pair]
        strict = [over_all(table, f"strict {metric.name}", of=metric.of, unit=metric.unit) for metric in pair]
        return [replace(figures[0], main=True), figures[1], *strict, invalid_figure(table)]


class TriviaQa(OpenAudioBenchTask):
    """Quiz questions with a list of accepted answers."""

    name = "openaudiobench/trivia_qa"
    title = "OpenAudioBench TriviaQA"
    description = "Spoken quiz questions with a list of accepted answers."
    subset = "trivia_qa"
    rows = 1000
    question, reference = "question", "answer_normalized_aliases"

    def ideal(self, sample: Sample) -> str:
        """The first of the accepted answers."""
        try:
            aliases = ast.literal_eval(sample.reference)
        except (SyntaxError, ValueError):
            aliases = None
        return str(aliases[0]) if isinstance(aliases, list) and aliases else str(sample.reference)


class WebQuestions(OpenAudioBenchTask):
    """Questions that people typed into a search engine."""

    name = "openaudiobench/web_questions"
    title = "OpenAudioBench Web Questions"
    description = "Spoken questions that people once typed into a search engine."
    subset = "web_questions"
    rows = 1000
    question, reference = "question", "answers"

    def ideal(self, sample: Sample) -> str:
        """The first of the accepted answers."""
        return str(sample.reference).split(";")[0].strip()


_TASKS = (AlpacaEval, LlamaQuestions, ReasoningQa, TriviaQa, WebQuestions)


def _overall(figures: Mapping[str, Figure]) -> Figure | str:
    """The mean of the five figures as printed, a half rounded up."""
    printed = {
        subset: f"{figure.value:.2f}"
        for subset, figure in figures.items()
        if subset in SUBSETS and figure.value is not None
    }
    mean = overall(printed)
    if mean is None:
        return f"no score for {', '.join(subset for subset in SUBSETS if subset not in printed)}"
    terms = {subset: figures[subset] for subset in SUBSETS}
    note = f"reasoning_qa by its {terms['reasoning_qa'].name}"
    return combined("Overall", float(mean), terms, dict.fromkeys(SUBSETS, 1 / len(SUBSETS)), note=note)


BENCHMARK = Benchmark(
    name="openaudiobench",
    title="OpenAudioBench",
    description="Spoken questions answered in text and put to a judge: instructions, knowledge, reasoning in Mandarin.",
    tasks=_TASKS,
    overall=(Overall("Overall", _overall),),
)
