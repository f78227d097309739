"""What all recognisers do before they listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RATE = 16_000
SILENCE = 1e-4
"""A clip that stays below holds nothing to hear; a recogniser would make words up."""
SHORTEST = 0.1
"""Seconds below which there is no word."""


def is_worth_hearing(samples: npt.NDArray[np.float32]) -> bool:
    """Whether samples at `RATE` can hold speech; what is silent, too short or not finite has an empty transcript."""
    import numpy as np

    if len(samples) < SHORTEST * RATE:
        return False
    peak = float(np.abs(samples).max())
    return bool(np.isfinite(samples).all()) and peak >= SILENCE
