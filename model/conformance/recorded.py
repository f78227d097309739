"""Recorded cases of the reference model and its detokenizer, found by `fac-eval conformance` without loading torch."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import cast

from fac_eval.conformance import Case
from fac_eval.errors import require


class RecordedCases:
    """The cases of a module of this package that needs torch."""

    def __init__(self, module: str) -> None:
        self._module = module

    def cases(self, path: Path) -> Iterable[Case]:
        """The cases of a set, compared as they are asked for."""
        require("torch", extra="model", purpose="Comparing the model with recorded tensors")
        return cast(Iterable[Case], import_module(self._module, __package__).cases(path))


MODEL = RecordedCases(".chat")
DETOKENIZER = RecordedCases(".detokenizer")
