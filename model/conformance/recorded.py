"""Recorded cases of the reference model and its detokenizer, found by `fac-eval conformance` without loading torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from fac_eval.conformance import Case
from fac_eval.errors import DataError, require


class RecordedCases:
    """The cases of a module of this package that needs torch."""

    def __init__(self, module: str, parts: Iterable[str]) -> None:
        """`parts` are what an index of such a set cannot do without."""
        self._module, self._parts = module, {"header", *parts}

    def claims(self, path: Path) -> bool:
        """Whether an index is of such a set, whatever it is called and wherever it stands."""
        try:
            index = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(index, dict) and index.keys() >= self._parts

    def indexes(self, path: Path) -> list[Path]:
        """The file itself, or every index in a folder, however deep, that is not of the other kind of set."""
        if path.is_file():
            return [path]
        others = [other for other in (MODEL, DETOKENIZER) if other is not self]
        found = sorted({*path.rglob("*_index.json"), *path.rglob("index.json")})
        found = [index for index in found if not any(other.claims(index) for other in others)]
        if not found:
            raise DataError(f"{path}: holds no index.json or *_index.json of a recorded set")
        return found

    def cases(self, path: Path) -> Iterable[Case]:
        """The cases of a set, compared as they are asked for."""
        require("torch", extra="model", purpose="Comparing the model with recorded tensors")
        return cast(Iterable[Case], import_module(self._module, __package__).cases(path))


def joined(sets: Mapping[Path, Iterable[Case]]) -> Iterator[Case]:
    """The cases of all sets by their indexes; where there are several, a case's name begins with its set's."""
    for index, cases in sets.items():
        prefix = f"{index.parent.name}/{index.name}: " if len(sets) > 1 else ""
        for case in cases:
            yield Case(prefix + case.id, case.label, case.check)


MODEL = RecordedCases(".chat", ("processor_cases", "tensors"))
DETOKENIZER = RecordedCases(".detokenizer", ("config", "cases"))
