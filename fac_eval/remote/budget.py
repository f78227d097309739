"""Money: what a run has spent, and a limit that is kept before it is passed, not after."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_eval.errors import BudgetReached, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from fac_eval.vocabulary import Usage

_TOLERANCE = 1e-12  # sums of small dollar amounts round


@dataclass(slots=True)
class Spent:
    """A running total of the calls that an endpoint answered, retried ones included."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars of the calls whose price is known."""
    unpriced: int = 0
    """Calls without a known cost: no price for the model, or no usage in the answer."""

    def add(self, usage: Usage) -> None:
        """Count one answered call."""
        self.calls += 1
        self.input_tokens += usage.input_tokens or 0
        self.output_tokens += usage.output_tokens or 0
        if usage.cost is None:
            self.unpriced += 1
        else:
            self.cost += usage.cost


class Budget:
    """A limit in US dollars that the models and judges of a run share.

    Each call reserves its upper estimate before it starts. While calls in flight hold the rest, a newcomer
    waits for them to settle; when what is already spent leaves too little, it is turned away. Threads and
    event loops may share one budget.
    """

    def __init__(self, limit: float, *, spent: float = 0.0) -> None:
        """`spent` is what went before: it counts against the limit."""
        if not limit >= 0:
            raise UsageError(f"--max-cost must be 0 or more, not {limit}")
        self.limit = limit
        self._spent = spent
        self._reserved = 0.0
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @property
    def spent(self) -> float:
        """Dollars of settled calls; a call whose cost stayed unknown counts with its estimate."""
        return self._spent

    @property
    def reserved(self) -> float:
        """Dollars set aside for calls in flight."""
        return self._reserved

    async def reserve(self, bound: Callable[[], float]) -> Reservation:
        """Set one call's upper estimate aside, waiting for calls in flight if it takes that.

        `bound` is asked again after each wait: what settled meanwhile may have taught a better estimate.

        Raises:
            BudgetReached: the call could pass the limit, whatever those in flight turn out to cost.
        """
        loop = asyncio.get_running_loop()
        while True:
            amount = bound()
            with self._lock:
                if self._spent + amount > self.limit + _TOLERANCE:
                    raise self._reached(amount)
                if self._spent + self._reserved + amount <= self.limit + _TOLERANCE:
                    self._reserved += amount
                    return Reservation(self, amount)
                waiter = (loop, loop.create_future())
                self._waiting.append(waiter)
            try:
                await waiter[1]
            finally:
                with self._lock:
                    if waiter in self._waiting:
                        self._waiting.remove(waiter)

    def _reached(self, amount: float) -> BudgetReached:
        return BudgetReached(
            f"the next call could cost up to ${amount:.4f}, and ${self._spent:.4f} of the ${self.limit:g} "
            "that --max-cost allows are spent",
            remedy="Raise --max-cost and run the same command again: what is finished is kept, not paid for "
            "twice. A lower max_tokens makes each call's upper estimate smaller.",
        )

    def _settle(self, reserved: float, cost: float) -> None:
        with self._lock:
            self._reserved = max(0.0, self._reserved - reserved)
            self._spent += cost
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            loop.call_soon_threadsafe(_resolve, future)


class Reservation:
    """Money set aside for one call. Left unsettled, all of it is charged: it may have cost that much."""

    def __init__(self, budget: Budget, amount: float) -> None:
        self.amount = amount
        self._budget: Budget | None = budget

    def settle(self, cost: float | None) -> None:
        """Replace the estimate by the real cost; None charges the estimate. Only the first call counts."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget._settle(self.amount, self.amount if cost is None else cost)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.settle(None)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
