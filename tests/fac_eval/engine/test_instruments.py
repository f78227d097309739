"""Transcripts, speech quality and likeness: found out once by content, in batches, one bad input failing alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fac_eval
from fac_eval import Audio, Request, Response, RunResult, Sample, SampleModel, Score, Task
from fac_eval.engine import instruments
from fac_eval.errors import FacEvalError, MissingExtra, UsageError
from fac_eval.interfaces import Embedder, Instrument, QualityMeter, Transcriber
from fac_eval.metrics.cosine import likeness, unit_rows
from fac_eval.metrics.mmau_pro_closed import match_option
from fac_eval.store import ItemRow, Store
from fac_eval.vocabulary import Evidence
from tests.support.judges import ENTRIES, Critic, JudgedOptions, JudgedTask
from tests.support.plugins import install
from tests.support.toys import Echo, ToyOptions, ToyTask


class Counted(Instrument):
    """Remembers when it was loaded, what it was given, and that it was closed."""

    batch_size = 4

    def __init__(self, before: Callable[[Sequence[Any]], None] | None = None) -> None:
        self.before = before
        self.batches: list[list[Any]] = []
        self.loads = 0
        self.closed = 0

    def load(self) -> None:
        self.loads += 1

    def close(self) -> None:
        self.closed += 1

    def note(self, batch: Sequence[Any]) -> None:
        assert self.loads == 1
        self.batches.append(list(batch))
        if self.before is not None:
            self.before(batch)

    @property
    def given(self) -> list[Any]:
        return [one for batch in self.batches for one in batch]


class Ears(Counted, Transcriber):
    name = "ears"
    fingerprint = "ears/1"

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        self.note(clips)
        return [f"{len(clip.samples())} samples{f' of {language}' if language else ''}" for clip in clips]


class Meter(Counted, QualityMeter):
    name = "meter"
    fingerprint = "meter/1"

    def measure(self, clips: Sequence[Audio]) -> list[Mapping[str, float]]:
        self.note(clips)
        return [{"mos": clip.seconds} for clip in clips]


class Letters(Counted, Embedder):
    """Counts letters: texts of the same letters are alike."""

    name = "letters"
    fingerprint = "letters/1"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.note(texts)
        return np.array([[text.count(letter) for letter in "0123456789abc"] for text in texts], np.float32)


class Spoken(ToyTask):
    """Its score is what was measured; the answers' transcripts are kept."""

    name = "spoken"
    needs = frozenset({"transcript", "quality"})

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        return Score(evidence.quality.get("mos", -1.0), evidence.transcript)


class Alike(ToyTask):
    """Right where the answer is most like its own number."""

    name = "alike"
    needs = frozenset({"similarity"})

    def comparison(self, sample: Sample, response: Response) -> tuple[str, Sequence[str]]:
        return response.text or "", (str(sample.reference), "aaa", "b")

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        return Score(float(np.argmax(evidence.similarities) == 0))


class Voiced(Echo):
    """Answers with clips of different lengths."""

    def __init__(self) -> None:
        super().__init__(speech=True)

    def _answer(self, request: Request) -> Response:
        held = super()._answer(request)
        n = 1600 + 160 * int(held.text or 0)
        tone = np.sin(np.arange(n) * 0.05).astype(np.float32) / 2
        return Response(text=held.text, speech=Audio.from_samples(tone, 16000))


def spoken(n: int = 6) -> Spoken:
    return Spoken(ToyOptions(n=n, speech=True))


def run(*tasks: Task, store: Path, model: Any = None, **tools: Any) -> RunResult:
    return fac_eval.run(model or Voiced(), list(tasks), store=str(store), progress=False, **tools)


def items(result: RunResult, cell: int = 0) -> dict[str, ItemRow]:
    with Store.reader(result.store) as store:
        return {row.sample_id: row for row in store.items(result.cells[cell].id)}


