"""Two sides on the same samples: what is paired, what is compared, and what is said about the rest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval.errors import UnknownName, UsageError
from fac_eval.reports.compare.comparison import Comparison, Difference, compare_sides
from fac_eval.reports.compare.pairs import match_tasks, pair_samples
from fac_eval.reports.compare.samples import changed_samples
from fac_eval.reports.compare.sides import choices, chosen, load_side, named
from fac_eval.scores import Metric, ScoreTable, figure_of
from fac_eval.stats import RatioSums, holm, mcnemar_p, paired_score_interval, sign_flip_test
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Score
from tests.reports._compared import (
    WER,
    answered,
    bits,
    made_side,
    questions,
    scores,
    side,
)
from tests.support.plugins import install
from tests.support.toys import Echo, ToyTask

N = 30
RATING = Metric("rating", scale=1.0, unit="1-5", main=True)


def only(comparisons: Sequence[Comparison]) -> Difference:
    (comparison,) = comparisons
    (one,) = comparison.differences
    return one


def compared(before: Any, after: Any, **options: Any) -> Difference:
    return only(compare_sides(made_side(before), [made_side(after)], **options))


# What is compared.


def test_right_and_wrong_answers() -> None:
    one = compared(scores(bits(N, [0, 1])), scores(bits(N, [1, 2, 3, 4, 5])))
    low, high = paired_score_interval(1, 4, N)
    assert (one.reference, one.candidate) == pytest.approx((100 * 28 / N, 100 * 25 / N))
    assert (one.estimate.value, one.estimate.low, one.estimate.high) == pytest.approx(
        (-10.0, 100 * low, 100 * high)
    )
    assert (one.p, one.test) == (mcnemar_p(1, 4), "mcnemar")
    assert (one.better, one.worse, one.same, one.n) == (1, 4, 25, N)
    assert one.detectable is not None
    assert one.verdict == "not shown"


def test_word_errors_are_a_ratio_and_less_is_better() -> None:
    words = [float(5 + row % 7) for row in range(N)]
    before = {"errors": [float(row % 3) for row in range(N)], "words": words}
    after = {"errors": [float(row % 3 and row % 3 - 1) for row in range(N)], "words": words}
    one = compared(scores(before, metric=WER), scores(after, metric=WER))
    assert one.reference == pytest.approx(100 * sum(before["errors"]) / sum(words))
    assert one.estimate.value == pytest.approx(-100 * 20 / sum(words))
    assert one.gain == -one.estimate.value
    assert (one.better, one.worse, one.same) == (20, 0, 10)
    assert (one.test, one.verdict) == ("permutation-exact", "better")
    assert one.p == pytest.approx(2 / 2**20)


def test_ratings_get_the_permutation_test_even_where_they_are_all_0_or_1() -> None:
    one = compared(scores(bits(N, [0]), metric=RATING), scores(bits(N, [0, 1]), metric=RATING))
    assert (one.test, one.estimate.method) == ("permutation-exact", "t")
    assert one.unit == "1-5"
    assert one.estimate.value == pytest.approx(-1 / N)


def test_samples_of_one_source_are_one_observation() -> None:
    wrong = range(15)
    speakers = [f"speaker {row // 5}" for row in range(N)]
    alone = compared(scores(bits(N)), scores(bits(N, wrong)))
    shared = compared(scores(bits(N)), scores(bits(N, wrong), clusters=speakers))
    assert alone.p < 0.001  # type: ignore[operator]
    assert shared.p == pytest.approx(2 / 2**3)
    assert shared.estimate.clusters == 6
    assert shared.estimate.method == "clustered-t"


def test_the_bootstrap_takes_the_place_of_the_formula_and_is_seeded() -> None:
    before, after = scores(bits(N, [0])), scores(bits(N, [1, 2, 3]))
    one = compared(before, after, bootstrap=True)
    assert one.estimate.method == "bootstrap"
    assert one == compared(before, after, bootstrap=True)


def test_a_figure_that_the_task_makes_in_its_own_way_is_compared_by_the_samples_scores() -> None:
    figure = [Figure("final", 61.8, N, main=True)]
    other = Metric("elsewhere")
    before = scores(bits(N, [0]), metric=other, figures=figure)
    after = scores(bits(N, [0, 1, 2]), metric=other, figures=figure)
    one = compared(before, after)
    assert one.metric == "final, by sample"
    assert (one.unit, one.estimate.value) == ("%", pytest.approx(-100 * 2 / N))
    assert one.notes == ("final is no sum over samples; the samples' own scores are compared",)


def test_scores_that_are_no_shares_keep_their_own_unit() -> None:
    figure = [Figure("total", 80.0, N, main=True)]
    other = Metric("elsewhere")
    rated = [scores([value] * N, metric=other, figures=figure) for value in (4.0, 3.5)]
    one = compared(*rated)
    assert (one.unit, one.estimate.value) == ("", -0.5)


# What is paired.


def test_samples_of_one_side_are_counted_by_what_became_of_them_on_the_other() -> None:
    before = scores(bits(6), keys=list("abcdef"))
    after = scores(
        bits(4, [0]),
        keys=list("bcxy"),
        unscored={"d": "error", "e": "skipped: long", "f": "error"},
    )
    paired = pair_samples(before, after)
    assert paired.rows.tolist() == [[1, 0], [2, 1]]
    assert paired.only_reference == {"not asked": 1, "error": 2, "skipped: long": 1}
    assert paired.only_candidate == {"not asked": 2}
    one = compared(before, after)
    assert (one.reference, one.candidate, one.n) == (100.0, 50.0, 2)
    assert one.notes == (
        "samples with a score in the reference alone: 4 (in the candidate: 2 error, 1 not asked, 1 skipped: long)",
        "samples with a score in the candidate alone: 2 (in the reference: 2 not asked)",
    )


def test_no_sample_in_common_is_no_difference_at_all() -> None:
    one = compared(scores(bits(3), keys="abc"), scores(bits(3), keys="xyz"))
    assert (one.estimate.value, one.p, one.p_holm, one.effect, one.detectable) == (
        None,
        None,
        None,
        None,
        None,
    )
    assert one.verdict == "not shown"


def test_tasks_are_matched_by_name_and_by_variant_where_there_are_several() -> None:
    plain, strict, other = (scores([1.0], task=task, variant=variant) for task, variant in ("aa", "ab", "ba"))
    found = match_tasks([plain], [strict])
    assert found == ([(plain, strict)], [], [])
    found = match_tasks([plain, strict], [strict, other])
    assert found == ([(strict, strict)], [plain], [other])


def test_sides_without_a_common_task_are_refused() -> None:
    with pytest.raises(UsageError, match="no task in common: the one has b, the other a"):
        compare_sides(made_side(scores([1.0], task="a")), [made_side(scores([1.0], task="b"))])


def test_tasks_of_one_side_are_named() -> None:
    common, first, second = (scores([1.0, 0.0], task=task) for task in "abc")
    (comparison,) = compare_sides(made_side(common, first), [made_side(second, common)])
    assert (comparison.only_reference, comparison.only_candidate) == (("b",), ("c",))


def test_what_differs_besides_the_model_is_said() -> None:
    before, after = scores(bits(4)), scores(bits(4), protocol="p2")
    object.__setattr__(after, "data", "d2")
    (comparison,) = compare_sides(made_side(before), [made_side(after)])
    assert comparison.warnings == (
        "t: different protocols: version: p1 and p2",
        "t: different data: d1 and d2",
    )


def test_unfinished_sides_are_named() -> None:
    (comparison,) = compare_sides(
        made_side(scores(bits(4)), name="old"), [made_side(scores(bits(4), done=False), name="new")]
    )
    assert comparison.warnings == ("t: new is unfinished; its scores so far are compared",)


# Many at once.


def test_holms_correction_is_over_all_tasks_of_all_candidates() -> None:
    def candidate(name: str, *wrong: int) -> Any:
        tasks = [scores(bits(N, range(count)), task=f"t{place}") for place, count in enumerate(wrong)]
        return made_side(*tasks, name=name)

    comparisons = compare_sides(candidate("reference", 0, 0), [candidate("b", 9, 6), candidate("c", 0, 12)])
    tests = [one for comparison in comparisons for one in comparison.differences]
    assert [one.p_holm for one in tests] == holm([mcnemar_p(0, losses) for losses in (9, 6, 0, 12)])
    assert [one.verdict for one in tests] == ["worse", "not shown", "not shown", "worse"]


def test_a_total_is_the_mean_over_tasks_of_one_unit_and_direction() -> None:
    before = [
        scores(bits(N), task="a"),
        scores(bits(50), task="b"),
        scores([4.0, 3.0], task="c", metric=RATING),
    ]
    after = [
        scores(bits(N, range(6)), task="a"),
        scores(bits(50, range(5)), task="b"),
        scores([4.0, 2.0], task="c", metric=RATING),
    ]
    (comparison,) = compare_sides(made_side(*before), [made_side(*after)])
    (total,) = comparison.totals
    first, second, _ = comparison.differences
    assert total.task == "mean of 2 tasks"
    assert total.estimate.value == pytest.approx(-(20 + 10) / 2)
    assert (total.reference, total.candidate) == pytest.approx((100, 85))
    assert (total.better, total.worse, total.same) == (0, 11, 69)
    assert total.detectable == pytest.approx(np.hypot(first.detectable, second.detectable) / 2)  # type: ignore[arg-type]
    contributions = [-1 / N] * 6 + [-1 / 50] * 5
    assert total.p == sign_flip_test(contributions, rng=np.random.default_rng(0)).p
    assert total.p_holm is None


def test_one_task_under_two_variants_makes_no_total() -> None:
    tasks = [scores(bits(N), variant=variant) for variant in ("x", "y")]
    (comparison,) = compare_sides(made_side(*tasks), [made_side(*tasks)])
    assert comparison.totals == ()
    assert [one.task for one in comparison.differences] == ["t (x)", "t (y)"]


# From the store.


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on twenty questions of four speakers; the second misses two answers and gets three wrong."""
    folder = tmp_path_factory.mktemp("compared")
    references = [f"answer {row}" for row in range(20)]
    questions(folder / "q.jsonl", references, cluster=[f"speaker {row // 5}" for row in range(20)])
    second: list[str | None] = list(references)
    for row in (3, 4, 11):
        second[row] = "what?"
    second[7] = second[8] = None
    answered(folder, "first", references)
    answered(folder, "second", second)
    return folder


