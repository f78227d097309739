from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from fac_eval.errors import UnknownName, UsageError
from fac_eval.model.detokenizer import SpeechDetokenizer
from fac_eval.model.detokenizer.driver import split_segments


def _apart(ours: torch.Tensor, other: torch.Tensor) -> float:
    assert ours.shape == other.shape
    return float((ours - other).norm() / other.norm())


@pytest.mark.parametrize("count", [1, 25, 60])
def test_a_code_is_960_samples(count: int, tiny: SpeechDetokenizer, codes: Any) -> None:
    wave = tiny.decode(codes(count))
    assert wave.shape == (960 * count,)
    assert wave.dtype == torch.float32
    assert 0 < wave.abs().max() <= 0.99
    assert tiny.sample_rate == 24000


def test_equal_codes_make_equal_sound(tiny: SpeechDetokenizer, codes: Any) -> None:
    assert torch.equal(tiny.decode(codes(20)), tiny.decode(codes(20)))
    assert not torch.equal(tiny.decode(codes(20)), tiny.decode(codes(20, seed=1)))


@pytest.mark.parametrize("ids", [[], [6561, 6562, 6564], [-1]], ids=["none", "special", "negative"])
def test_without_speech_codes_there_is_no_sound(ids: list[int], tiny: SpeechDetokenizer, codes: Any) -> None:
    assert tiny.decode(ids).shape == (0,)
    assert [len(wave) for wave in tiny.decode_batch([codes(2), ids, codes(1)])] == [1920, 0, 960]


def test_ids_that_are_no_speech_codes_are_passed_over(tiny: SpeechDetokenizer, codes: Any) -> None:
    given = codes(10)
    assert torch.equal(tiny.decode([6561, *given[:4], 6564, *given[4:], -7]), tiny.decode(given))
    assert torch.equal(tiny.decode(torch.tensor(given)), tiny.decode(given))


def test_a_batch_is_its_single_runs(tiny: SpeechDetokenizer, codes: Any) -> None:
    utterances = [codes(n, n) for n in (31, 5, 18, 31)]
    speakers = [None, "中文男", torch.ones(192), "中文女"]
    together = tiny.decode_batch(utterances, speakers=speakers)
    for wave, utterance, speaker in zip(together, utterances, speakers, strict=True):
        assert _apart(wave, tiny.decode(utterance, speaker=speaker)) < 5e-3


def test_a_long_utterance_is_its_segments_end_to_end(tiny: SpeechDetokenizer, codes: Any) -> None:
    given = codes(760)
    parts = split_segments(given)
    assert [len(part) for part in parts] == [380, 380]
    assert _apart(tiny.decode(given), torch.cat([tiny.decode(part) for part in parts])) < 5e-3


def test_voices(tiny: SpeechDetokenizer, codes: Any) -> None:
    assert tiny.speakers == ("中文女", "中文男")
    given = codes(5)
    assert torch.equal(tiny.decode(given), tiny.decode(given, speaker="中文女"))
    assert not torch.equal(tiny.decode(given), tiny.decode(given, speaker="中文男"))
    with pytest.raises(UnknownName, match="中文女"):
        tiny.decode(given, speaker="中文")
    with pytest.raises(UsageError, match="192 numbers"):
        tiny.decode(given, speaker=torch.ones(80))


def test_as_many_voices_as_utterances(tiny: SpeechDetokenizer) -> None:
    with pytest.raises(ValueError, match="zip"):
        tiny.decode_batch([[1], [2]], speakers=[None])


def test_bfloat16_is_close_and_keeps_pitch_and_source_exact(
    tiny: SpeechDetokenizer, tiny_folder: Path, codes: Any
) -> None:
    small = SpeechDetokenizer.from_pretrained(tiny_folder, device="cpu", dtype="bfloat16")
    flow, hift = small._engine.flow, small._engine.hift
    assert {value.dtype for value in flow.parameters()} == {torch.bfloat16}
    assert hift.f0_predictor.classifier.weight.dtype == torch.float64
    assert hift.conv_post.weight.dtype == torch.float32
    given = [codes(30)]
    vector = torch.ones(1, 192)
    with torch.inference_mode():
        exact = tiny._engine.flow(given, vector, tiny._engine.flow_noise)[0]
        assert _apart(flow(given, vector, small._engine.flow_noise)[0], exact) < 0.02
        noise = tiny._engine.source_noise.rows(0, 480 * exact.shape[1])
        wave = tiny._engine.hift(exact[None], noise).wave
        assert _apart(hift(exact[None], noise).wave, wave) < 0.05
    waves = small.decode_batch([codes(30), codes(7)])
    assert [wave.dtype for wave in waves] == [torch.float32] * 2


