"""The noise of recorded sets of the detokenizer: given by a formula, by a seed, or as a few published values."""

from __future__ import annotations

import re
import sys

import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError

from ..detokenizer.noise import MEL_FRAMES, SourceNoise

_FORMULA = re.compile(r"\(\((\d+)\*t\+h\)\*(\d+)\+(\d+) mod 2\*\*(\d+)\)/2\*\*(\d+)")
_SEED = re.compile(r"\bseed (\d+)")


class FormulaNoise(SourceNoise):
    """Source noise by a header's formula; each value depends on its place alone."""

    limit = sys.maxsize

    def __init__(self, formula: str, harmonics: int) -> None:
        super().__init__(harmonics, rows=torch.empty(0, harmonics))
        match = _FORMULA.search(formula)
        if match is None:
            raise CannotRunError("the header's `hift_noise` is no formula that is known")
        self._stride, self._factor, self._offset, self._bits, self._scale = map(int, match.groups())

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop`, `[stop - start, harmonics]`."""
        numbers = torch.arange(start, stop)[:, None] * self._stride + torch.arange(self._harmonics)
        values = (numbers * self._factor + self._offset) % 2**self._bits
        noise: Tensor = (values.double() / 2**self._scale).float()
        return noise


def seeded_noise(told: str, bins: int) -> Tensor | None:
    """The flow's noise of the seed that a description names; None where it names none."""
    seed = _SEED.search(told)
    if seed is None:
        return None
    return torch.randn(1, bins, MEL_FRAMES, generator=torch.Generator().manual_seed(int(seed[1])))
