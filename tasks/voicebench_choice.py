"""VoiceBench's multiple-choice subsets: MMSU and OpenBookQA, put to a judge or read by phrases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import ALL_SPLITS
from fac_eval.scores import Metric
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Score

from .answers import answer_text
from .judged import Invalid, Parser, invalid_figure, over_all
from .voicebench_fallback import Fallback, accuracies
from .voicebench_judged import yes_no_score
from .voicebench_task import VoiceBenchTask

if TYPE_CHECKING:
    from fac_eval.scores import ScoreTable


@dataclass(frozen=True, slots=True)
class McqOptions:
    """Who says which letter an answer means, and what an answer or a verdict that cannot be read counts."""

    mode: Literal["kimi", "official", "kimi_vb_mcq", "ultraeval"] = "kimi"
    """`kimi` asks a judge, as the report did. The others look for phrases and need none: VoiceBench's (`official`), the
    same as Kimi-Audio-Evalkit's method `vb-mcq` (`kimi_vb_mcq`), or UltraEval-Audio's (`ultraeval`)."""
    invalid: Invalid = "official"
    """`kimi` only: a judge's reply without a verdict leaves the denominator (`official`), or counts as wrong."""
    parser: Parser = "official"
    """`kimi` only: yes and no are found inside words too (`official`), or as whole words that agree (`robust`)."""
    fallback: Fallback = "random"
    """By phrases only: an answer without a letter draws one, as upstream does (`random`), or is `wrong`.
    UltraEval-Audio's rules know `wrong` alone."""
    fallback_seed: int = 0
    """Seeds the random letters."""


class MultipleChoice(VoiceBenchTask):
    """Four spoken options, of which one letter is right."""

    Options = McqOptions
    options: McqOptions
    columns = ("audio", "prompt", "reference")

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.judged:
            self.ask("voicebench/mcq")

    @property
    def judged(self) -> bool:
        """Whether a judge decides, and not phrases."""
        return self.options.mode == "kimi"

    @property
    def idle_options(self) -> frozenset[str]:
        """Those of the phrases where a judge decides, and the other way round."""
        by_judge, by_phrases = {"invalid", "parser"}, {"fallback", "fallback_seed"}
        return frozenset(by_phrases if self.judged else by_judge)

    def sample(self, row: Mapping[str, Any], split: str, index: int, data: DataFinder) -> Sample:
        """One row, with the four letters to choose from."""
        base = super().sample(row, split, index, data)
        return Sample(base.id, base.messages, base.reference, ("A", "B", "C", "D"), (), base.metadata)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for the right letter; an answer without one is marked `unparsed`."""
        if self.judged:
            return yes_no_score(evidence.verdicts[0].reply, self.options.parser, self.options.invalid)
        from fac_eval.metrics.voicebench_mcq import extract_choice

        mode = self.options.mode
        assert mode != "kimi"
        choice = extract_choice(answer_text(response), templates=mode)
        right = choice is not None and _same_letter(choice, sample.reference, mode)
        return Score(
            value=float(right),
            label=choice,
            parts={"unparsed": float(choice is None), "reference": _index("ABCD", sample.reference)},
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Accuracy, the strict one beside it, and how often no verdict or no letter was found."""
        if self.judged:
            accuracy = table.figure(Metric("accuracy", main=True))
            return [accuracy, over_all(table, "strict accuracy"), invalid_figure(table)]
        fallback = "wrong" if self.options.mode == "ultraeval" else self.options.fallback
        return accuracies(table, 4, fallback, self.options.fallback_seed)

    def ideal(self, sample: Sample) -> str:
        """The right letter."""
        return str(sample.reference)


class Mmsu(MultipleChoice):
    """Spoken exam questions with four options; one accuracy over all subjects pooled."""

    name = "voicebench/mmsu"
    title = "VoiceBench MMSU"
    description = "Spoken multiple-choice exam questions from twelve subjects."
    config = "mmsu"
    rows = 3074

    @property
    def splits(self) -> tuple[str, ...]:
        """The subjects."""
        return (
            "biology",
            "business",
            "chemistry",
            "economics",
            "engineering",
            "health",
            "history",
            "law",
            "other",
            "philosophy",
            "physics",
            "psychology",
        )

    @property
    def expected_rows(self) -> Mapping[str, int]:
        """Only the total is published."""
        return {ALL_SPLITS: self.rows}


class OpenBookQa(MultipleChoice):
    """Spoken elementary science questions with four options."""

    name = "voicebench/openbookqa"
    title = "VoiceBench OpenBookQA"
    description = "Spoken elementary science questions with four options."
    config = "openbookqa"
    rows = 455


def _same_letter(choice: str, reference: Any, mode: str) -> bool:
    # The official comparison is case-sensitive, UltraEval-Audio's is not.
    return bool(choice == reference if mode != "ultraeval" else choice.lower() == str(reference).lower())


def _index(letters: str, reference: Any) -> float:
    return float(letters.find(reference)) if isinstance(reference, str) and len(reference) == 1 else -1.0