def test_what_is_found_out_reaches_the_score_and_is_not_found_out_again(tmp_path: Path) -> None:
    ears, meter = Ears(), Meter()
    result = run(spoken(), store=tmp_path, transcriber=ears, quality=meter)
    assert result.counts.scored == 6
    assert result.cells[0].variant == "n=6,mode=plain,speech=True,transcriber=ears,quality=meter"
    assert result.cells[0].protocol["transcript"] == "ears/1"
    held = items(result)
    assert held["s3"].evidence["transcript"] == "2080 samples"
    assert held["s3"].score is not None
    assert held["s3"].score["value"] == pytest.approx(0.13)
    assert [max(len(batch) for batch in tool.batches) for tool in (ears, meter)] == [4, 4]
    assert [(tool.loads, tool.closed) for tool in (ears, meter)] == [(1, 1), (1, 1)]

    idle = Ears()
    second = run(spoken(), ToyTask(), store=tmp_path, transcriber=idle, quality=Meter())
    assert second.counts.scored == 26
    assert (idle.batches, idle.loads, idle.closed) == ([], 0, 0)


def test_the_longest_clips_come_first(tmp_path: Path) -> None:
    ears = Ears()
    run(spoken(n=8), store=tmp_path, transcriber=ears, quality=Meter())
    for batch in ears.batches:
        assert [clip.seconds for clip in batch] == sorted((clip.seconds for clip in batch), reverse=True)


def test_the_recogniser_is_told_the_language_and_asked_again_for_another(tmp_path: Path) -> None:
    class Chinese(Spoken):
        name = "chinese"
        language = "zh"

    ears = Ears()
    result = run(
        spoken(n=2), Chinese(ToyOptions(n=2, speech=True)), store=tmp_path, transcriber=ears, quality=Meter()
    )
    assert items(result, 0)["s1"].evidence["transcript"] == "1760 samples"
    assert items(result, 1)["s1"].evidence["transcript"] == "1760 samples of zh"
    assert result.cells[1].protocol["transcript"] == {"transcriber": "ears/1", "language": "zh"}
    assert len(ears.given) == 4


def test_one_bad_clip_fails_alone_and_is_tried_again(tmp_path: Path) -> None:
    def deaf(clips: Sequence[Audio]) -> None:
        if any(len(clip.samples()) == 1600 + 160 * 3 for clip in clips):
            raise ValueError("unheard of")

    result = run(spoken(), store=tmp_path, transcriber=Ears(deaf), quality=Meter())
    assert result.counts.failed == {"transcribe_error": 1}
    assert "unheard of" in (items(result)["s3"].detail or "")
    mended = Ears()
    assert run(spoken(), store=tmp_path, transcriber=mended, quality=Meter()).counts.scored == 6
    assert len(mended.given) == 1


def test_a_quality_meter_that_fails_is_counted_under_its_own_kind(tmp_path: Path) -> None:
    def broken(clips: Sequence[Audio]) -> None:
        raise RuntimeError("no such device")

    result = run(spoken(), store=tmp_path, transcriber=Ears(), quality=Meter(broken))
    assert result.counts.failed == {"quality_error": 6}
    assert "transcript" in items(result)["s0"].evidence


@pytest.mark.parametrize(
    "error",
    [MissingExtra("torch", "speech", "Transcribing"), RuntimeError("CUDA is out of memory")],
    ids=["told", "any"],
)
def test_an_instrument_that_cannot_be_loaded_ends_the_run_and_what_is_answered_is_kept(
    error: Exception, tmp_path: Path
) -> None:
    class Broken(Ears):
        def load(self) -> None:
            raise error

    with pytest.raises(
        FacEvalError, match="torch" if isinstance(error, FacEvalError) else "ears cannot be loaded"
    ):
        run(spoken(), store=tmp_path, transcriber=Broken(), quality=Meter())
    model = Voiced()
    assert run(spoken(), store=tmp_path, model=model, transcriber=Ears(), quality=Meter()).counts.scored == 6
    assert model.asked == []


def test_what_is_missing_in_the_midst_of_work_ends_the_run_too(tmp_path: Path) -> None:
    def missing(clips: Sequence[Audio]) -> None:
        raise MissingExtra("torch", "speech", "Transcribing")

    with pytest.raises(MissingExtra):
        run(spoken(), store=tmp_path, transcriber=Ears(missing), quality=Meter())


