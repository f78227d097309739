"""Each kind of check, on made-up scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fac_eval.metrics.percentiles import distribution
from fac_eval.reports.compare.sides import TaskScores
from fac_eval.reports.gate.checks import Check
from fac_eval.reports.gate.policy import PolicyError, read_policy
from fac_eval.reports.gate.usage import Usage
from fac_eval.reports.gate.verdict import Verdict, judge
from fac_eval.scores import Metric
from fac_eval.stats import holm, mcnemar_p, paired_score_interval
from fac_eval.vocabulary import Figure
from tests.reports._compared import WER, bits, made_side, scores

N = 40
NOTHING = Usage(0.0, 0, 0, None, None, None)
UNPARSED = Metric("unparsed", of="unparsed", higher_is_better=False)

Gate = Callable[..., Verdict]


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Judges tasks against tasks by the text of a policy."""

    def judged(
        text: str, before: TaskScores | list[TaskScores], after: TaskScores | list[TaskScores], **options: Any
    ) -> Verdict:
        path = tmp_path / "gate.toml"
        path.write_text(text, "utf-8")
        sides = [made_side(*(one if isinstance(one, list) else [one])) for one in (before, after)]
        return judge(read_policy(path), *sides, usage=options.get("usage", lambda task: NOTHING))

    return judged


def rule(text: str) -> str:
    return f"[[rule]]\nmax_error_rate = 1\n{text}\n"


def check_of(verdict: Verdict, name: str) -> Check:
    (found,) = [check for check in verdict.checks if check.name == name]
    return found


@pytest.mark.parametrize(
    ("key", "wrong", "outcome"),
    [
        pytest.param("max_drop = 5", 2, "passed", id="as much as allowed"),
        pytest.param("max_drop = 5", 3, "failed", id="more than allowed"),
        pytest.param("max_drop = 0", 0, "passed", id="no change"),
        pytest.param("max_drop_percent = 5", 2, "passed", id="relative, as much"),
        pytest.param("max_drop_percent = 4.9", 2, "failed", id="relative, more"),
        pytest.param("significant_drop = 0.05", 4, "passed", id="not significant: p = 1/16"),
        pytest.param("significant_drop = 0.05", 5, "failed", id="significant: p = 1/32"),
        pytest.param("min_n = 40", 0, "passed", id="enough samples"),
        pytest.param("min_n = 41", 0, "failed", id="too few samples"),
    ],
)
def test_accuracy(key: str, wrong: int, outcome: str, gate: Gate) -> None:
    verdict = gate(rule(key), scores(bits(N)), scores(bits(N, range(wrong))))
    assert check_of(verdict, key.split(maxsplit=1)[0]).outcome == outcome
    assert (verdict.outcome, verdict.exit_code) == (outcome, {"passed": 0, "failed": 1}[outcome])


@pytest.mark.parametrize(("margin", "outcome"), [(12.1, "passed"), (11.9, "failed")])
def test_a_margin_is_held_against_the_end_of_the_interval(margin: float, outcome: str, gate: Gate) -> None:
    low, _ = paired_score_interval(1, 2, N, level=0.9)
    assert -12.1 < 100 * low < -11.9
    verdict = gate(rule(f"margin = {margin}"), scores(bits(N, [9])), scores(bits(N, [0, 1])))
    assert check_of(verdict, "margin").outcome == outcome
    assert "95 % confidence" in check_of(verdict, "margin").message


def test_more_confidence_asks_for_more(gate: Gate) -> None:
    sides = scores(bits(N, [9])), scores(bits(N, [0, 1]))
    assert gate(rule("margin = 12.1\nconfidence = 0.9"), *sides).outcome == "passed"
    assert gate(rule("margin = 12.1\nconfidence = 0.99"), *sides).outcome == "failed"


def test_an_improvement_passes_every_rule(gate: Gate) -> None:
    text = rule("max_drop = 0\nmax_drop_percent = 0\nsignificant_drop = 0.5\nmargin = 5")
    verdict = gate(text, scores(bits(N, range(10))), scores(bits(N)))
    assert verdict.outcome == "passed"
    assert "better by 25.00" in check_of(verdict, "max_drop").message


