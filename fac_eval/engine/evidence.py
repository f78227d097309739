"""What the stages between generation and scoring share: results by content, and failures that stay with an item."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fac_eval.codec import from_json
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.engine.progress import Progress
from fac_eval.engine.stop import Stop
from fac_eval.store import Store, Writer
from fac_eval.task import Need
from fac_eval.vocabulary import Failure, FailureKind

Asked = list[tuple[bytes, Any]]
"""What has to be found out about an item: content keys and what they stand for."""


class EvidenceStage(ABC):
    """Finds something out about responses, once for equal inputs, and keeps it in the store."""

    need: Need
    stage: str
    cannot_ask: FailureKind = "score_error"
    """How an item fails that the stage's input cannot be made of; most often the task is at fault."""

    def __init__(self, store: Store, writer: Writer, progress: Progress, stop: Stop) -> None:
        self._store = store
        self._writer = writer
        self._progress = progress
        self._stop = stop

    @abstractmethod
    def inputs(self, item: Item) -> Asked:
        """What has to be found out about an item."""

    @abstractmethod
    def attach(self, item: Item, results: Sequence[Any]) -> None:
        """Put the results (in the order of `inputs`, failures left out) into the item's evidence."""

    @abstractmethod
    async def run(self, source: Belt, sink: Belt) -> None:
        """Work on everything that comes along the belt."""

    def _concerns(self, item: Item) -> bool:
        return item.open and item.response is not None and self.need in item.cell.planned.needs

    def _asked(self, items: Iterable[Item]) -> list[tuple[Item, Asked]]:
        """The inputs of those items that have any to make; the others fail."""
        asked: list[tuple[Item, Asked]] = []
        for item in items:
            try:
                asked.append((item, self.inputs(item)))
            except Exception as error:  # noqa: BLE001 - a task that cannot form its question fails this sample, not the run
                item.fail(self.cannot_ask, f"the {self.need} input cannot be made: {describe_error(error)}")
        return asked

    async def _known(self, keys: list[bytes], *, since: float = 0.0) -> dict[bytes, Any]:
        """The results that are there already, committed or about to be."""
        held = await asyncio.to_thread(self._store.works, keys, since=since)
        for key in keys:
            if key not in held and (body := self._writer.pending(key)) is not None:
                held[key] = body
        return {key: from_json(body) for key, body in held.items()}

    def _settle(self, item: Item, keys: Iterable[bytes], found: Mapping[bytes, Any]) -> None:
        """Give an item all that was found out about it, or let it fail; what is known stays with it either way."""
        results = [found[key] for key in keys]
        self.attach(item, [result for result in results if not isinstance(result, Failure)])
        for result in results:
            if isinstance(result, Failure):
                item.fail_with(result)
                break

    async def _pass_on(self, done: Chunk, sink: Belt, *, cost: float = 0.0) -> None:
        failed = sum(not item.open for item in done)
        self._progress.advance(self.stage, len(done), failed=failed, cost=cost)
        await sink.put(done)
