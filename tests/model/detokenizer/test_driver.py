from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fac_eval.errors import DataError, ModelOutOfMemory
from fac_eval.model.detokenizer import SpeechDetokenizer, driver, hift
from fac_eval.model.detokenizer.driver import (
    Budget,
    Call,
    Engine,
    Segment,
    VocoderState,
    plan_calls,
    split_segments,
)

CLOSE = 1e-4


@pytest.fixture
def engine(tiny: SpeechDetokenizer) -> Engine:
    return tiny._engine


@pytest.mark.parametrize(
    ("count", "lengths"),
    [
        (0, []),
        (1, [1]),
        (750, [750]),
        (751, [375, 376]),
        (777, [388, 389]),
        (799, [399, 400]),
        (800, [750, 50]),
        (1500, [750, 750]),
        (1501, [750, 375, 376]),
        (1549, [750, 399, 400]),
        (1550, [750, 750, 50]),
        (2299, [750, 750, 399, 400]),
        (7501, [750] * 9 + [375, 376]),
    ],
)
def test_segments(count: int, lengths: list[int]) -> None:
    assert [len(part) for part in split_segments(range(count))] == lengths


@given(st.integers(0, 5000))
def test_segments_hold_every_code_once_in_order(count: int) -> None:
    parts = split_segments(range(count))
    assert [code for part in parts for code in part] == list(range(count))
    assert all(0 < len(part) <= driver.SEGMENT for part in parts)


@pytest.mark.parametrize(
    ("codes", "hop", "calls"),
    [
        (25, 750, [(25, 0, True)]),
        (750, 750, [(750, 0, True)]),
        (52, 15, [(18, 0, False), (33, 15, False), (48, 30, False), (52, 45, True)]),
        (47, 15, [(18, 0, False), (33, 15, False), (47, 30, True), (47, 45, True)]),
        (45, 15, [(18, 0, False), (33, 15, False), (45, 30, True)]),
    ],
)
def test_calls(codes: int, hop: int, calls: list[tuple[int, int, bool]]) -> None:
    assert list(plan_calls(codes, hop)) == [Call(*call) for call in calls]


def test_no_codes_are_an_error(engine: Engine) -> None:
    with pytest.raises(DataError, match="no speech codes"):
        driver.token2wav(engine, Segment([], torch.zeros(1, 192)))


def _mel(frames: int, seed: int = 0) -> Tensor:
    return 1.5 * torch.randn(80, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "sizes",
    [(8, 1), (9, 1, 1, 1, 90), (20,) * 8, (60, 60, 3), (100,)],
    ids=lambda sizes: "+".join(map(str, sizes)),
)
def test_a_waveform_made_in_pieces_is_the_whole(sizes: Sequence[int], engine: Engine) -> None:
    mel = _mel(sum(sizes))
    state = VocoderState(engine)
    with torch.inference_mode():
        *begun, last = mel.split(list(sizes), dim=1)
        pieces = [state.speak(part) for part in begun] + [state.speak(last, finalize=True)]
        whole = engine.hift(mel[None], engine.source_noise.rows(0, 480 * mel.shape[1])).wave[0]
    assert torch.cat(pieces).shape == whole.shape
    assert (torch.cat(pieces) - whole).abs().max() < CLOSE


def test_a_sample_depends_on_no_frames_but_those_that_are_said(engine: Engine) -> None:
    mel, f0 = _mel(100)[None], torch.full((1, 100), 150.0)
    changed = mel.clone()
    changed[:, :, 50] += 3.0
    with torch.inference_mode():
        source = engine.hift.m_source(f0, engine.source_noise.rows(0, 48000))
        louder = source.clone()
        louder[:, :, 50 * 480 : 51 * 480] *= 2
        apart = engine.hift.decode(mel, source) - engine.hift.decode(changed, louder)
    touched = apart[0].nonzero()[:, 0] // 480
    config = engine.hift.config
    assert 50 - hift.look_ahead(config) <= touched.min()
    assert touched.max() <= 50 + hift.look_back(config)


@settings(max_examples=10)
@given(st.lists(st.integers(8, 40), min_size=2, max_size=5))
def test_pieces_have_the_samples_of_the_frames_that_are_ready(sizes: list[int]) -> None:
    engine = _engine()
    state = VocoderState(engine)
    with torch.inference_mode():
        lengths = [len(state.speak(_mel(size))) for size in sizes]
        rest = len(state.rest())
    assert lengths == [480 * (size - 8 * (number == 0)) for number, size in enumerate(sizes)]
    assert rest == 480 * 8


_ENGINES: list[Engine] = []


