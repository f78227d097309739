from __future__ import annotations

import asyncio
import random
import threading

import pytest

from fac_eval.errors import BudgetReached, UsageError
from fac_eval.remote.budget import Budget, Spent
from fac_eval.vocabulary import Usage


def test_a_call_is_turned_away_before_the_limit_could_be_passed() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        with await budget.reserve(lambda: 0.4) as first:
            assert (budget.spent, budget.reserved) == (0, 0.4)
            first.settle(0.3)
        assert budget.spent == pytest.approx(0.3)
        assert budget.reserved == 0
        with await budget.reserve(lambda: 0.7):
            pass  # never settled: it may have cost that much
        assert budget.spent == pytest.approx(1.0)
        with pytest.raises(BudgetReached, match=r"\$0\.0100.*\$1\.00") as caught:
            await budget.reserve(lambda: 0.01)
        assert "--max-cost" in (caught.value.remedy or "")

    asyncio.run(scenario())


def test_a_newcomer_waits_for_calls_in_flight_instead_of_stopping_the_run() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        first = await budget.reserve(lambda: 0.9)
        second = asyncio.create_task(budget.reserve(lambda: 0.5))
        await asyncio.sleep(0)
        assert not second.done()
        first.settle(0.2)
        assert (await asyncio.wait_for(second, 1)).amount == 0.5

    asyncio.run(scenario())


def test_a_waiting_newcomer_is_turned_away_once_those_in_flight_cost_too_much() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        first = await budget.reserve(lambda: 0.9)
        second = asyncio.create_task(budget.reserve(lambda: 0.5))
        await asyncio.sleep(0)
        first.settle(0.8)
        with pytest.raises(BudgetReached):
            await asyncio.wait_for(second, 1)

    asyncio.run(scenario())


def test_an_estimate_that_got_better_during_the_wait_counts() -> None:
    async def scenario() -> None:
        budget, estimate = Budget(1.0), 0.8
        first = await budget.reserve(lambda: 0.9)
        second = asyncio.create_task(budget.reserve(lambda: estimate))
        await asyncio.sleep(0)
        estimate = 0.2
        first.settle(0.7)
        assert (await asyncio.wait_for(second, 1)).amount == 0.2

    asyncio.run(scenario())


def test_a_cancelled_wait_holds_nothing() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        first = await budget.reserve(lambda: 1.0)
        second = asyncio.create_task(budget.reserve(lambda: 0.5))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        first.settle(0.0)
        assert (await budget.reserve(lambda: 1.0)).amount == 1.0

    asyncio.run(scenario())


def test_only_the_first_settlement_counts() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        with await budget.reserve(lambda: 0.5) as reservation:
            reservation.settle(0.1)
            reservation.settle(0.4)
        assert budget.spent == pytest.approx(0.1)

    asyncio.run(scenario())


def test_threads_with_their_own_loops_share_one_limit() -> None:
    budget = Budget(1.0)
    turned_away = []

    async def spend(seed: int) -> None:
        rng = random.Random(seed)
        try:
            while True:
                with await budget.reserve(lambda: 0.02) as reservation:
                    await asyncio.sleep(0)
                    reservation.settle(rng.uniform(0, 0.02))
        except BudgetReached:
            turned_away.append(seed)

    async def several(first: int) -> None:
        await asyncio.gather(*(spend(first + number) for number in range(20)))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(several(100 * n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(turned_away) == 80
    assert 0.98 < budget.spent <= 1.0 + 1e-9
    assert budget.reserved == pytest.approx(0)


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_a_senseless_limit_is_refused(limit: float) -> None:
    with pytest.raises(UsageError):
        Budget(limit)


def test_the_running_total_counts_calls_without_a_cost() -> None:
    spent = Spent()
    spent.add(Usage(10, 5, cost=0.5))
    spent.add(Usage(10, 5))
    spent.add(Usage())
    assert spent == Spent(calls=3, input_tokens=20, output_tokens=10, cost=0.5, unpriced=2)
