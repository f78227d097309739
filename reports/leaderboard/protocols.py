"""What tells two protocols apart, in a few words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

_MOST_KEYS = 4
_LONGEST_VALUE = 40
_UNSTATED = "not stated"
_NAMING = ("model", "weights", "path", "name")


def flat(protocol: Mapping[str, Any], prefix: str = "", *, opened: bool = False) -> dict[str, str]:
    """A protocol's values as text, by dotted key; `opened` also looks into fingerprints that are JSON themselves.

    >>> flat({"options": {"mode": "kimi"}, "needs": []})
    {'options.mode': 'kimi', 'needs': '[]'}
    """
    found: dict[str, str] = {}
    for key, value in protocol.items():
        inner = _inner(value) if opened else value
        if isinstance(inner, Mapping):
            found.update(flat(inner, f"{prefix}{key}.", opened=opened))
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return found


def _inner(value: Any) -> Any:
    """What a fingerprint such as `whisper/{...}` holds; the value itself if it is none."""
    if not isinstance(value, str) or "{" not in value:
        return value
    name, brace, rest = value.partition("{")
    try:
        held = json.loads(brace + rest)
    except ValueError:
        return value
    return {"kind": name.rstrip("/"), **held} if name and isinstance(held, Mapping) else held


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """What differs between two protocols: `options.mode kimi, not official`; empty where nothing does."""
    one, two = flat(ours, opened=True), flat(theirs, opened=True)
    told = [
        f"{key} {_short(one.get(key))}, not {_short(two.get(key))}"
        for key in sorted(one.keys() | two.keys())
        if one.get(key) != two.get(key)
    ]
    if len(told) > _MOST_KEYS:
        told = [*told[:_MOST_KEYS], f"and {len(told) - _MOST_KEYS} more"]
    return "; ".join(told)


def departures(protocol: Mapping[str, Any], report: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Where a protocol is not what is known of the report's.

    `report` holds patterns of values by key. A key with a wildcard is compared with whatever keys it matches; any
    other key must be there.
    """
    values = flat(protocol)
    return [told for key, allowed in report.items() for told in _departures(values, key, allowed)]


def _departures(values: Mapping[str, str], key: str, allowed: tuple[str, ...]) -> Iterator[str]:
    matching = [name for name in values if fnmatchcase(name, key)]
    wanted = " or ".join(" ".join(filter(None, pattern.split("*"))) for pattern in allowed)
    if not matching and "*" not in key:
        yield f"{key} {_UNSTATED} (report: {wanted})"
    for name in matching:
        if not any(fnmatchcase(values[name].lower(), pattern.lower()) for pattern in allowed):
            yield f"{name} {_short(values[name])} (report: {wanted})"


def _short(value: str | None) -> str:
    """A value that fits into a footnote; of a fingerprint, the part that names the thing."""
    if value is None:
        return _UNSTATED
    held = _inner(value)
    if isinstance(held, Mapping):
        value = next((str(held[key]) for key in _NAMING if key in held), value)
    return value if len(value) <= _LONGEST_VALUE else value[: _LONGEST_VALUE - 3] + "..."
