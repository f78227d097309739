"""Throughput of the `openai` model against a bare loop over the openai client, on a slow local server.

Both run in this process, in turns, against one server in a process of its own. The bare loop sends the same
messages through the same number of workers and does nothing else.

    python benchmarks/openai_throughput.py --concurrency 64 --latency 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fac_eval.models.openai import OpenAIModel
from fac_eval.vocabulary import Request, Settings, user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SERVER = Path(__file__).resolve().parents[1] / "tests" / "support" / "chat_server.py"


@contextmanager
def server(latency: float) -> Iterator[str]:
    """The base URL of a chat server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--latency", str(latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)


async def rate(ask: Callable[[int], Awaitable[None]], calls: int, workers: int) -> float:
    """Calls per second of `workers` loops that share the numbers up to `calls`."""
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await ask(number)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return calls / (time.perf_counter() - began)


async def measure(base_url: str, args: argparse.Namespace) -> None:
    import openai

    client = openai.AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0)
    per_minute = 1e9 if args.limits else None
    model = OpenAIModel(
        "test-model",
        base_url=base_url,
        stream=args.stream,
        requests_per_minute=per_minute,
        tokens_per_minute=per_minute,
    )

    async def bare(number: int) -> None:
        answer = await client.chat.completions.create(
            model="test-model",
            messages=[{"role": "user", "content": f"Question {number}: what is the capital of France?"}],
            max_tokens=64,
            temperature=0,
            seed=number,
            stream=args.stream,
        )
        if args.stream:
            async for _ in answer:
                pass
        else:
            assert answer.choices[0].message.content == "ok"

    async def ours(number: int) -> None:
        message = user(f"Question {number}: what is the capital of France?")
        response = await model.generate(
            Request((message,), settings=Settings(max_tokens=64, temperature=0.0), seed=number)
        )
        assert response.text == "ok", response

    await rate(bare, 2 * args.concurrency, args.concurrency)
    await rate(ours, 2 * args.concurrency, args.concurrency)
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    for turn in range(args.rounds):
        for name, ask in (("bare", bare), ("ours", ours))[:: 1 if turn % 2 == 0 else -1]:
            rates[name].append(await rate(ask, args.calls, args.concurrency))
    await client.close()
    await model.aclose()
    for name, label in (("bare", "bare openai client"), ("ours", "fac-eval model")):
        each = ", ".join(f"{one:.0f}" for one in rates[name])
        print(f"{label + ':':20}{statistics.median(rates[name]):8.1f} calls/s  (rounds: {each})")
    print(f"{'ratio:':20}{statistics.median(rates['ours']) / statistics.median(rates['bare']):8.2f}")
    if args.latency:
        print(f"{'possible at most:':20}{args.concurrency / args.latency:8.1f} calls/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that the server takes to answer")
    parser.add_argument("--calls", type=int, default=1500, help="calls in one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stream", action="store_true", help="stream the answers, in both")
    parser.add_argument("--limits", action="store_true", help="with rate limits that never bind")
    args = parser.parse_args()
    with server(args.latency) as base_url:
        asyncio.run(measure(base_url, args))


if __name__ == "__main__":
    main()
