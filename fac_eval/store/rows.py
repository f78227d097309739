"""The rows of the store as readers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fac_eval.vocabulary import Counts, Figure, Outcome


@dataclass(frozen=True, slots=True)
class RunRow:
    """What was asked for."""

    id: str
    parent: str | None
    config: Mapping[str, Any]
    totals: tuple[Mapping[str, Any], ...]
    created: float
    judged_since: float = 0.0
    """Verdicts from before this time are none to the run: it was told to ask its judge again."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One sitting of work on a run."""

    started: float
    ended: float | None
    outcome: str | None
    environment: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CellRow:
    """One model on one task within a run."""

    id: int
    run: str
    model: str
    model_info: Mapping[str, Any]
    task: str
    task_spec: Mapping[str, Any]
    variant: str
    protocol_id: str
    protocol: Mapping[str, Any]
    data: str
    total: int | None
    done: bool
    figures: tuple[Figure, ...]
    counts: Counts
    failures: Mapping[str, str]
    """One message a kind of failure."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """The outcome of one sample of a cell."""

    position: int
    sample_id: str
    sample: bytes | None
    work: bytes | None
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    score: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
