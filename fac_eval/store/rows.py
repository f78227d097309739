"""The rows of the store as readers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fac_eval.codec import from_json
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


class ItemRow(NamedTuple):
    """The outcome of one sample of a cell.

    A tuple, as SQLite hands it over, and its JSON as it is stored: pages and comparisons take in a hundred thousand
    rows, and each needs only some of what they hold.
    """

    position: int
    sample_id: str
    sample: bytes | None
    work: bytes | None
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    score_json: bytes | None = None
    evidence_json: bytes | None = None

    @property
    def score(self) -> Mapping[str, Any] | None:
        """What the answer is worth, decoded at each access; None for a sample that is not scored."""
        return None if self.score_json is None else from_json(self.score_json)

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What the stages in between found, decoded at each access."""
        return {} if self.evidence_json is None else from_json(self.evidence_json)
