"""Inputs that the recorded set does not have."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fac_eval.errors import AssetError, AudioError

if TYPE_CHECKING:
    from fac_eval.model.conformance.golden import GoldenModel


PIECES = ("a", "<placeholder>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "\n")


@pytest.mark.parametrize(
    ("samples", "frames"),
    [
        (0, 0),
        (639, 0),
        (640, 1),
        (18559, 28),
        (18560, 28),
        (36480, 56),
        (37120, 57),
        (72320, 112),
        (19200, 30),
    ],
)
def test_frames_are_counted_in_floating_point(golden: GoldenModel, samples: int, frames: int) -> None:
    assert golden.processor.frames(samples) == frames


def test_the_mel_is_that_of_the_whole_window(golden: GoldenModel) -> None:
    import torch
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=30)
    # Below, at and beyond the point where a clip and its margin no longer fit the window.
    for length in (1, 159, 400, 4801, 479599, 479601, 479999, 480000, 490001):
        wave = np.random.default_rng(length).normal(size=length).astype(np.float32) * 0.1
        (clip,) = golden.processor.clips([wave])
        assert clip.mel is not None
        expected = extractor(wave, sampling_rate=16000, return_tensors="pt").input_features[0]
        assert clip.mel.columns.shape[1] == -(-min(length, 480000) // 160)
        assert torch.allclose(clip.mel.padded(3000), expected, atol=2e-5), length


def test_only_what_is_heard_is_transformed(golden: GoldenModel, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    sizes, stft = [], torch.stft
    monkeypatch.setattr(torch, "stft", lambda wave, *a, **k: sizes.append(len(wave)) or stft(wave, *a, **k))
    golden.processor_for(300).clips([np.zeros(16000, np.float32)])
    assert sizes == [16400]


@settings(max_examples=30)
@given(
    st.lists(
        st.sampled_from(["a", "<placeholder>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "\n"]),
        max_size=9,
    )
)
def test_expansion_touches_nothing_but_placeholders(pieces: list[str]) -> None:
    from fac_eval.model.processor import Clip, FunAudioChatProcessor

    processor = FunAudioChatProcessor.__new__(FunAudioChatProcessor)
    processor.audio_token, processor.audio_group_size = "<|AUDIO|>", 5
    processor.audio_bos_token, processor.audio_eos_token = "<|audio_bos|>", "<|audio_eos|>"
    text, count = "".join(pieces), pieces.count("<|AUDIO|>")
    (expanded,) = processor.expand([text], [Clip((0,) * 12, None)] * count)
    assert expanded.count("<|AUDIO|>") == 3 * count
    marks = ("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    for mark in marks:
        expanded, text = expanded.replace(mark, ""), text.replace(mark, "")
    assert expanded == text


def test_a_clip_beyond_the_window_keeps_its_placeholders_and_is_said_once(
    golden_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from fac_eval.model.processor import FunAudioChatProcessor

    processor = FunAudioChatProcessor.from_pretrained(golden_folder / "tiny")
    with caplog.at_level(logging.WARNING):
        clip, _ = processor.clips([np.zeros(496000, np.float32)] * 2)
    assert caplog.text.count("31.0 s exceeds the 30 s") == 1
    assert clip.mel is not None
    assert (len(clip.speech_ids), clip.mel.columns.shape[1]) == (775, 3000)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(golden: GoldenModel, value: float) -> None:
    samples = np.zeros(1600, np.float32)
    samples[7] = value
    with pytest.raises(AudioError, match="not finite"):
        golden.processor.clips([samples])


def test_stereo_is_refused_and_other_rates_are_resampled(golden: GoldenModel) -> None:
    with pytest.raises(AudioError, match=r"\(2, 1600\)"):
        golden.processor.clips([np.zeros((2, 1600))])
    inputs = golden.processor(text="<|AUDIO|>", audio=[np.zeros(48000)], sampling_rate=48000)
    assert int(inputs["speech_attention_mask"].sum()) == 25


def test_a_recorded_turn_may_name_a_file(golden: GoldenModel, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "turn.wav", np.zeros(8000), 8000)
    (clip,) = golden.processor.clips([json.dumps({"path": str(tmp_path / "turn.wav"), "token": ""})])
    assert len(clip.speech_ids) == 25
    assert clip.mel is not None


def test_a_folder_without_its_parts_is_refused(tmp_path: Path) -> None:
    from fac_eval.model import FunAudioChatProcessor

    with pytest.raises(AssetError, match="speech_tokenizer"):
        FunAudioChatProcessor.from_pretrained(tmp_path)
