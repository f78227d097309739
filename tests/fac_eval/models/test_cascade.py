"""The cascade: ears, mind and voice joined, whatever kind of model the mind is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import fac_eval
from fac_eval.audio import Audio
from fac_eval.errors import UsageError
from fac_eval.interfaces import Synthesizer, Transcriber
from fac_eval.models.cascade import Cascade
from fac_eval.vocabulary import Failure, Request, Response, Text, user
from tests.support.chat_server import Answer, ChatServer
from tests.support.plugins import install
from tests.support.programs import install_voice
from tests.support.sounds import tone

TASK = "ultraeval_audio/llama_questions"


class Ears(Transcriber):
    """Hears the length of a clip."""

    name = "ears"
    fingerprint = "ears/1"

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        return [f" heard {clip.seconds:.1f} s in {language}" for clip in clips]


class Buzz(Synthesizer):
    """Speaks as many tenths of a second as there are letters; refuses to say no."""

    name = "buzz"
    fingerprint = "buzz/1"

    def speak(self, texts: Sequence[str]) -> list[Audio | Failure]:
        return [
            Failure("model_error", "I do not say no")
            if text == "no"
            else Audio.from_samples(tone(0.1 * len(text)), 16_000)
            for text in texts
        ]


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.fac_eval.models.test_cascade"
    install(monkeypatch, "transcriber", {"ears": f"{here}:Ears"})
    install(monkeypatch, "synthesizer", {"buzz": f"{here}:Buzz"})


def replayed(folder: Path, answers: Sequence[str]) -> str:
    path = folder / "answers.jsonl"
    rows = [{"index": index, "response": text} for index, text in enumerate(answers)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return f"replay:file={path}"


def test_a_replayed_text_model_is_heard_and_speaks(tmp_path: Path) -> None:
    answers = ["It has eight.", "Paris", "no", *["I do not know."] * 5]
    spec = f'cascade:asr=ears,llm="{replayed(tmp_path, answers)}",tts=buzz'
    result = fac_eval.run(
        spec, TASK, data="sample", store=str(tmp_path / "s"), transcriber=Ears(), progress=False
    )
    assert result.cells[0].model == "cascade(ears+answers+buzz)"
    assert result.counts.failed == {"model_error": 1}
    assert "I do not say no" in result.cells[0].failures["model_error"]
    found = {figure.name: figure.value for figure in result.cells[0].figures}
    assert found["text"] == pytest.approx(100 * 2 / 7)
    rows = result.samples
    assert Audio.from_file(rows["speech"].iloc[0]).seconds == pytest.approx(0.1 * len(answers[0]))


def test_a_remote_text_model_gets_words_in_place_of_clips(tmp_path: Path) -> None:
    with ChatServer() as server:
        server.answer = Answer("eight")
        spec = f'cascade:asr=ears,llm="openai:model=test-model,base_url={server.base_url},api_key=k",tts=buzz'
        model = Cascade("ears", spec.split('"')[1], "buzz", batch_size=3)
        result = fac_eval.run(
            model, TASK, data="sample", store=str(tmp_path), transcriber=Ears(), progress=False
        )
        contents = [chat.body["messages"][0]["content"] for chat in server.chats]
    assert result.counts.scored == 8
    assert len(contents) == 8
    assert all(
        "heard" in json.dumps(content) and "input_audio" not in json.dumps(content) for content in contents
    )
    assert all("in en" in json.dumps(content) for content in contents)


def test_without_a_voice_it_answers_in_text_and_cannot_be_asked_for_speech(tmp_path: Path) -> None:
    model = Cascade("ears", "oracle")
    assert model.capabilities.outputs == {"text"}
    with pytest.raises(UsageError, match="asks for speech"):
        fac_eval.run(model, TASK, data="sample", store=str(tmp_path), transcriber=Ears(), progress=False)


def test_what_its_parts_need_is_fetched_for_it() -> None:
    cascade = Cascade("whisper", "transformers:path=some/model@v1", "flite")
    assert [(need.path, need.revision) for need in cascade.weights()][1:] == [("some/model", "v1")]
    assert cascade.weights()[:1] == Cascade("whisper").weights()
    assert cascade.assets() == ()


def test_a_recogniser_alone_repeats_what_it_heard(tmp_path: Path) -> None:
    result = fac_eval.run(
        "cascade:asr=pocketsphinx",
        "asr/librispeech_clean",
        data="sample",
        limit=3,
        store=str(tmp_path),
        progress=False,
    )
    assert result.cells[0].model == "cascade(pocketsphinx)"
    found = {figure.name: figure.value for figure in result.cells[0].figures}
    assert 0 < float(found["wer"] or 0) < 60


def test_each_part_identifies_it() -> None:
    prints = {
        Cascade("ears", "oracle", "buzz").fingerprint,
        Cascade("ears", "empty", "buzz").fingerprint,
        Cascade("ears", "oracle").fingerprint,
        Cascade("ears", tts="buzz").fingerprint,
    }
    assert len(prints) == 4
    shown = Cascade("ears", "oracle", "buzz").describe()
    assert {"asr", "llm", "tts"} <= set(shown)


def test_a_local_text_model_is_asked_in_one_batch(tmp_path: Path) -> None:
    from fac_eval.interfaces import Model

    seen: list[int] = []

    class Local(Model):
        name = "local"
        fingerprint = "local"

        def generate(self, requests: Sequence[Request]) -> list[Response]:
            seen.append(len(requests))
            return [Response(text=str(request.messages[0].parts[0].text)) for request in requests]  # type: ignore[union-attr]

    model = Cascade("ears", "oracle", "buzz", batch_size=4)
    model._mind = Local()
    result = fac_eval.run(model, TASK, data="sample", store=str(tmp_path), transcriber=Ears(), progress=False)
    assert seen == [4, 4]
    assert result.samples["output"].str.startswith("heard").all()


def test_the_voice_of_the_system_runs_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    install_voice("flite", tmp_path / "bin", monkeypatch)
    result = fac_eval.run(
        "cascade:asr=ears,llm=oracle,tts=flite",
        TASK,
        data="sample",
        store=str(tmp_path / "s"),
        transcriber="pocketsphinx",
        limit=2,
        progress=False,
    )
    assert result.counts.scored == 2
    assert result.samples["speech"].notna().all()


def test_parts_of_a_message_stay_in_order() -> None:
    from fac_eval.models.cascade import _in_words

    clip = Audio.from_samples(tone(0.2), 16_000)
    (message,) = _in_words([user("before", clip, "after")], {clip.key: "words"})
    assert message.parts == (Text("before"), Text("words"), Text("after"))
