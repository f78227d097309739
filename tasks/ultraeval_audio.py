"""UltraEval-Audio: spoken questions answered in speech, scored on a transcript of the speech (Tables 1, 2 and 7).

Rules: OpenBMB/UltraEval-Audio; the pure scorers stand in fac_eval/metrics/ultraeval_*.py. One answer gives both views:
its text (`text`, the S2M-T of Table 7) and the transcript of its speech (`speech`, S2M-S).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.errors import DataError, UnreadableReply
from fac_eval.scores import Metric
from fac_eval.task import Benchmark, Need, Overall, Task
from fac_eval.vocabulary import Evidence, Figure, Question, Response, Sample, Score, Settings, user

from .totals import combined

if TYPE_CHECKING:
    from fac_eval.scores import ScoreTable

SAMPLE_DATA = Path(__file__).parent / "sample_data" / "ultraeval_audio"
CHATBOT = "ultraeval_audio/chatbot"

WerRule = Literal["pre_2025_12_26", "head", "naive", "seed_tts"]


class UltraEvalTask(Task):
    """What the sets share: a spoken question alone, an answer in text and speech, two views of it."""

    output = "speech"
    language = "en"
    # The authors' limit; text is greedy and speech sampled, as each model's own settings for speech have it.
    settings = Settings(max_tokens=2048)
    options: UltraEvalOptions
    repo: ClassVar[str]
    folder: ClassVar[str]
    rows: ClassVar[int]
    question: ClassVar[str]
    answer: ClassVar[str]

    @cached_property
    def dataset(self) -> HubDataset:
        """The set's repository, which has one configuration and one split."""
        return HubDataset(
            self.repo,
            splits=("test",),
            columns=("audio", self.question, self.answer),
            expected_rows={"test": self.rows},
            benchmark=self.name,
            sample=SAMPLE_DATA / self.folder,
        )

    def datasets(self) -> tuple[HubDataset, ...]:
        """The one data set."""
        return (self.dataset,)

    def size(self, data: DataFinder) -> int | None:
        """Rows of the split."""
        return data.count(self.dataset)

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """One question a row."""
        for index, row in enumerate(data.rows(self.dataset, "test")):
            yield Sample(
                id=f"{self.folder}/{index}",
                messages=(user(data.audio_of(self.dataset, row["audio"])),),
                reference=self.reference(row[self.answer], index),
                metadata={"question": row[self.question]},
            )

    def reference(self, cell: Any, index: int) -> Any:
        """The answer column as the scorer reads it."""
        return cell

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """What the speech is worth; the text's worth and the speech's likeness to it are further parts."""
        silent = not (evidence.transcript or "").strip()
        speech, text, label = self.views(sample, response, evidence)
        parts = {
            "speech": speech or 0.0,
            "speech_counts": float(speech is not None),
            "text": text or 0.0,
            "text_counts": float(text is not None),
            "silent": float(silent),
            "truncated": float(response.finish_reason == "length"),
            **self._likeness(response, evidence),
        }
        return Score(value=speech or 0.0, label="silent" if silent else label, parts=parts)

    @abstractmethod
    def views(
        self, sample: Sample, response: Response, evidence: Evidence
    ) -> tuple[float | None, float | None, str | None]:
        """The worth of the speech and of the text, None for one that the protocol leaves out, and a label."""

    def _likeness(self, response: Response, evidence: Evidence) -> dict[str, float]:
        """Errors of the transcript against the model's own text; nothing where one of them is not there."""
        from fac_eval.metrics.ultraeval_asr_wer import pair_errors

        if not response.text or evidence.transcript is None:
            return {}
        counts = pair_errors(
            response.text, evidence.transcript, scorer=self.options.wer, language="en"
        ).counts
        if not counts.reference_tokens:
            return {}
        rate = counts.errors / counts.reference_tokens
        return {
            "errors": float(counts.errors),
            "tokens": float(counts.reference_tokens),
            "rate": rate,
            "rated": 1.0,
        }

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Both views, the speech with failures counted as nothing, and what the sound itself is like."""
        figures = [
            self._view(table, "speech", main=True),
            self._view(table, "text"),
            *self._with_failures(table),
            table.figure(Metric("asr_wer", of="errors", per="tokens", higher_is_better=False)),
            table.figure(Metric("asr_wer by item", of="rate", per="rated", higher_is_better=False)),
            table.figure(Metric("silent", of="silent", higher_is_better=False)),
            table.figure(Metric("truncated", of="truncated", higher_is_better=False)),
        ]
        return [figure for figure in figures if figure.main or figure.value is not None]

    @abstractmethod
    def _view(self, table: ScoreTable, name: str, *, main: bool = False) -> Figure:
        """The figure of one view."""

    def _with_failures(self, table: ScoreTable) -> list[Figure]:
        """The speech figure over all items; failed ones leave the official denominator."""
        from fac_eval.scores import figure_of
        from fac_eval.stats import RatioSums

        n_failed = sum(table.failed.values())
        if not n_failed and table.column("speech_counts").all():
            return []
        sums = RatioSums().add(table.column("speech"), clusters=table.clusters).add([0.0] * n_failed)
        shown = self._view(table, "speech")
        percent = shown.unit == "%"
        estimate = sums.estimate(proportion=None if percent else False).scaled(100 if percent else 10)
        return [figure_of("speech, all items", estimate, unit=shown.unit)]


@dataclass(frozen=True, slots=True)
class UltraEvalOptions:
    """What a silent answer counts, and how transcript and text are compared."""

    silent: Literal["wrong", "drop"] = "wrong"
    """A silent or missing answer is wrong, as Table 7's accuracies seem to count it, or leaves the figure."""
    wer: WerRule = "pre_2025_12_26"
    """Which of UltraEval-Audio's error rates the transcript's distance from the model's own text is."""