def test_a_run_is_read_from_the_store(workspace: Path) -> None:
    before, after = (side(workspace, run) for run in runs(workspace))
    (comparison,) = compare_sides(before, [after])
    one = only([comparison])
    assert (one.task, one.metric) == ("file:q", "accuracy")
    assert (one.n, one.worse, one.estimate.clusters) == (18, 3, 4)
    assert one.estimate.value == pytest.approx(-100 * 3 / 18)
    assert (
        one.notes[0]
        == "samples with a score in the reference alone: 2 (in the candidate: 2 missing_prediction)"
    )


def runs(folder: Path) -> list[str]:
    from fac_eval.store import Store

    with Store.reader(folder / "store") as store:
        return [run.id for run in store.runs()]


def test_changed_samples_come_with_question_answer_and_label(workspace: Path) -> None:
    before, after = (side(workspace, run) for run in runs(workspace))
    (comparison,) = compare_sides(before, [after])
    found = changed_samples(comparison, 2)
    assert [sample.id for sample in found] == ["q3", "q4"]
    assert found[0].question == "question 3"
    assert (found[0].reference.score, found[0].reference.text) == ("1", "answer 3")
    assert (found[0].candidate.score, found[0].candidate.text) == ("0", "what?")
    assert changed_samples(comparison, 0) == []
    (back,) = compare_sides(after, [before])
    assert [sample.gain for sample in changed_samples(back, 9)] == [1.0, 1.0, 1.0]


