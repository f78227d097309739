from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import UsageError
from fac_eval.remote.limits import AdaptiveLimit, RateLimiter
from tests.support.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def admissions(limiter: RateLimiter, clock: FakeClock, sizes: list[float]) -> list[float]:
    times = []
    for size in sizes:
        await limiter.admit(size)
        times.append(clock.now())
    return times


def most_in_a_minute(times: list[float], amounts: list[float]) -> float:
    return max(
        sum(a for t, a in zip(times, amounts, strict=True) if start <= t < start + 60 - 1e-6)
        for start in times
    )


@given(per_minute=st.floats(0.5, 2000), calls=st.integers(1, 300))
def test_no_minute_admits_more_requests_than_allowed(per_minute: float, calls: int) -> None:
    clock = FakeClock()
    limiter = RateLimiter(per_minute, None, clock)
    times = asyncio.run(admissions(limiter, clock, [0.0] * calls))
    assert most_in_a_minute(times, [1.0] * calls) <= math.ceil(per_minute)


def test_requests_flow_at_the_allowed_rate() -> None:
    clock = FakeClock()
    times = asyncio.run(admissions(RateLimiter(60, None, clock), clock, [0.0] * 61))
    assert times[0] == 0
    assert times[60] == pytest.approx(60)


@pytest.mark.parametrize("size", [100.0, 5000.0], ids=["small", "larger than the burst"])
def test_tokens_flow_at_the_allowed_rate(size: float) -> None:
    clock = FakeClock()
    times = asyncio.run(admissions(RateLimiter(None, 6000, clock), clock, [size] * 50))
    assert times[-1] == pytest.approx(49 * size / 6000 * 60, rel=0.05)


def test_a_correction_makes_room_or_takes_it() -> None:
    async def wait_after(actual: float) -> float:
        clock = FakeClock()
        limiter = RateLimiter(None, 600, clock)  # ten a second
        await limiter.admit(100)
        limiter.correct(100, actual)
        await limiter.admit(10)
        return clock.now()

    assert asyncio.run(wait_after(10)) < asyncio.run(wait_after(100)) < asyncio.run(wait_after(400))


def test_nobody_is_admitted_during_a_hold() -> None:
    async def scenario() -> list[float]:
        clock = FakeClock()
        limiter = RateLimiter(None, None, clock)
        await limiter.admit(1)
        limiter.hold(7)
        limiter.hold(3)  # a shorter one does not end a longer one
        return [clock.now(), *(await admissions(limiter, clock, [1, 1]))]

    assert asyncio.run(scenario()) == [0, 7, 7]


def test_waiting_is_first_come_first_served_and_a_cancelled_wait_takes_nothing() -> None:
    async def scenario() -> tuple[list[int], float]:
        clock = FakeClock()
        limiter = RateLimiter(60, None, clock)
        order: list[int] = []

        async def come(number: int) -> None:
            await limiter.admit(0)
            order.append(number)

        tasks = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order, clock.now()

    order, ended = asyncio.run(scenario())
    assert order == [0, 1, 3, 4]
    assert ended == pytest.approx(3)


@pytest.mark.parametrize("limits", [(0, None), (None, -1), (float("nan"), None)])
def test_senseless_limits_are_refused(limits: tuple[float | None, float | None]) -> None:
    with pytest.raises(UsageError, match="above 0"):
        RateLimiter(*limits, FakeClock())


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_places_are_capped_and_handed_over_in_order() -> None:
    async def scenario() -> None:
        slots = AdaptiveLimit(2, FakeClock())
        order: list[int] = []

        async def come(number: int) -> None:
            await slots.acquire()
            order.append(number)

        tasks = [asyncio.create_task(come(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert order == [0, 1]
        assert slots.active == 2
        tasks[2].cancel()
        await asyncio.sleep(0)
        slots.release()
        await asyncio.sleep(0)
        assert order == [0, 1, 3]
        assert slots.active == 2
        slots.release()
        slots.release()
        await asyncio.sleep(0)
        assert order == [0, 1, 3, 4]
        assert slots.active == 1

    run(scenario())


def test_a_place_handed_to_a_task_that_is_cancelled_in_the_same_moment_is_not_lost() -> None:
    async def scenario() -> None:
        slots = AdaptiveLimit(1, FakeClock())
        await slots.acquire()
        waiting = asyncio.create_task(slots.acquire())
        await asyncio.sleep(0)
        slots.release()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert slots.active == 0
        await asyncio.wait_for(slots.acquire(), 1)

    run(scenario())


def test_the_limit_halves_once_a_round_and_grows_back_by_one_a_round() -> None:
    async def scenario() -> None:
        clock = FakeClock()
        slots = AdaptiveLimit(64, clock)
        for _ in range(64):
            await slots.acquire()
        began = clock.now()
        clock.time += 1
        for _ in range(64):
            slots.overloaded(began)
        assert slots.limit == 32
        slots.overloaded(clock.now() + 0.5)  # of a later round
        assert slots.limit == 16
        for _ in range(64):
            slots.release()
        for _ in range(17):
            slots.succeeded()
        assert slots.limit == 17
        for _ in range(5000):
            slots.succeeded()
        assert slots.limit == 64

    run(scenario())


def test_the_limit_is_cut_from_what_is_in_flight_and_never_below_one() -> None:
    async def scenario() -> None:
        clock = FakeClock()
        slots = AdaptiveLimit(256, clock)
        for _ in range(8):
            await slots.acquire()
        slots.overloaded(1)
        assert slots.limit == 4
        for step in range(2, 8):
            clock.time = step
            slots.overloaded(step + 0.5)
        assert slots.limit == 1

    run(scenario())
