"""Models on the same samples: how far each is from the reference, task by task and in total."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fac_eval.errors import UsageError
from fac_eval.scores import Metric
from fac_eval.vocabulary import Figure

from .pairs import PairedTask, match_tasks, pair_samples
from .sides import Side

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.stats import Estimate, Pairs

    Floats = npt.NDArray[np.float64]

ALPHA = 0.05
SEED = 0
TIE = 1e-9
"""Scores that are nearer than this are the same."""


@dataclass(frozen=True)
class Difference:
    """A figure of the candidate against the reference's, on the samples that both have a score for."""

    task: str
    metric: str
    unit: str
    higher_is_better: bool
    reference: float | None
    candidate: float | None
    estimate: Estimate
    """Candidate - reference, in the figure's unit."""
    p: float | None
    test: str
    effect: float | None
    """The difference in standard deviations of a single pair's."""
    detectable: float | None
    """The smallest true difference that so many samples show in four of five cases."""
    better: int
    worse: int
    same: int
    p_holm: float | None = None
    """p corrected for the number of tasks and models compared."""
    notes: tuple[str, ...] = ()
    contributions: Floats | None = field(default=None, compare=False, repr=False)
    """What each independent unit adds to the difference."""
    paired: PairedTask | None = field(default=None, compare=False, repr=False)
    """The samples behind it; none for a total over several tasks."""

    @property
    def n(self) -> int:
        """Pairs of samples."""
        return self.better + self.worse + self.same

    @property
    def gain(self) -> float | None:
        """The difference, positive where the candidate is better."""
        value = self.estimate.value
        return value if value is None or self.higher_is_better else -value

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the corrected test says so, else `not shown`."""
        if self.p_holm is None or self.gain is None or self.p_holm > ALPHA or not self.gain:
            return "not shown"
        return "better" if self.gain > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """A candidate against the reference."""

    reference: Side
    candidate: Side
    differences: tuple[Difference, ...]
    totals: tuple[Difference, ...]
    only_reference: tuple[str, ...]
    """Tasks that the candidate lacks."""
    only_candidate: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_sides(
    reference: Side, candidates: Sequence[Side], *, bootstrap: bool = False
) -> list[Comparison]:
    """Compare each candidate with the reference on the tasks and samples that both have.

    Holm's correction is over all tasks of all candidates. `bootstrap` takes intervals from 10,000 draws instead of
    from formulas.

    Raises:
        UsageError: a candidate shares no task with the reference.
    """
    from fac_eval.stats import holm

    found = [_compared(reference, candidate, bootstrap) for candidate in candidates]
    tested = [one for comparison in found for one in comparison.differences if one.p is not None]
    adjusted = dict(zip(map(id, tested), holm([one.p for one in tested if one.p is not None]), strict=True))
    return [
        dataclasses.replace(
            comparison,
            differences=tuple(
                dataclasses.replace(one, p_holm=adjusted.get(id(one))) for one in comparison.differences
            ),
        )
        for comparison in found
    ]


def _compared(reference: Side, candidate: Side, bootstrap: bool) -> Comparison:
    matched = match_tasks(reference.tasks, candidate.tasks)
    only_reference = tuple(scores.label for scores in matched.only_reference)
    only_candidate = tuple(scores.label for scores in matched.only_candidate)
    if not matched.both:
        raise UsageError(
            f"{candidate.name} and {reference.name} have no task in common: the one has "
            f"{', '.join(only_candidate) or 'none'}, the other {', '.join(only_reference) or 'none'}."
        )
    differences, warnings = [], []
    for first, second in matched.both:
        paired = pair_samples(first, second)
        differences.append(difference(paired, paired.main_figure, bootstrap=bootstrap))
        warnings += [f"{second.label}: {line}" for line in paired.differences]
        warnings += [
            f"{second.label}: {side.name} is unfinished; its scores so far are compared"
            for side, task in ((reference, first), (candidate, second))
            if not task.done
        ]
    return Comparison(
        reference,
        candidate,
        tuple(differences),
        tuple(_totals(differences)),
        only_reference,
        only_candidate,
        tuple(warnings),
    )


def difference(paired: PairedTask, figure: Figure, *, bootstrap: bool = False) -> Difference:
    """The difference of one figure on the samples that both sides have."""
    from fac_eval import stats

    metric, exact = paired.metric(figure)
    pairs = paired.pairs(metric)
    rng = generator()
    estimate = stats.paired_bootstrap(pairs, rng=rng) if bootstrap else stats.paired_difference(pairs)
    tested = stats.paired_test(pairs, rng=rng) if pairs.defined else None
    detectable = stats.detectable_difference(pairs)
    xa, ya, xb, yb = pairs.sums
    gains = sample_gains(pairs, metric)
    better, worse = int((gains > TIE).sum()), int((gains < -TIE).sum())
    return Difference(
        task=paired.candidate.label,
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        reference=xa / ya * metric.scale if pairs.defined else None,
        candidate=xb / yb * metric.scale if pairs.defined else None,
        estimate=estimate.scaled(metric.scale),
        p=None if tested is None else tested.p,
        test="" if tested is None else tested.method,
        effect=stats.effect_size(pairs),
        detectable=None if detectable is None else detectable * metric.scale,
        better=better,
        worse=worse,
        same=pairs.n - better - worse,
        notes=tuple(_notes(paired, figure, exact)),
        contributions=pairs.contributions * metric.scale if pairs.defined else None,
        paired=paired,
    )


def sample_gains(pairs: Pairs, metric: Metric) -> Floats:
    """How much better the candidate is at each sample; of a ratio, in units of its numerator."""
    import numpy as np

    if pairs.is_mean:
        change = pairs.xb - pairs.xa
    else:
        weight = np.maximum(np.maximum(pairs.ya, pairs.yb), 1)
        rates = [x / np.where(y > 0, y, 1) for x, y in ((pairs.xa, pairs.ya), (pairs.xb, pairs.yb))]
        change = (rates[1] - rates[0]) * weight
    return np.asarray(change if metric.higher_is_better else -change)


def _notes(paired: PairedTask, figure: Figure, exact: bool) -> Iterator[str]:
    if not exact:
        yield f"{figure.name} is no sum over samples; the samples' own scores are compared"
    for counts, mine, other in (
        (paired.only_reference, "reference", "candidate"),
        (paired.only_candidate, "candidate", "reference"),
    ):
        if counts:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(counts.items()))
            n = sum(counts.values())
            yield f"samples with a score in the {mine} alone: {n:,} (in the {other}: {reasons})"
    if paired.same_answers:
        yield f"{paired.same_answers:,} of {paired.n:,} answers are one and the same stored answer"


def _totals(differences: Sequence[Difference]) -> Iterator[Difference]:
    """The mean difference over the tasks of one unit and direction, each task counting the same."""
    kinds: dict[tuple[str, bool], list[Difference]] = {}
    for one in differences:
        if one.estimate.value is not None:
            kinds.setdefault((one.unit, one.higher_is_better), []).append(one)
    for members in kinds.values():
        # One task under several variants would count its samples several times, as if they were others.
        names = {one.paired.candidate.task for one in members if one.paired is not None}
        if len(members) > 1 and len(names) == len(members):
            yield _total(members)


def _total(members: Sequence[Difference]) -> Difference:
    import numpy as np

    from fac_eval import stats

    estimate = stats.combine_independent([one.estimate for one in members])
    parts = [one.contributions for one in members if one.contributions is not None]
    tested = stats.sign_flip_test(np.concatenate(parts) / len(members), rng=generator())
    detectable = _all([one.detectable for one in members])
    return Difference(
        task=f"mean of {len(members)} tasks",
        metric="",
        unit=members[0].unit,
        higher_is_better=members[0].higher_is_better,
        reference=_mean([one.reference for one in members]),
        candidate=_mean([one.candidate for one in members]),
        estimate=estimate,
        p=tested.p,
        test=tested.method,
        effect=_mean([one.effect for one in members]),
        # Standard errors of independent tasks add up in squares, and what can be shown goes with them.
        detectable=None if detectable is None else math.hypot(*detectable) / len(members),
        better=sum(one.better for one in members),
        worse=sum(one.worse for one in members),
        same=sum(one.same for one in members),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = _all(values)
    return None if known is None else math.fsum(known) / len(known)


def _all(values: Sequence[float | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def generator() -> np.random.Generator:
    """A generator that is the same for every comparison, so that results do not depend on the others made."""
    import numpy as np

    return np.random.default_rng(SEED)