def test_an_adapter_that_miscounts_is_told_so(tmp_path: Path) -> None:
    class Short(Ears):
        def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
            return super().transcribe(clips)[:-1]

    with pytest.raises(FacEvalError, match=r"ears gave \d results for a batch of \d"):
        run(spoken(), store=tmp_path, transcriber=Short(), quality=Meter())


def test_it_is_loaded_once_for_several_models(tmp_path: Path) -> None:
    class Other(Voiced):
        name = "other"
        fingerprint = "other/1"

        def _answer(self, request: Request) -> Response:
            held = super()._answer(request)
            assert held.speech is not None
            return Response(text=held.text, speech=Audio.from_samples(held.speech.samples()[::-1], 16000))

    ears = Ears()
    result = run(spoken(), store=tmp_path, model=[Voiced(), Other()], transcriber=ears, quality=Meter())
    assert result.counts.scored == 12
    assert len(ears.given) == 12
    assert (ears.loads, ears.closed) == (1, 1)


def test_ctrl_c_leaves_the_rest_to_the_next_run(tmp_path: Path) -> None:
    def interrupt(clips: Sequence[Audio]) -> None:
        if len(ears.batches) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    ears = Ears(interrupt)
    result = run(spoken(n=40), store=tmp_path, transcriber=ears, quality=Meter())
    assert not result.finished
    assert result.counts.n_failed == 0
    rest, model = Ears(), Voiced()
    done = run(spoken(n=40), store=tmp_path, model=model, transcriber=rest, quality=Meter())
    assert done.counts.scored == 40
    assert len(ears.given) + len(rest.given) == 40


@pytest.mark.parametrize(
    ("need", "told"),
    [
        ("transcript", r"needs a transcriber, .*\n.*--transcriber whisper"),
        ("quality", r"needs a quality meter, .*\n.*--quality utmos"),
        ("similarity", r"needs an embedder, .*\n.*--embedder nv-embed"),
    ],
)
def test_a_missing_instrument_is_told_with_the_flag(need: Any, told: str, tmp_path: Path) -> None:
    task = ToyTask()
    task.needs = frozenset({need})
    with pytest.raises(UsageError, match=told):
        run(task, store=tmp_path)


# Models without a voice.


class Stand(SampleModel):
    """A stand-in that only writes."""

    name = "stand"
    fingerprint = "stand/1"

    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        return [Response(text=f"answer {sample.reference}") for sample in samples]


class Mute(Echo):
    """Promises speech and gives none."""

    def _answer(self, request: Request) -> Response:
        return Response(text=super()._answer(request).text)


def test_what_a_stand_in_wrote_is_its_transcript(tmp_path: Path) -> None:
    ears = Ears()
    result = run(spoken(n=2), store=tmp_path, model=Stand(), transcriber=ears, quality=Meter())
    assert [row.evidence.get("transcript") for row in items(result).values()] == ["answer 0", "answer 1"]
    assert ears.loads == 0


def test_what_a_model_did_not_say_has_no_transcript(tmp_path: Path) -> None:
    result = run(spoken(n=2), store=tmp_path, model=Mute(speech=True), transcriber=Ears(), quality=Meter())
    assert [row.evidence for row in items(result).values()] == [{}, {}]
    assert result.counts.scored == 2


# Likeness of texts.


def test_likeness_reaches_the_score(tmp_path: Path) -> None:
    letters = Letters()
    result = run(Alike(ToyOptions(n=20)), store=tmp_path, model=Echo(), embedder=letters)
    assert result.cells[0].figures[0].value == 100.0
    assert result.cells[0].variant.endswith("embedder=letters")
    assert items(result)["s11"].evidence["similarities"] == pytest.approx([100.0, 0.0, 0.0])
    assert sorted(letters.given) == sorted([*(str(i) for i in range(20)), "aaa", "b"])
    idle = Letters()
    run(Alike(ToyOptions(n=20)), ToyTask(), store=tmp_path, model=Echo(), embedder=idle)
    assert idle.loads == 0


