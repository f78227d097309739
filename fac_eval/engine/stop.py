"""Stopping a run early without losing what is finished."""

from __future__ import annotations

from fac_eval.errors import FacEvalError


class Stop:
    """A request to begin nothing new: from ctrl-C, a spent budget, or an endpoint that cannot answer."""

    def __init__(self) -> None:
        self.requested = False
        self.cause: FacEvalError | None = None

    def request(self, cause: FacEvalError | None = None) -> None:
        """Ask every stage to finish what it has begun; the first cause is the one that is told."""
        if not self.requested:
            self.cause = cause
        self.requested = True
