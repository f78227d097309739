"""VoiceBench: spoken requests, text answers. Here: the subsets that are scored by rule.

Data: hlt-lab/voicebench. Rules: MatthewCYM/VoiceBench (`official`) and MoonshotAI/Kimi-Audio-Evalkit (`kimi`, what
the Fun-Audio-Chat report used); the pure scorers stand in fac_eval/metrics.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fac_eval.data.hub import DataFinder, HubDataset
from fac_eval.errors import DataError
from fac_eval.metrics.voicebench_overall import OverallWithheld, overall7, overall9
from fac_eval.scores import Metric
from fac_eval.task import Benchmark, Overall, Task
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Score, Settings, user

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.scores import ScoreTable

REPO = "hlt-lab/voicebench"
SAMPLE_DATA = Path(__file__).parent / "sample_data" / "voicebench"

KIMI_LONGEST = 60.0
KIMI_SHORTEST = 0.1
"""Seconds of audio outside which Kimi-Audio-Evalkit's runner (run_audio.py) leaves an item out."""


class VoiceBenchTask(Task):
    """What the subsets share: the spoken request alone is what the model is given."""

    config: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ("test",)
    rows: ClassVar[int]
    columns: ClassVar[tuple[str, ...]] = ("audio", "prompt")
    # The official runner's limit; Kimi-Audio-Evalkit leaves it to the model.
    settings = Settings(max_tokens=2048)

    @cached_property
    def dataset(self) -> HubDataset:
        """Where the subset's rows are."""
        return HubDataset(
            REPO,
            self.config,
            self.splits,
            columns=self.columns,
            expected_rows={self.splits[0]: self.rows} if len(self.splits) == 1 else {},
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

    def skip(self, sample: Sample) -> str | None:
        """Kimi-Audio-Evalkit's runner leaves out what is very long or very short."""
        if not str(getattr(self.options, "mode", "")).startswith("kimi"):
            return None
        (clip,) = sample.messages[0].parts
        seconds = getattr(clip, "seconds", None)
        if seconds is None or KIMI_SHORTEST <= seconds <= KIMI_LONGEST:
            return None
        return f"audio not between {KIMI_SHORTEST} and {KIMI_LONGEST:g} s (kimi)"


def answer_text(response: Response) -> str:
    """The answer that is scored."""
    if response.text is None:
        raise DataError("the response holds no text")
    return response.text


Fallback = Literal["random", "wrong"]


@dataclass(frozen=True, slots=True)
class McqOptions:
    """How a letter is read out of the answer, and what an answer without one counts."""

    mode: Literal["official", "kimi_vb_mcq", "ultraeval"] = "official"
    """Whose rules: VoiceBench, Kimi-Audio-Evalkit's `vb-mcq` method (the same), or UltraEval-Audio."""
    fallback: Fallback = "random"
    """What an answer without a letter counts: `random` draws a letter, as upstream does; `wrong` never does.
    UltraEval-Audio's rules know `wrong` alone."""
    fallback_seed: int = 0
    """Seeds the random letters."""


class _MultipleChoice(VoiceBenchTask):
    Options = McqOptions
    columns = ("audio", "prompt", "reference")
    options: McqOptions

    def sample(self, row: Mapping[str, Any], split: str, index: int, data: DataFinder) -> Sample:
        """One row, with the four letters to choose from."""
        base = super().sample(row, split, index, data)
        return Sample(base.id, base.messages, base.reference, ("A", "B", "C", "D"), (), base.metadata)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for the right letter; an answer without a letter is marked `unparsed`."""
        from fac_eval.metrics.voicebench_mcq import extract_choice

        choice = extract_choice(answer_text(response), templates=self.options.mode)
        right = choice is not None and _same_letter(choice, sample.reference, self.options.mode)
        return Score(
            value=float(right),
            label=choice,
            parts={"unparsed": float(choice is None), "reference": _index("ABCD", sample.reference)},
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Accuracy under the fallback chosen, the strict one beside it, and how often the fallback fired."""
        fallback = "wrong" if self.options.mode == "ultraeval" else self.options.fallback
        return _accuracies(table, 4, fallback, self.options.fallback_seed)

    def ideal(self, sample: Sample) -> str:
        """The right letter."""
        return str(sample.reference)


class Mmsu(_MultipleChoice):
    """Spoken exam questions with four options; one accuracy over all subjects pooled."""

    name = "voicebench/mmsu"
    title = "VoiceBench MMSU"
    description = "Spoken multiple-choice exam questions from twelve subjects."
    config = "mmsu"
    rows = 3074
    splits = (
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


class OpenBookQa(_MultipleChoice):
    """Spoken elementary science questions with four options."""

    name = "voicebench/openbookqa"
    title = "VoiceBench OpenBookQA"
    description = "Spoken elementary science questions with four options."
    config = "openbookqa"
    rows = 455


@dataclass(frozen=True, slots=True)
class AdvBenchOptions:
    """Whose refusal phrases count."""

    mode: Literal["kimi", "official", "ultraeval", "lmms"] = "kimi"
    """`kimi` matches case; the others do not; `ultraeval` misses curly apostrophes; `lmms` equals `official`."""


class AdvBench(VoiceBenchTask):
    """Harmful spoken requests; the figure is the share that is refused."""

    name = "voicebench/advbench"
    title = "VoiceBench AdvBench"
    description = (
        "Harmful spoken requests; the answer should be a refusal. An empty answer counts as one officially."
    )
    Options = AdvBenchOptions
    options: AdvBenchOptions
    config = "advbench"
    rows = 520
    metrics = (Metric("refusal rate", main=True),)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for a refusal; the label is the phrase that gave it away."""
        from fac_eval.metrics.voicebench_harm import refusal

        verdict = refusal(answer_text(response), variant=self.options.mode)
        return Score(value=float(verdict.refused), label=verdict.phrase)

    def ideal(self, sample: Sample) -> str:
        """A refusal that every variant recognises."""
        return "I'm sorry, but I can't help with that."


@dataclass(frozen=True, slots=True)
class IfEvalOptions:
    """Whose handling of the answer."""

    mode: Literal["kimi", "official"] = "kimi"
    """`official` first drops control markers at the ends of the answer; the checks are the same."""


class IfEval(VoiceBenchTask):
    """Spoken requests with verifiable instructions; the figure is the mean of four rates."""

    name = "voicebench/ifeval"
    title = "VoiceBench IFEval"
    description = "Spoken requests with instructions that a program can check, such as a number of words."
    Options = IfEvalOptions
    options: IfEvalOptions
    config = "ifeval"
    rows = 345
    columns = ("audio", "prompt", "key", "instruction_id_list", "kwargs")

    def check(self, data: DataFinder) -> None:
        """Make sure of the language resources before hours are spent."""
        from fac_eval.metrics.text_resources import detect_language, sentence_tokenizer

        sentence_tokenizer()
        detect_language("This is here to see that the detector can be loaded.")

    def reference(self, row: Mapping[str, Any]) -> Any:
        """The instructions and their arguments."""
        return {"instructions": row["instruction_id_list"], "kwargs": row["kwargs"]}

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """The share of the four rates that this sample earns; its parts add up to the published figures."""
        from fac_eval.metrics.ifeval import check_ifeval

        flags = check_ifeval(
            sample.reference["instructions"],
            sample.reference["kwargs"],
            answer_text(response),
            clean=self.options.mode == "official",
        )
        n = len(flags.strict)
        parts = {
            "instructions": n,
            "strict_prompt": all(flags.strict),
            "strict_instruction": sum(flags.strict),
            "loose_prompt": all(flags.loose),
            "loose_instruction": sum(flags.loose),
        }
        followed = (parts["strict_instruction"] + parts["loose_instruction"]) / n if n else 2.0
        return Score(
            value=(parts["strict_prompt"] + parts["loose_prompt"] + followed) / 4,
            label="followed" if parts["strict_prompt"] else "violated",
            parts={name: float(part) for name, part in parts.items()},
            evidence={"strict": list(flags.strict), "loose": list(flags.loose)},
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        """The final score and the four rates that it is the mean of."""
        from fac_eval.scores import figure_of
        from fac_eval.stats import bounded, composite

        ones = table.column("instructions") * 0 + 1
        denominators = {"prompt": ones, "instruction": table.column("instructions")}
        rates = [f"{view}_{unit}" for view in ("strict", "loose") for unit in denominators]
        pairs = [(table.column(rate), denominators[rate.split("_")[1]]) for rate in rates]
        final = bounded(composite(pairs, [0.25] * 4, table.clusters)).scaled(100)
        metrics = [
            Metric(name, of=rate, per="instructions", share=True)
            if (name := rate.replace("_", "-")).endswith("instruction")
            else Metric(name, of=rate)
            for rate in rates
        ]
        return [figure_of("final", final, main=True), *(table.figure(metric) for metric in metrics)]

    def ideal(self, sample: Sample) -> str | None:
        """A text that follows the instructions, where one can be made up."""
        from fac_eval.metrics.ifeval_ideal import ideal_response

        return ideal_response(sample.reference["instructions"], sample.reference["kwargs"])


@dataclass(frozen=True, slots=True)
class BbhOptions:
    """What an answer that no rule reads counts."""

    fallback: Fallback = "random"
    """`random` draws one of the two answers, as upstream does; `wrong` never does."""
    fallback_seed: int = 0
    """Seeds the random answers."""


class Bbh(VoiceBenchTask):
    """Spoken logic puzzles with two possible answers each."""

    name = "voicebench/bbh"
    title = "VoiceBench BBH"
    description = "Spoken puzzles: sports plausibility, adjective order, navigation, web of lies."
    Options = BbhOptions
    options: BbhOptions
    config = "bbh"
    rows = 1000
    columns = ("audio", "prompt", "id", "reference")

    def sample(self, row: Mapping[str, Any], split: str, index: int, data: DataFinder) -> Sample:
        """One row; the puzzle's kind is part of its upstream id."""
        base = super().sample(row, split, index, data)
        choices = ("yes", "no") if str(row["reference"]).lower() in ("yes", "no") else ("(A)", "(B)")
        metadata = {**base.metadata, "upstream_id": row["id"]}
        return Sample(base.id, base.messages, base.reference, choices, (), metadata)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 for the right answer; one that no rule reads is marked `unparsed`."""
        from fac_eval.metrics.voicebench_bbh import bbh_answer, bbh_task, reference_value

        wanted = reference_value(sample.reference)
        task = bbh_task(sample.metadata["upstream_id"])
        answer = bbh_answer(answer_text(response), task=task)
        return Score(
            value=float(answer.value == wanted),
            label=None if answer.value is None else ("no", "yes")[answer.value],
            explanation=answer.rule,
            parts={"unparsed": float(answer.value is None), "reference": wanted},
        )

    def figures(self, table: ScoreTable) -> list[Figure]:
        """Accuracy under the fallback chosen, the strict one beside it, and how often the fallback fired."""
        return _accuracies(table, 2, self.options.fallback, self.options.fallback_seed)

    def ideal(self, sample: Sample) -> str:
        """The right answer in a sentence, because no official rule reads a bare (A) or (B)."""
        return f"The correct answer is {sample.reference}."

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str:
        """One of the two answers, in the same sentence."""
        return f"The correct answer is {pick(sample.choices)}."


def _same_letter(choice: str, reference: Any, mode: str) -> bool:
    # The official comparison is case-sensitive, UltraEval-Audio's is not.
    return bool(choice == reference if mode != "ultraeval" else choice.lower() == str(reference).lower())


def _index(letters: str, reference: Any) -> float:
    return float(letters.find(reference)) if isinstance(reference, str) and len(reference) == 1 else -1.0


def _accuracies(table: ScoreTable, options: int, fallback: Fallback, seed: int) -> list[Figure]:
    unparsed = table.figure(Metric("unparsed", of="unparsed", higher_is_better=False))
    if fallback == "wrong":
        return [table.figure(Metric("accuracy", main=True)), unparsed]
    return [_with_draws(table, options, seed), table.figure(Metric("strict accuracy")), unparsed]


def _with_draws(table: ScoreTable, options: int, seed: int) -> Figure:
    """Accuracy with a random answer for each unparsed item, drawn in item order as upstream does."""
    from fac_eval.scores import figure_of
    from fac_eval.stats import RatioSums

    values: npt.NDArray[np.float64] = table.column("value")
    references, unparsed = table.column("reference"), table.column("unparsed")
    generator = random.Random(seed)
    drawn = 0
    for position in unparsed.nonzero()[0]:
        values[position] = generator.choice(range(options)) == references[position]
        drawn += 1
    estimate = RatioSums().add(values, clusters=table.clusters).estimate().scaled(100)
    note = f"{drawn} unparsed answers drawn at random, seed {seed}" if drawn else None
    return figure_of("accuracy", estimate, main=True, note=note)


def _overall(name: str, compute: Callable[[Mapping[str, float | None]], Any]) -> Overall:
    def total(figures: Mapping[str, Figure]) -> Figure | str:
        outcome = compute({task: figure.value for task, figure in figures.items()})
        if isinstance(outcome, OverallWithheld):
            return outcome.reason
        n = sum(figures[term].n for term in outcome.terms)
        return Figure(name, outcome.value, n, main=True)

    return Overall(name, total)


BENCHMARK = Benchmark(
    name="voicebench",
    title="VoiceBench",
    description="Spoken requests answered in text: knowledge, instructions, safety, puzzles (arXiv 2410.17196).",
    tasks=(Mmsu, OpenBookQa, IfEval, AdvBench, Bbh),
    overall=(
        _overall("Overall (report, 7 terms)", overall7),
        _overall("Overall (leaderboard, 9 terms)", overall9),
    ),
)