@pytest.mark.parametrize(("more", "outcome"), [(0, "passed"), (1, "failed")])
def test_where_less_is_better_a_rise_is_a_drop(more: int, outcome: str, gate: Gate) -> None:
    words = [10.0] * N
    before = {"errors": [1.0] * N, "words": words}
    after = {"errors": [1.0 + more] * N, "words": words}
    sides = scores(before, metric=WER), scores(after, metric=WER)
    text = rule("max_drop = 9.9\nmax_drop_percent = 99\nsignificant_drop = 0.001\nmargin = 9.9")
    verdict = gate(text, *sides)
    keys = ("max_drop", "max_drop_percent", "significant_drop", "margin")
    assert {check_of(verdict, key).outcome for key in keys} == {outcome}
    assert gate(text, *reversed(sides)).outcome == "passed"


def test_a_relative_drop_from_nothing(gate: Gate) -> None:
    zero, some = (
        scores(bits(N, range(N)), metric=UNPARSED_MAIN),
        scores(bits(N, range(1, N)), metric=UNPARSED_MAIN),
    )
    assert gate(rule("max_drop_percent = 50"), zero, zero).outcome == "passed"
    assert gate(rule("max_drop_percent = 50"), zero, some).outcome == "failed"


UNPARSED_MAIN = Metric("unparsed", higher_is_better=False, main=True)


def test_tests_for_a_significant_drop_are_corrected_together(gate: Gate) -> None:
    before = [scores(bits(N), task=task) for task in "abc"]
    after = [scores(bits(N, range(wrong)), task=task) for task, wrong in zip("abc", (6, 6, 0), strict=True)]
    verdict = gate(rule("significant_drop = 0.04"), before, after)
    found = [check for check in verdict.checks if check.name == "significant_drop"]
    adjusted = holm([mcnemar_p(0, 6, "less"), mcnemar_p(0, 6, "less"), 1.0])
    assert adjusted[0] > 0.04
    assert [check.outcome for check in found] == ["passed"] * 3
    assert f"p {adjusted[0]:.4f} after Holm's correction for 3 tests" in found[0].message
    alone = gate(rule("significant_drop = 0.04"), before[:1], after[:1])
    assert check_of(alone, "significant_drop").outcome == "failed"


