"""Speech recognition: LibriSpeech and Common Voice, scored by pooled error rates (Table 3 of the report).

Data: openslr/librispeech_asr and Common Voice 15.0. The Fun-Audio-Chat report names whisper-normalizer and compute-wer;
the pure scorers stand in fac_eval/metrics/asr_*.py.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.errors import DataError
from fac_eval.scores import Metric
from fac_eval.task import Benchmark, Group, Task
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Score, Settings, user

from .answers import answer_text

if TYPE_CHECKING:
    from fac_eval.metrics.asr_wer import AsrRules
    from fac_eval.scores import ScoreTable

SAMPLE_DATA = Path(__file__).parent / "sample_data" / "asr"

INSTRUCTION = "Please help me transcribe the audio."
"""What Fun-Audio-Chat's evaluation asks, of Mandarin clips too."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a data set on the hub, and what its columns are called."""

    repo: str
    config: str
    split: str
    text: str
    speaker: str | None = None
    id: str | None = None


class AsrTask(Task):
    """What the test sets share: one clip, one instruction, an error rate pooled over all of them."""

    # Text is decoded greedily; the length is the checkpoint's own.
    settings = Settings(temperature=0.0)
    rate: ClassVar[str] = "wer"
    rows: ClassVar[int]

    @property
    @abstractmethod
    def rules(self) -> AsrRules:
        """How texts become the tokens that are counted."""

    @property
    @abstractmethod
    def copy(self) -> Copy:
        """The copy of the data set that the options name."""

    @cached_property
    def dataset(self) -> HubDataset:
        """Where the rows are."""
        copy = self.copy
        return HubDataset(
            copy.repo,
            copy.config,
            (copy.split,),
            columns=tuple(name for name in ("audio", copy.text, copy.speaker, copy.id) if name),
            id_column=copy.id,
            expected_rows={copy.split: self.rows},
            benchmark=self.name,
            sample=SAMPLE_DATA,
        )

    def datasets(self) -> tuple[HubDataset, ...]:
        """The one split of the copy that was chosen."""
        return (self.dataset,)

    def size(self, data: DataFinder) -> int | None:
        """Rows of the split."""
        return data.count(self.dataset)

    def check(self, data: DataFinder) -> None:
        """Make sure of the normaliser's package before hours are spent."""
        self.rules.tokens("ready")

    def protocol(self) -> Mapping[str, Any]:
        """With the versions of what decides over the tokens."""
        return {**super().protocol(), "instruction": INSTRUCTION, "versions": self.rules.versions()}

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """One utterance a row, in the data set's order."""
        copy = self.copy
        for index, row in enumerate(data.rows(self.dataset, copy.split)):
            text = row[copy.text]
            if not isinstance(text, str):
                where = f"{self.dataset.repo}, {copy.config}/{copy.split}, row {index}"
                raise DataError(f"{where}: the column {copy.text!r} holds {text!r} instead of a transcript.")
            speaker = str(row[copy.speaker]) if copy.speaker else None
            yield Sample(
                id=str(row[copy.id]) if copy.id else f"{copy.config}/{copy.split}/{index}",
                messages=(user(data.audio_of(self.dataset, row["audio"]), INSTRUCTION),),
                reference=text,
                metadata={"speaker": speaker} if speaker else {},
                cluster=speaker,
            )

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """The utterance's own rate; its parts add up to the pooled one."""
        from fac_eval.metrics.asr_wer import utterance_errors

        row = utterance_errors(sample.reference, answer_text(response), rules=self.rules)
        counts = row.counts
        parts = {
            "tokens": counts.reference_tokens,
            "errors": counts.errors,
            "substitutions": counts.substitutions,
            "deletions": counts.deletions,
            "insertions": counts.insertions,
            "wrong": row.rate != 0,
            "empty_reference": counts.reference_tokens == 0,
            "empty_hypothesis": counts.matches + counts.substitutions + counts.insertions == 0,
        }
        return Score(
            value=row.rate,
            label="wrong" if parts["wrong"] else "right",
            parts={name: float(part) for name, part in parts.items()},
        )

    def forgone(self, sample: Sample) -> Mapping[str, float]:
        """A failed generation counts as an empty transcript: every token of the reference is deleted."""
        tokens = float(len(self.rules.tokens(sample.reference)))
        return {"tokens": tokens, "errors": tokens, "deletions": tokens}

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The pooled rate and its kinds of error, the share of utterances that are wrong, and the counts behind."""
        kinds = [self._rate(table, kind, kind) for kind in ("substitutions", "deletions", "insertions")]
        n_failed = sum(table.failed.values())
        note = f"{n_failed:,} failed utterances count as empty transcripts" if n_failed else None
        figures = [
            dataclasses.replace(self._rate(table, self.rate, "errors"), main=True, note=note),
            *kinds,
            table.figure(Metric("ser", of="wrong", higher_is_better=False)),
            *(_count(table, name) for name in ("tokens", "errors", "empty_reference", "empty_hypothesis")),
        ]
        if n_failed:
            answered = Metric(f"{self.rate} of the answered", "errors", per="tokens", higher_is_better=False)
            figures.insert(1, table.figure(answered))
        return figures

    def ideal(self, sample: Sample) -> str:
        """The reference itself."""
        return str(sample.reference)

    def _rate(self, table: ScoreTable, name: str, part: str) -> Figure:
        """100 * sum of a part / tokens of all references, those of failed utterances among them."""
        from fac_eval.scores import figure_of
        from fac_eval.stats import RatioSums

        sums = RatioSums().add(table.column(part), table.column("tokens"), table.clusters)
        if len(table.forgone("tokens")):
            sums = sums.add(table.forgone(part), table.forgone("tokens"))
        return figure_of(name, sums.estimate(proportion=False).scaled(100), higher_is_better=False)


def _count(table: ScoreTable, part: str) -> Figure:
    total = float(table.column(part).sum() + table.forgone(part).sum())
    return Figure(part.replace("_", " "), total, table.n, unit="count", higher_is_better=part == "tokens")


@dataclass(frozen=True, slots=True)
class LibriSpeechOptions:
    """Which copy of the data, and how words are counted."""

    copy: Literal["openslr", "twinkstart", "lmms_lab"] = "openslr"
    """openslr/librispeech_asr, TwinkStart/librispeech or lmms-lab-audio/librispeech."""
    normalizer: Literal["whisper_normalizer", "openai_whisper"] = "whisper_normalizer"
    """The package whisper-normalizer, or openai-whisper's own rules, which lack four of its replacements."""
    tokenizer: Literal["whitespace", "compute_wer_023", "compute_wer_025"] = "whitespace"
    """What a word is: what blanks separate, or what compute-wer of that version makes of it."""


