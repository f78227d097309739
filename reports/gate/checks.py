"""The checks of one task: each demand of the policy held against the candidate and its baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fac_eval.vocabulary import Figure

from ..compare.comparison import difference, generator
from ..compare.pairs import PairedTask, pair_samples, protocol_difference
from ..compare.sides import TaskScores
from .policy import ON_FIGURES, Demand, Policy, demands_on

if TYPE_CHECKING:
    from fac_eval.scores import Metric

    from ..compare.comparison import Difference
    from .usage import Usage

Outcome = Literal["passed", "failed", "error", "skipped"]
"""`error`: the check could not be made; `skipped`: the baseline does not have the task."""

_ROUNDING = 1e-9
_TIMES = {
    "max_seconds": "seconds",
    "max_first_token_seconds": "first_token",
    "max_first_audio_seconds": "first_audio",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One demand on one task, and how it came out."""

    task: str
    name: str
    outcome: Outcome
    message: str
    line: int
    """Of the policy."""
    limit: float | None = None
    p: float | None = None
    """Of a test for a significant drop; the outcome follows once all of them are known."""


class TaskJudge:
    """Makes the checks of one task of the candidate; `main` is the main figure beside the baseline's."""

    def __init__(
        self,
        policy: Policy,
        before: TaskScores | None,
        after: TaskScores,
        usage: Callable[[TaskScores], Usage],
    ) -> None:
        self._policy = policy
        self._after = after
        self._usage = usage
        self._paired = None if before is None else pair_samples(before, after)
        self._problem = "" if self._paired is None else self._no_comparison(self._paired)
        self.main: Difference | None = None
        if self._paired is not None and not self._problem:
            self.main = difference(self._paired, self._paired.main_figure)

    def _no_comparison(self, paired: PairedTask) -> str:
        before, after = paired.reference, paired.candidate
        if before.protocol_id != after.protocol_id and not self._policy.across_protocols:
            return f"the baseline was made under another protocol: {protocol_difference(before, after)}"
        if not paired.n:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(paired.only_reference.items()))
            return "no sample has a score on both sides" + (f" ({reasons})" if reasons else "")
        return ""

    def warnings(self) -> Iterator[str]:
        """What a reader must know about the comparison."""
        if self._paired is None or self.main is None:
            return
        if not self._paired.reference.done:
            yield f"{self._after.label}: the baseline's run is unfinished"
        for text in (*self._paired.differences, *self.main.notes):
            yield f"{self._after.label}: {text}"

    def checks(self) -> Iterator[Check]:
        """Every demand on this task; significant drops are settled later, all together."""
        main = self._after.main
        demands = demands_on(self._policy, self._after.task, None if main is None else main.name)
        if demands and not self._after.done:
            text = "the candidate's run is unfinished; its command goes on where it stopped"
            yield Check(self._after.label, "finished", "error", text, demands[0][1].line)
        compared = [demand for _, demand in demands if demand.key in ON_FIGURES]
        if compared and self._problem:
            yield Check(self._after.label, "comparable", "error", self._problem, compared[0].line)
        for metric, demand in demands:
            if demand.key not in ON_FIGURES:
                yield self._on_candidate(demand)
            elif not self._problem:
                yield self._on_figure(metric, demand)

    def _check(self, demand: Demand, outcome: Outcome, message: str, *, of: str | None = None) -> Check:
        name = ".".join(filter(None, (demand.key, demand.percentile))) + (f" of {of}" if of else "")
        return Check(self._after.label, name, outcome, message, demand.line, demand.limit)

    # Figures against the baseline's.

    def _on_figure(self, name: str | None, demand: Demand) -> Check:
        paired = self._paired
        if paired is None:
            return self._check(demand, "skipped", "the baseline does not have this task", of=name)
        before, after = paired.reference.figure(name), paired.candidate.figure(name)
        if before is None or after is None:
            who, side = ("baseline", paired.reference) if before is None else ("candidate", paired.candidate)
            known = ", ".join(figure.name for figure in side.figures) or "none"
            return self._check(demand, "error", f"the {who} has no such figure; it has {known}", of=name)
        metric, exact = paired.metric(after)
        if demand.key in ("max_drop", "max_drop_percent"):
            return self._drop(paired, name, demand, before, after)
        if not exact and name is not None:
            text = f"{name} is no sum over samples, so that it cannot be tested sample by sample"
            return self._check(demand, "error", text, of=name)
        test = self._margin if demand.key == "margin" else self._significant
        return test(paired, name, demand, metric)

    def _drop(
        self, paired: PairedTask, name: str | None, demand: Demand, before: Figure, after: Figure
    ) -> Check:
        metric, exact = paired.metric(after)
        where = ""
        old, new = before.value, after.value
        if exact:
            pairs = paired.pairs(metric)
            xa, ya, xb, yb = pairs.sums
            old, new = (xa / ya * metric.scale, xb / yb * metric.scale) if pairs.defined else (None, None)
        elif paired.only_reference or paired.only_candidate:
            where = ", over different samples"
        if old is None or new is None:
            return self._check(demand, "error", f"{after.name} has no value on both sides", of=name)
        drop = old - new if after.higher_is_better else new - old
        relative = demand.key == "max_drop_percent"
        limit = demand.limit * abs(old) / 100 if relative else demand.limit
        allowed = f"{demand.limit:g} % of the baseline's" if relative else f"{demand.limit:g}"
        text = f"{after.name} {old:.2f} -> {new:.2f}{where}: {_moved(drop)}, allowed {allowed}"
        return self._check(demand, "passed" if drop <= limit + _ROUNDING else "failed", text, of=name)

    def _margin(self, paired: PairedTask, name: str | None, demand: Demand, metric: Metric) -> Check:
        from fac_eval.stats import paired_difference

        # The end of a two-sided interval at 2 c - 1 is a one-sided bound at c.
        estimate = paired_difference(paired.pairs(metric), level=2 * demand.confidence - 1)
        estimate = estimate.scaled(metric.scale)
        end = estimate.low if metric.higher_is_better else estimate.high
        if end is None:
            text = f"{metric.name}: {paired.n} samples of a single source, or without a value, give no bound"
            return self._check(demand, "error", text, of=name)
        drop = -end if metric.higher_is_better else end
        text = (
            f"{metric.name} may have got worse by up to {max(0.0, drop):.2f} "
            f"(at {100 * demand.confidence:g} % confidence), the margin is {demand.limit:g}"
        )
        return self._check(demand, "passed" if drop < demand.limit else "failed", text, of=name)

    def _significant(self, paired: PairedTask, name: str | None, demand: Demand, metric: Metric) -> Check:
        from dataclasses import replace

        from fac_eval.stats import paired_difference, paired_test

        pairs = paired.pairs(metric)
        value = paired_difference(pairs).value
        if value is None:
            return self._check(demand, "error", f"{metric.name} has no value on both sides", of=name)
        alternative: Literal["less", "greater"] = "less" if metric.higher_is_better else "greater"
        p = paired_test(pairs, rng=generator(), alternative=alternative).p
        drop = -value * metric.scale if metric.higher_is_better else value * metric.scale
        return replace(self._check(demand, "passed", f"{metric.name}: {_moved(drop)}", of=name), p=p)

    # The candidate alone.

    def _on_candidate(self, demand: Demand) -> Check:
        if demand.key == "min_n":
            compared = self._paired is not None
            n = self._paired.n if self._paired is not None else len(self._after.keys)
            text = f"{n:,} samples with a score{' on both sides' if compared else ''}, at least {demand.limit:,.0f}"
            return self._check(demand, "passed" if n >= demand.limit else "failed", text)
        if demand.key == "max_error_rate":
            counts = self._after.counts
            if not counts.total:
                return self._check(demand, "error", "there is no sample")
            rate = counts.n_failed / counts.total
            kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.failed.items()))
            text = f"{counts.n_failed:,} of {counts.total:,} samples failed ({rate:.2%}), allowed {demand.limit:.2%}"
            text += f": {kinds}" if kinds else ""
            return self._check(demand, "passed" if rate <= demand.limit else "failed", text)
        return self._cost(demand) if demand.key == "max_cost" else self._time(demand)

    def _cost(self, demand: Demand) -> Check:
        usage = self._usage(self._after)
        text = f"${usage.cost:.4f}, allowed ${demand.limit:g}"
        if usage.cost > demand.limit + _ROUNDING:
            return self._check(demand, "failed", text)
        if usage.n_cost_unknown or not usage.n_cost_known:
            calls = usage.n_cost_unknown + usage.n_cost_known
            return self._check(
                demand, "error", f"the cost of {usage.n_cost_unknown:,} of {calls:,} calls is not known"
            )
        return self._check(demand, "passed", text)

    def _time(self, demand: Demand) -> Check:
        times = getattr(self._usage(self._after), _TIMES[demand.key])
        found = None if times is None else getattr(times, demand.percentile or "mean")
        if found is None:
            n = 0 if times is None else times.n
            text = f"{n:,} answers say how long they took, which is too few for {demand.percentile}"
            return self._check(demand, "error", text)
        text = f"{found:.3f} s, allowed {demand.limit:g} s"
        return self._check(demand, "passed" if found <= demand.limit else "failed", text)


def _moved(drop: float) -> str:
    if abs(drop) <= _ROUNDING:
        return "no change"
    return f"{'worse' if drop > 0 else 'better'} by {abs(drop):.2f}"
