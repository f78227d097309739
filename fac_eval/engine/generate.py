"""The stage that asks the model: in length-sorted batches where it is local, many at once where it is remote."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fac_eval.codec import encode, from_json, response_from
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.engine.progress import Progress
from fac_eval.engine.stop import Stop
from fac_eval.errors import AudioError, FacEvalError, ModelOutOfMemory
from fac_eval.interfaces import AsyncModel, Model, SampleModel
from fac_eval.store import Store, Writer
from fac_eval.vocabulary import Response

WINDOW_BATCHES = 8
"""Batches that are gathered and sorted by length together, so that little of a batch is padding."""
WINDOW_SECONDS = 600.0
"""With so much audio gathered a single batch is enough: the clips are in memory meanwhile."""


class Generator:
    """What local and remote generation share: no request is asked twice, and every answer is kept."""

    def __init__(self, store: Store, writer: Writer, progress: Progress, stop: Stop) -> None:
        self._store = store
        self._writer = writer
        self._progress = progress
        self._stop = stop
        self._followers: dict[bytes, list[Item]] = {}

    async def _claim(self, chunk: Chunk) -> tuple[Chunk, Chunk]:
        """Split a chunk into items that need nothing from the model and items that must be asked.

        An item whose equal is being asked right now joins it and appears in neither.
        """
        # The store is asked here and not when samples are read: what was under way then may be finished by now.
        keys = [item.key for item in chunk if item.open and item.key is not None]
        stored = await asyncio.to_thread(self._store.works, keys)
        ready, todo = [], []
        for item in chunk:
            if not item.open or item.key is None:
                ready.append(item)
                continue
            body = stored.get(item.key) or self._writer.pending(item.key)
            if body is not None:
                item.response = response_from(from_json(body), self._store.audio.load)
                ready.append(item)
            elif item.key in self._followers:
                self._followers[item.key].append(item)
            else:
                self._followers[item.key] = []
                todo.append(item)
        return ready, todo

    def _pass_on(self, ready: Chunk) -> None:
        known = sum(item.response is not None for item in ready)
        self._progress.advance("generate", len(ready), cached=known, failed=sum(not i.open for i in ready))

    async def _settle(self, items: Sequence[Item], responses: Sequence[Response], belt: Belt) -> None:
        """Keep the answers and pass the items on, with those that were waiting for the same answer."""
        done, work = [], []
        for item, given in zip(items, responses, strict=True):
            assert item.key is not None
            response = given
            if response.error is None and response.speech is not None:
                response = await self._keep_speech(response)
            if response.error is None:
                work.append((item.key, encode(response)))
            for same in (item, *self._followers.pop(item.key)):
                same.answer(response)
                done.append(same)
        cost = sum(response.usage.cost or 0.0 for response in responses)
        if work or cost:
            await self._writer.work("generate", work, cost)
        failed = sum(not item.open for item in done)
        self._progress.advance("generate", len(done), failed=failed, cost=cost)
        await belt.put(done)

    async def _keep_speech(self, response: Response) -> Response:
        assert response.speech is not None
        try:
            speech = await asyncio.to_thread(self._store.audio.keep, response.speech)
        except AudioError as error:
            return Response.failed("bad_response", f"the spoken answer cannot be read: {error.message}")
        return dataclasses.replace(response, speech=speech)


class LocalGenerator(Generator):
    """Batches for a model on this machine, one at a time, from one thread."""

    def __init__(
        self,
        model: Model | SampleModel,
        batch_size: int | None,
        executor: ThreadPoolExecutor,
        store: Store,
        writer: Writer,
        progress: Progress,
        stop: Stop,
    ) -> None:
        super().__init__(store, writer, progress, stop)
        self._model = model
        self._batch_size = batch_size or model.capabilities.batch_size
        self._executor = executor
        self._loaded = isinstance(model, SampleModel)

    async def run(self, source: Belt, sink: Belt) -> None:
        """Answer everything that comes along the belt."""
        window: Chunk = []
        async for chunk in source.chunks():
            ready, todo = await self._claim(chunk)
            self._pass_on(ready)
            await sink.put(ready)
            window.extend(todo)
            if self._is_full(window):
                await self._ask_window(window, sink)
                window = []
        await self._ask_window(window, sink)
        await sink.end()

    def _is_full(self, window: Chunk) -> bool:
        if isinstance(self._model, SampleModel):
            return True  # nothing is padded
        seconds = sum(item.seconds for item in window)
        batches = WINDOW_BATCHES if seconds < WINDOW_SECONDS else 1
        return len(window) >= self._batch_size * batches

    async def _ask_window(self, window: Chunk, sink: Belt) -> None:
        # Longest first: if memory runs out it does so at once, and the batch is halved for all that follow.
        # A batch holds one task, because a stand-in model is told which task it answers.
        window.sort(key=lambda item: (item.cell.id, -item.length))
        start = 0
        while start < len(window) and not self._stop.requested:
            end = start
            while (
                end < len(window)
                and end - start < self._batch_size
                and window[end].cell is window[start].cell
            ):
                end += 1
            await self._ask(window[start:end], sink)
            start = end

    async def _ask(self, batch: Chunk, sink: Belt) -> None:
        try:
            responses = await self._in_thread(self._call, batch)
        except FacEvalError as error:
            if not isinstance(error, AudioError):
                raise
            await self._one_by_one(batch, error, sink)
        except ModelOutOfMemory as error:
            await self._smaller(batch, error, sink)
        except Exception as error:  # noqa: BLE001 - whatever a model throws, only the sample at fault fails
            await self._one_by_one(batch, error, sink)
        else:
            await self._settle(batch, responses, sink)

    async def _smaller(self, batch: Chunk, error: ModelOutOfMemory, sink: Belt) -> None:
        if len(batch) == 1:
            failed = Response.failed("out_of_memory", f"the sample does not fit the device alone: {error}")
            await self._settle(batch, [failed], sink)
            return
        half = (len(batch) + 1) // 2
        if half < self._batch_size:
            self._progress.say(f"out of memory with a batch of {len(batch)}: going on with {half}")
            self._batch_size = half
        await self._ask(batch[:half], sink)
        await self._ask(batch[half:], sink)

    async def _one_by_one(self, batch: Chunk, error: Exception, sink: Belt) -> None:
        if len(batch) > 1:
            for item in batch:
                await self._ask([item], sink)
            return
        if isinstance(error, AudioError):
            failed = Response.failed("bad_input", error.message)
        else:
            failed = Response.failed("model_error", describe_error(error))
        await self._settle(batch, [failed], sink)

    def _call(self, batch: Chunk) -> list[Response]:
        requests = [item.request for item in batch if item.request is not None]
        if isinstance(self._model, SampleModel):
            task = batch[0].cell.planned.task
            responses = self._model.respond(
                task, [item.sample for item in batch], requests, [item.position for item in batch]
            )
        else:
            if not self._loaded:
                self._progress.say(f"loading {self._model.name}")
                self._model.load()
                self._loaded = True
            responses = self._model.generate(requests)
        if len(responses) != len(batch):
            raise FacEvalError(
                f"model {self._model.name} gave {len(responses)} answers to a batch of {len(batch)}",
                remedy="This is a defect of the model's adapter: generate() must return one response a request.",
            )
        return responses

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


class RemoteGenerator(Generator):
    """Many requests in flight at a remote model, which limits and retries by itself."""

    def __init__(
        self,
        model: AsyncModel,
        workers: int | None,
        store: Store,
        writer: Writer,
        progress: Progress,
        stop: Stop,
    ) -> None:
        super().__init__(store, writer, progress, stop)
        self._model = model
        self._workers = workers or model.capabilities.concurrency

    async def run(self, source: Belt, sink: Belt) -> None:
        """Answer everything that comes along the belt."""
        queue: asyncio.Queue[Item | None] = asyncio.Queue(self._workers)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._worker(queue, sink))
            async for chunk in source.chunks():
                ready, todo = await self._claim(chunk)
                self._pass_on(ready)
                await sink.put(ready)
                for item in todo:
                    await queue.put(item)
            for _ in range(self._workers):
                await queue.put(None)
        await sink.end()

    async def _worker(self, queue: asyncio.Queue[Item | None], sink: Belt) -> None:
        while (item := await queue.get()) is not None:
            if self._stop.requested:
                continue  # not begun: the next run asks it
            assert item.request is not None
            try:
                response = await self._model.generate(item.request)
            except AudioError as error:
                response = Response.failed("bad_input", error.message)
            except FacEvalError as error:
                # The budget is spent, or no request can succeed. What is in flight is paid for: it may finish.
                self._stop.request(error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever a model throws, only the sample at fault fails
                response = Response.failed("model_error", describe_error(error))
            await self._settle([item], [response], sink)
