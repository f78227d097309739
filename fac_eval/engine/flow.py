"""The belts between stages: bounded queues of chunks, with an end mark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from fac_eval.engine.items import Item

Chunk = list[Item]

CHUNK = 256
"""Items a chunk: enough to make a round trip to a thread or to the store cheap."""
CHUNK_SECONDS = 60.0
"""Seconds of audio a chunk, so that the clips that are under way at once take some tens of megabytes."""


class Belt:
    """A bounded queue of chunks between two stages. Each of its producers calls `end` once."""

    def __init__(self, size: int = 4, producers: int = 1) -> None:
        self._queue: asyncio.Queue[Chunk | None] = asyncio.Queue(size)
        self._producers = producers

    async def put(self, items: Iterable[Item]) -> None:
        """Hand on a chunk; waits while the next stage is behind."""
        chunk = list(items)
        if chunk:
            await self._queue.put(chunk)

    async def end(self) -> None:
        """Say that this producer is through."""
        self._producers -= 1
        if self._producers == 0:
            await self._queue.put(None)

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The chunks until every producer is through, small ones that wait together as one.

        Several consumers may share a belt.
        """
        while True:
            chunk = await self._queue.get()
            if chunk is None:
                await self._queue.put(None)  # wakes the other consumers
                return
            while not _is_full(chunk) and not self._queue.empty():
                more = self._queue.get_nowait()
                if more is None:
                    self._queue.put_nowait(None)
                    break
                chunk = chunk + more
            yield chunk


def _is_full(chunk: Chunk) -> bool:
    return len(chunk) >= CHUNK or sum(item.seconds for item in chunk) >= CHUNK_SECONDS
