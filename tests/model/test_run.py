"""The model within the harness, from audio in to a stored answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fac_eval
from tests.support.toys import ToyOptions, ToyTask


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))


def model(folder: Path) -> Any:
    from fac_eval.model.adapter import FunAudioChatModel

    return FunAudioChatModel(str(folder), vocoder=str(folder / "vocoder"), dtype="float32", device="cpu")


def run(folder: Path, tasks: Any, store: Path, **options: Any) -> Any:
    return fac_eval.run(model(folder), tasks, store=str(store), progress=False, **options)


def test_spoken_questions_are_answered_in_text(tiny_folder: Path, tmp_path: Path) -> None:
    result = run(tiny_folder, "voicebench/bbh", tmp_path / "store", data="sample", limit=4)
    assert [(cell.counts.total, cell.counts.n_failed) for cell in result.cells] == [(4, 0)]


def test_spoken_answers_are_kept_and_do_not_depend_on_the_batch(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval.model.adapter import FunAudioChatModel

    heard: dict[str, dict[int, Any]] = {}
    answers = FunAudioChatModel.answers
    for batch_size in (1, 3):
        kept = heard.setdefault(str(batch_size), {})

        def listen(self: Any, requests: Any, batch_size: int, kept: dict[int, Any] = kept) -> Any:
            for number, response in answers(self, requests, batch_size):
                assert response.speech is not None
                assert response.speech.rate == 24000
                kept[response.details["seed"]] = (response.text, response.details["codes"])
                yield number, response

        monkeypatch.setattr(FunAudioChatModel, "answers", listen)
        task = ToyTask(ToyOptions(n=5, speech=True))
        result = run(tiny_folder, task, tmp_path / str(batch_size), batch_size=batch_size)
        assert [(cell.counts.total, cell.counts.n_failed) for cell in result.cells] == [(5, 0)]
    assert len(heard["1"]) == 5
    assert heard["1"] == heard["3"]


def test_a_finished_run_is_resumed_without_loading(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval.model.adapter import FunAudioChatModel

    task = ToyTask(ToyOptions(n=2))
    first = run(tiny_folder, task, tmp_path / "store")

    def refuse(self: Any) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr(FunAudioChatModel, "load", refuse)
    again = run(tiny_folder, ToyTask(ToyOptions(n=2)), tmp_path / "store")
    assert [cell.counts for cell in again.cells] == [cell.counts for cell in first.cells]


def test_frame_rates_are_measured(tiny_folder: Path, tmp_path: Path) -> None:
    task = "ultraeval_audio/llama_questions"
    result = run(tiny_folder, task, tmp_path, data="sample", limit=3, transcriber="pocketsphinx")
    rows = {row["measure"]: row for row in result.efficiency()}
    assert rows["frame_rate_in"]["n"] == 3
    assert 4.8 < rows["frame_rate_in"]["pooled"] < 5.6  # 5 Hz and the last, half filled group of each clip
    assert rows["frame_rate_out"]["pooled"] >= rows["text_rate"]["pooled"] > 0
    assert rows["gpu_seconds_per_audio_second"]["n"] == 0
