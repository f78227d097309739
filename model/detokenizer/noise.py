"""The fixed noise of both samplers. Nothing is drawn while speaking: the published code draws two buffers once.

On every device the values are drawn on the CPU, from generators of their own: torch's global one is left alone.
"""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor

from fac_eval.errors import DataError

MEL_FRAMES = 15_000
SOURCE_SAMPLES = 7_200_000
"""Five minutes at 50 frames and at 24000 samples per second."""

# FunAudioLLM/CosyVoice, examples/libritts/cosyvoice3/conf/cosyvoice3.yaml: between the seeding (in the flow
# matching's constructor) and the source noise, these tensors get their default initialisation, in this order, as
# (shape, normal): they move the generator on. So does the initial phase after them, which has no effect.
_DRAWN_BETWEEN: tuple[tuple[tuple[int, ...], bool], ...] = (
    ((6561, 80), True),
    ((80, 192), False),
    ((80,), False),
    ((512, 80, 4), False),
    ((512,), False),
    *(((512, 512, 3), False), ((512,), False)) * 4,
    ((1, 512), False),
    ((1,), False),
)


def flow_noise(mel_bins: int = 80) -> Tensor:
    """The sampler's starting point, `[1, mel_bins, 15000]`: every segment starts at its first frame."""
    return torch.randn(1, mel_bins, MEL_FRAMES, generator=torch.Generator().manual_seed(0))


class SourceNoise:
    """Uniform noise of the vocoder's source, drawn as far as it is needed; safe to share between threads."""

    def __init__(self, harmonics: int = 9, *, rows: Tensor | None = None) -> None:
        """`harmonics` counts the fundamental. `rows`, `[samples, harmonics]`, stand in for the official ones."""
        self._harmonics = harmonics
        self._given = rows is not None
        self._rows = (torch.empty(0, harmonics) if rows is None else rows).float()
        self._generator: torch.Generator | None = None
        self._lock = Lock()

    @property
    def limit(self) -> int:
        """How many rows there are at most."""
        return len(self._rows) if self._given else SOURCE_SAMPLES

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop`, `[stop - start, harmonics]`, on the CPU."""
        if stop > self.limit:
            raise DataError(
                f"{stop} samples in one piece are more than the source noise lasts ({self.limit})",
                remedy="Decode in segments, as SpeechDetokenizer does.",
            )
        with self._lock:
            if stop > len(self._rows):
                self._grow(stop)
            return self._rows[start:stop]

    def _grow(self, stop: int) -> None:
        if self._generator is None:
            self._generator, _ = source_generator(self._harmonics)
        # Doubled, so that a growing stream copies each row a bounded number of times.
        more = min(max(stop, 2 * len(self._rows)), SOURCE_SAMPLES) - len(self._rows)
        drawn = torch.rand(more, self._harmonics, generator=self._generator)
        self._rows = torch.cat([self._rows, drawn])


def source_generator(harmonics: int) -> tuple[torch.Generator, Tensor]:
    """What the source noise is drawn from, and the initial phases drawn before it: these have no effect."""
    generator = torch.Generator().manual_seed(0)
    torch.randn(1, 80, MEL_FRAMES, generator=generator)
    for shape, normal in _DRAWN_BETWEEN:
        drawn = torch.empty(shape)
        if normal:
            drawn.normal_(generator=generator)
        else:
            drawn.uniform_(generator=generator)
    return generator, torch.rand(1, harmonics, generator=generator)
