"""Odd spoken answers from an endpoint, all the way through a run: each ends defined, counted and explained."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import fac_eval
from fac_eval.audio import Audio
from fac_eval.interfaces import Transcriber
from fac_eval.models.openai import OpenAIModel
from fac_eval.speech.hearing import RATE, is_worth_hearing
from tests.support.chat_server import Action, Answer, ChatServer, Raw
from tests.support.judges import Critic
from tests.support.sounds import noise, stored, tone

TASK = "ultraeval_audio/llama_questions"


class Ears(Transcriber):
    """Hears the right answer to the first question in whatever sounds."""

    name = "ears"
    fingerprint = "ears/1"

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        assert language == "en"
        return [" Eight." if is_worth_hearing(clip.samples(RATE)) else "" for clip in clips]


def message(**fields: object) -> Raw:
    choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}
    return Raw(json.dumps({"id": "1", "choices": [choice], "usage": None}).encode())


def sound(data: str, transcript: str | None = "Eight.") -> Raw:
    return message(content=None, audio={"id": "a", "data": data, "transcript": transcript})


def wav(samples: np.ndarray, rate: int = 24_000) -> bytes:
    return stored(samples.astype(np.float32), rate)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(frozen=True)
class Case:
    """What the endpoint answers, and what becomes of it."""

    action: Action
    ends: str
    speech: float | None = None
    silent: float | None = None


GOOD = wav(tone(1.0, 24_000))
CASES = {
    "proper": Case(Answer("Eight.", audio=GOOD), "scored", 1, 0),
    "no audio in the reply": Case(Answer("Eight."), "bad_response"),
    "audio without text": Case(sound(encoded(GOOD), None), "scored", 1, 0),
    "empty audio": Case(sound(""), "bad_response"),
    "no samples": Case(sound(encoded(wav(np.zeros(0)))), "bad_response"),
    "broken base64": Case(sound("###"), "bad_response"),
    "no sound file": Case(sound(encoded(b"RIFF....")), "bad_response"),
    "another rate": Case(Answer("Eight.", audio=wav(tone(1.0, 8_000), 8_000)), "scored", 1, 0),
    "clipped": Case(Answer("Eight.", audio=wav(np.sign(tone(1.0, 24_000)))), "scored", 1, 0),
    "silent": Case(Answer("Eight.", audio=wav(np.zeros(24_000))), "scored", 0, 1),
    "0.05 s": Case(Answer("Eight.", audio=wav(tone(0.05, 24_000))), "scored", 0, 1),
    "ten minutes": Case(Answer("Eight.", audio=wav(np.tile(noise(1.0)[:8_000], 600), 8_000)), "scored", 1, 0),
    "cut short": Case(Answer("Eight.", audio=GOOD, finish_reason="length"), "scored", 1, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_an_odd_answer_has_a_defined_end(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    with ChatServer() as server:
        server.answer = case.action
        model = OpenAIModel("test-model", base_url=server.base_url, api_key="k", max_retries=0)
        result = fac_eval.run(
            model, TASK, data="sample", limit=1, store=str(tmp_path), transcriber=Ears(), progress=False
        )
    counts = result.counts
    assert counts.total == 1
    if case.ends != "scored":
        assert counts.failed == {case.ends: 1}
        assert result.cells[0].failures[case.ends]
        return
    found = {figure.name: figure.value for figure in result.cells[0].figures}
    assert (found["speech"], found["silent"]) == (100 * (case.speech or 0), 100 * (case.silent or 0))
    assert found["truncated"] == (100 if name == "cut short" else 0)


def test_answers_are_kept_and_can_be_played(tmp_path: Path) -> None:
    with ChatServer() as server:
        server.answer = Answer("Eight.", audio=GOOD)
        model = OpenAIModel("test-model", base_url=server.base_url, api_key="k")
        result = fac_eval.run(
            model, TASK, data="sample", limit=2, store=str(tmp_path), transcriber=Ears(), progress=False
        )
        assert {chat.body["modalities"][-1] for chat in server.chats} == {"audio"}
        assert server.chats[0].body["messages"][0]["content"][0]["type"] == "input_audio"
    path = Path(result.samples["speech"].iloc[0])
    assert Audio.from_file(path).seconds == pytest.approx(1.0)


def test_a_judge_behind_an_endpoint_hears_the_answer(tmp_path: Path) -> None:
    with ChatServer() as server:
        server.answer = Answer("Slowly spoken, clear. Final score: [[4]]")
        result = fac_eval.run(
            "oracle",
            "vstyle/en",
            data="sample",
            limit=3,
            store=str(tmp_path),
            judge=f"openai:model=test-model,base_url={server.base_url},api_key=k",
            progress=False,
        )
        assert result.cells[0].figures[0].value == 4
        parts = [part["type"] for part in server.chats[0].body["messages"][-1]["content"]]
        assert parts == ["text", "input_audio"]


def test_failures_leave_the_official_figure_and_stand_beside_it(tmp_path: Path) -> None:
    with ChatServer() as server:
        server.script(Answer("Eight.", audio=GOOD))
        server.answer = Answer("no sound")
        model = OpenAIModel("test-model", base_url=server.base_url, api_key="k", max_retries=0, concurrency=1)
        result = fac_eval.run(
            model,
            TASK,
            data="sample",
            limit=4,
            store=str(tmp_path),
            transcriber=Ears(),
            judge=Critic(),
            workers=1,
            progress=False,
        )
    found = {figure.name: figure.value for figure in result.cells[0].figures}
    assert (found["speech"], found["speech, all items"]) == (100, 25)
    assert result.counts.failed == {"bad_response": 3}
