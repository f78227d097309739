"""How often the gate raises an alarm where nothing changed, and where something did, against theory.

Pairs of runs are made up again and again with a known true change, and each pair goes through the gate's own code
(`fac_eval.reports.gate.verdict.judge`). Theory is scipy's binomial and normal distribution, not ours. Each line is the
share of runs that fail; `off` is its distance from theory in standard errors of the simulation, and should rarely pass
3.

    python benchmarks/gate_power.py [--runs 2000]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _measure import machine, print_table
from scipy import stats as scipy_stats

from fac_eval.reports.compare.sides import Side, TaskScores
from fac_eval.reports.gate.policy import Policy, read_policy
from fac_eval.reports.gate.usage import Usage
from fac_eval.reports.gate.verdict import judge
from fac_eval.scores import Metric
from fac_eval.vocabulary import Counts, Figure

N = 500
CHANGED = 0.2
"""Share of samples at which two equally good models differ."""
MARGIN = 0.04
SPEAKERS = 50

Columns = dict[str, np.ndarray]
Pair = tuple[Columns, Columns]


@dataclass(frozen=True)
class Case:
    """Made-up runs, the rule that judges them, and how often it should fail them."""

    name: str
    rule: str
    make: Callable[[np.random.Generator], Sequence[Pair]]
    """The tasks of one baseline and candidate."""
    theory: float
    wer: bool = False
    clusters: bool = False


# Runs.


def accuracy(rng: np.random.Generator, drop: float = 0.0, n: int = N) -> Pair:
    """Right and wrong: samples change with probability `CHANGED`, more of them for the worse where there is a drop."""
    kinds = rng.choice(3, size=n, p=[(CHANGED - drop) / 2, (CHANGED + drop) / 2, 1 - CHANGED])
    first = np.where(kinds == 2, rng.random(n) < 0.7, kinds == 1).astype(float)
    second = np.where(kinds == 2, first, kinds == 0).astype(float)
    return {"value": first}, {"value": second}


def rating(rng: np.random.Generator, drop: float = 0.0) -> Pair:
    """Judge's ratings from 1 to 5 with a hardness that both models share."""
    hard = rng.normal(3.5, 0.8, N)
    both = [hard + rng.normal(-shift, 0.6, N) for shift in (0.0, drop)]
    first, second = (np.clip(np.rint(values), 1, 5) for values in both)
    return {"value": first}, {"value": second}


def word_errors(rng: np.random.Generator, rise: float = 0.0) -> Pair:
    """Errors over words, with utterances of different length and hardness."""
    words = rng.integers(4, 30, N).astype(float)
    hard = rng.beta(2, 30, N)
    errors = [rng.binomial(words.astype(int), np.clip(hard + more, 0, 1)).astype(float) for more in (0, rise)]
    first, second = ({"value": count / words, "errors": count, "words": words} for count in errors)
    return first, second


