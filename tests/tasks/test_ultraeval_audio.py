"""UltraEval-Audio as tasks: two views of one answer, silence, failures, the totals, on the shipped sample data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval.audio import Audio
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UnreadableReply
from fac_eval.interfaces import Transcriber
from fac_eval.resolve import resolve_tasks
from fac_eval.tasks.ultraeval_audio import (
    BENCHMARK,
    TASKS,
    AlpacaEval,
    ChatOptions,
    LlamaQuestions,
    UltraEvalOptions,
)
from fac_eval.vocabulary import Evidence, Question, Response, Sample, Verdict
from tests.support.judges import Critic

CLIP = Audio.from_samples(np.full(1600, 0.1, np.float32), 16_000)


class Canned(Transcriber):
    """Hears nothing: the stand-ins' text is taken instead."""

    name = "canned"
    fingerprint = "canned/1"

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        return [""] * len(clips)


def rate(question: Question) -> str:
    return "[[9]]" if len(str(question.inputs["answer"])) > 20 else "[[2]]"


def run(models: Any, tasks: Any, store: Path, **options: Any) -> fac_eval.RunResult:
    return fac_eval.run(
        models,
        tasks,
        data="sample",
        store=str(store),
        transcriber=Canned(),
        judge=Critic(rate),
        progress=False,
        **options,
    )


def figures(result: fac_eval.RunResult, task: str, model: str = "oracle") -> dict[str, float | None]:
    (cell,) = (cell for cell in result.cells if cell.task == task and cell.model == model)
    return {figure.name: figure.value for figure in cell.figures}


def test_the_oracle_is_at_the_top_and_the_empty_model_at_the_bottom(tmp_path: Path) -> None:
    result = run(["oracle", "empty", "random"], "ultraeval_audio", tmp_path)
    assert result.counts.n_failed == 0
    for name in ("llama_questions", "triviaqa", "web_questions"):
        task = f"ultraeval_audio/{name}"
        assert figures(result, task) | {"speech": 100, "text": 100, "asr_wer": 0} == figures(result, task)
        for model in ("empty", "random"):
            assert figures(result, task, model)["speech"] == 0
        assert figures(result, task, "empty")["silent"] == 100
    assert figures(result, "ultraeval_audio/alpacaeval")["speech"] == 90
    assert figures(result, "ultraeval_audio/alpacaeval", "random")["speech"] == 20
    assert figures(result, "ultraeval_audio/alpacaeval", "empty") == {
        "speech": None,
        "silent": 100,
        "truncated": 0,
        "speech, all items": 0,
    }


def test_the_overall_is_the_mean_of_four_printed_figures(tmp_path: Path) -> None:
    result = run(["oracle", "empty"], "ultraeval_audio", tmp_path)
    totals = {(total.model, total.figure.name): total.figure.value for total in result.totals if total.figure}
    assert totals == {("oracle", "Overall"): 97.5, ("oracle", "Overall (text)"): 97.5}
    assert {total.reason for total in result.totals if total.model == "empty"} == {
        "no Overall: alpacaeval missing",
        "no Overall (text): alpacaeval missing",
    }


@pytest.mark.parametrize("cls", TASKS, ids=lambda cls: cls.name)
def test_a_sample_is_the_spoken_question_alone(cls: type[Any]) -> None:
    samples = list(cls().samples(DataFinder("sample")))
    assert cls().size(DataFinder("sample")) == len(samples) == 8
    assert all(len(sample.messages[0].parts) == 1 for sample in samples)
    assert cls().request(samples[0]).output == "speech"
    assert {task.name for task in BENCHMARK.tasks} == {
        task.name for task in resolve_tasks(["ultraeval_audio"])
    }


QUESTION = Sample("q", (), ["Mount Everest", "Everest"])


def worth(
    transcript: str | None, text: str | None, silent: Any = "wrong", **response: Any
) -> dict[str, float]:
    task = LlamaQuestions(UltraEvalOptions(silent=silent))
    answer = Response(text=text, speech=CLIP, **response)
    return dict(task.score(QUESTION, answer, Evidence(transcript=transcript)).parts)


