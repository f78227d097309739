"""How far recorded numbers and ours may be apart, as a set's header and its descriptions of tensors say in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from fac_eval.conformance import CannotRunError

_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_STATED = re.compile(rf"(?:abs\D*?|^\s*){_NUMBER}")
_OWN = re.compile(rf"tolerance\b.*?max abs diff {_NUMBER}( relative)?")


class Tolerances:
    """The entries of a header: each is for the kinds, names or patterns of names that its key lists."""

    def __init__(self, stated: Mapping[str, Any]) -> None:
        self._stated = stated

    def of(self, name: str, what: str = "", scale: float = 1.0) -> float:
        """The absolute difference allowed for a tensor; `scale` is the size of what is recorded.

        Its own description decides, then an entry for its name, then the one for its kind.

        Raises:
            CannotRunError: None of them says anything.
        """
        own = _OWN.search(what)
        if own:
            return float(own[1]) * (scale if own[2] else 1.0)
        numbers = {
            keys: number for keys, value in self._stated.items() if (number := _stated(value)) is not None
        }
        for keys, number in numbers.items():
            if any(fnmatchcase(name, key.strip()) for key in keys.split(",")):
                return number
        for keys, number in numbers.items():
            if kind_of(name) in keys:
                return number
        raise CannotRunError(f"the header states no tolerance for {name}")


def kind_of(name: str) -> str:
    """The word under which the header's tolerances speak of a tensor."""
    if name.startswith("mel"):
        return "mel"
    if "logits" in name or "lse" in name or "losses" in name:
        return "logits"
    return "hidden states" if "hidden" in name else "embeddings"


def _stated(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _STATED.search(value) if isinstance(value, str) else None
    return float(found[1]) if found else None
