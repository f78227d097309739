"""The first stage: reads samples, leaves out those that are settled, and works out what is asked about the rest."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice

from fac_eval.audio import Audio
from fac_eval.codec import digest, encode, request_key
from fac_eval.engine.flow import CHUNK, CHUNK_SECONDS, Chunk
from fac_eval.engine.items import Cell, Item, describe_error
from fac_eval.engine.plan import Plan
from fac_eval.errors import AudioError, DataError, UsageError
from fac_eval.interfaces import AnyModel, SampleModel
from fac_eval.store import Store
from fac_eval.vocabulary import Message, Text

_READING_PACE = 15
"""Characters a second when text is read aloud."""
_RECENT_IDS = 8192


class Source:
    """Turns the cells of one model into chunks of items."""

    def __init__(
        self, plan: Plan, model: AnyModel, cells: Iterable[Cell], store: Store, stopped: Callable[[], bool]
    ) -> None:
        self._plan = plan
        self._model = model
        self._cells = list(cells)
        self._store = store
        self._stopped = stopped
        self._fingerprint = model.fingerprint
        self._sees_sample = isinstance(model, SampleModel)

    def chunks(self) -> Iterator[Chunk]:
        """Chunks of items in order; samples that are already settled are left out."""
        for cell in self._cells:
            yield from self._cell_chunks(cell)

    def _cell_chunks(self, cell: Cell) -> Iterator[Chunk]:
        planned, ids = cell.planned, _Ids()
        samples = islice(planned.task.samples(self._plan.data), planned.limit)
        settled: set[int] = set()
        chunk: Chunk = []
        seconds, position = 0.0, -1
        for position, sample in enumerate(samples):
            if self._stopped():
                return
            if not ids.add(sample.id):
                raise DataError(
                    f"task {planned.task.name}: the sample id {sample.id!r} occurs twice "
                    f"(again at position {position})",
                    remedy="Give every sample an id of its own.",
                )
            if cell.resumed and position % CHUNK == 0:
                settled = self._store.settled(cell.id, position, position + CHUNK - 1)
            if position in settled:
                continue
            item = Item(cell, position, sample)
            self._open(item)
            chunk.append(item)
            seconds += item.seconds
            if len(chunk) >= CHUNK or seconds >= CHUNK_SECONDS:
                yield chunk
                chunk, seconds = [], 0.0
        yield chunk
        cell.seen = position + 1

    def _open(self, item: Item) -> None:
        """Work out what is asked, or end the item where the protocol or its own data says so."""
        task, sample = item.cell.planned.task, item.sample
        try:
            item.sample_body = encode(sample)
            item.sample_key = digest(b"sample", item.sample_body)
            item.seconds, characters = _extent(sample.messages)
            item.length = item.seconds + characters / _READING_PACE
            reason = task.skip(sample)
            if reason is not None:
                item.outcome, item.reason = "skipped", reason
                return
            item.request = self._plan.request(task, sample)
            item.key = request_key(self._fingerprint, item.request, self._seen(item))
        except AudioError as error:
            item.fail("bad_input", error.message)
            return
        except DataError as error:
            item.fail("bad_input", error.message)
            return
        except Exception as error:  # noqa: BLE001 - one odd row must not end a night's run; it is counted and shown
            item.fail("bad_input", f"the sample cannot be prepared: {describe_error(error)}")
            return
        self._check_inputs(item)

    def _seen(self, item: Item) -> bytes:
        """What a stand-in model goes by besides the request: the task under its options, the data, the place."""
        if not self._sees_sample:
            return b""
        planned = item.cell.planned
        place = f"{planned.protocol_id}:{planned.data}:{item.position}"
        return item.sample_key + place.encode()

    def _check_inputs(self, item: Item) -> None:
        assert item.request is not None
        if "audio" not in self._model.capabilities.inputs and _has_audio(item.request.messages):
            raise UsageError(
                f"task {item.cell.planned.task.name} asks with audio, which model {self._model.name} cannot hear"
            )
        if item.request.tools and not self._model.capabilities.tools:
            raise UsageError(
                f"task {item.cell.planned.task.name} offers tools, which model {self._model.name} cannot call"
            )


class _Ids:
    """The ids of a task so far, as 64-bit hashes: a set of them would take five times the memory.

    A false alarm takes two different ids whose hashes collide.
    """

    def __init__(self) -> None:
        self._sorted = array("q")
        self._recent: set[int] = set()

    def add(self, sample_id: str) -> bool:
        """Take in an id, and say whether it is new."""
        number = hash(sample_id)
        place = bisect_left(self._sorted, number)
        if number in self._recent or (place < len(self._sorted) and self._sorted[place] == number):
            return False
        self._recent.add(number)
        if len(self._recent) > max(_RECENT_IDS, len(self._sorted) // 8):
            self._sorted = array("q", merge(self._sorted, sorted(self._recent)))
            self._recent.clear()
        return True


def _has_audio(messages: Iterable[Message]) -> bool:
    return any(isinstance(part, Audio) for message in messages for part in message.parts)


def _extent(messages: Iterable[Message]) -> tuple[float, int]:
    """Seconds of audio and characters of text."""
    seconds, characters = 0.0, 0
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text):
                characters += len(part.text)
            else:
                seconds += part.seconds
    return seconds, characters
