"""A clock that tests move: sleeping costs no time, and what was slept is on record."""

from __future__ import annotations

import asyncio

from fac_eval.remote.limits import Clock


class FakeClock(Clock):
    """Every sleep moves the time on at once; other tasks get their turn meanwhile."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.time += seconds
