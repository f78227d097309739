"""Voices: programs of the system and speech endpoints, their clips and their failures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import MissingResource, ModelUnavailable
from fac_eval.resolve import resolve_synthesizer
from fac_eval.speech.openai_voice import OpenAIVoice
from fac_eval.speech.system_voices import EspeakNg, Flite
from fac_eval.vocabulary import Failure
from tests.support.chat_server import ChatServer, Raw, Recorded, rate_limited, trouble
from tests.support.programs import install_voice
from tests.support.sounds import stored, tone


@pytest.mark.parametrize(("name", "cls"), [("flite", Flite), ("espeak-ng", EspeakNg)])
def test_a_voice_of_the_system_speaks(
    name: str, cls: type[Flite | EspeakNg], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_voice(name, tmp_path, monkeypatch)
    voice = cls()
    assert voice.fingerprint.startswith(f"{name}/9.8.7/")
    spoken, nothing, crashed = voice.speak(["hello", " ... ", "crash now"])
    assert isinstance(spoken, Audio)
    assert spoken.seconds == pytest.approx(0.5)
    assert isinstance(nothing, Failure)
    assert nothing.kind == "bad_response"
    assert isinstance(crashed, Failure)
    assert "out of breath" in crashed.message


def test_a_missing_program_is_told_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingResource, match="flite") as caught:
        _ = Flite().fingerprint
    assert "apt-get install flite" in str(caught.value.remedy)


def test_voices_are_known_by_name() -> None:
    voice = resolve_synthesizer("espeak-ng:voice=cmn,speed=140")
    assert isinstance(voice, EspeakNg)


WAV = stored(tone(0.5, 24_000), 24_000)


class Desk:
    """The speech endpoint: what is said twice is answered as scripted, then with sound."""

    def __init__(self, *answers: Raw) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, object]] = []

    def __call__(self, request: Recorded) -> Raw | None:
        if not request.path.endswith("/audio/speech"):
            return None
        self.bodies.append(request.body)
        return self.answers.pop(0) if self.answers else Raw(WAV, content_type="audio/wav")


def test_an_endpoint_speaks() -> None:
    with ChatServer() as server:
        desk = server.desk = Desk()
        voice = OpenAIVoice("tts", "nova", base_url=server.base_url, api_key="k")
        clips = voice.speak(["one", "two", "three"])
        voice.close()
    assert [clip.seconds for clip in clips if isinstance(clip, Audio)] == pytest.approx([0.5] * 3)
    assert {str(body["input"]) for body in desk.bodies} == {"one", "two", "three"}
    assert {(body["model"], body["voice"], body["response_format"]) for body in desk.bodies} == {
        ("tts", "nova", "wav")
    }
    assert voice.fingerprint.startswith("openai-speech/127.0.0.1")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Raw(b"<html></html>", content_type="text/html"), "bad_response"),
        (Raw(b"", content_type="audio/wav"), "bad_response"),
        (Raw(stored(np.zeros(0, np.float32)), content_type="audio/wav"), "bad_response"),
        (rate_limited(), "rate_limited"),
        (trouble(500, "tired"), "model_error"),
        (trouble(400, "too long"), "model_error"),
    ],
    ids=["page", "empty", "no samples", "429", "500", "400"],
)
def test_what_an_endpoint_gets_wrong_is_a_typed_failure(answer: Raw, kind: str) -> None:
    with ChatServer() as server:
        server.desk = Desk(answer)
        voice = OpenAIVoice(base_url=server.base_url, api_key="k", max_retries=0)
        (failure,) = voice.speak(["one"])
        voice.close()
    assert isinstance(failure, Failure)
    assert failure.kind == kind


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_endpoint_that_lets_nobody_in_stops_the_run(status: int) -> None:
    with ChatServer() as server:
        server.desk = Desk(trouble(status, "no secret-key-1234 here"))
        voice = OpenAIVoice(base_url=server.base_url, api_key="secret-key-1234", max_retries=0)
        with pytest.raises(ModelUnavailable) as caught:
            voice.speak(["one"])
        voice.close()
    assert "secret-key-1234" not in str(caught.value)
