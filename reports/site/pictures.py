"""What a clip looks like: its outline and its spectrum over time, small enough to stand beside the sound.

A page that was opened from disk may not read the sound that it plays, so it could not draw this itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fac_eval.audio import Audio

PEAKS = 400
"""Points of the outline."""
COLUMNS, BANDS = 200, 48
"""Of the spectrum: steps in time, and mel bands up to 8 kHz."""
LEVELS = 15
RANGE_DB = 70.0
TOP_HZ = 8000.0
_MOST_FRAMES = 1200

Numbers = npt.NDArray[np.float32]


def picture(clip: Audio) -> dict[str, Any]:
    """Outline (0 to 100) and spectrum (0 to `LEVELS`, low bands first, column after column) of a clip.

    Raises:
        AudioError: the clip cannot be decoded.
    """
    samples, rate = clip.samples(), clip.rate
    return {
        "seconds": round(len(samples) / rate, 3),
        "rate": rate,
        "top": min(TOP_HZ, rate / 2),
        "peaks": _peaks(samples).tolist(),
        "bands": BANDS,
        "spectrum": _spectrum(samples, rate).ravel().tolist(),
    }


def _pooled(values: Numbers, size: int) -> Numbers:
    """The largest of each of at most `size` equal stretches along the first axis."""
    edges = np.linspace(0, len(values), min(size, len(values)) + 1).astype(int)[:-1]
    pooled: Numbers = np.maximum.reduceat(values, edges, axis=0)
    return pooled


def _peaks(samples: Numbers) -> npt.NDArray[np.int64]:
    peaks: npt.NDArray[np.int64] = np.rint(100 * _pooled(np.abs(samples), PEAKS).clip(0, 1)).astype(np.int64)
    return peaks


def _spectrum(samples: Numbers, rate: int) -> npt.NDArray[np.int64]:
    window = 1 << max(4, round(np.log2(rate * 0.04)))
    if len(samples) < window:
        samples = np.pad(samples, (0, window - len(samples)))
    frames = min(_MOST_FRAMES, 1 + (len(samples) - window) // (window // 2))
    starts = np.linspace(0, len(samples) - window, frames).astype(int)
    cut = np.lib.stride_tricks.sliding_window_view(samples, window)[starts]
    power = np.abs(np.fft.rfft(cut * np.hanning(window).astype(np.float32), axis=1)) ** 2
    mel = _pooled((power @ _mel_bands(rate, window)).astype(np.float32), COLUMNS)
    decibels = 10 * np.log10(np.maximum(mel, 1e-12))
    level = (decibels - max(decibels.max(), -40.0)) / RANGE_DB + 1
    levels: npt.NDArray[np.int64] = np.rint(LEVELS * level.clip(0, 1)).astype(np.int64)
    return levels


@lru_cache(maxsize=8)
def _mel_bands(rate: int, window: int) -> npt.NDArray[np.float64]:
    """Triangular filters, evenly spaced on the mel scale; each takes in at least its nearest bin."""
    top = 2595 * np.log10(1 + min(TOP_HZ, rate / 2) / 700)
    centres = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(window, 1 / rate)
    filters = np.zeros((len(bins), BANDS))
    for band, (low, centre, high) in enumerate(zip(centres, centres[1:], centres[2:], strict=False)):
        rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
        filters[:, band] = np.minimum(rising, falling).clip(0)
        filters[np.abs(bins - centre).argmin(), band] = 1.0
    return filters
