"""VoiceBench's judged subsets without an engine: what is asked, how replies are read, which figures come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fac_eval.data.hub import DataFinder
from fac_eval.errors import MissingResource, UnreadableReply
from fac_eval.resolve import resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.task import Task
from fac_eval.tasks.voicebench import BENCHMARK
from fac_eval.vocabulary import Evidence, Figure, Response, Sample, Score, Verdict, user

OPEN = ("voicebench/alpacaeval", "voicebench/commoneval", "voicebench/wildvoice")
ANSWER = Response(text=" It is Lisbon. \n")


def task_of(spec: str) -> Task:
    (task,) = resolve_tasks([spec])
    return task


def sample(reference: str | None = " Lisbon ") -> Sample:
    return Sample("x", (user("?"),), reference, metadata={"prompt": " Where is it? "})


def scored(spec: str, *replies: str) -> Score:
    evidence = Evidence(verdicts=tuple(Verdict(reply=reply) for reply in replies))
    return task_of(spec).score(sample(), ANSWER, evidence)


def table(scores: Sequence[Score], **failed: int) -> ScoreTable:
    rows = [{"value": score.value, "label": score.label, "parts": score.parts} for score in scores]
    return ScoreTable(rows, failed=failed)


def figures(spec: str, scores: Sequence[Score], **failed: int) -> dict[str, Figure]:
    return {figure.name: figure for figure in task_of(spec).figures(table(scores, **failed))}


# What is asked.


@pytest.mark.parametrize(
    ("spec", "rubric", "calls"),
    [
        *((f"{name}:mode=kimi", "voicebench/open", 1) for name in OPEN),
        *((f"{name}:mode=official", "voicebench/open-official", 3) for name in OPEN),
        ("voicebench/sd-qa", "voicebench/qa", 1),
        ("voicebench/sd-qa:mode=official", "voicebench/qa-official", 3),
        ("voicebench/mmsu", "voicebench/mcq", 1),
        ("voicebench/openbookqa", "voicebench/mcq", 1),
    ],
)
def test_the_mode_decides_how_and_how_often_the_judge_is_asked(spec: str, rubric: str, calls: int) -> None:
    task = task_of(spec)
    assert (task.needs, task.rubrics, task.judge_calls) == (frozenset({"judge"}), (rubric,), calls)
    questions = task.questions(sample(), ANSWER, Evidence())
    assert [(question.rubric, question.draw) for question in questions] == [
        (rubric, draw) for draw in range(calls)
    ]


@pytest.mark.parametrize("mode", ["official", "kimi_vb_mcq", "ultraeval"])
def test_phrases_need_no_judge(mode: str) -> None:
    task = task_of(f"voicebench/mmsu:mode={mode}")
    assert (task.needs, task.rubrics, task.judge_calls) == (frozenset(), (), 0)
    assert not task.questions(sample("A"), ANSWER, Evidence())


@pytest.mark.parametrize(
    ("mode", "inputs"),
    [
        ("kimi", {"question": "Where is it?", "reference": "Lisbon", "answer": " It is Lisbon. \n"}),
        ("official", {"question": " Where is it? ", "reference": " Lisbon ", "answer": " It is Lisbon. \n"}),
    ],
)
def test_kimi_strips_everything_but_the_answer(mode: str, inputs: dict[str, str]) -> None:
    question = task_of(f"voicebench/sd-qa:mode={mode}").questions(sample(), ANSWER, Evidence())[0]
    assert question.inputs == inputs


def test_an_open_request_has_no_reference_to_show() -> None:
    (question,) = task_of("voicebench/wildvoice").questions(sample(None), ANSWER, Evidence())
    assert question.inputs.keys() == {"question", "answer"}


# Ratings.


@pytest.mark.parametrize(
    ("options", "replies", "value", "label"),
    [
        ("mode=kimi", ["4"], 4.0, "4"),
        ("mode=kimi", ["I say [[2]]"], 2.0, "2"),
        ("mode=kimi", ["10"], 10.0, "10"),
        ("mode=kimi,invalid=count_wrong", ["Score: 4"], 1.0, "invalid"),
        ("mode=kimi,parser=robust", ["Score: 4"], 4.0, "4"),
        ("mode=official", ["5", "4", "[[4]]"], 13 / 3, "4.33333"),
        ("mode=official,invalid=count_wrong", ["5", "?", "4"], 10 / 3, "invalid"),
    ],
)
def test_a_rating_is_the_mean_of_what_the_replies_say(
    options: str, replies: list[str], value: float, label: str
) -> None:
    score = scored(f"voicebench/alpacaeval:{options}", *replies)
    assert score.value == pytest.approx(value)
    assert score.label == label


@pytest.mark.parametrize(
    ("options", "replies"),
    [
        ("mode=kimi", ["Score: 4"]),
        ("mode=kimi", [""]),
        ("mode=kimi", ["nan"]),
        ("mode=kimi", ["inf"]),
        ("mode=kimi,parser=robust", ["10"]),
        ("mode=official", ["5", "very good", "4"]),
    ],
)
def test_a_reply_without_a_rating_is_no_rating(options: str, replies: list[str]) -> None:
    with pytest.raises(UnreadableReply) as raised:
        scored(f"voicebench/alpacaeval:{options}", *replies)
    assert raised.value.reply in replies


def test_the_rating_is_printed_with_what_it_leaves_out() -> None:
    found = figures(OPEN[0], [Score(5.0), Score(3.0)], judge_error=2, model_error=1)
    assert list(found) == ["rating", "invalid"]
    rating, invalid = found.values()
    assert (rating.value, rating.n, rating.unit, rating.main) == (4.0, 2, "", True)
    assert rating.note == "2 of 5 samples rated"
    assert (invalid.value, invalid.n, invalid.higher_is_better) == (2.0, 5, False)


def test_the_self_check_of_the_protocol() -> None:
    # Judge replies 5, "Score: 4", "[[3]]", none: a mean of 4 with two invalid ones.
    scores = [scored(OPEN[0], "5"), scored(OPEN[0], "[[3]]")]
    found = figures(OPEN[0], scores, judge_error=2)
    assert (found["rating"].value, found["invalid"].value) == (4.0, 2.0)


def test_ratings_off_the_scale_are_kept_and_told() -> None:
    found = figures(OPEN[0], [scored(OPEN[0], "10"), scored(OPEN[0], "4")])
    assert found["rating"].value == 7.0
    assert found["rating"].note == "1 with ratings outside 1 to 5"


# Verdicts.


@pytest.mark.parametrize("name", ["voicebench/sd-qa", "voicebench/mmsu", "voicebench/openbookqa"])
@pytest.mark.parametrize(
    ("options", "reply", "value", "label"),
    [
        ("parser=official", "It fits.\nResult: yes", 1.0, "yes"),
        ("parser=official", "No.", 0.0, "no"),
        ("parser=official", "I know it", 0.0, "no"),
        ("parser=official,invalid=count_wrong", "maybe", 0.0, "invalid"),
        ("parser=robust", "Yes, it does.", 1.0, "yes"),
    ],
)
def test_a_verdict_is_read(name: str, options: str, reply: str, value: float, label: str) -> None:
    score = scored(f"{name}:{options}", reply)
    assert (score.value, score.label) == (value, label)


@pytest.mark.parametrize("name", ["voicebench/sd-qa", "voicebench/mmsu"])
@pytest.mark.parametrize(
    ("parser", "reply"), [("official", "maybe"), ("official", ""), ("robust", "I know it")]
)
def test_a_reply_without_a_verdict_is_none(name: str, parser: str, reply: str) -> None:
    with pytest.raises(UnreadableReply):
        scored(f"{name}:parser={parser}", reply)


@pytest.mark.parametrize("name", ["voicebench/sd-qa", "voicebench/mmsu"])
def test_the_accuracy_stands_beside_the_one_over_all_samples(name: str) -> None:
    # "Result: yes", "I know", "maybe": 50 % of two valid ones of three.
    scores = [scored(name, "Result: yes"), scored(name, "I know")]
    found = figures(name, scores, judge_error=1, model_error=1)
    assert list(found) == ["accuracy", "strict accuracy", "invalid"]
    accuracy, strict, invalid = found.values()
    assert (accuracy.value, accuracy.n, accuracy.main) == (50.0, 2, True)
    assert (strict.value, strict.n) == (25.0, 4)
    assert (invalid.value, invalid.n) == (1.0, 4)


def test_replies_counted_as_wrong_are_still_told() -> None:
    name = "voicebench/sd-qa:invalid=count_wrong"
    found = figures(name, [scored(name, "yes"), scored(name, "maybe")])
    assert [found[key].value for key in ("accuracy", "strict accuracy", "invalid")] == [50.0, 50.0, 1.0]


@pytest.mark.parametrize(
    ("parser", "replies", "value", "label"),
    [
        ("official", ["Yes", "yes", "no"], 1.0, "yes"),
        ("official", ["yes.", "yes.", "no"], 0.0, "no"),
        ("official", ["yes", "no", "maybe"], 0.0, "tie"),
        ("robust", ["Yes.", "yes, it is", "no"], 1.0, "yes"),
        ("robust", ["yes", "hm", "no"], 0.0, "tie"),
    ],
)
def test_three_replies_vote(parser: str, replies: list[str], value: float, label: str) -> None:
    score = scored(f"voicebench/sd-qa:mode=official,parser={parser}", *replies)
    assert (score.value, score.label, score.parts["tie"]) == (value, label, float(label == "tie"))


def test_half_of_the_official_figure_is_not_called_accuracy() -> None:
    name = "voicebench/sd-qa:mode=official"
    found = figures(name, [scored(name, "yes", "yes", "no"), scored(name, "yes", "no", "maybe")])
    assert list(found) == ["gpt", "strict accuracy", "invalid", "ties"]
    assert (found["gpt"].value, found["gpt"].main, found["ties"].value) == (50.0, True, 1.0)
    assert "panda" in (found["gpt"].note or "")


class Agreeable:
    """Stands in for PEDANT: right is what holds the reference."""

    def __init__(self, version: str) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def correct(self, reference: str, answer: str, question: str) -> bool:
        self.asked.append((reference, answer, question))
        return reference.strip() in answer


def test_the_official_figure_is_the_mean_of_its_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fac_eval.metrics.pedant.Pedant", Agreeable)
    task: Any = task_of("voicebench/sd-qa:mode=official,panda=0.2.17")
    verdicts = tuple(Verdict(reply=reply) for reply in ("no", "no", "yes"))
    score = task.score(sample(), ANSWER, Evidence(verdicts=verdicts))
    assert task._pedant.asked == [(" lisbon ", " it is lisbon. \n", " where is it? ")]
    assert score.value == 0.5
    found = {figure.name: figure.value for figure in task.figures(table([score]))}
    assert found == {
        "accuracy": 50.0,
        "gpt": 0.0,
        "panda": 100.0,
        "strict accuracy": 50.0,
        "invalid": 0.0,
        "ties": 0.0,
    }


# Identity.


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("mmsu:fallback_seed=1", "mmsu:fallback=wrong", True),
        ("mmsu:mode=official,invalid=count_wrong", "mmsu:mode=official", True),
        ("mmsu:mode=official,fallback_seed=1", "mmsu:mode=official", False),
        ("mmsu:invalid=count_wrong", "mmsu", False),
        ("sd-qa:panda=0.2.17", "sd-qa", True),
        ("sd-qa:mode=official,panda=0.2.17", "sd-qa:mode=official", False),
        ("sd-qa:mode=official,invalid=count_wrong", "sd-qa:mode=official", True),
        ("sd-qa:region=all", "sd-qa", False),
        ("alpacaeval:parser=robust", "alpacaeval", False),
    ],
)
def test_options_without_effect_are_no_part_of_the_identity(one: str, other: str, same: bool) -> None:
    tasks = [task_of(f"voicebench/{name}") for name in (one, other)]
    assert (tasks[0].protocol() == tasks[1].protocol()) is same
    assert (tasks[0].variant == tasks[1].variant) is same or one.startswith(
        "mmsu:mode=official,fallback_seed"
    )


def test_the_variant_says_what_is_in_force() -> None:
    assert task_of("voicebench/mmsu").variant == "mode=kimi,invalid=official,parser=official"
    assert task_of("voicebench/mmsu:mode=official").variant == "mode=official,fallback=random"
    assert task_of("voicebench/sd-qa").variant == "mode=kimi,region=usa,invalid=official,parser=official"


# Data.


def test_sd_qa_is_american_unless_told_otherwise() -> None:
    assert [source.splits for source in task_of("voicebench/sd-qa").datasets()] == [("usa",)]
    (every,) = task_of("voicebench/sd-qa:region=all").datasets()
    assert len(every.splits) == 11
    assert set(every.expected_rows.values()) == {553}


def test_a_region_without_speakers_is_found_before_the_run() -> None:
    with pytest.raises(MissingResource, match="no speakers of the region gbr"):
        task_of("voicebench/sd-qa:region=gbr").check(DataFinder("sample"))


def test_one_question_by_several_speakers_is_one_cluster() -> None:
    finder = DataFinder("sample")
    alone = list(task_of("voicebench/sd-qa").samples(finder))
    together = list(task_of("voicebench/sd-qa:region=all").samples(finder))
    assert {one.cluster for one in alone} == {None}
    assert [one.cluster for one in together] == [one.metadata["prompt"] for one in alone]
    assert alone[0].id == "sd-qa/usa/0"
    assert alone[0].reference == "Lisbon"


# The Overall.


TERMS = {
    # Fun-Audio-Chat-8B in the report's Table 2.
    "alpacaeval": 4.80,
    "commoneval": 4.42,
    "sd-qa": 66.27,
    "mmsu": 71.08,
    "openbookqa": 83.52,
    "ifeval": 78.52,
    "advbench": 98.65,
}


def main_figures(values: dict[str, float], **names: str) -> dict[str, Figure]:
    return {task: Figure(names.get(task, "main"), value, 10, main=True) for task, value in values.items()}


def test_the_overall_is_the_mean_of_the_printed_figures() -> None:
    exact = {task: value + 0.0049 for task, value in TERMS.items()}
    report, leaderboard = (overall.compute(main_figures(exact)) for overall in BENCHMARK.overall)
    assert isinstance(report, Figure)
    assert report.value == pytest.approx(83.205714, abs=1e-6)
    assert report.n == 70
    assert leaderboard == "no score for wildvoice, bbh"


def test_the_overall_has_an_interval_where_its_terms_have() -> None:
    terms = {
        task: Figure("main", value, 10, se=1.0, low=value - 2, high=value + 2, main=True)
        for task, value in TERMS.items()
    }
    found = BENCHMARK.overall[0].compute(terms)
    assert isinstance(found, Figure)
    assert (found.value or 0) - (found.low or 0) == pytest.approx((2 * 40**2 + 5 * 2**2) ** 0.5 / 7)


def test_half_a_figure_makes_no_overall() -> None:
    found = BENCHMARK.overall[0].compute(main_figures(TERMS, **{"sd-qa": "gpt"}))
    assert found == "no score for sd-qa (sd-qa's official figure needs panda, too)"
