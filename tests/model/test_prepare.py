"""Fetched ahead of time from a hub, and found there without a network: the model and its vocoder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fac_eval.resolve import resolve_model
from fac_eval.vocabulary import Request, user
from tests.support.command_line import command_line
from tests.support.hub_server import Server
from tests.support.model_hub import COMMIT, NEWER, files_in, model_hub

SPEC = "fun-audio-chat:path=owner/talk,vocoder=owner/voice@v1,dtype=float32,device=cpu"
UNREAD = ("README.md", "llm.pt", "llm.safetensors", "speech_tokenizer_v3.onnx", "BlankEN/config.json")
VOICE = {"flow.pt", "hift.pt", "config.json", "new_spk2info.pt"}


def contents(folder: Path) -> Mapping[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder)}


@pytest.fixture
def hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A hub with the model and the vocoder, each among files that nobody reads."""
    from fac_eval.model.adapter import FunAudioChatModel

    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(FunAudioChatModel, "assets", classmethod(lambda cls: ()))  # they are no weights
    unread = dict.fromkeys(UNREAD, b"{}")
    whole = contents(tiny_folder)
    talk = {name: content for name, content in whole.items() if not name.startswith("vocoder/")}
    repos = {"owner/talk": {**unread, **talk}, "owner/voice": {**unread, **contents(tiny_folder / "vocoder")}}
    with model_hub(repos, tmp_path / "hub", monkeypatch) as server:
        yield server


def test_what_loading_reads_is_prepared(
    hub: Server, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command_line(capsys)("prepare", SPEC, "--json")
    assert done.code == 0, done.err
    talk, voice = done.json["needs"]
    assert [(one["kind"], one["name"], one["status"], one["commit"]) for one in (talk, voice)] == [
        ("weights", "owner/talk", "fetched", NEWER),
        ("weights", "owner/voice", "fetched", COMMIT),
    ]
    assert files_in(Path(voice["path"])) == VOICE
    own = {name for name in files_in(tiny_folder) if not name.startswith("vocoder/")}
    assert files_in(Path(talk["path"])) == own | {"BlankEN/config.json"}
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    hub.asked.clear()
    model = resolve_model(SPEC)
    facts = json.loads(json.dumps(model.describe()))
    assert (facts["files"], facts["vocoder"]) == (
        {"hub": "owner/talk", "commit": NEWER},
        {"hub": "owner/voice", "commit": COMMIT},
    )
    model.load()
    (answer,) = model.generate([Request((user("Hello"),), "speech", seed=3)])
    assert answer.speech is not None
    assert hub.asked == []


def test_weights_of_another_revision_are_missed(
    hub: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = command_line(capsys)
    assert cli("prepare", "fun-audio-chat:path=owner/talk,revision=v1").code == 0
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    one = resolve_model("fun-audio-chat:path=owner/talk,revision=v1").fingerprint
    assert resolve_model("fun-audio-chat:path=owner/talk@v1").fingerprint == one
    assert cli("prepare", "fun-audio-chat:path=owner/talk@v1,vocoder=owner/voice").code == 2
    assert "owner/voice are not on this machine, and FAC_EVAL_OFFLINE" in cli("prepare", SPEC).out


def test_folders_need_nothing_and_names_of_nothing_are_refused(
    tiny_folder: Path, hub: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = command_line(capsys)
    folders = f"fun-audio-chat:path={tiny_folder},vocoder={tiny_folder / 'vocoder'}"
    assert cli("prepare", folders, "--json").json["needs"] == []
    assert "nowhere is no folder." in cli("prepare", f"{folders}/nowhere").err
    assert "Name one revision." in cli("prepare", "fun-audio-chat:path=owner/talk@v1,revision=v2").err
    assert hub.asked == []
