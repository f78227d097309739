"""Quality, intelligibility and speed beside a task's own figures: chosen for a run, and pure of the task's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval import Audio, Request, Response, RunResult, Sample, Score
from fac_eval.engine.speech_metrics import speech_parts
from fac_eval.errors import UsageError
from fac_eval.interfaces import QualityMeter, Transcriber
from fac_eval.scores import Metric
from fac_eval.store import Store
from fac_eval.vocabulary import Evidence, Figure, Timings
from tests.support.plugins import install
from tests.support.toys import Echo, ToyOptions, ToyTask

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class Talker(Echo):
    """Says two words a sample; the clip's length tells which, and sample 5 is mute."""

    def _answer(self, request: Request) -> Response:
        text = super()._answer(request).text or ""
        i = int(text)
        tone = np.sin(np.arange(1600 * (i + 1)) * 0.05).astype(np.float32) / 2
        return Response(
            text=text if request.output == "text" else f"word {WORDS[i]}",
            speech=None if i == 5 or request.output == "text" else Audio.from_samples(tone, 16000),
            timings=Timings(total=0.2, batch=2 if i == 1 else 1),
        )


class Ears(Transcriber):
    """Mishears the second word of sample 3."""

    name = "ears"
    fingerprint = "ears/1"

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        words = [WORDS[round(clip.seconds * 10) - 1] for clip in clips]
        return [f"Word, {'free' if word == 'three' else word}." for word in words]


class Meter(QualityMeter):
    """The longer the better; nothing to say about sample 2."""

    name = "meter"
    fingerprint = "meter/1"

    def measure(self, clips: Sequence[Audio]) -> list[Mapping[str, float]]:
        return [{} if round(clip.seconds * 10) == 3 else {"utmos": 1 + clip.seconds} for clip in clips]


class Own(ToyTask):
    """A spoken task with a part of its own."""

    name = "own"

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        return Score(1.0, parts={"length": 7.0})


def run(store: Path, metrics: Sequence[str] = ("rtf", "utmos", "asr_wer"), **more: Any) -> RunResult:
    tools = {"transcriber": Ears(), "quality": Meter(), **more}
    tasks = [tools.pop("task", None) or Own(ToyOptions(n=10, speech=True)), ToyTask(ToyOptions(n=10))]
    return fac_eval.run(
        Talker(speech=True),
        tasks,
        store=str(store),
        progress=False,
        speech_metrics=metrics,  # type: ignore[arg-type]
        **tools,
    )


def figures(result: RunResult, cell: int = 0) -> dict[str, Figure]:
    return {figure.name: figure for figure in result.cells[cell].figures}


