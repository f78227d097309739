"""Stopping a run early without losing what is finished."""

from __future__ import annotations

import asyncio

from fac_eval.errors import FacEvalError


class Stop:
    """A request to begin nothing new: from ctrl-C, a spent budget, or an endpoint that cannot answer."""

    def __init__(self) -> None:
        self.requested = False
        self.cause: FacEvalError | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def request(self, cause: FacEvalError | None = None) -> None:
        """Ask every stage to finish what it has begun; the first cause is the one that is told."""
        if not self.requested:
            self.cause = cause
        self.requested = True
        for loop, event in list(self._waiting):
            loop.call_soon_threadsafe(event.set)

    async def wait(self, seconds: float) -> None:
        """Let time pass, but none once a stop is requested."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        self._waiting.append(waiter)
        try:
            if not self.requested:
                async with asyncio.timeout(seconds):
                    await waiter[1].wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.remove(waiter)
