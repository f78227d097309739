"""The two rules by which UTMOS implementations bring speech to 16 kHz.

They give different scores, so that a figure names its rule. Both work in float32 and are reproduced down to its
rounding, where that shows.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Variant = Literal["sinc", "linear"]
Samples = NDArray[np.float32]

UTMOS_RATE = 16_000

_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99
_BLOCK_VALUES = 2**22
"""Values of overlapping windows that are laid out at a time; they take several times the room of the sound."""


def resample(samples: Samples, rate: int, variant: Variant) -> Samples:
    """The samples at 16 kHz; at that rate already, they come back as they are.

    `sinc` is the windowed sinc filter that SpeechMOS and UltraEval-Audio use, `linear` the interpolation of the
    package `utmos`, which has no low-pass filter: what lies above 8 kHz is folded into the speech.
    """
    if rate == UTMOS_RATE:
        return samples
    return _sinc(samples, rate) if variant == "sinc" else _linear(samples, rate)


def _sinc(samples: Samples, rate: int) -> Samples:
    common = math.gcd(rate, UTMOS_RATE)
    step, phases = rate // common, UTMOS_RATE // common
    kernel, width = _kernel(step, phases)
    padded = np.pad(samples, (width, width + step))
    windows = sliding_window_view(padded, kernel.shape[0])[::step]
    rows = max(1, _BLOCK_VALUES // kernel.shape[0])
    blocks = [windows[at : at + rows].copy() @ kernel for at in range(0, len(windows), rows)]
    return np.concatenate(blocks).reshape(-1)[: -(-phases * len(samples) // step)]


@lru_cache(maxsize=8)
def _kernel(step: int, phases: int) -> tuple[Samples, int]:
    """The filter of each output phase as a column, and how far it reaches to either side."""
    cutoff = min(step, phases) * _ROLLOFF
    width = math.ceil(_ZERO_CROSSINGS * step / cutoff)
    taps = np.arange(-width, width + step, dtype=np.float32)[:, None] / np.float32(step)
    delays = np.arange(phases, dtype=np.float32)[None, :] / np.float32(phases)
    at = np.clip((taps - delays) * np.float32(cutoff), -_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window = np.cos(at * np.float32(math.pi / _ZERO_CROSSINGS / 2)) ** 2
    angle = at * np.float32(math.pi)
    sinc = np.divide(np.sin(angle), angle, out=np.ones_like(angle), where=angle != 0)
    return sinc * window * np.float32(cutoff / step), width


def _linear(samples: Samples, rate: int) -> Samples:
    # The positions are float32 there, too: beyond 2**20 samples they go in steps of 1/8 sample and more.
    length = len(samples) * UTMOS_RATE // rate
    positions = np.arange(length).astype(np.float32) * np.float32(rate / UTMOS_RATE)
    before = np.minimum(positions.astype(np.int64), len(samples) - 1)
    after = np.minimum(before + 1, len(samples) - 1)
    share = positions - np.floor(positions)
    interpolated: Samples = samples[before] * (1 - share) + samples[after] * share
    return interpolated