def _engine() -> Engine:
    """Hypothesis takes no fixtures of this scope."""
    return _ENGINES[0]


@pytest.fixture(autouse=True)
def _shared(engine: Engine) -> None:
    _ENGINES[:] = [engine]


def test_too_few_frames_to_begin_with_are_an_error(engine: Engine) -> None:
    with torch.inference_mode(), pytest.raises(DataError, match="7 mel frames"):
        VocoderState(engine).speak(_mel(7))


def test_rows_of_different_lengths_do_not_touch_each_other(engine: Engine, codes: Any) -> None:
    segments = [Segment(codes(n, n), torch.full((1, 192), n / 50)) for n in (40, 3, 25, 1, 40)]
    with torch.inference_mode():
        together = driver.speak_all(engine, segments, Budget(8, 10_000), Budget(8, 10_000))
        alone = [torch.cat(driver.token2wav(engine, segment)) for segment in segments]
    for ours, single, segment in zip(together, alone, segments, strict=True):
        assert len(ours) == 960 * len(segment.codes)
        assert (ours - single).norm() / single.norm() < 5e-3  # pitch amplifies the mel's rounding


def test_mels_of_rows_of_different_lengths_are_those_of_single_ones(engine: Engine, codes: Any) -> None:
    rows = [codes(n, n) for n in (30, 4, 17)]
    vector = torch.ones(1, 192)
    with torch.inference_mode():
        for finalize in (True, False):
            together = engine.flow(rows, vector, engine.flow_noise, finalize=finalize)
            for row, mel in zip(rows, together, strict=True):
                single = engine.flow([row], vector, engine.flow_noise, finalize=finalize)[0]
                assert mel.shape == single.shape
                assert (mel - single).abs().max() < 5e-5


def test_batches_keep_to_the_budget_and_the_order(
    engine: Engine, codes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[int]] = []

    def mels(_: Engine, segments: Sequence[Segment]) -> list[Tensor]:
        batches.append([len(segment.codes) for segment in segments])
        return [torch.full((80, 2 * len(segment.codes)), len(segment.codes)) for segment in segments]

    monkeypatch.setattr(driver, "_mels", mels)
    monkeypatch.setattr(driver, "_waves", lambda _, mels: [mel[0, :1] for mel in mels])
    lengths = [5, 40, 10, 10, 100, 20]
    segments = [Segment(codes(n), torch.zeros(1, 192)) for n in lengths]
    waves = driver.speak_all(engine, segments, Budget(3, 60), Budget(99, 999))
    assert [int(wave) for wave in waves] == lengths
    assert batches == [[100], [40], [20, 10, 10], [5]]


def test_when_memory_runs_out_fewer_go_at_once_and_it_is_said_once(
    engine: Engine, codes: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, tried = driver._mels, []

    def mels(engine: Engine, segments: Sequence[Segment]) -> list[Tensor]:
        tried.append(len(segments))
        if len(segments) > 2:
            raise torch.OutOfMemoryError("no more")
        return real(engine, segments)

    monkeypatch.setattr(driver, "_mels", mels)
    segments = [Segment(codes(2, n), torch.zeros(1, 192)) for n in range(5)]
    budget = Budget(4, 1000)
    with torch.inference_mode(), caplog.at_level(logging.WARNING):
        waves = driver.speak_all(engine, segments, budget, Budget(8, 1000))
        driver.speak_all(engine, segments, budget, Budget(8, 1000))
    assert [len(wave) for wave in waves] == [1920] * 5
    assert tried == [4, 2, 2, 1, 2, 2, 1]
    assert len(caplog.records) == 1


def test_a_segment_that_does_not_fit_alone_is_an_error(
    engine: Engine, codes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mels(*_: Any) -> list[Tensor]:
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr(driver, "_mels", mels)
    with pytest.raises(ModelOutOfMemory, match="single segment"):
        driver.speak_all(engine, [Segment(codes(2), torch.zeros(1, 192))], Budget(8, 99), Budget(8, 99))


def test_more_codes_in_one_piece_than_the_noise_lasts_are_refused(engine: Engine) -> None:
    with pytest.raises(DataError, match="15002 mel frames"):
        engine.flow([[1] * 7501], torch.zeros(1, 192), engine.flow_noise)


def test_uneven_rows_must_be_complete(engine: Engine) -> None:
    from fac_eval.errors import UsageError

    with pytest.raises(UsageError, match="complete"):
        engine.hift.decode(torch.zeros(2, 80, 20), torch.zeros(2, 1, 9600), finalize=False, frames=[20, 10])