def test_the_greatest_losses_come_first(tmp_path: Path) -> None:
    questions(tmp_path / "q.jsonl", ["a b c d"] * 4)
    first = answered(
        tmp_path, "first", ["a b c d", "a b c x", "a b c d", "a b c d"], set={"file.metric": "wer"}
    )
    second = answered(
        tmp_path, "second", ["a b c d", "a b c d", "x y z", "a b x d"], set={"file.metric": "wer"}
    )
    (comparison,) = compare_sides(side(tmp_path, first), [side(tmp_path, second)])
    one = only([comparison])
    assert one.metric == "WER"
    assert one.estimate.value == pytest.approx(100 * (5 - 1) / 16)
    found = changed_samples(comparison, 9)
    assert [(sample.id, sample.gain, sample.candidate.score) for sample in found] == [
        ("q2", -4.0, "4/4"),
        ("q3", -1.0, "1/4"),
        ("q1", 1.0, "0/4"),
    ]


def test_the_same_id_with_other_content_is_no_pair_unless_asked_for(tmp_path: Path) -> None:
    questions(tmp_path / "q.jsonl", ["a", "b", "c"])
    first = answered(tmp_path, "first", ["a", "b", "c"])
    questions(tmp_path / "q.jsonl", ["a", "b", "other"])
    second = answered(tmp_path, "second", ["a", "b", "c"])
    sides = [side(tmp_path, run) for run in (first, second)]
    (comparison,) = compare_sides(sides[0], [sides[1]])
    one = only([comparison])
    assert one.n == 2
    assert one.paired is not None
    assert one.paired.only_reference == {"same id, other content": 1}
    assert comparison.warnings[-1].startswith("file:q: different data: ")
    by_id = [side(tmp_path, run, pair_by="id") for run in (first, second)]
    assert only(compare_sides(by_id[0], [by_id[1]])).n == 3


