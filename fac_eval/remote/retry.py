"""What may be asked again, and when: tells apart trouble that passes, refusals, and a useless endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from fac_eval.remote.prices import Tokens
    from fac_eval.vocabulary import FailureKind

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
LONGEST_RETRY_AFTER = 600.0
"""An endpoint that wants to be left alone for longer than this is unavailable for now."""

_PASSING = frozenset({408, 409, 425, 429})
_OVERLOADED = frozenset({429, 503, 529})
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NO_MODEL = frozenset({"model_not_found", "invalid_model"})
_REFUSED = frozenset(
    {"context_length_exceeded", "content_filter", "content_policy_violation", "string_above_max_length"}
)
_REFUSED_WORDS = re.compile(
    r"context[ _-](length|window)|too long|too many (input )?tokens|content[ _-](policy|filter|management)"
    r"|moderation|flagged",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(r"api[ _-]?key", re.IGNORECASE)


@dataclass(eq=False)
class AttemptError(Exception):
    """One attempt went wrong: what kind of failure it is, and what that means for the next attempt."""

    kind: FailureKind
    message: str
    raw: str | None = None
    again: bool = False
    """Asking again may help."""
    overloaded: bool = False
    """The endpoint asks for less at a time."""
    unreached: bool = False
    """Nobody answered at the address."""
    billed: bool = False
    """The endpoint may charge for it."""
    wait: float | None = None
    """Seconds that the endpoint asked to be left alone for."""
    tokens: Tokens | None = None
    """What the failed attempt used, where the endpoint said so."""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Rejection:
    """An error as an endpoint words it: a status with the body's `code`, `type` and `message`."""

    status: int
    codes: frozenset[str]
    message: str

    @property
    def refused(self) -> bool:
        """This request is declined for what it holds: its length or its content."""
        if self.status not in (400, 403, 413, 422):
            return False
        return self.status == 413 or bool(self.codes & _REFUSED or _REFUSED_WORDS.search(self.message))

    def remedy(self) -> str | None:
        """What to do if no request at all can succeed; None if others may."""
        if self.refused:
            return None
        if self.codes & _NO_MONEY or self.status == 402:
            return "The account has no credit left: top it up, then run the same command again."
        if self.codes & _NO_MODEL or self.status in (404, 405):
            return "Check the arguments model= and base_url= (which usually ends in /v1)."
        if self.status in (401, 403) or (self.status == 400 and _KEY_WORDS.search(self.message)):
            return "Check the key: set OPENAI_API_KEY, or give api_key=, for this endpoint."
        return None

    def failure(self, raw: str | None, wait: float | None) -> AttemptError:
        """The same as a failed attempt, for a request that others need not share the fate of."""
        if self.refused:
            return AttemptError("refused", self.message, raw)
        passing = self.status in _PASSING or (self.status >= 500 and self.status != 501)
        return AttemptError(
            "rate_limited" if self.status == 429 else "model_error",
            f"the endpoint answered {self.status}: {self.message}",
            raw,
            again=passing,
            overloaded=self.status in _OVERLOADED,
            wait=wait,
        )


def read_rejection(status: int, body: object) -> Rejection:
    """Read an error body: `{"error": {...}}`, `{"error": "text"}`, the error itself, or plain text."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        codes = frozenset(str(error[key]) for key in ("code", "type") if error.get(key) is not None)
        message = error.get("message") or error.get("detail") or error
    else:
        codes, message = frozenset(), error
    text = " ".join(str(message or "no message").split())
    return Rejection(status, codes, text if len(text) <= 500 else text[:500] + " ...")


def pause_before(retry: int, wait: float | None, rng: random.Random) -> float:
    """Seconds to pause before the `retry`-th retry (from 1): exponential with full jitter.

    Where the endpoint named a time, it is kept, and the jitter comes on top, so that those who were told the
    same do not come back in the same instant.
    """
    if wait is not None:
        return wait + rng.uniform(0, FIRST_PAUSE)
    return rng.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(retry - 1, 30)))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that `Retry-After` (or `retry-after-ms`) asks for, given in seconds or as an HTTP date."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
