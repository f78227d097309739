"""VStyle as tasks: who hears what, official weights, failures, draws, on the shipped sample data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval.audio import Audio
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UnreadableReply
from fac_eval.metrics.vstyle import StyleAnswer, category_of, style_scores, weights
from fac_eval.resolve import resolve_tasks, task_rubrics
from fac_eval.tasks.vstyle import VStyleEn, VStyleOptions, VStyleZh
from fac_eval.vocabulary import Evidence, Question, Response, Verdict
from tests.support.judges import Critic

SPEECH = Audio.from_samples(np.full(1600, 0.1, np.float32), 16_000)
SAMPLES = list(VStyleEn().samples(DataFinder("sample")))


def by_ability(question: Question) -> str:
    """A rating that tells the abilities apart."""
    return f"Final score: [[{1 + list(weights()).index(question.inputs['instruction_type']) % 5}]]"


def run(tasks: Any, store: Path, judge: Critic, models: Any = "oracle") -> fac_eval.RunResult:
    return fac_eval.run(models, tasks, data="sample", store=str(store), judge=judge, progress=False)


def figures(result: fac_eval.RunResult, cell: int = 0) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in result.cells[cell].figures}


@pytest.mark.parametrize("task", [VStyleEn(), VStyleZh()], ids=lambda task: task.name)
def test_there_is_one_instruction_for_each_ability(task: VStyleEn) -> None:
    samples = list(task.samples(DataFinder("sample")))
    assert [sample.metadata["ability"] for sample in samples] == list(weights())
    assert task.size(DataFinder("sample")) == 16
    assert all(clip.seconds > 2 for sample in samples for clip in sample.messages[0].parts)  # type: ignore[union-attr]


def test_both_languages_have_their_own_rubrics() -> None:
    english, mandarin = resolve_tasks(["vstyle"])
    assert {rubric.name for rubric in task_rubrics(english)} == {
        f"vstyle/{category}-en" for category in ("acoustic_attributes", "instruction", "role_play", "empathy")
    }
    assert all(rubric.hears for rubric in task_rubrics(mandarin))


@pytest.mark.parametrize(("instruction_audio", "clips"), [(False, 1), (True, 2)])
def test_the_judge_hears_the_answer_last(instruction_audio: bool, clips: int) -> None:
    task = VStyleEn(VStyleOptions(instruction_audio=instruction_audio, draws=3))
    questions = task.questions(SAMPLES[7], Response(text="x", speech=SPEECH), Evidence())
    assert [question.draw for question in questions] == [0, 1, 2]
    for question in questions:
        assert question.rubric == "vstyle/instruction-en"
        assert question.inputs["instruction_type"] == "instruction/emotion"
        assert len(question.audio) == clips
        assert question.audio[-1] is SPEECH
    assert task.judge_calls == 3


def test_an_answer_without_sound_is_told_and_costs_no_call(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no speech"):
        VStyleEn().questions(SAMPLES[0], Response(text="x"), Evidence())
    judge = Critic(by_ability)
    result = run("vstyle/en", tmp_path, judge, models="empty")
    assert result.counts.n_failed == 16
    assert judge.asked == []


def scored(*replies: str) -> dict[str, float]:
    verdicts = tuple(Verdict(reply) for reply in replies)
    score = VStyleEn().score(SAMPLES[0], Response(text="x", speech=SPEECH), Evidence(verdicts=verdicts))
    return {"value": score.value, **score.parts}


def test_draws_are_averaged_and_their_spread_is_kept() -> None:
    found = scored("[[3]]", "[[5]]")
    assert (found["value"], found["spread"], found["draws"]) == (4, 1, 2)


@pytest.mark.parametrize(("reply", "flag"), [("[[5]]", 0), ("[[10]]", 1), ("[[0]]", 1), ("4.5", 0)])
def test_ratings_outside_the_scale_count_and_are_flagged(reply: str, flag: float) -> None:
    assert scored(reply)["out_of_range"] == flag


@pytest.mark.parametrize("reply", ["no idea", "", "[[4/5]]", "[[nan]]", "[[inf]]"])
def test_what_is_no_number_is_a_judge_error(reply: str) -> None:
    with pytest.raises(UnreadableReply):
        scored(reply)


def test_figures_are_those_of_the_official_aggregation(tmp_path: Path) -> None:
    result = run("vstyle", tmp_path, Critic(by_ability))
    official = style_scores(StyleAnswer(name, 1.0 + index % 5) for index, name in enumerate(weights()))
    for cell in (0, 1):
        found = figures(result, cell)
        assert found["overall"] == pytest.approx(official.overall)
        for category, score in official.categories.items():
            assert found[category] == pytest.approx(score.mean)
        for ability, sub_type in official.sub_types.items():
            assert found[ability] == pytest.approx(sub_type.mean)
    (main,) = (figure for figure in result.cells[0].figures if figure.main)
    assert (main.name, main.unit, main.n) == ("overall", "", 16)


@pytest.mark.parametrize("failures", ["left_out", "as_one"])
def test_answers_without_a_rating_leave_the_means_or_count_as_one(tmp_path: Path, failures: Any) -> None:
    def say(question: Question) -> str:
        return "I cannot tell." if question.rubric.startswith("vstyle/empathy") else by_ability(question)

    result = run(f"vstyle/en:failures={failures}", tmp_path, Critic(say))
    assert result.counts.failed == {"judge_error": 4}
    official = style_scores(
        (
            StyleAnswer(name, None if category_of(name) == "empathy" else 1.0 + index % 5)
            for index, name in enumerate(weights())
        ),
        failures=failures,
    )
    found = figures(result)
    assert found["overall"] == pytest.approx(official.overall)
    assert found.get("empathy") == official.categories["empathy"].mean
    (main,) = (figure for figure in result.cells[0].figures if figure.main)
    assert "4 without a rating" in str(main.note)


@pytest.mark.parametrize(("failures", "overall"), [("left_out", None), ("as_one", 1.0)])
def test_where_no_answer_has_a_rating(failures: str, overall: float | None, tmp_path: Path) -> None:
    result = run(f"vstyle/en:failures={failures}", tmp_path, Critic(lambda question: "I cannot tell."))
    assert result.counts.failed == {"judge_error": 16}
    assert figures(result).get("overall") == overall
    assert bool(result.cells[0].figures) == (overall is not None)


def test_an_unknown_ability_is_told_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "VStyle" / "en"
    folder.mkdir(parents=True)
    row = '{"id": 1, "ability": "acoustic_properties/age", "instruct_text": "x", "file_name": "x.wav"}\n'
    (folder / "metadata.jsonl").write_text(row)
    with pytest.raises(DataError, match="acoustic_properties/age"):
        list(VStyleEn().samples(DataFinder(tmp_path)))


def test_a_repeated_run_asks_the_judge_nothing(tmp_path: Path) -> None:
    judge = Critic(by_ability)
    run("vstyle/en", tmp_path, judge)
    assert len(judge.asked) == 16
    run("vstyle/en", tmp_path, judge)
    assert len(judge.asked) == 16
