"""The gate: what a policy demands, held against a candidate and its baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_eval.errors import suggestion

from ..compare.comparison import Difference
from ..compare.pairs import match_tasks
from ..compare.sides import Side, TaskScores
from ..compare.text import p_text
from .checks import Check, Outcome, TaskJudge
from .policy import Policy, PolicyError, demands_on, matches

if TYPE_CHECKING:
    from .usage import Usage


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks, and the main figure of each task beside its baseline's."""

    policy: str
    baseline: str
    candidate: str
    checks: tuple[Check, ...]
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """`failed` where a check failed; `error` where none did, but some could not be made."""
        found = {check.outcome for check in self.checks}
        return "failed" if "failed" in found else "error" if "error" in found else "passed"

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 2 cannot be told."""
        return {"passed": 0, "failed": 1, "error": 2, "skipped": 0}[self.outcome]

    def of(self, outcome: Outcome) -> list[Check]:
        """The checks that came out so."""
        return [check for check in self.checks if check.outcome == outcome]


def judge(policy: Policy, baseline: Side, candidate: Side, usage: Callable[[TaskScores], Usage]) -> Verdict:
    """Make every check that the policy demands.

    Args:
        policy: What is demanded.
        baseline: What the candidate is compared with.
        candidate: What is judged.
        usage: Times and costs of a task of the candidate; called only where the policy has a ceiling on them.

    Raises:
        PolicyError: a rule is about no task of either side, or there is nothing at all to check.
    """
    _check_patterns(policy, {scores.task for side in (baseline, candidate) for scores in side.tasks})
    matched = match_tasks(baseline.tasks, candidate.tasks)
    before = {id(second): first for first, second in matched.both}
    judges = [TaskJudge(policy, before.get(id(one)), one, usage) for one in candidate.tasks]
    checks = [*_required(policy, candidate), *_missing(policy, matched.only_reference)]
    checks += [check for one in judges for check in one.checks()]
    if all(check.outcome == "skipped" for check in checks):
        raise PolicyError(
            policy.path,
            "nothing could be checked: the baseline has none of the tasks that its rules are about.",
            line=None,
            key=None,
        )
    return Verdict(
        policy=policy.path,
        baseline=baseline.name,
        candidate=candidate.name,
        checks=tuple(_with_holm(checks)),
        differences=tuple(one.main for one in judges if one.main is not None),
        warnings=tuple(warning for one in judges for warning in one.warnings()),
    )


def _check_patterns(policy: Policy, tasks: set[str]) -> None:
    for rule in policy.rules:
        for pattern in rule.tasks:
            if not any(matches(task, pattern) for task in tasks | set(policy.required)):
                raise PolicyError(
                    policy.path,
                    f"no task of the baseline or the candidate is meant by {pattern!r}.",
                    line=rule.line,
                    key="task",
                    remedy=suggestion(pattern, tasks),
                )


def _required(policy: Policy, candidate: Side) -> Iterator[Check]:
    """The tasks that the candidate must have."""
    for wanted in policy.required:
        if any(matches(scores.task, wanted) for scores in candidate.tasks):
            yield Check(wanted, "required", "passed", "the candidate has it", policy.required_line)
        else:
            text = "the policy requires it, and the candidate does not have it"
            yield Check(wanted, "required", "failed", text, policy.required_line)


def _missing(policy: Policy, only_baseline: Sequence[TaskScores]) -> Iterator[Check]:
    """A task that is not run any more would be the easiest way to pass."""
    for scores in only_baseline:
        demands = demands_on(policy, scores.task, None)
        if demands and not any(matches(scores.task, wanted) for wanted in policy.required):
            text = "the baseline has it, and the candidate does not"
            yield Check(scores.label, "present", "failed", text, demands[0][1].line)


def _with_holm(checks: Sequence[Check]) -> Iterator[Check]:
    """Settle the tests for a significant drop: with their number, the chance of a false alarm would grow."""
    from fac_eval.stats import holm

    adjusted = iter(holm([check.p for check in checks if check.p is not None]))
    tests = sum(check.p is not None for check in checks)
    for check in checks:
        if check.p is None or check.limit is None:
            yield check
            continue
        p = next(adjusted)
        corrected = f" after Holm's correction for {tests} tests" if tests > 1 else ""
        text = f"{check.message}, p {p_text(p)}{corrected}; a drop is significant at {check.limit:g}"
        yield dataclasses.replace(check, outcome="failed" if p <= check.limit else "passed", message=text)
