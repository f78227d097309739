"""Entry points that exist for the length of a test."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

import pytest

from fac_eval import registry


def install(
    patch: pytest.MonkeyPatch, kind: registry.Kind, entries: Mapping[str, str | tuple[str, ...]]
) -> None:
    """Add entry points (name to `module:object`, or to several that claim the name) to the installed ones."""
    installed = registry._entries

    def with_more(asked: registry.Kind) -> dict[str, tuple[EntryPoint, ...]]:
        found = dict(installed(asked))
        if asked == kind:
            for name, values in entries.items():
                each = (values,) if isinstance(values, str) else values
                found[name] = tuple(EntryPoint(name, value, registry.GROUPS[kind]) for value in each)
        return found

    patch.setattr(registry, "_entries", with_more)