class _ExistMatch(UltraEvalTask):
    Options = UltraEvalOptions
    needs: frozenset[Need] = frozenset({"transcript"})

    def reference(self, cell: Any, index: int) -> Any:
        """One answer or a list of aliases."""
        aliases = [cell] if isinstance(cell, str) else cell
        if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
            raise DataError(
                f"{self.repo}, row {index}: {self.answer} holds {cell!r:.80}, no text and no list of texts."
            )
        return aliases

    def views(
        self, sample: Sample, response: Response, evidence: Evidence
    ) -> tuple[float | None, float | None, str | None]:
        """1 where an alias stands in what was said, or in what was written."""
        from fac_eval.metrics.ultraeval_qa import exist_match

        def worth(said: str | None) -> float | None:
            if not (said or "").strip() and self.options.silent == "drop":
                return None
            return float(exist_match(said or "", sample.reference).is_correct)

        speech = worth(evidence.transcript)
        return speech, worth(response.text), "right" if speech else "wrong"

    def _view(self, table: ScoreTable, name: str, *, main: bool = False) -> Figure:
        return table.figure(Metric(name, of=name, per=f"{name}_counts", main=main, share=True))

    def ideal(self, sample: Sample) -> str:
        """The first alias."""
        return str(sample.reference[0])


class LlamaQuestions(_ExistMatch):
    """Short factual questions."""

    name = "ultraeval_audio/llama_questions"
    title = "UltraEval-Audio Llama Questions"
    description = (
        "Short spoken questions; an accepted answer must stand in the transcript of the spoken reply."
    )
    repo = "TwinkStart/llama-questions"
    folder = "llama_questions"
    rows = 300
    question = "Questions"
    answer = "Answer"


class TriviaQa(_ExistMatch):
    """Trivia with aliases."""

    name = "ultraeval_audio/triviaqa"
    title = "UltraEval-Audio TriviaQA"
    description = "Spoken trivia; one of several names of the answer must stand in the transcript."
    repo = "TwinkStart/speech-triavia-qa"
    folder = "triviaqa"
    rows = 1024
    question = "question"
    answer = "answer"