def test_text_and_speech_are_two_views_of_one_answer() -> None:
    parts = worth(" It is mount ever rest.", "It is Mount Everest.")
    assert (parts["speech"], parts["text"]) == (0, 1)
    assert (parts["errors"], parts["tokens"]) == (2, 4)
    assert worth("Everest!", None) | {"speech": 1, "text": 0} == worth("Everest!", None)


@pytest.mark.parametrize("transcript", ["", "  ", None])
def test_a_silent_answer_is_wrong_or_left_out(transcript: str | None) -> None:
    wrong, dropped = worth(transcript, "Everest"), worth(transcript, "Everest", "drop")
    assert (wrong["speech"], wrong["speech_counts"], wrong["silent"]) == (0, 1, 1)
    assert (dropped["speech_counts"], dropped["text_counts"], dropped["silent"]) == (0, 1, 1)


def test_a_truncated_answer_is_counted() -> None:
    assert worth("Everest", "Everest", finish_reason="length")["truncated"] == 1
    assert worth("Everest", "Everest", finish_reason="stop")["truncated"] == 0


@pytest.mark.parametrize("cell", [None, 7, [1], {"a": 1}])
def test_a_reference_of_another_type_is_told(cell: Any) -> None:
    with pytest.raises(DataError, match="row 3"):
        LlamaQuestions().reference(cell, 3)


class TestAlpacaEval:
    sample = Sample("a", (), "reference", metadata={"question": "Why?"})

    def asked(self, transcript: str | None, text: str | None, **options: Any) -> list[Any]:
        task = AlpacaEval(ChatOptions(**options))
        questions = task.questions(self.sample, Response(text=text), Evidence(transcript=transcript))
        return [question.inputs["answer"] for question in questions]

    def test_both_views_are_rated_unless_one_is_silent(self) -> None:
        assert self.asked(" Because.", "Because!") == [" Because.", "Because!"]
        assert self.asked("", "Because!") == ["Because!"]
        assert self.asked(" Because.", "Because!", judged="speech") == [" Because."]
        assert self.asked(None, None) == []

    def scored(self, transcript: str, replies: Sequence[str], **options: Any) -> dict[str, float]:
        verdicts = tuple(Verdict(reply) for reply in replies)
        task = AlpacaEval(ChatOptions(**options))
        score = task.score(
            self.sample, Response(text="Because!"), Evidence(transcript=transcript, verdicts=verdicts)
        )
        return dict(score.parts)

    def test_each_view_gets_its_own_rating(self) -> None:
        parts = self.scored("Because.", ["[[7]]", "fine: [[10]]"])
        assert (parts["speech"], parts["text"]) == (7, 10)
        silent = self.scored("", ["[[10]]"])
        assert (silent["speech_counts"], silent["text"]) == (0, 10)
        assert self.scored("", ["[[10]]"], silent="wrong")["speech_counts"] == 1

    def test_a_reply_without_a_rating_is_a_judge_error(self) -> None:
        with pytest.raises(UnreadableReply) as caught:
            self.scored("Because.", ["[[7]]", "a solid seven"])
        assert caught.value.reply == "a solid seven"


def test_an_unreadable_reply_leaves_the_figure_and_the_one_over_all_items_shows_it(tmp_path: Path) -> None:
    def say(question: Question) -> str:
        return (
            "no idea"
            if "nap" in question.inputs["question"] or "pack" in question.inputs["question"]
            else "[[8]]"
        )

    result = fac_eval.run(
        "oracle",
        "ultraeval_audio/alpacaeval",
        data="sample",
        store=str(tmp_path),
        transcriber=Canned(),
        judge=Critic(say),
        progress=False,
    )
    assert result.counts.failed == {"judge_error": 1}
    found = figures(result, "ultraeval_audio/alpacaeval")
    assert found["speech"] == 80
    assert found["speech, all items"] == pytest.approx(70)