def test_pitch_in_float32_as_in_the_pinned_submodule(
    tiny_folder: Path, tiny: SpeechDetokenizer, codes: Any
) -> None:
    other = SpeechDetokenizer.from_pretrained(tiny_folder, device="cpu", f0_dtype="float32")
    assert other._engine.hift.f0_predictor.classifier.weight.dtype == torch.float32
    assert _apart(other.decode(codes(3)), tiny.decode(codes(3))) < 0.05


@pytest.mark.parametrize("option", [{"dtype": "float16"}, {"f0_dtype": "bfloat16"}])
def test_other_dtypes_are_refused(option: dict[str, Any], tiny_folder: Path) -> None:
    with pytest.raises(UsageError, match="not one of"):
        SpeechDetokenizer.from_pretrained(tiny_folder, device="cpu", **option)


def test_a_worker_gives_futures(tiny: SpeechDetokenizer, codes: Any) -> None:
    utterances = [codes(n, n) for n in (9, 2, 0, 14)]
    with tiny.worker(max_batch=3) as worker:
        futures = [worker.submit(utterance) for utterance in utterances]
        male = worker.submit(utterances[0], speaker="中文男")
    for future, utterance in zip(futures, utterances, strict=True):
        assert len(future.result()) == 960 * len(utterance)
    assert _apart(futures[0].result(), tiny.decode(utterances[0])) < 5e-3
    assert _apart(male.result(), tiny.decode(utterances[0], speaker="中文男")) < 5e-3


def test_what_waits_is_spoken_in_one_batch_and_no_more_than_asked(
    tiny: SpeechDetokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, sizes = Event(), Event(), []

    def decode_batch(utterances: list[list[int]], **_: Any) -> list[torch.Tensor]:
        sizes.append(len(utterances))
        begun.set()
        go_on.wait(10)
        return [torch.zeros(1)] * len(utterances)

    monkeypatch.setattr(tiny, "decode_batch", decode_batch)
    with tiny.worker(max_batch=3) as worker:
        worker.submit([1])
        begun.wait(10)
        for _ in range(4):
            worker.submit([1])
        go_on.set()
    assert sizes == [1, 3, 1]


def test_a_bad_utterance_does_not_take_its_neighbours_down(tiny: SpeechDetokenizer, codes: Any) -> None:
    with tiny.worker() as worker:
        good, bad = worker.submit(codes(3)), worker.submit(codes(3), speaker="nobody")
    assert len(good.result()) == 2880
    with pytest.raises(UnknownName, match="nobody"):
        bad.result()


def test_an_error_in_the_block_gives_up_what_has_not_begun(
    tiny: SpeechDetokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()

    def decode_batch(utterances: list[list[int]], **_: Any) -> list[torch.Tensor]:
        begun.set()
        go_on.wait(10)
        return [torch.zeros(1)] * len(utterances)

    monkeypatch.setattr(tiny, "decode_batch", decode_batch)
    worker = tiny.worker(max_batch=1)
    first = worker.submit([1])
    begun.wait(10)
    second = worker.submit([1])
    second.add_done_callback(lambda _: go_on.set())
    with pytest.raises(RuntimeError, match="interrupted"), worker:
        raise RuntimeError("interrupted")
    assert len(first.result()) == 1
    assert second.cancelled()


def test_a_closed_worker_takes_nothing(tiny: SpeechDetokenizer) -> None:
    worker = tiny.worker()
    worker.close()
    worker.close()
    with pytest.raises(UsageError, match="closed"):
        worker.submit([1])
    with pytest.raises(UsageError, match="max_batch 0"):
        tiny.worker(max_batch=0)


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, fac_eval.model.detokenizer as d; dir(d); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_load() -> None:
    from fac_eval.model import detokenizer

    assert all(getattr(detokenizer, name) is not None for name in detokenizer.__all__)
    with pytest.raises(AttributeError, match="vocode"):
        detokenizer.vocode  # noqa: B018