class _LibriSpeech(AsrTask):
    Options = LibriSpeechOptions
    options: LibriSpeechOptions
    part: ClassVar[str]

    @property
    def copy(self) -> Copy:
        """The copy that `copy` names."""
        if self.options.copy == "twinkstart":
            return Copy("TwinkStart/librispeech", "default", f"test_{self.part}", "text")
        if self.options.copy == "lmms_lab":
            name = f"librispeech_test_{self.part}"
            return Copy("lmms-lab-audio/librispeech", name, name, "gt")
        return Copy("openslr/librispeech_asr", self.part, "test", "text", "speaker_id", "id")

    @property
    def rules(self) -> AsrRules:
        """English words."""
        return _english(self.options.normalizer, self.options.tokenizer)


class LibriSpeechClean(_LibriSpeech):
    """Read English, the speakers that are easy to understand."""

    name = "asr/librispeech_clean"
    title = "LibriSpeech test-clean"
    description = "Audio books read by clear speakers; word error rate."
    part = "clean"
    rows = 2620


class LibriSpeechOther(_LibriSpeech):
    """Read English, the speakers that are hard to understand."""

    name = "asr/librispeech_other"
    title = "LibriSpeech test-other"
    description = "Audio books read by speakers that are harder to understand; word error rate."
    part = "other"
    rows = 2939


CommonVoiceCopy = Literal["twinkstart", "mozilla", "lmms_lab"]


def _common_voice(copy: CommonVoiceCopy, locale: str) -> Copy:
    if copy == "mozilla":
        return Copy("mozilla-foundation/common_voice_15_0", locale, "test", "sentence", "client_id")
    if copy == "lmms_lab":
        return Copy("lmms-lab-audio/common_voice_15", locale, "test", "sentence")
    return Copy("TwinkStart/CommonVoice_15", "default", locale.partition("-")[0], "sentence")


