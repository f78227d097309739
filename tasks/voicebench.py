"""VoiceBench: spoken requests, text answers (arXiv 2410.17196).

Data: hlt-lab/voicebench. Rules: MatthewCYM/VoiceBench (`official`) and MoonshotAI/Kimi-Audio-Evalkit (`kimi`, what
the Fun-Audio-Chat report used and the default). The subsets stand in three modules beside this one, by who scores
them: voicebench_judged, voicebench_choice, voicebench_rules; the pure scorers stand in fac_eval/metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fac_eval.metrics.voicebench_overall import JUDGED_1_TO_5, OverallWithheld, overall7, overall9
from fac_eval.metrics.voicebench_overall import Overall as OverallFound
from fac_eval.task import Benchmark, Overall
from fac_eval.vocabulary import Figure

from .totals import combined
from .voicebench_choice import Mmsu, OpenBookQa
from .voicebench_judged import GPT, AlpacaEval, CommonEval, SdQa, WildVoice
from .voicebench_rules import AdvBench, Bbh, IfEval


def _overall(
    name: str, compute: Callable[[Mapping[str, float | None]], OverallFound | OverallWithheld]
) -> Overall:
    """A mean of the figures as printed: the report's and the leaderboard's agree with those in every digit."""

    def total(figures: Mapping[str, Figure]) -> Figure | str:
        halves = {task for task, figure in figures.items() if figure.name == GPT}
        printed = {
            task: None if figure.value is None or task in halves else round(figure.value, 2)
            for task, figure in figures.items()
        }
        outcome = compute(printed)
        if isinstance(outcome, OverallWithheld):
            return (
                f"{outcome.reason} (sd-qa's official figure needs panda, too)" if halves else outcome.reason
            )
        terms = {term: replace(figures[term], value=printed[term]) for term in outcome.terms}
        weights = {term: (20 if term in JUDGED_1_TO_5 else 1) / len(terms) for term in terms}
        return combined(name, outcome.value, terms, weights)

    return Overall(name, total)


BENCHMARK = Benchmark(
    name="voicebench",
    title="VoiceBench",
    description="Spoken requests answered in text: open questions, knowledge, instructions, safety, puzzles.",
    tasks=(AlpacaEval, CommonEval, WildVoice, SdQa, Mmsu, OpenBookQa, IfEval, AdvBench, Bbh),
    overall=(
        _overall("Overall (report, 7 terms)", overall7),
        _overall("Overall (leaderboard, 9 terms)", overall9),
    ),
)
