"""`FunAudioChat`: answers, streams, and the limits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import AudioError, ModelOutOfMemory, UnknownName, UsageError
from fac_eval.vocabulary import Message, Text, ToolCall, system, user

if TYPE_CHECKING:
    from fac_eval.model.chat import FunAudioChat
    from fac_eval.model.conformance.golden import GoldenModel

WAVE = (0.1 * np.sin(np.arange(16000) / 7)).astype(np.float32)
CONVERSATIONS: list[Any] = [
    [{"role": "user", "content": [WAVE]}],
    [{"role": "user", "content": "Hello"}],
    [user(Audio.from_samples(WAVE[:8000], 16000), "and this?")],
]


@pytest.fixture(scope="module")
def chat(tiny_folder: Path) -> FunAudioChat:
    from fac_eval.model import FunAudioChat

    return FunAudioChat.from_pretrained(
        tiny_folder, vocoder=tiny_folder / "vocoder", device="cpu", dtype="float32"
    )


def test_spoken_answers_have_text_codes_and_sound(chat: FunAudioChat) -> None:
    answers = chat.generate(CONVERSATIONS, speech=True, seeds=[1, 2, 3])
    assert [answer.seed for answer in answers] == [1, 2, 3]
    for answer in answers:
        assert answer.waveform is not None
        assert len(answer.waveform) == 960 * len(answer.codes) > 0
        assert np.isfinite(answer.waveform).all()
        assert answer.sample_rate == 24000
        assert answer.finish_reason == "stop"
        assert answer.timings.total is not None
        assert answer.timings.batch == 3
        assert answer.timings.first_audio is None  # nobody was told when it was there


def test_an_answer_depends_on_its_seed_and_not_on_its_neighbours(chat: FunAudioChat) -> None:
    together = chat.generate(CONVERSATIONS, speech=True, seeds=[1, 2, 3], batch_size=2)
    alone = [
        chat.generate([c], speech=True, seeds=[s])[0] for c, s in zip(CONVERSATIONS, (1, 2, 3), strict=True)
    ]
    assert [a.speech_ids for a in together] == [a.speech_ids for a in alone]
    assert [a.text for a in together] == [a.text for a in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.waveform is not None
        assert other.waveform is not None
        assert np.allclose(one.waveform, other.waveform, atol=1e-4)
    assert chat.generate(CONVERSATIONS[:1], speech=True, seeds=[9])[0].speech_ids != alone[0].speech_ids


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_answers_come_as_they_are_finished_and_are_those_of_a_batch(
    chat: FunAudioChat, streamed: bool
) -> None:
    from fac_eval.model.chat import Ask

    together = chat.generate(
        CONVERSATIONS * 2, speech=True, seeds=range(6), max_new_tokens=[9, 2, 4, 1, 7, 3]
    )
    taken: list[int] = []

    def asked() -> Iterator[Ask]:
        for number, limit in enumerate((9, 2, 4, 1, 7, 3)):
            taken.append(number)
            yield Ask(CONVERSATIONS[number % 3], seed=number, max_new_tokens=limit)

    found = {}
    for number, answer in chat.answers(asked(), speech=True, batch_size=2, streamed=streamed):
        assert len(taken) <= len(found) + 2 + 2  # no more is read than there are rows, and sounds under way
        found[number] = answer
    assert not isinstance(found[0], AudioError)
    assert found[0].timings.batch == 2
    assert list(found) != sorted(found)
    assert [(found[n].text, found[n].speech_ids) for n in range(6)] == [  # type: ignore[union-attr]
        (answer.text, answer.speech_ids) for answer in together
    ]


def test_a_clip_that_cannot_be_heard_takes_no_neighbour_with_it(chat: FunAudioChat) -> None:
    from fac_eval.model.chat import Ask

    broken = [{"role": "user", "content": [np.zeros(0, np.float32)]}]
    given = [broken, CONVERSATIONS[0], broken, CONVERSATIONS[1], broken]
    found = dict(chat.answers([Ask(conversation, seed=1) for conversation in given], batch_size=2))
    assert [number for number, answer in sorted(found.items()) if isinstance(answer, AudioError)] == [0, 2, 4]
    assert len(found) == 5


def test_a_stream_gives_what_a_whole_answer_holds(chat: FunAudioChat) -> None:
    (whole,) = chat.generate(CONVERSATIONS[:1], speech=True, seeds=[4])
    steps = list(chat.stream(CONVERSATIONS[0], seed=4))
    assert "".join(step.text for step in steps) == whole.text
    assert tuple(code for step in steps for code in step.codes) == whole.codes
    assert sum(len(step.audio) for step in steps if step.audio is not None) == 960 * len(whole.codes)
    assert [step.finish_reason for step in steps if step.finish_reason] == ["stop"]
    (along,) = chat.generate(CONVERSATIONS[:1], speech=True, seeds=[4], streamed=True)
    assert (along.text, along.codes) == (whole.text, whole.codes)
    assert along.waveform is not None
    assert np.array_equal(
        along.waveform, np.concatenate([step.audio for step in steps if step.audio is not None])
    )


def test_an_answer_spoken_along_tells_when_it_was_heard_first(chat: FunAudioChat) -> None:
    answers = chat.generate(CONVERSATIONS, speech=True, seeds=[1, 2, 3], streamed=True)
    for answer in answers:
        times = answer.timings
        assert times.first_token is not None
        assert times.first_audio is not None
        assert times.total is not None
        assert 0 < times.first_token <= times.first_audio <= times.total
    (silent,) = chat.generate(CONVERSATIONS[1:2], speech=True, seeds=[1], streamed=True, max_new_tokens=[1])
    assert (silent.codes, silent.waveform, silent.timings.first_audio) == ((), None, None)


def test_text_only_without_a_vocoder_or_a_head(tiny_folder: Path, chat: FunAudioChat) -> None:
    from fac_eval.model import FunAudioChat

    light = FunAudioChat.from_pretrained(tiny_folder, device="cpu", dtype="float32", speech=False)
    answers = light.generate(CONVERSATIONS, seeds=[0, 0, 0])
    assert [a.text_ids for a in answers] == [
        a.text_ids for a in chat.generate(CONVERSATIONS, seeds=[0, 0, 0])
    ]
    assert all(a.waveform is None and a.codes == () for a in answers)


def test_the_recipe_is_that_of_the_example(golden: GoldenModel) -> None:
    from fac_eval.model import FunAudioChat

    case = next(case for case in golden.index["generate_cases"] if case["id"] == "s2s_example.2")
    chat = FunAudioChat(golden.model(), golden.processor)
    turns = golden.prompt(case["prompt"])["conversation"]
    asked = [turns[0], {"role": "user", "content": [golden.wave(golden.prompt(case["prompt"])["audio"][0])]}]
    (answer,) = chat.generate([asked], speech=True, seeds=[case["torch_seed"]], max_new_tokens=[60])
    assert [list(answer.text_ids)] == case["new_text_ids"]
    assert [list(answer.speech_ids)] == case["speech_ids"]
    demo = next(case for case in golden.index["generate_cases"] if case["id"] == "s2s_demo.2")
    (answer,) = chat.generate([asked], profile="demo", seeds=[demo["torch_seed"]], max_new_tokens=[60])
    assert [list(answer.text_ids)] == demo["new_text_ids"]


def test_stops_at_a_text(golden: GoldenModel) -> None:
    from fac_eval.model import FunAudioChat

    chat = FunAudioChat(golden.model(), golden.processor)
    asked = [[{"role": "user", "content": "Please answer"}]]
    whole = chat.generate(asked, seeds=[0], max_new_tokens=[30])[0].text
    end = whole[8:10]
    (cut,) = chat.generate(asked, seeds=[0], max_new_tokens=[30], stop=[end])
    assert cut.text == whole.split(end, 1)[0]
    assert cut.finish_reason == "stop"


def long_conversation(rounds: int) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for number in range(rounds):
        turns += [
            {"role": "user", "content": f"question {number} " * 20},
            {"role": "assistant", "content": "yes"},
        ]
    return turns[:-1]


def test_beyond_the_context(golden: GoldenModel, caplog: pytest.LogCaptureFixture) -> None:
    from fac_eval.model import PROFILES, FunAudioChat

    def prompt(policy: Any, rounds: int = 6) -> tuple[int, str]:
        chat = FunAudioChat(golden.model(), golden.processor, context=500, on_overflow=policy)
        ids, _ = chat.prompt(long_conversation(rounds), PROFILES["s2t"])
        return len(ids), golden.processor.decode(list(ids))

    with caplog.at_level(logging.WARNING):
        whole, _ = prompt("warn")
        shortened, text = prompt("truncate")
    assert whole > 500 >= shortened
    assert "exceeds the 500" in caplog.text
    assert "oldest rounds were left out" in caplog.text
    assert text.startswith("<|im_start|>system")
    assert "question 5" in text
    assert "question 0" not in text
    with pytest.raises(UsageError, match="exceeds the 500"):
        prompt("error")
    with pytest.raises(UsageError, match="last round alone"):
        FunAudioChat(golden.model(), golden.processor, context=50, on_overflow="truncate").prompt(
            long_conversation(2), PROFILES["s2t"]
        )


def test_out_of_memory_halves_the_batch_and_says_so_once(
    chat: FunAudioChat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    from fac_eval.model.chat import Ask
    from fac_eval.model.decoding import Decoder

    expected = chat.generate(CONVERSATIONS * 2, seeds=range(6))
    advance = Decoder._advance

    def scarce(self: Any, most: int = 1) -> Any:
        if len(self._rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return advance(self)

    monkeypatch.setattr(Decoder, "_advance", scarce)
    with caplog.at_level(logging.WARNING):
        found = chat.generate(CONVERSATIONS * 2, seeds=range(6), batch_size=4)
    assert [a.text_ids for a in found] == [a.text_ids for a in expected]
    assert [r.message for r in caplog.records] == [
        f"out of memory: going on with batches of {n}" for n in (2, 1)
    ]
    with pytest.raises(ModelOutOfMemory):
        list(chat.answers([Ask(conversation) for conversation in CONVERSATIONS]))
    monkeypatch.setattr(Decoder, "_advance", lambda self: scarce(self, most=0))
    with pytest.raises(ModelOutOfMemory):
        chat.generate(CONVERSATIONS[:1], seeds=[0])


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ([np.zeros(0, np.float32)], AudioError, "no samples"),
        ([np.full(1600, np.nan, np.float32)], AudioError, "not finite"),
        ([np.zeros((2, 100), np.float32)], AudioError, "mono"),
        ("<|audio_bos|><|AUDIO|><|audio_eos|>", UsageError, "1 <|AUDIO|> but 0 clips"),
        ([{"type": "picture", "picture": 1}], UsageError, "a part is"),
    ],
    ids=["empty", "nan", "stereo", "no clip", "picture"],
)
def test_input_that_cannot_be_heard(
    chat: FunAudioChat, content: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace("|", r"\|")):
        chat.generate([[{"role": "user", "content": content}]], seeds=[0])


def test_a_clip_too_short_for_a_frame_is_said(chat: FunAudioChat, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (answer,) = chat.generate([[{"role": "user", "content": [np.zeros(639, np.float32)]}]], seeds=[0])
    assert "639" not in caplog.text
    assert "fewer than 640 samples" in caplog.text
    assert answer.finish_reason


def test_wrong_requests(chat: FunAudioChat) -> None:
    with pytest.raises(UnknownName, match="loud"):
        chat.generate(CONVERSATIONS[:1], profile="loud")
    with pytest.raises(UsageError, match="volume"):
        chat.generate(CONVERSATIONS[:1], volume=11)
    with pytest.raises(UsageError, match="as many seeds"):
        chat.generate(CONVERSATIONS, seeds=[1])
    with pytest.raises(UsageError, match="list of turns"):
        chat.generate([{"role": "user", "content": "x"}], seeds=[0])
    with pytest.raises(UsageError, match="at least one turn"):
        chat.generate([[]], seeds=[0], profile=None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([user("hi")], [("system", "S"), ("user", "hi")]),
        ([system("own"), user("hi")], [("system", "own"), ("user", "hi")]),
        (
            [user(Audio.from_samples(WAVE, 16000), "which?")],
            [("system", "S"), ("user", "<|audio_bos|><|AUDIO|><|audio_eos|>\nwhich?")],
        ),
        (
            [
                user("do it"),
                Message("assistant", tool_calls=(ToolCall("f", '{"x": 1}'),)),
                Message("tool", (Text("done"),)),
            ],
            [
                ("system", "S"),
                ("user", "do it"),
                ("assistant", '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'),
                ("user", "<tool_response>\ndone\n</tool_response>"),
            ],
        ),
        (
            [{"role": "user", "content": "<|audio_bos|><|AUDIO|><|audio_eos|>", "audio": [WAVE]}],
            [("system", "S"), ("user", "<|audio_bos|><|AUDIO|><|audio_eos|>")],
        ),
    ],
    ids=["plain", "own system", "clip and text", "tools", "template and clip beside"],
)
def test_turns(given: list[Any], expected: list[tuple[str, str]]) -> None:
    from fac_eval.model.conversation import turns_of

    assert [(turn.role, turn.content) for turn in turns_of(given, "S")] == expected


def test_clips_of_other_rates_and_files(tmp_path: Path) -> None:
    import soundfile

    from fac_eval.model.conversation import turns_of

    soundfile.write(tmp_path / "a.wav", np.zeros(4410), 44100)
    parts = [{"type": "audio", "audio": str(tmp_path / "a.wav")}, (np.zeros(4800), 48000), tmp_path / "a.wav"]
    (turn,) = turns_of([{"role": "user", "content": parts}])
    assert [len(clip) for clip in turn.clips] == [1600, 1600, 1600]