@dataclass(frozen=True, slots=True)
class CommonVoiceEnOptions:
    """Which copy of the data, and how words are counted."""

    copy: CommonVoiceCopy = "twinkstart"
    """TwinkStart/CommonVoice_15, mozilla-foundation/common_voice_15_0 in Parquet, or lmms-lab-audio/common_voice_15."""
    normalizer: Literal["whisper_normalizer", "openai_whisper"] = "whisper_normalizer"
    """The package whisper-normalizer, or openai-whisper's own rules, which lack four of its replacements."""
    tokenizer: Literal["whitespace", "compute_wer_023", "compute_wer_025"] = "whitespace"
    """What a word is: what blanks separate, or what compute-wer of that version makes of it."""


class CommonVoiceEn(AsrTask):
    """English sentences read by volunteers."""

    name = "asr/common_voice_en"
    title = "Common Voice 15 EN"
    description = "English sentences read by volunteers; word error rate."
    Options = CommonVoiceEnOptions
    options: CommonVoiceEnOptions
    rows = 16386

    @property
    def copy(self) -> Copy:
        """The copy that `copy` names."""
        return _common_voice(self.options.copy, "en")

    @property
    def rules(self) -> AsrRules:
        """English words."""
        return _english(self.options.normalizer, self.options.tokenizer)


@dataclass(frozen=True, slots=True)
class CommonVoiceZhOptions:
    """Which copy of the data, and how characters are counted."""

    copy: CommonVoiceCopy = "twinkstart"
    """TwinkStart/CommonVoice_15, mozilla-foundation/common_voice_15_0 in Parquet, or lmms-lab-audio/common_voice_15."""
    normalizer: Literal["basic", "t2s", "wn_zh_0115"] = "basic"
    """whisper-normalizer's BasicTextNormalizer, alone or after traditional characters are made simplified, or its
    ChineseTextNormalizer, which writes numerals as digits."""
    unit: Literal["character", "mixed"] = "character"
    """Every character, or every Han character and every Latin word or number."""
    tokenizer: Literal["whitespace", "compute_wer_023", "compute_wer_025"] = "whitespace"
    """Whose rules cut the text; `mixed` needs one of compute-wer's, and takes 0.2.3 where none is named."""


class CommonVoiceZh(AsrTask):
    """Mandarin sentences read by volunteers."""

    name = "asr/common_voice_zh"
    title = "Common Voice 15 ZH"
    description = "Mandarin sentences read by volunteers; character error rate."
    Options = CommonVoiceZhOptions
    options: CommonVoiceZhOptions
    rate = "cer"
    rows = 10625

    @property
    def copy(self) -> Copy:
        """The copy that `copy` names."""
        return _common_voice(self.options.copy, "zh-CN")

    @property
    def rules(self) -> AsrRules:
        """Mandarin characters, or the mixture."""
        from fac_eval.metrics.asr_wer import AsrRules

        if self.options.unit == "character":
            return AsrRules(self.options.normalizer, self.options.tokenizer, "character")
        tokenizer = "compute_wer_023" if self.options.tokenizer == "whitespace" else self.options.tokenizer
        return AsrRules(self.options.normalizer, tokenizer, "word")


def _english(
    normalizer: Literal["whisper_normalizer", "openai_whisper"],
    tokenizer: Literal["whitespace", "compute_wer_023", "compute_wer_025"],
) -> AsrRules:
    from fac_eval.metrics.asr_wer import AsrRules

    return AsrRules(normalizer, tokenizer, "word")


BENCHMARK = Benchmark(
    name="asr",
    title="Speech recognition",
    description="LibriSpeech and Common Voice 15: error rates of transcripts (Table 3 of the Fun-Audio-Chat report).",
    tasks=(LibriSpeechClean, LibriSpeechOther, CommonVoiceEn, CommonVoiceZh),
)

LIBRISPEECH = Group(
    "asr/librispeech", "LibriSpeech test-clean and test-other", (LibriSpeechClean.name, LibriSpeechOther.name)
)
