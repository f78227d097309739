"""How fast an endpoint may be asked: requests and tokens per minute, and how many calls at once.

Nothing here polls: every wait is computed, or is a future that whoever frees a place resolves.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from fac_eval.errors import UsageError

_TOLERANCE = 1e-9  # rounding of level and rate must not cost an extra, near-zero wait


class Clock:
    """Time as limits and retries see it; tests put their own in its place."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Bucket:
    """An allowance per minute that fills up steadily.

    At most a second's worth is saved up, and the fill rate is set so that no 60 seconds admit more than the
    allowance, that saved burst included.
    """

    def __init__(self, per_minute: float, clock: Clock) -> None:
        if not per_minute > 0:
            raise UsageError(f"a limit per minute must be above 0, not {per_minute:g}")
        self._burst = max(1.0, per_minute / 60)
        self._rate = (per_minute + 1 - self._burst) / 60
        self._level = self._burst
        self._clock = clock
        self._filled_at = clock.now()

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` may be taken; more than a burst may be taken from a full bucket."""
        now = self._clock.now()
        self._level = min(self._burst, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        missing = min(amount, self._burst) - self._level
        return missing / self._rate if missing > _TOLERANCE else 0.0

    def take(self, amount: float) -> None:
        """Take `amount`; what goes below zero is waited for by those who come later."""
        self._level -= amount

    def give_back(self, amount: float) -> None:
        """Undo part of a take (or, with a negative amount, add to it)."""
        self._level = min(self._burst, self._level + amount)


class RateLimiter:
    """Admits calls in the order they came, within the requests and tokens per minute."""

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, clock: Clock
    ) -> None:
        self._requests = None if requests_per_minute is None else Bucket(requests_per_minute, clock)
        self._tokens = None if tokens_per_minute is None else Bucket(tokens_per_minute, clock)
        self._clock = clock
        self._held_until = 0.0
        self._turn = asyncio.Lock()  # first come, first served: only the first in the queue computes a wait

    async def admit(self, tokens: float) -> None:
        """Wait until a call of about `tokens` tokens may start; a cancelled wait takes nothing."""
        async with self._turn:
            while (wait := self._wait(tokens)) > 0:
                await self._clock.sleep(wait)
            if self._requests is not None:
                self._requests.take(1)
            if self._tokens is not None:
                self._tokens.take(tokens)

    def correct(self, estimated: float, actual: float) -> None:
        """Replace an admitted call's estimate by the tokens it really took."""
        if self._tokens is not None:
            self._tokens.give_back(estimated - actual)

    def hold(self, seconds: float) -> None:
        """Admit nobody for a while: the endpoint said when to come back."""
        self._held_until = max(self._held_until, self._clock.now() + seconds)

    def _wait(self, tokens: float) -> float:
        return max(
            self._held_until - self._clock.now(),
            0.0 if self._requests is None else self._requests.wait_for(1),
            0.0 if self._tokens is None else self._tokens.wait_for(tokens),
        )


class AdaptiveLimit:
    """How many calls may be in flight: all up to the cap, until the endpoint asks for less.

    Then it is half of those in flight, and grows back by one a round. Of the calls that were in flight
    together only the first one to be turned away counts.
    """

    def __init__(self, cap: int, clock: Clock) -> None:
        if cap < 1:
            raise UsageError(f"concurrency must be at least 1, not {cap}")
        self._cap = cap
        self._clock = clock
        self._limit = float(cap)
        self._cut_at = float("-inf")
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    @property
    def active(self) -> int:
        """Calls in flight."""
        return self._active

    async def acquire(self) -> None:
        """Wait for a place, in the order of asking."""
        if self._active < self.limit and not self._waiting:
            self._active += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.release()  # the place was handed over in the same moment
            else:
                self._waiting.remove(place)
            raise

    def release(self) -> None:
        """Give the place back."""
        self._active -= 1
        self._wake()

    def succeeded(self) -> None:
        """A call was answered: the limit grows by one for each limit's worth of answers."""
        if self._limit < self._cap:
            self._limit = min(float(self._cap), self._limit + 1 / self._limit)
            self._wake()

    def overloaded(self, started: float) -> None:
        """A call that began at `started` was turned away or timed out."""
        if started > self._cut_at:
            self._limit = max(1.0, min(self._limit, self._active) / 2)
            self._cut_at = self._clock.now()

    def _wake(self) -> None:
        while self._waiting and self._active < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._active += 1
                place.set_result(None)
