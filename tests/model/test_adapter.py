"""The harness's adapter, and the profiles behind it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import MissingResource, UnknownName, UsageError
from fac_eval.specs import build, parse_spec
from fac_eval.vocabulary import Request, Settings, Tool, ToolCall, system, user

if TYPE_CHECKING:
    from fac_eval.model.adapter import FunAudioChatModel

CLIP = Audio.from_samples((0.1 * np.sin(np.arange(12000) / 9)).astype(np.float32), 16000)
TOOLS = (Tool("weather", "The weather", {"type": "object", "properties": {"place": {"type": "string"}}}),)


_TWO = (ToolCall("f", "{}"), ToolCall("g", "{}"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FAC_EVAL_ASSETS", raising=False)


def adapter(folder: Path, text: str = "", **arguments: Any) -> FunAudioChatModel:
    from fac_eval.model.adapter import FunAudioChatModel

    given = "".join(f",{key}={value}" for key, value in arguments.items())
    spec = parse_spec(f"fun-audio-chat:path={folder},dtype=float32,device=cpu{given}{text}")
    model: FunAudioChatModel = build(FunAudioChatModel, spec, kind="model")
    return model


@pytest.fixture(scope="module")
def speaking(tiny_folder: Path) -> FunAudioChatModel:
    return adapter(tiny_folder, vocoder=tiny_folder / "vocoder")


def test_constructing_and_planning_load_no_weights(tiny_folder: Path) -> None:
    program = (
        "import sys; from fac_eval.model.adapter import FunAudioChatModel as M;"
        f"m = M({str(tiny_folder)!r}, vocoder={str(tiny_folder / 'vocoder')!r}); m.fingerprint; m.describe();"
        "print([n for n in ('torch', 'transformers') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_capabilities_follow_the_parts(tiny_folder: Path) -> None:
    assert adapter(tiny_folder).capabilities.outputs == {"text"}
    spoken = adapter(tiny_folder, vocoder=tiny_folder / "vocoder", batch_size=3).capabilities
    assert (spoken.outputs, spoken.tools, spoken.batch_size) == ({"text", "speech"}, True, 3)
    assert adapter(tiny_folder, vocoder=tiny_folder / "vocoder", profile="s2t").capabilities.outputs == {
        "text"
    }


def test_the_fingerprint_is_that_of_what_answers_depend_on(tiny_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    plain = adapter(tiny_folder).fingerprint
    assert adapter(copy, batch_size=2).fingerprint == plain
    others = [
        adapter(copy, profile="s2s"),
        adapter(copy, profile="persona"),
        adapter(copy, vocoder=copy / "vocoder"),
        adapter(copy, attn="eager"),
        adapter(copy, stream="true"),
    ]
    found = {model.fingerprint for model in others}
    (copy / "generation_config.json").write_text("{}")
    found.add(adapter(copy).fingerprint)
    assert len(found | {plain}) == 7


def test_a_stream_takes_one_request_at_a_time_and_records_the_first_sound(tiny_folder: Path) -> None:
    model = adapter(tiny_folder, vocoder=tiny_folder / "vocoder", stream="true", batch_size=8)
    assert model.capabilities.batch_size == 1
    (response,) = model.generate([Request((user(CLIP),), "speech", seed=3)])
    assert response.speech is not None
    assert response.timings.first_audio is not None


def test_requests_of_all_kinds_in_one_batch(speaking: FunAudioChatModel) -> None:
    requests = [
        Request((user(CLIP),), "speech", seed=3),
        Request((user(CLIP, "What is it?"),), seed=1),
        Request((user("Hello"),), settings=Settings(max_tokens=2)),
        Request((user("Hello"),), settings=Settings(temperature=0.7, top_p=0.9), seed=5),
        Request((system("Be brief."), user("Weather?")), tools=TOOLS),
    ]
    responses = speaking.generate(requests)
    assert all(response.error is None for response in responses)
    spoken, heard, short, _, tools = responses
    assert spoken.speech is not None
    assert spoken.speech.rate == 24000
    assert spoken.speech.seconds == pytest.approx(0.04 * len(spoken.details["codes"]))
    assert heard.speech is None
    assert heard.details["profile"] == "s2t"
    assert (short.usage.output_tokens, short.finish_reason) in {(2, "length"), (1, "stop"), (2, "stop")}
    assert tools.details["tool_prompt"] == "own"
    for request, response in zip(requests, responses, strict=True):
        (alone,) = speaking.generate([request])
        assert (alone.text, alone.details) == (response.text, response.details)


def test_requests_with_different_tools_share_a_batch(
    speaking: FunAudioChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval.model.chat import FunAudioChat

    runs = []
    answers = FunAudioChat.answers

    def count(self: Any, *given: Any, **options: Any) -> Any:
        runs.append(options)
        return answers(self, *given, **options)

    monkeypatch.setattr(FunAudioChat, "answers", count)
    others = (Tool("time", "The time", {"type": "object", "properties": {}}),)
    requests = [Request((user("Hello"),), tools=tools, seed=1) for tools in (TOOLS, others, ())]
    responses = speaking.generate(requests)
    assert len(runs) == 1
    assert len({response.usage.input_tokens for response in responses}) == 3


def test_a_speaking_profile_also_answers_in_text(tiny_folder: Path) -> None:
    model = adapter(tiny_folder, vocoder=tiny_folder / "vocoder", profile="demo")
    (response,) = model.generate([Request((user(CLIP),), seed=1)])
    assert response.speech is None
    assert response.details["profile"] == "demo"
    assert response.usage.output_audio_tokens
    model.close()


def test_too_large_a_batch_is_the_engines_to_halve(
    speaking: FunAudioChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from fac_eval.errors import ModelOutOfMemory
    from fac_eval.model.decoding import Decoder

    def full(self: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Decoder, "_join", full)
    with pytest.raises(ModelOutOfMemory, match="CUDA"):
        speaking.generate([Request((user("a"),)), Request((user("b"),))])


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (Settings(), {}),
        (Settings(temperature=0), {"do_sample": False, "temperature": 1.0}),
        (
            Settings(temperature=0.5, top_k=3),
            {"do_sample": True, "text_greedy": False, "temperature": 0.5, "top_k": 3},
        ),
        (Settings(extra={"repetition_penalty": 1.1}), {"repetition_penalty": 1.1}),
    ],
    ids=["none", "cold", "warm", "extra"],
)
def test_settings_become_changes(settings: Settings, changes: dict[str, Any]) -> None:
    from fac_eval.model.adapter import changes_of

    assert changes_of(settings) == changes


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("plain", ()),
        ('<tool_call>\n{"name": "f", "arguments": {"城": 1}}\n</tool_call>', (ToolCall("f", '{"城": 1}'),)),
        (
            'a <tool_call>{"name": "f"}</tool_call><tool_call>{"name": "g"}</tool_call>',
            (ToolCall("f", "{}"), ToolCall("g", "{}")),
        ),
        ("<tool_call>{broken}</tool_call>", ()),
        ('<tool_call>{"arguments": {}}</tool_call>', ()),
        ('<tool_call>["f"]</tool_call>', ()),
    ],
    ids=["none", "one", "two", "broken", "nameless", "no object"],
)
def test_tool_calls_are_read(text: str, calls: tuple[ToolCall, ...]) -> None:
    from fac_eval.model.adapter import tool_calls

    assert tool_calls(text) == calls


def test_wrong_arguments_say_what_is_there(tiny_folder: Path) -> None:
    with pytest.raises(UnknownName, match="voocder"):
        adapter(tiny_folder, voocder="x")
    with pytest.raises(UsageError, match="s2x"):
        adapter(tiny_folder, profile="s2x")


def test_tools_are_offered_in_the_authors_words_where_their_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval.model import profiles

    text = profiles.tool_prompt(TOOLS, "own")
    assert '{"type": "function", "function": {"name": "weather"' in text
    with pytest.raises(MissingResource, match="constant.py"):
        profiles.tool_prompt(TOOLS, "official")
    content = b'A = "one"\nFUNCTION_CALLING_PROMPT = A + f"{A}" + """ {tools_definition}"""\nB = len(A)\n'
    pinned = profiles.Asset("x", "https://example.org", hashlib.sha256(content).hexdigest(), "constant.py")
    (tmp_path / "constant.py").write_bytes(content)
    monkeypatch.setattr(profiles, "PROMPT_FILE", pinned)
    monkeypatch.setenv("FAC_EVAL_ASSETS", str(tmp_path))
    text = profiles.tool_prompt(TOOLS, "official")
    assert text.startswith('oneone {"type": "function"')


def test_the_persona_speaks_by_the_authors_prompt(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval.model import profiles

    model = adapter(tiny_folder, vocoder=tiny_folder / "vocoder", profile="persona")
    with pytest.raises(MissingResource, match=r"constant.py.*\nFetch it with fac-eval prepare"):
        model.load()
    content = b'S2M = "Both."\nSPOKEN_S2M_PROMPT = S2M + " You are Someone, and always kind."\n'
    pinned = profiles.Asset("x", "https://example.org", hashlib.sha256(content).hexdigest(), "constant.py")
    (tmp_path / "constant.py").write_bytes(content)
    monkeypatch.setattr(profiles, "PROMPT_FILE", pinned)
    monkeypatch.setenv("FAC_EVAL_ASSETS", str(tmp_path))
    persona, s2s = profiles.profile("persona"), profiles.profile("s2s")
    assert persona.system_prompt == "Both. You are Someone, and always kind."
    assert (persona.settings, persona.speech) == (s2s.settings, s2s.speech)
    (answer,) = model.generate([Request((user(CLIP),), "speech", settings=Settings(max_tokens=3), seed=3)])
    assert (answer.details["profile"], answer.error) == ("persona", None)
    (default,) = adapter(tiny_folder, vocoder=tiny_folder / "vocoder", profile="s2s").generate(
        [Request((user(CLIP),), "speech", settings=Settings(max_tokens=3), seed=3)]
    )
    assert answer.usage.input_tokens != default.usage.input_tokens