def test_another_protocol_over_the_same_answers_is_named(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    run = fac_eval.run("oracle", "voicebench/advbench", data="sample", store=store, progress=False)
    again = fac_eval.rescore(run.id, set={"voicebench/advbench.mode": "official"}, store=store)
    before, after = (side(tmp_path, one.id) for one in (run, again))
    (comparison,) = compare_sides(before, [after])
    assert comparison.warnings == (
        "voicebench/advbench: different protocols: options.mode: kimi and official",
    )
    assert only([comparison]).notes == ("12 of 12 answers are one and the same stored answer",)


def test_figures_that_are_printed_rounded_are_known_for_what_they_are(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    run = fac_eval.run("random", ["speech_fc/bfcl_single"], data="sample", store=store, progress=False)
    (task,) = side(tmp_path, run.id).tasks
    assert [metric.of for metric in task.metrics["accuracy"]] == ["value"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("latest", ["oracle", "empty"]),
        ("latest@empty", ["empty"]),
        ("@oracle", ["oracle"]),
        ("{store}#latest@empty", ["empty"]),
        ("{store}#", ["oracle", "empty"]),
        ("{start}@oracle", ["oracle"]),
    ],
)
def test_arguments_name_models_of_runs(argument: str, expected: list[str], finished_store: Path) -> None:
    start = runs(finished_store.parent)[0][:6]
    found = choices(argument.format(store=finished_store, start=start), finished_store)
    assert [choice.model for choice in found] == expected


def test_models_whose_labels_have_signs_in_them(tmp_path: Path) -> None:
    questions(tmp_path / "q.jsonl", ["a"])
    store = str(tmp_path / "store")
    file = f"file:{tmp_path / 'q.jsonl'}"
    fac_eval.run(["oracle", "oracle"], file, store=store, progress=False)
    assert [choice.model for choice in choices("latest@oracle#2", store)] == ["oracle#2"]


def test_a_model_that_is_not_there_or_not_chosen(finished_store: Path) -> None:
    with pytest.raises(UnknownName, match="unknown model 'orcale'"):
        choices("latest@orcale", finished_store)
    with pytest.raises(UsageError, match="holds several models: oracle, empty"):
        chosen("latest", finished_store)
    assert chosen("latest", finished_store, model="empty").model == "empty"


def test_models_of_one_name_are_told_apart_by_their_runs(workspace: Path, finished_store: Path) -> None:
    found = choices("latest", finished_store)
    assert named(found) == ["oracle", "empty"]
    assert named([found[0], found[0]]) == [f"oracle ({found[0].place.id[:6]})"] * 2


def test_only_the_tasks_asked_for(finished_store: Path) -> None:
    (choice,) = choices("@oracle", finished_store)
    assert [one.task for one in load_side(choice, tasks=["*bbh"]).tasks] == ["voicebench/bbh"]
    with pytest.raises(UnknownName, match="unknown task 'bhb'"):
        load_side(choice, tasks=["bhb"])


class Pooled(ToyTask):
    """Figures that a task works out by itself, from columns of scores."""

    name = "pooled"

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        place = int(sample.id[1:])
        parts = {"errors": float(place % 3), "words": float(5 + place % 4), "odd": float(place % 2)}
        return Score(parts["errors"] / parts["words"], parts=parts)

    def figures(self, table: ScoreTable) -> list[Figure]:
        sums = RatioSums().add(table.column("errors"), table.column("words"))
        wer = figure_of("wer", sums.estimate().scaled(100), higher_is_better=False, main=True)
        chosen = table.column("odd") == 1
        return [
            wer,
            table.figure(Metric("odd ones", of="odd")),
            figure_of("of the odd", RatioSums().add(table.column("value")[chosen]).estimate()),
        ]


def test_how_a_task_makes_its_figures_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooled_task", sys.modules[__name__])
    install(monkeypatch, "task", {"pooled": "pooled_task:Pooled"})
    run = fac_eval.run(Echo(), Pooled(), store=str(tmp_path / "store"), progress=False)
    (task,) = side(tmp_path, run.id).tasks
    found = {
        name: [(one.of, one.per, one.scale) for one in several] for name, several in task.metrics.items()
    }
    assert found == {"wer": [("errors", "words", 100.0)], "odd ones": [("odd", None, 100.0)]}
    assert sorted(task.columns) == ["errors", "odd", "value", "words"]


def test_a_perfect_side_is_compared_by_what_the_other_side_s_figure_is_made_of(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    fac_eval.run(["oracle"], "asr/librispeech_clean", data="sample", store=store, progress=False)
    (task,) = side(tmp_path, "latest").tasks
    # Nothing but zeros: every column gives the figure.
    assert {"value", "errors", "deletions"} <= {metric.of for metric in task.metrics["wer"]}
    other = scores(
        {"errors": [2.0] + [1.0] * 11, "tokens": [5.0] + [9.0] * 11},
        task=task.task,
        metric=Metric("wer", of="errors", per="tokens", higher_is_better=False, main=True),
        keys=task.keys,
    )
    one = compared(task, other)
    assert (one.metric, one.candidate) == ("wer", pytest.approx(100 * 13 / 104))


def test_a_task_that_is_not_installed_is_compared_by_its_stored_figures(tmp_path: Path) -> None:
    run = fac_eval.run(Echo(), ToyTask(), store=str(tmp_path / "store"), progress=False)
    (task,) = side(tmp_path, run.id).tasks
    assert {name: several[0].of for name, several in task.metrics.items()} == {"accuracy": "value"}