def test_the_figures_stand_behind_the_tasks_own(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert list(figures(result)) == ["accuracy", "length", "utmos", "asr_wer", "rtf"]
    found = figures(result)
    lengths = [0.1 * (i + 1) for i in range(10) if i not in (2, 5)]
    assert found["utmos"].value == pytest.approx(1 + sum(lengths) / 8)
    assert (found["utmos"].n, found["utmos"].unit, found["utmos"].method) == (8, "MOS", "t")
    assert found["utmos"].note == "over 8 of 10 scored samples: the others have none"
    assert found["asr_wer"].value == pytest.approx(100 / 18)
    assert (found["asr_wer"].n, found["asr_wer"].higher_is_better) == (9, False)
    assert found["rtf"].value == pytest.approx(9 * 0.2 / (5.5 - 0.6))
    assert "1 answers were made in batches" in (found["rtf"].note or "")
    assert [figure.main for figure in result.cells[0].figures] == [True, False, False, False, False]


class Measuring(Own):
    """Has an error rate of its own under the common name."""

    name = "measuring"
    metrics = (Metric("accuracy", main=True), Metric("asr_wer", of="length", scale=1))


def test_a_figure_that_the_task_has_itself_is_not_printed_twice(tmp_path: Path) -> None:
    result = run(tmp_path, task=Measuring(ToyOptions(n=10, speech=True)))
    assert [figure.name for figure in result.cells[0].figures] == ["accuracy", "asr_wer", "utmos", "rtf"]
    assert figures(result)["asr_wer"].value == 7


def test_a_task_that_answers_in_text_is_left_alone(tmp_path: Path) -> None:
    cell = run(tmp_path).cells[1]
    assert [figure.name for figure in cell.figures] == ["accuracy", "length"]
    assert "speech_metrics" not in cell.protocol
    assert "transcriber" not in cell.variant


def test_the_score_itself_is_the_same_and_the_protocol_another(tmp_path: Path) -> None:
    bare = run(tmp_path, ())
    full = run(tmp_path)
    assert bare.cells[0].figures == full.cells[0].figures[:2]
    assert bare.cells[0].protocol_id != full.cells[0].protocol_id
    assert full.cells[0].protocol["speech_metrics"] == {
        "utmos": {},
        "asr_wer": {"scorer": "pre_2025_12_26"},
        "rtf": {},
    }
    assert full.cells[0].variant.endswith("transcriber=ears,quality=meter")
    with Store.reader(tmp_path) as store:
        first = next(store.scores(full.cells[0].id))
    assert first["parts"]["length"] == 7.0
    assert first["parts"]["speech.tokens"] == 2.0


def test_only_what_was_chosen_is_needed(tmp_path: Path) -> None:
    alone = run(tmp_path, ("rtf",), transcriber=None, quality=None)
    assert list(figures(alone)) == ["accuracy", "length", "rtf"]
    assert alone.cells[0].variant == "n=10,mode=plain,speech=True"
    with pytest.raises(UsageError, match="needs a quality meter"):
        run(tmp_path, ("utmos",), quality=None)
    with pytest.raises(UsageError, match="needs a transcriber"):
        run(tmp_path, ("asr_wer",), transcriber=None)
    with pytest.raises(UsageError, match="speech_metrics"):
        run(tmp_path, ("mos",))


def test_a_task_cannot_name_a_part_like_the_engines(tmp_path: Path) -> None:
    class Rude(Own):
        def score(self, *held: Any) -> Score:
            return Score(1.0, parts={"speech.utmos": 5.0})

    result = run(tmp_path, task=Rude(ToyOptions(n=10, speech=True)))
    assert result.cells[0].counts.failed == {"score_error": 10}


def test_they_outlive_a_rescore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.fac_eval.engine.test_speech_metrics"
    install(monkeypatch, "task", {"toy": "tests.support.toys:ToyTask", "own": f"{here}:Own"})
    result = run(tmp_path)
    again = fac_eval.rescore(result.id, set={"own.mode": "strict"}, store=str(tmp_path))
    assert figures(again) == figures(result)
    assert again.cells[0].variant == "n=10,mode=strict,speech=True,transcriber=ears,quality=meter"
    direct = run(tmp_path, task=Own(ToyOptions(n=10, mode="strict", speech=True)))
    assert again.cells[0].protocol_id == direct.cells[0].protocol_id


CLIP = Audio.from_samples(np.full(16000, 0.1, np.float32), 16000)


@pytest.mark.parametrize(
    ("text", "transcript", "language", "errors", "tokens"),
    [
        ("Two words", "two words.", None, 0, 2),
        ("Two words", "two birds", "en", 1, 2),
        ("Two words", "", "en", 2, 2),
        ("你好世界", "你好世间", None, 1, 4),
        ("你好世界", "你好世间", "zh", 1, 4),
        ("OK", "好的", "zh", 2, 2),
    ],
)
def test_words_or_characters(
    text: str, transcript: str, language: str | None, errors: int, tokens: int
) -> None:
    parts = speech_parts(("asr_wer",), Response(text=text, speech=CLIP), Evidence(transcript), language)
    assert parts == {"speech.errors": errors, "speech.tokens": tokens, "speech.read": 1.0}


@pytest.mark.parametrize(
    ("response", "evidence"),
    [
        (Response(text="hm"), Evidence("hm")),
        (Response(text="(hm)", speech=CLIP), Evidence("")),
        (Response(speech=CLIP), Evidence("hm")),
        (Response(text="hm", speech=CLIP), Evidence()),
    ],
    ids=["no sound", "no words", "no text", "no transcript"],
)
def test_what_has_no_rate_adds_nothing(response: Response, evidence: Evidence) -> None:
    assert speech_parts(("utmos", "asr_wer", "rtf"), response, evidence) == {}
