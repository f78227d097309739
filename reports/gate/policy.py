"""What a gate demands: a TOML file, read into typed rules; a mistake in it is named with line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from fac_eval.errors import UsageError, suggestion

from ..compare.sides import PairBy

Percentile = Literal["mean", "p50", "p90", "p95", "p99", "max"]

RuleKey = Literal[
    "max_drop",
    "max_drop_percent",
    "significant_drop",
    "margin",
    "min_n",
    "max_error_rate",
    "max_cost",
    "max_seconds",
    "max_first_token_seconds",
    "max_first_audio_seconds",
]
RULE_KEYS: tuple[RuleKey, ...] = get_args(RuleKey)
ON_FIGURES: tuple[RuleKey, ...] = ("max_drop", "max_drop_percent", "significant_drop", "margin")
"""Keys that compare a figure with the baseline's; the others are about the candidate alone."""

_HEADER = re.compile(r"""\s*(\[\[?)\s*([A-Za-z0-9_."' -]+?)\s*\]\]?\s*(?:#.*)?$""")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*[.=]""")
_AT_LINE = re.compile(r"\(at line (\d+)")


class PolicyError(UsageError):
    """A policy that cannot be used. `line` and `key` say where, as far as that is known."""

    def __init__(
        self, path: str, problem: str, *, line: int | None, key: str | None, remedy: str | None = None
    ) -> None:
        place = path + (f", line {line}" if line else "") + (f", key {key!r}" if key else "")
        super().__init__(f"{place}: {problem}", remedy=remedy)
        self.line, self.key = line, key


@dataclass(frozen=True, slots=True)
class Demand:
    """One key of a rule with its value, and the line that it stands in."""

    key: RuleKey
    limit: float
    line: int
    percentile: Percentile | None = None
    confidence: float = 0.95
    """Of the margin's bound."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Demands on the tasks that a pattern matches, and on one of their figures."""

    tasks: tuple[str, ...]
    metric: str | None
    """The figure's name; None for the main one."""
    demands: tuple[Demand, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a gate demands."""

    path: str
    rules: tuple[Rule, ...] = ()
    required: tuple[str, ...] = ()
    """Tasks that the candidate must have."""
    required_line: int = 0
    pair_by: PairBy = "content"
    across_protocols: bool = False
    """Whether figures of different protocols may be compared."""


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        PolicyError: it cannot be read, is no TOML, or has an unknown key or a value that makes no sense.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PolicyError(str(path), f"cannot be read: {reason}", line=None, key=None) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _AT_LINE.search(str(error))
        line = int(place[1]) if place else None
        key = _key_of_line(text, line)
        raise PolicyError(str(path), f"this is no TOML: {error}", line=line, key=key) from error
    return _Reader(str(path), text).policy(data)


class _Reader:
    """Checks plain data key by key; knows the line of each."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._lines = key_lines(text)

    def policy(self, data: Mapping[str, Any]) -> Policy:
        known = ("required", "pair_by", "across_protocols", "rule")
        self._known(data, known, ())
        tables = data.get("rule", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._wrong(("rule",), "rules are written as [[rule]] tables")
        if not tables and not data.get("required"):
            raise PolicyError(
                self._path,
                "there is no rule in it.",
                line=None,
                key=None,
                remedy='Begin with:\n[[rule]]\ntask = "*"\nmax_drop = 1.0',
            )
        pair_by = data.get("pair_by", "content")
        if pair_by not in get_args(PairBy):
            raise self._wrong(("pair_by",), f'{pair_by!r} is neither "content" nor "id"')
        return Policy(
            path=self._path,
            rules=tuple(self._rule(table, index) for index, table in enumerate(tables)),
            required=self._names(data, "required", ()),
            required_line=self._line(("required",)) or 0,
            pair_by=pair_by,
            across_protocols=self._flag(data, "across_protocols"),
        )

    def _rule(self, table: Mapping[str, Any], index: int) -> Rule:
        where = (f"rule[{index}]",)
        self._known(table, ("task", "metric", "confidence", *RULE_KEYS), where)
        metric = table.get("metric")
        if metric is not None and not isinstance(metric, str):
            raise self._wrong((*where, "metric"), f"{metric!r} is not the name of a figure")
        confidence = self._number(table, "confidence", where, 0.5, 0.9999) if "confidence" in table else 0.95
        if "confidence" in table and "margin" not in table:
            raise self._wrong(
                (*where, "confidence"), "it says how sure a margin must be, and there is no margin"
            )
        demands = [
            demand
            for key in RULE_KEYS
            if key in table
            for demand in self._demands(table, key, where, confidence)
        ]
        if not demands:
            raise PolicyError(
                self._path,
                "the rule demands nothing.",
                line=self._line(where),
                key=None,
                remedy=_keys_remedy(),
            )
        return Rule(
            self._names(table, "task", where) or ("*",), metric, tuple(demands), self._line(where) or 0
        )

    def _demands(
        self, table: Mapping[str, Any], key: RuleKey, where: tuple[str, ...], confidence: float
    ) -> list[Demand]:
        line = self._line((*where, key)) or self._line(where) or 0
        if not key.endswith("seconds"):
            highest = {"max_error_rate": 1.0, "significant_drop": 0.5}.get(key, float("inf"))
            limit = self._number(table, key, where, 0, highest)
            if key == "min_n" and limit != int(limit):
                raise self._wrong((*where, key), f"{limit} is not a whole number of samples")
            return [Demand(key, limit, line, confidence=confidence)]
        limits = table[key]
        if not isinstance(limits, dict) or not limits:
            raise self._wrong((*where, key), f"expected a table such as {{p95 = 2.0}}, found {limits!r}")
        self._known(limits, get_args(Percentile), (*where, key))
        path = (*where, key)
        return [
            Demand(
                key,
                self._number(limits, one, path, 0, float("inf")),
                self._line((*path, one)) or line,
                percentile=one,
            )
            for one in limits
        ]

    def _number(
        self, table: Mapping[str, Any], key: str, where: tuple[str, ...], lowest: float, highest: float
    ) -> float:
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong((*where, key), f"expected a number, found {value!r}")
        if not lowest <= value <= highest or value == float("inf"):
            between = (
                f"between {lowest:g} and {highest:g}" if highest < float("inf") else f"of at least {lowest:g}"
            )
            raise self._wrong((*where, key), f"expected a number {between}, found {value!r}")
        return float(value)

    def _names(self, table: Mapping[str, Any], key: str, where: tuple[str, ...]) -> tuple[str, ...]:
        value = table.get(key, [])
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise self._wrong((*where, key), f"expected a task or a list of tasks, found {value!r}")
        return tuple(names)

    def _flag(self, table: Mapping[str, Any], key: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong((key,), f"expected true or false, found {value!r}")
        return value

    def _known(self, table: Mapping[str, Any], known: Sequence[str], where: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                line = self._line((*where, key)) or self._line(where)
                raise PolicyError(
                    self._path, "unknown key.", line=line, key=key, remedy=suggestion(key, known)
                )

    def _wrong(self, where: tuple[str, ...], problem: str) -> PolicyError:
        # A key of an inline table stands in the line of the table.
        line = self._line(where) or self._line(where[:-1])
        return PolicyError(self._path, problem, line=line, key=where[-1])

    def _line(self, where: tuple[str, ...]) -> int | None:
        return self._lines.get(where)


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of each key and table of a TOML text; the n-th `[[rule]]` is `rule[n]`, counted from 0.

    Good for texts that read as TOML; what looks like a key within a string of several lines is taken for one.
    """
    found: dict[tuple[str, ...], int] = {}
    counts: dict[str, int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            names = [name.strip().strip("\"'") for name in header[2].split(".")]
            if header[1] == "[[":
                counts[names[0]] = counts.get(names[0], -1) + 1
            table = tuple(f"{name}[{counts[name]}]" if name in counts else name for name in names)
            found.setdefault(table, number)
            found.setdefault((names[0],), number)
            continue
        key = _KEY.match(line)
        if key:
            found.setdefault((*table, key[1] or key[2] or key[3]), number)
    return found


def _key_of_line(text: str, line: int | None) -> str | None:
    lines = text.splitlines()
    key = _KEY.match(lines[line - 1]) if line and line <= len(lines) else None
    return (key[1] or key[2] or key[3]) if key else None


def _keys_remedy() -> str:
    return f"A rule may say: {', '.join(RULE_KEYS)}."


def demands_on(policy: Policy, task: str, main: str | None) -> list[tuple[str | None, Demand]]:
    """What the policy demands of a task, each with the figure that it is about (None for the main one).

    A later rule replaces what an earlier one says about the same thing. No sample may fail unless a rule allows it.
    `main` is the main figure's name.
    """
    found: dict[tuple[str | None, str, str | None], Demand] = {}
    about = [rule for rule in policy.rules if any(matches(task, pattern) for pattern in rule.tasks)]
    if about:
        # Failed samples are in no figure: a candidate that fails at what is hard would look good.
        found[None, "max_error_rate", None] = Demand("max_error_rate", 0.0, about[0].line)
    for rule in about:
        for demand in rule.demands:
            metric = rule.metric if demand.key in ON_FIGURES and rule.metric != main else None
            found[metric, demand.key, demand.percentile] = demand
    return [(metric, demand) for (metric, _, _), demand in found.items()]


def matches(task: str, pattern: str) -> bool:
    """Whether a task is meant by its name, its benchmark's name or a wildcard."""
    return task == pattern or task.startswith(f"{pattern}/") or fnmatchcase(task, pattern)