def test_candidates_are_embedded_once_and_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "KEPT_CANDIDATES", 2)
    letters = Letters()
    run(Alike(ToyOptions(n=600)), store=tmp_path, model=Echo(batch_size=32), embedder=letters)
    counts = {text: letters.given.count(text) for text in ("aaa", "b")}
    assert counts == {"aaa": 1, "b": 1}


@pytest.mark.parametrize("problem", ["raises", "nan"])
def test_a_text_that_cannot_be_embedded_fails_its_samples_alone(problem: str, tmp_path: Path) -> None:
    class Picky(Letters):
        def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            if problem == "raises" and "7" in texts:
                raise ValueError("unlucky")
            vectors = super().embed(texts)
            return np.where([[text == "7"] for text in texts], np.nan, vectors)

    result = run(Alike(ToyOptions(n=20)), store=tmp_path, model=Echo(), embedder=Picky())
    assert result.counts.failed == {"similarity_error": 1}
    assert items(result)["s7"].outcome == "failed"
    assert run(Alike(ToyOptions(n=20)), store=tmp_path, model=Echo(), embedder=Letters()).counts.scored == 20


def test_vectors_of_different_lengths_are_told(tmp_path: Path) -> None:
    class Ragged(Letters):
        batch_size = 1

        def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            vectors = super().embed(texts)
            return vectors[:, :5] if texts[0] == "b" else vectors

    result = run(Alike(ToyOptions(n=3)), store=tmp_path, model=Echo(), embedder=Ragged())
    assert result.counts.failed == {"similarity_error": 3}
    assert "different lengths" in (items(result)["s0"].detail or "")


def test_a_sample_that_is_compared_with_nothing_goes_on(tmp_path: Path) -> None:
    class Open(Alike):
        def comparison(self, sample: Sample, response: Response) -> tuple[str, Sequence[str]]:
            return "", ()

        def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
            return Score(float(evidence.similarities == ()))

    assert run(Open(ToyOptions(n=3)), store=tmp_path, model=Echo(), embedder=Letters()).counts.scored == 3


texts = st.text("abc", max_size=6)


@given(reply=texts, options=st.lists(texts, min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_likest_is_the_one_that_the_benchmark_would_choose(reply: str, options: list[str]) -> None:
    letters = Letters()
    letters.loads = 1
    rows = unit_rows(letters.embed([reply, *options]))
    numbers = likeness(rows[0], rows[1:])
    matched = match_option(reply, options, letters.embed)
    assert int(numbers.argmax()) == matched.index
    assert float(numbers[matched.index]) == matched.confidence
    assert bool((numbers <= 100.001).all())


# All together.


class Everything(Spoken, JudgedTask):  # type: ignore[misc]
    """Needs all that there is."""

    name = "everything"
    Options = JudgedOptions
    needs = frozenset({"transcript", "quality", "similarity", "judge"})

    def comparison(self, sample: Sample, response: Response) -> tuple[str, Sequence[str]]:
        return response.text or "", ("1", "2")

    def questions(self, sample: Sample, response: Response, evidence: Evidence) -> Any:
        assert evidence.transcript is not None
        assert len(evidence.similarities) == 2
        return JudgedTask.questions(self, sample, response, evidence)

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        assert evidence.quality["mos"] > 0
        return JudgedTask.score(self, sample, response, evidence)


@pytest.fixture
def rubrics(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rubric", ENTRIES)


@pytest.mark.usefixtures("rubrics")
def test_all_stages_together(tmp_path: Path) -> None:
    tools = {"transcriber": Ears(), "quality": Meter(), "embedder": Letters(), "judge": Critic()}
    result = run(Everything(JudgedOptions(n=9, speech=True)), store=tmp_path, **tools)
    assert result.counts.scored == 9
    assert result.cells[0].variant.endswith(
        "transcriber=ears,quality=meter,embedder=letters,judge=critic,prompt=own"
    )
    assert set(result.cells[0].protocol) >= {"transcript", "quality", "similarity", "judge"}
