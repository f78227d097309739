"""What flows through the stages: one item a sample, with what is known about it so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fac_eval.codec import plain, to_json
from fac_eval.engine.plan import PlannedTask
from fac_eval.store import ItemRow, scrub
from fac_eval.vocabulary import Evidence, Failure, FailureKind, Outcome, Request, Response, Sample, Score

DETAIL_LIMIT = 2000
"""Characters kept of an error message or of a raw reply."""

_NOTHING = Evidence()


@dataclass(slots=True)
class Cell:
    """One model on one task within a run, while it is being worked on."""

    id: int
    planned: PlannedTask
    settled: bool
    """Every sample is already scored or skipped."""
    resumed: bool
    """Some samples may already have an outcome."""
    seen: int | None = None
    """Samples the task turned out to have, once all have been read."""


@dataclass(slots=True)
class Item:
    """One sample on its way to an outcome."""

    cell: Cell
    position: int
    sample: Sample
    sample_key: bytes = b""
    sample_body: bytes = b""
    request: Request | None = None
    key: bytes | None = None
    seconds: float = 0.0
    """Length of the sample's audio."""
    length: float = 0.0
    """Rough size of the request, by which batches are grouped."""
    response: Response | None = None
    evidence: Evidence = _NOTHING
    outcome: Outcome | None = None
    reason: str | None = None
    detail: str | None = None
    score: Score | None = None

    @property
    def open(self) -> bool:
        """Whether the item still needs work."""
        return self.outcome is None

    def fail(self, kind: FailureKind, message: str) -> None:
        """End the item with a typed failure."""
        self.outcome = "failed"
        self.reason = kind
        self.detail = scrub(message)[:DETAIL_LIMIT]

    def fail_with(self, failure: Failure) -> None:
        """End the item with a failure that came as a value; what came back instead stays readable."""
        raw = "" if failure.raw is None else f"\n--- what came back ---\n{failure.raw}"
        self.fail(failure.kind, failure.message + raw)

    def answer(self, response: Response) -> None:
        """Take the model's response, or fail with its error."""
        self.response = response
        if response.error is not None:
            self.fail_with(response.error)

    def row(self) -> ItemRow:
        """The item as it is stored."""
        assert self.outcome is not None
        evidence = {} if self.evidence is _NOTHING else plain(self.evidence)
        return ItemRow(
            position=self.position,
            sample_id=self.sample.id,
            sample=self.sample_key or None,
            work=self.key if self.response is not None and self.response.error is None else None,
            outcome=self.outcome,
            reason=self.reason,
            detail=self.detail,
            score_json=None if self.score is None else _score_json(self.score, self.sample.cluster),
            evidence_json=to_json(evidence) if evidence else None,
        )


def _score_json(score: Score, cluster: str | None) -> bytes:
    body: dict[str, Any] = plain(score)
    if cluster is not None:
        body["cluster"] = cluster
    return to_json(body)


def describe_error(error: BaseException) -> str:
    """An exception in one line: its type, its text, and the innermost place in the code."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f" ({code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} in {code.co_name})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"
