"""The first stage: reads samples, asks the store what is already known, and passes on what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from fac_eval.audio import Audio
from fac_eval.codec import digest, encode, request_key, response_from
from fac_eval.codec import from_json as decode
from fac_eval.engine.items import Cell, Item, describe_error
from fac_eval.engine.plan import Plan
from fac_eval.errors import AudioError, DataError, UsageError
from fac_eval.interfaces import AnyModel, SampleModel
from fac_eval.store import Store
from fac_eval.vocabulary import Message, Sample, Text

CHUNK = 256
"""Samples a chunk: enough to make a round trip to the store cheap."""
CHUNK_SECONDS = 600.0
"""Audio seconds a chunk: keeps the clips that are in memory at once to some tens of megabytes."""


class Source:
    """Turns the cells of one model into chunks of items."""

    def __init__(
        self,
        plan: Plan,
        model: AnyModel,
        cells: Iterable[Cell],
        store: Store,
        pending: Callable[[bytes], bytes | None],
        stopped: Callable[[], bool],
    ) -> None:
        self._plan = plan
        self._model = model
        self._cells = list(cells)
        self._store = store
        self._pending = pending
        self._stopped = stopped
        self._sees_sample = isinstance(model, SampleModel)

    def chunks(self) -> Iterator[list[Item]]:
        """Chunks of items in order; samples that are already settled are left out."""
        for cell in self._cells:
            yield from self._cell_chunks(cell)

    def _cell_chunks(self, cell: Cell) -> Iterator[list[Item]]:
        planned = cell.planned
        seen_ids: set[int] = set()
        samples = islice(planned.task.samples(self._plan.data), planned.limit)
        chunk: list[Item] = []
        seconds, position = 0.0, -1
        for position, sample in enumerate(samples):
            if self._stopped():
                return
            self._check_id(planned.task.name, sample, position, seen_ids)
            item = Item(cell, position, sample)
            if not cell.resumed:
                self._open(item)
            chunk.append(item)
            seconds += item.length
            if len(chunk) >= CHUNK or seconds >= CHUNK_SECONDS:
                yield self._known(cell, chunk)
                chunk, seconds = [], 0.0
        yield self._known(cell, chunk)
        cell.seen = position + 1

    def _check_id(self, task: str, sample: Sample, position: int, seen: set[int]) -> None:
        # The set holds hashes, not ids, to stay small; a false alarm takes two colliding 64-bit hashes.
        number = hash(sample.id)
        if number in seen:
            raise DataError(
                f"task {task}: the sample id {sample.id!r} occurs twice (again at position {position})",
                remedy="Give every sample an id of its own.",
            )
        seen.add(number)

    def _open(self, item: Item) -> None:
        """Work out what is asked, or end the item where the protocol or its own data says so."""
        task, sample = item.cell.planned.task, item.sample
        try:
            item.sample_body = encode(sample)
            item.sample_key = digest(b"sample", item.sample_body)
            item.length = _length(sample)
            reason = task.skip(sample)
            if reason is not None:
                item.outcome, item.reason = "skipped", reason
                return
            item.request = self._plan.request(task, sample)
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
        item.key = request_key(self._model.fingerprint, item.request, self._seen(item))

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

    def _known(self, cell: Cell, chunk: list[Item]) -> list[Item]:
        """Drop settled items and fill in the responses that the store holds."""
        if cell.resumed and chunk:
            settled = self._store.settled(cell.id, chunk[0].position, chunk[-1].position)
            chunk = [item for item in chunk if item.position not in settled]
            for item in chunk:
                self._open(item)
        wanted = [item.key for item in chunk if item.key is not None]
        found = self._store.works(wanted)
        for item in chunk:
            if item.key is None:
                continue
            body = found.get(item.key) or self._pending(item.key)
            if body is not None:
                item.response = response_from(decode(body), self._store.audio.load)
        return chunk


def _has_audio(messages: Iterable[Message]) -> bool:
    return any(isinstance(part, Audio) for message in messages for part in message.parts)


def _length(sample: Sample) -> float:
    """Seconds of audio, and text at the pace of reading aloud: what a batch is sorted by."""
    length = 0.0
    for message in sample.messages:
        for part in message.parts:
            length += len(part.text) / 15 if isinstance(part, Text) else part.seconds
    return length