def test_clusters_are_heeded(gate: Gate) -> None:
    after = scores(bits(N, range(10)), clusters=[str(row // 10) for row in range(N)])
    text = rule("significant_drop = 0.05\nmargin = 50")
    alone = gate(text, scores(bits(N)), scores(bits(N, range(10))))
    shared = gate(text, scores(bits(N)), after)
    assert [check_of(one, "significant_drop").outcome for one in (alone, shared)] == ["failed", "passed"]
    assert [check_of(one, "margin").outcome for one in (alone, shared)] == ["passed", "failed"]


def test_further_figures_have_rules_of_their_own(gate: Gate) -> None:
    columns = {"value": bits(N), "unparsed": [0.0] * N}
    more = {"value": bits(N), "unparsed": [1.0] * 8 + [0.0] * (N - 8)}
    sides = [scores(held, extra=[UNPARSED]) for held in (columns, more)]
    text = rule("max_drop = 0") + '[[rule]]\nmetric = "unparsed"\nmax_drop = 10\nsignificant_drop = 0.01\n'
    verdict = gate(text, *sides)
    assert check_of(verdict, "max_drop").outcome == "passed"
    assert check_of(verdict, "max_drop of unparsed").outcome == "failed"
    assert check_of(verdict, "significant_drop of unparsed").outcome == "failed"


def test_a_figure_that_is_not_there(gate: Gate) -> None:
    verdict = gate(rule('metric = "nope"\nmax_drop = 1'), scores(bits(N)), scores(bits(N)))
    check = check_of(verdict, "max_drop of nope")
    assert (check.outcome, verdict.exit_code) == ("error", 2)
    assert "the baseline has no such figure; it has accuracy" in check.message


def own(value: float, *wrong: int) -> TaskScores:
    """A task whose figures are no sums over samples."""
    figures = [Figure("final", value, N, main=True), Figure("side", value / 2, N)]
    return scores(bits(N, wrong), metric=Metric("elsewhere"), figures=figures)


def test_figures_that_are_no_sums_are_compared_as_printed_and_tested_by_sample(gate: Gate) -> None:
    text = rule("max_drop = 1\nsignificant_drop = 0.05")
    verdict = gate(text, own(80.0), own(78.0))
    assert check_of(verdict, "max_drop").message == "final 80.00 -> 78.00: worse by 2.00, allowed 1"
    assert check_of(verdict, "max_drop").outcome == "failed"
    assert check_of(verdict, "significant_drop").outcome == "passed"
    assert verdict.warnings == ("t: final is no sum over samples; the samples' own scores are compared",)


def test_a_further_figure_that_is_no_sum_cannot_be_tested(gate: Gate) -> None:
    verdict = gate(rule('metric = "side"\nmax_drop = 1\nmargin = 1'), own(80.0), own(80.0))
    assert check_of(verdict, "max_drop of side").outcome == "passed"
    check = check_of(verdict, "margin of side")
    assert (check.outcome, verdict.exit_code) == ("error", 2)
    assert "no sum over samples" in check.message


def test_rules_look_at_the_samples_that_both_have(gate: Gate) -> None:
    before = scores(bits(N, [0]))
    after = scores(bits(4), keys=["k1", "k2", "k3", "k4"])
    verdict = gate(rule("max_drop = 0\nmin_n = 5"), before, after)
    assert check_of(verdict, "max_drop").message.startswith("accuracy 100.00 -> 100.00: no change")
    assert check_of(verdict, "min_n").message == "4 samples with a score on both sides, at least 5"
    assert verdict.warnings[0].startswith("t: samples with a score in the reference alone: 36")


@pytest.mark.parametrize(
    ("failed", "rate", "outcome"),
    [(0, 0.0, "passed"), (1, 0.0, "failed"), (10, 0.2, "passed"), (11, 0.2, "failed")],
)
def test_errors(failed: int, rate: float, outcome: str, gate: Gate) -> None:
    after = scores(bits(N), failed={"timeout": failed} if failed else {})
    verdict = gate(f"[[rule]]\nmax_error_rate = {rate}\n", scores(bits(N)), after)
    assert verdict.outcome == outcome
    if failed:
        assert f"{failed} timeout" in check_of(verdict, "max_error_rate").message


def test_no_sample_at_all(gate: Gate) -> None:
    verdict = gate("[[rule]]\nmax_error_rate = 0\n", scores(bits(N)), scores([]))
    assert (verdict.outcome, check_of(verdict, "max_error_rate").message) == ("error", "there is no sample")


@pytest.mark.parametrize(
    ("cost", "known", "unknown", "outcome"),
    [
        (0.4, 3, 0, "passed"),
        (0.6, 3, 0, "failed"),
        (0.6, 3, 1, "failed"),
        (0.4, 3, 1, "error"),
        (0.0, 0, 0, "error"),
    ],
)
def test_costs(cost: float, known: int, unknown: int, outcome: str, gate: Gate) -> None:
    def usage(task: TaskScores) -> Usage:
        return Usage(cost, known, unknown, None, None, None)

    verdict = gate(rule("max_cost = 0.5"), scores(bits(N)), scores(bits(N)), usage=usage)
    assert check_of(verdict, "max_cost").outcome == outcome


@pytest.mark.parametrize(
    ("limits", "outcomes"),
    [
        ("max_seconds = {p50 = 2, p95 = 2.5}", ["passed", "failed"]),
        ("max_seconds = {mean = 1.9, max = 3}", ["failed", "passed"]),
        ("max_first_token_seconds = {p50 = 1}", ["passed"]),
        ("max_first_token_seconds = {p99 = 1}", ["error"]),
        ("max_first_audio_seconds = {p50 = 1}", ["error"]),
    ],
)
def test_times(limits: str, outcomes: list[str], gate: Gate) -> None:
    def usage(task: TaskScores) -> Usage:
        times = distribution(np.linspace(1, 3, 41).tolist())
        return Usage(0.0, 0, 0, times, distribution([0.5, 0.7]), None)

    verdict = gate(rule(limits), scores(bits(N)), scores(bits(N)), usage=usage)
    assert [check.outcome for check in verdict.checks if "seconds" in check.name] == outcomes


def test_times_and_costs_are_not_read_unless_there_is_a_ceiling(gate: Gate) -> None:
    def usage(task: TaskScores) -> Usage:
        raise AssertionError

    assert gate(rule("max_drop = 0"), scores(bits(N)), scores(bits(N)), usage=usage).outcome == "passed"


# Tasks that are there or not.


def test_required_tasks(gate: Gate) -> None:
    text = 'required = ["t", "u/*", "w"]\n' + rule("max_drop = 0")
    tasks = [scores(bits(N)), scores(bits(N), task="u/v")]
    verdict = gate(text, tasks, tasks)
    found = [(check.task, check.outcome) for check in verdict.checks if check.name == "required"]
    assert found == [("t", "passed"), ("u/*", "passed"), ("w", "failed")]
    assert verdict.exit_code == 1


def test_a_task_of_the_baseline_that_a_rule_is_about_must_be_there(gate: Gate) -> None:
    both, gone, other = (scores(bits(N), task=task) for task in ("a/both", "a/gone", "b/other"))
    verdict = gate(rule('task = "a"\nmax_drop = 0'), [both, gone, other], [both])
    check = check_of(verdict, "present")
    assert (check.task, check.outcome, verdict.exit_code) == ("a/gone", "failed", 1)


def test_a_task_without_a_baseline_is_skipped_and_still_checked_for_errors(gate: Gate) -> None:
    old, new = scores(bits(N), task="old"), scores(bits(N), task="new", failed={"timeout": 1})
    verdict = gate("[[rule]]\nmax_drop = 0\n", [old], [old, new])
    assert [
        (check.task, check.name, check.outcome) for check in verdict.checks if check.outcome != "passed"
    ] == [
        ("new", "max_error_rate", "failed"),
        ("new", "max_drop", "skipped"),
    ]


def test_a_rule_about_nothing_is_a_mistake(gate: Gate) -> None:
    with pytest.raises(PolicyError, match=r"line 1, key 'task': no task .* meant by 'tt'") as caught:
        gate('[[rule]]\ntask = "tt"\nmax_drop = 0\n', scores(bits(N)), scores(bits(N)))
    assert "Did you mean 't'" in str(caught.value)


# What cannot be told.


def test_another_protocol_is_no_baseline_unless_that_is_allowed(gate: Gate) -> None:
    sides = scores(bits(N)), scores(bits(N), protocol="p2")
    verdict = gate(rule("max_drop = 0\nmin_n = 1"), *sides)
    check = check_of(verdict, "comparable")
    assert (check.outcome, verdict.exit_code) == ("error", 2)
    assert "another protocol: version: p1 and p2" in check.message
    assert not any(check.name == "max_drop" for check in verdict.checks)
    assert check_of(verdict, "min_n").outcome == "passed"
    allowed = gate("across_protocols = true\n" + rule("max_drop = 0"), *sides)
    assert allowed.exit_code == 0
    assert allowed.warnings == ("t: different protocols: version: p1 and p2",)


def test_no_sample_in_common(gate: Gate) -> None:
    verdict = gate(rule("max_drop = 0"), scores(bits(2), keys="ab"), scores(bits(2), keys="xy"))
    check = check_of(verdict, "comparable")
    assert check.message == "no sample has a score on both sides (2 not asked)"
    assert verdict.exit_code == 2


def test_an_unfinished_candidate(gate: Gate) -> None:
    verdict = gate(rule("max_drop = 0"), scores(bits(N)), scores(bits(N), done=False))
    assert (check_of(verdict, "finished").outcome, verdict.exit_code) == ("error", 2)
    baseline = gate(rule("max_drop = 0"), scores(bits(N), done=False), scores(bits(N)))
    assert (baseline.warnings, baseline.exit_code) == (("t: the baseline's run is unfinished",), 0)


def test_a_single_sample_of_a_mean_gives_no_bound(gate: Gate) -> None:
    rating = Metric("rating", scale=1.0, unit="1-5", main=True)
    verdict = gate(rule("margin = 1"), scores([3.0], metric=rating), scores([3.0], metric=rating))
    assert (check_of(verdict, "margin").outcome, verdict.exit_code) == ("error", 2)


def test_what_failed_outweighs_what_cannot_be_told(gate: Gate) -> None:
    before = [scores(bits(N), task="a"), scores(bits(N), task="b")]
    after = [scores(bits(N, [0]), task="a"), scores(bits(N), task="b", protocol="p2")]
    verdict = gate(rule("max_drop = 0"), before, after)
    assert {check.outcome for check in verdict.checks} == {"passed", "failed", "error"}
    assert verdict.exit_code == 1


def test_variants_of_a_task_are_kept_apart(gate: Gate) -> None:
    before = [scores(bits(N), variant=variant) for variant in ("x", "y")]
    after = [scores(bits(N), variant="x"), scores(bits(N, [0]), variant="y")]
    verdict = gate(rule("max_drop = 0"), before, after)
    assert [check.task for check in verdict.of("failed")] == ["t (y)"]
