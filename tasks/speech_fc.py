"""Speech-FC: spoken requests that are answered with function calls (Table 4 of the Fun-Audio-Chat report).

Data: FunAudioLLM/SpeechFCEval. Rules: FunAudioLLM/Fun-Audio-Chat, evaluate/SpeechFCEval; the pure scorers stand in
fac_eval/metrics. No call is carried out, and no judge is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fac_eval.task import Benchmark, Overall
from fac_eval.vocabulary import Figure

from .speech_fc_ideal import acebench_replies, bfcl_replies
from .speech_fc_task import SCORED, AceBenchOptions, BfclOptions, SpeechFcTask
from .totals import combined

if TYPE_CHECKING:
    from fac_eval.metrics.toolcall_check import CallCheck


class _Bfcl(SpeechFcTask):
    Options = BfclOptions
    options: BfclOptions
    category: ClassVar[str] = "multiple"

    def check_calls(self, record: Mapping[str, Any], *, restored: bool = False) -> CallCheck:
        """BFCL's rules; upstream goes by the model's name to expect underscores."""
        from fac_eval.metrics.bfcl_check import check_bfcl

        underscore = self.options.dotted_names == "underscore" and not restored
        return check_bfcl(
            record,
            category=self.category,
            model_name="gpt-4o" if underscore else "",
            malformed=self.malformed,
        )

    def replies(self, ground_truth: Any) -> Iterator[str]:
        """Calls with the first allowed values."""
        return bfcl_replies(ground_truth, underscore=self.options.dotted_names == "underscore")


class BfclSingle(_Bfcl):
    """English requests for one call."""

    name = "speech_fc/bfcl_single"
    title = "Speech-BFCL (Single)"
    description = "Spoken English requests that take one function call."
    subset = "bfcl_single"
    rows = 578


class BfclParallel(_Bfcl):
    """English requests for several calls, in any order."""

    name = "speech_fc/bfcl_parallel"
    title = "Speech-BFCL (Parallel)"
    description = "Spoken English requests that take several function calls, in any order."
    subset = "bfcl_parallel"
    rows = 372
    category = "parallel"


class SmartInteractSingle(_Bfcl):
    """Mandarin requests to a car or a home, one call each."""

    name = "speech_fc/smartinteract_single"
    title = "Speech-SmartInteract (Single)"
    description = "Spoken Mandarin requests to a car or a home that take one function call."
    subset = "smartinteract"
    rows = 668


class _AceBench(SpeechFcTask):
    Options = AceBenchOptions
    options: AceBenchOptions

    columns = SCORED

    def check_calls(self, record: Mapping[str, Any], *, restored: bool = False) -> CallCheck:
        """ACEBench's rules, which know no other names."""
        from fac_eval.metrics.acebench_check import check_acebench

        return check_acebench(record, malformed=self.malformed)

    def check_strictly(self, record: Mapping[str, Any]) -> CallCheck | None:
        """The same rules with numbers and booleans compared."""
        from fac_eval.metrics.acebench_check import check_acebench

        return check_acebench(record, strict_values=True) if self.options.strict_values else None

    def replies(self, ground_truth: Any) -> Iterator[str]:
        """The alternatives."""
        return acebench_replies(ground_truth)


class AceBenchSingle(_AceBench):
    """Mandarin requests for one call."""

    name = "speech_fc/acebench_single"
    title = "Speech-ACEBench (Single)"
    description = "Spoken Mandarin requests that take one function call."
    subset = "acebench_single"
    rows = 208


class AceBenchParallel(_AceBench):
    """Mandarin requests for several calls."""

    name = "speech_fc/acebench_parallel"
    title = "Speech-ACEBench (Parallel)"
    description = "Spoken Mandarin requests that take several function calls."
    subset = "acebench_parallel"
    rows = 88


_TASKS: tuple[type[SpeechFcTask], ...] = (
    AceBenchSingle,
    AceBenchParallel,
    BfclSingle,
    BfclParallel,
    SmartInteractSingle,
)


def _overall(figures: Mapping[str, Figure]) -> Figure | str:
    """The mean of the five accuracies as printed."""
    from fac_eval.metrics.speech_fc_aggregate import table4_overall
    from fac_eval.metrics.voicebench_overall import OverallWithheld

    names = {task.subset: task.name.removeprefix("speech_fc/") for task in _TASKS}
    printed = {
        subset: f"{value:.2f}"
        for subset, name in names.items()
        if name in figures and (value := figures[name].value) is not None
    }
    outcome = table4_overall(printed)
    if isinstance(outcome, OverallWithheld):
        return f"no score for {', '.join(names[subset] for subset in outcome.missing)}"
    terms = {name: figures[name] for name in names.values()}
    return combined("Overall", outcome.value, terms, dict.fromkeys(terms, 1 / len(terms)))


BENCHMARK = Benchmark(
    name="speech_fc",
    title="Speech function calling",
    description="Spoken requests answered with function calls: Speech-ACEBench, Speech-BFCL, Speech-SmartInteract.",
    tasks=_TASKS,
    overall=(Overall("Overall", _overall),),
)
