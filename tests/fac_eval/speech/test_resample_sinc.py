"""The two resampling rules: lengths, what they keep, what they fold, and float32 down to its rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fac_eval.speech.resample_sinc import Variant, resample


def tone(hertz: float, rate: int, seconds: float = 0.5) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def level(samples: NDArray[np.float32], hertz: float, rate: int = 16_000) -> float:
    """The amplitude of one frequency, the ends left out."""
    inner = samples[1_000:-1_000]
    phase = 2j * np.pi * hertz * np.arange(len(inner)) / rate
    window = np.hanning(len(inner))
    return float(2 * abs(np.sum(inner * window * np.exp(-phase))) / window.sum())


@pytest.mark.parametrize("variant", ["sinc", "linear"])
def test_at_16_khz_nothing_is_touched(variant: Variant) -> None:
    samples = tone(440, 16_000)
    assert resample(samples, 16_000, variant) is samples


@settings(max_examples=60)
@given(
    st.integers(1, 5_000), st.sampled_from([8_000, 11_025, 12_345, 22_050, 24_000, 32_000, 44_100, 48_000])
)
def test_the_length_is_rounded_up_by_sinc_and_down_by_linear(length: int, rate: int) -> None:
    samples = np.random.default_rng(length).normal(size=length).astype(np.float32)
    sinc, linear = resample(samples, rate, "sinc"), resample(samples, rate, "linear")
    assert sinc.dtype == linear.dtype == np.dtype(np.float32)
    assert len(sinc) == math.ceil(length * 16_000 / rate)
    assert len(linear) == length * 16_000 // rate


@pytest.mark.parametrize(
    ("heard", "image", "variant", "most"),
    [
        pytest.param(10_000, 6_000, "sinc", -40, id="sinc-10k"),
        pytest.param(9_000, 7_000, "sinc", -15, id="sinc-9k"),
        pytest.param(6_000, 6_000, "sinc", 1, id="sinc-6k-stays"),
    ],
)
def test_sinc_keeps_what_lies_above_8_khz_out(heard: int, image: int, variant: Variant, most: float) -> None:
    assert 20 * math.log10(level(resample(tone(heard, 24_000), 24_000, variant), image)) < most


def test_linear_folds_what_lies_above_8_khz() -> None:
    folded = level(resample(tone(10_000, 24_000), 24_000, "linear"), 6_000)
    assert 20 * math.log10(folded) == pytest.approx(-4, abs=1)


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_sinc_keeps_speech_as_it_is(rate: int) -> None:
    found = resample(tone(1_000, rate), rate, "sinc")
    assert level(found, 1_000) == pytest.approx(1, abs=0.01)


def test_a_long_clip_is_filtered_in_blocks_without_seams() -> None:
    samples = np.random.default_rng(0).normal(size=2_000_000).astype(np.float32)
    whole = resample(samples, 48_000, "sinc")
    part = resample(samples[900_000:1_200_000], 48_000, "sinc")
    np.testing.assert_allclose(whole[300_100:399_900], part[100:99_900], atol=2e-6)


def test_linear_positions_are_float32() -> None:
    rate, length = 22_050, 3_000_000
    samples = np.arange(length, dtype=np.float32)  # so that each answer is its position
    found = resample(samples, rate, "linear")
    exact = np.arange(len(found)) * (rate / 16_000)
    assert np.abs(found[:1_000] - exact[:1_000]).max() < 1e-3
    assert 0.05 < np.abs(found - exact).max() < 0.3
    late = found[found > 2**21]
    assert len(late) > 100_000
    assert (late * 4 % 1 == 0).all()