class WebQuestions(_ExistMatch):
    """Questions that people typed into a search box."""

    name = "ultraeval_audio/web_questions"
    title = "UltraEval-Audio Web Questions"
    description = "Spoken search questions; one of the answers must stand in the transcript."
    repo = "TwinkStart/speech-web-questions"
    folder = "web_questions"
    rows = 2032
    question = "question"
    answer = "answers"


@dataclass(frozen=True, slots=True)
class ChatOptions(UltraEvalOptions):
    """The common options, and which views the judge is paid for."""

    silent: Literal["wrong", "drop"] = "drop"
    """A silent or missing answer leaves the figure, as Table 7 seems to count it, or is rated 0."""
    judged: Literal["both", "speech"] = "both"
    """Whether the text is rated beside the transcript."""


class AlpacaEval(UltraEvalTask):
    """Open requests, rated by a judge."""

    name = "ultraeval_audio/alpacaeval"
    title = "UltraEval-Audio AlpacaEval"
    description = (
        "Spoken open requests; a judge rates the transcript of the reply from 1 to 10. Shown times ten."
    )
    Options = ChatOptions
    options: ChatOptions
    needs: frozenset[Need] = frozenset({"transcript", "judge"})
    rubrics = (CHATBOT,)
    judge_calls = 2
    repo = "TwinkStart/speech-chatbot-alpaca-eval"
    folder = "alpacaeval"
    rows = 198
    question = "instruction"
    answer = "output"

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Sequence[Question]:
        """One question a view that there is something to rate of."""
        return [
            Question(CHATBOT, {"question": sample.metadata["question"], "answer": said})
            for said in self._said(response, evidence)
            if said is not None
        ]

    def _said(self, response: Response, evidence: Evidence) -> tuple[str | None, str | None]:
        def rated(said: str | None) -> str | None:
            return said if (said or "").strip() else None

        return rated(evidence.transcript), rated(response.text) if self.options.judged == "both" else None

    def views(
        self, sample: Sample, response: Response, evidence: Evidence
    ) -> tuple[float | None, float | None, str | None]:
        """The judge's rating of each view."""
        from fac_eval.metrics.ultraeval_qa import judge_rating

        replies = iter(evidence.verdicts)
        ratings: list[float | None] = []
        for said in self._said(response, evidence):
            if said is None:
                ratings.append(None if self.options.silent == "drop" else 0.0)
                continue
            reply = next(replies).reply
            rating = judge_rating(reply)
            if rating is None:
                raise UnreadableReply(reply)
            ratings.append(float(rating))
        speech, text = ratings
        return (
            speech,
            text if self.options.judged == "both" else None,
            None if speech is None else f"{speech:g}",
        )

    def _view(self, table: ScoreTable, name: str, *, main: bool = False) -> Figure:
        return table.figure(Metric(name, of=name, per=f"{name}_counts", scale=10, unit="", main=main))


def _mean(name: str, figures: Mapping[str, Figure]) -> Figure | str:
    """The plain mean of the four figures as printed, rounded half up, as the report's columns show it."""
    from fac_eval.metrics.printed import printed, printed_overall

    names = [task.folder for task in TASKS]
    values = {term: figure.value for term, figure in figures.items() if figure.value is not None}
    missing = [term for term in names if term not in values]
    if missing:
        return f"{', '.join(missing)} missing"
    total = printed_overall([printed(Decimal(repr(values[term]))) for term in names])
    assert total is not None
    return combined(name, float(total), figures, dict.fromkeys(names, 1 / len(names)))


TASKS: tuple[type[UltraEvalTask], ...] = (AlpacaEval, LlamaQuestions, TriviaQa, WebQuestions)

BENCHMARK = Benchmark(
    name="ultraeval_audio",
    title="UltraEval-Audio (speech to speech)",
    description="Spoken questions answered in speech; scored on a transcript of the speech, and on the text beside it.",
    tasks=TASKS,
    overall=(
        Overall("Overall", partial(_mean, "Overall")),
        Overall("Overall (text)", partial(_mean, "Overall (text)"), of="text"),
    ),
)
