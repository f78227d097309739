"""Finds tasks, models, judges, speech tools, reports and commands by entry point, built-in and third-party alike.

Listing names loads no plugin; a plugin that cannot be loaded is one clear error where it is asked for, and a
remark where everything is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from fac_eval.errors import PluginError, UnknownName

Kind = Literal[
    "task",
    "model",
    "judge",
    "rubric",
    "transcriber",
    "meter",
    "embedder",
    "synthesizer",
    "report",
    "command",
    "conformance",
]

GROUPS: Mapping[Kind, str] = {
    "task": "fac_eval.tasks",
    "model": "fac_eval.models",
    "judge": "fac_eval.judges",
    "rubric": "fac_eval.rubrics",
    "transcriber": "fac_eval.transcribers",
    "meter": "fac_eval.meters",
    "embedder": "fac_eval.embedders",
    "synthesizer": "fac_eval.synthesizers",
    "report": "fac_eval.reports",
    "command": "fac_eval.commands",
    "conformance": "fac_eval.conformance",
}


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that is installed but cannot be loaded."""

    name: str
    package: str
    reason: str


@cache
def _entries(kind: Kind) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=GROUPS[kind]):
        known = found.get(entry.name, ())
        if all(entry.value != other.value for other in known):
            found[entry.name] = (*known, entry)
    return found


def refresh() -> None:
    """Forget what was found, for a process that installs a plugin while it runs."""
    _entries.cache_clear()


def names(kind: Kind) -> list[str]:
    """The registered names, sorted; nothing is imported."""
    return sorted(_entries(kind))


def package_of(kind: Kind, name: str) -> str:
    """The distribution that registered a name."""
    entry = _entries(kind)[name][0]
    return entry.dist.name if entry.dist is not None else "?"


def load(kind: Kind, name: str) -> Any:
    """The object behind a name.

    Raises:
        UnknownName: nothing is registered under it.
        PluginError: two packages claim it, or importing it failed.
    """
    entries = _entries(kind).get(name)
    if entries is None:
        raise UnknownName(kind, name, _entries(kind))
    if len(entries) > 1:
        claims = " and ".join(f"{entry.value} ({_package(entry)})" for entry in entries)
        raise PluginError(
            f"the {kind} {name!r} is registered twice: {claims}",
            remedy="Uninstall one of the two packages.",
        )
    entry = entries[0]
    try:
        return entry.load()
    except Exception as error:  # a plugin may fail in any way; the user must learn whose fault it is
        raise PluginError(
            f"the {kind} {name!r} of package {_package(entry)} cannot be loaded: "
            f"{type(error).__name__}: {error}",
            remedy=f"It is registered as {entry.value}; update or uninstall that package.",
        ) from error


def load_all(kind: Kind) -> Iterator[tuple[str, Any | Broken]]:
    """Every registered name with its object, or with what is wrong with it."""
    for name in names(kind):
        try:
            yield name, load(kind, name)
        except PluginError as error:
            yield name, Broken(name, package_of(kind, name), error.message)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown package"