def by_speaker(rng: np.random.Generator) -> Pair:
    """Ten samples a speaker: a model is good or bad at a speaker, not at a sample."""
    speaker = np.repeat(rng.normal(0, 0.3, SPEAKERS), N // SPEAKERS)
    noise = rng.normal(0, 0.5, (2, N))
    return {"value": noise[0]}, {"value": noise[1] + speaker}


# Theory.


def mcnemar_alarms(alpha: float, drop: float = 0.0, n: int = N) -> float:
    """How often McNemar's exact one-sided test finds a drop: over all numbers of changed and of lost samples."""
    changed = np.arange(n + 1)
    likely = scipy_stats.binom.pmf(changed, n, CHANGED)
    # The fewest losses whose tail is at most alpha.
    fewest = scipy_stats.binom.isf(alpha, changed, 0.5) + 1
    return float(likely @ scipy_stats.binom.sf(fewest - 1, changed, (CHANGED + drop) / CHANGED / 2))


def normal_alarms(differences: np.ndarray, n: int, alpha: float = 0.05) -> float:
    """How often a one-sided test of a mean finds a drop, by the normal approximation."""
    shift = -differences.mean() / (differences.std() / np.sqrt(n))
    return float(scipy_stats.norm.sf(scipy_stats.norm.isf(alpha) - shift))


def margin_fails(drop: float) -> float:
    """How often the 95% bound reaches the margin, by the normal approximation."""
    se = np.sqrt((CHANGED - drop**2) / N)
    return float(scipy_stats.norm.cdf(scipy_stats.norm.isf(0.05) - (MARGIN - drop) / se))


def threshold_fails(allowed: float) -> float:
    """How often chance alone makes a difference of more than `allowed` where nothing changed."""
    changed = np.arange(N + 1)
    fewest = np.floor((changed + round(allowed * N)) / 2) + 1
    return float(scipy_stats.binom.pmf(changed, N, CHANGED) @ scipy_stats.binom.sf(fewest - 1, changed, 0.5))


def linear(make: Callable[..., Pair], change: float) -> np.ndarray:
    """What each sample adds to the difference, for very many samples of a kind."""
    rng = np.random.default_rng(1)
    pairs = [make(rng, change) for _ in range(4000)]
    before, after = (
        {name: np.concatenate([pair[side][name] for pair in pairs]) for name in pairs[0][0]}
        for side in (0, 1)
    )
    if "words" in before:
        words = before["words"]
        rates = [held["errors"].sum() / words.sum() for held in (before, after)]
        moved = (after["errors"] - before["errors"] - (rates[1] - rates[0]) * words) / words.mean()
        return -(moved + rates[1] - rates[0])
    return after["value"] - before["value"]


def cases() -> list[Case]:
    """Every line of the table."""
    significant = "significant_drop = 0.05"
    drop, worse, rise = 0.06, 0.1, 0.01
    # Holm's first step, which is all that it takes to fail, is at a fifth of the level.
    quiet = 1 - mcnemar_alarms(0.05 / 5)
    any_of_five, one_of_five = 1 - quiet**5, 1 - (1 - mcnemar_alarms(0.05 / 5, drop)) * quiet**4
    return [
        Case("accuracy, no change", significant, lambda rng: [accuracy(rng)], mcnemar_alarms(0.05)),
        Case(
            f"accuracy, {drop:.0%} worse",
            significant,
            lambda rng: [accuracy(rng, drop)],
            mcnemar_alarms(0.05, drop),
        ),
        Case(
            "five tasks, no change", significant, lambda rng: [accuracy(rng) for _ in range(5)], any_of_five
        ),
        Case(
            f"five tasks, one {drop:.0%} worse",
            significant,
            lambda rng: [accuracy(rng, drop), *(accuracy(rng) for _ in range(4))],
            one_of_five,
        ),
        Case("ratings, no change", significant, lambda rng: [rating(rng)], 0.05),
        Case(
            f"ratings, {worse} worse",
            significant,
            lambda rng: [rating(rng, worse)],
            normal_alarms(linear(rating, worse), N),
        ),
        Case("WER, no change", significant, lambda rng: [word_errors(rng)], 0.05, wer=True),
        Case(
            f"WER, {rise:.0%} worse",
            significant,
            lambda rng: [word_errors(rng, rise)],
            normal_alarms(linear(word_errors, rise), N),
            wer=True,
        ),
        Case("speakers, no change", significant, lambda rng: [by_speaker(rng)], 0.05, clusters=True),
        Case(
            "margin of 4 %, no change",
            f"margin = {MARGIN * 100}",
            lambda rng: [accuracy(rng)],
            margin_fails(0),
        ),
        Case(
            "margin of 4 %, 4 % worse",
            f"margin = {MARGIN * 100}",
            lambda rng: [accuracy(rng, MARGIN)],
            margin_fails(MARGIN),
        ),
        Case(
            "max_drop of 1 %, no change", "max_drop = 1", lambda rng: [accuracy(rng)], threshold_fails(0.01)
        ),
    ]


# The gate.


def scores(task: int, columns: Columns, case: Case) -> TaskScores:
    """One task as the gate reads it from a store or a baseline file."""
    metric = Metric("accuracy", main=True)
    if case.wer:
        metric = Metric("wer", of="errors", per="words", higher_is_better=False, main=True)
    if not set(np.unique(columns["value"]).tolist()) <= {0.0, 1.0} and not case.wer:
        metric = Metric("rating", scale=1.0, unit="1-5", main=True)
    figure = Figure(
        metric.name, None, N, unit=metric.unit, higher_is_better=metric.higher_is_better, main=True
    )
    return TaskScores(
        task=f"task {task}",
        label=f"task {task}",
        variant="",
        protocol_id="made up",
        protocol={},
        data="made up",
        figures=(figure,),
        counts=Counts(N, N),
        metrics={metric.name: (metric,)},
        keys=[str(row) for row in range(N)],
        columns=columns,
        clusters=[str(row // (N // SPEAKERS)) for row in range(N)] if case.clusters else None,
    )


def no_usage(task: TaskScores) -> Usage:
    """These runs took no time and cost nothing."""
    return Usage(0.0, 0, 0, None, None, None)


def failed(case: Case, runs: int) -> float:
    """The share of made-up runs that the gate fails."""
    policy, rng = policy_of(case.rule), np.random.default_rng(0)
    alarms = 0
    for _ in range(runs):
        pairs = list(enumerate(case.make(rng)))
        before, after = (
            Side(name, "made up", name, tuple(scores(task, pair[side], case) for task, pair in pairs))
            for side, name in enumerate(("baseline", "candidate"))
        )
        alarms += judge(policy, before, after, no_usage).exit_code
    return alarms / runs


def policy_of(rule: str) -> Policy:
    """A policy of one rule."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gate.toml"
        path.write_text(f"[[rule]]\n{rule}\n", "utf-8")
        return read_policy(path)


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2000, help="made-up runs a line")
    given = parser.parse_args()
    rows = []
    for case in cases():
        share = failed(case, given.runs)
        error = (case.theory * (1 - case.theory) / given.runs) ** 0.5
        rows.append(
            (
                case.name,
                case.rule,
                f"{share:.3f}",
                f"{case.theory:.3f}",
                f"{(share - case.theory) / error:+.1f}",
            )
        )
    print(f"{machine()}\n{given.runs:,} runs a line, {N} samples a task\n")
    print_table(("case", "rule", "failed", "theory", "off"), rows)


if __name__ == "__main__":
    main()
