"""The stage that asks the model: in length-sorted batches where it is local, many at once where it is remote."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fac_eval.codec import encode, from_json, response_from
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.engine.progress import Progress
from fac_eval.engine.stop import Stop
from fac_eval.errors import AudioError, FacEvalError, ModelOutOfMemory
from fac_eval.interfaces import AsyncModel, ContinuousModel, Model, SampleModel
from fac_eval.store import Store, Writer
from fac_eval.vocabulary import Request, Response

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
        if isinstance(self._model, ContinuousModel):
            await self._ask_continuously(self._model, window, sink)
        else:
            await self._ask_batches(window, sink)

    async def _ask_continuously(self, model: ContinuousModel, window: Chunk, sink: Belt) -> None:
        """Let the model take items as it has room for them."""
        waiting, asked = dict(enumerate(window)), 0

        def requests() -> Iterator[Request]:
            nonlocal asked
            for item in window:
                if self._stop.requested:
                    return
                assert item.request is not None
                asked += 1
                yield item.request

        try:
            answers = await self._in_thread(self._begin, model, requests())
            while (found := await self._in_thread(next, answers, None)) is not None:
                number, response = found
                if number >= asked or number not in waiting:
                    raise _defect(model, f"an answer to request {number}, which waits for none")
                await self._settle([waiting.pop(number)], [response], sink)
        except ModelOutOfMemory:
            at_once = min(self._batch_size, len(waiting))
            if at_once == 1:  # generate() tells which of them does not fit alone
                await self._ask_batches(list(waiting.values()), sink)
                return
            self._go_on_with((at_once + 1) // 2, at_once)
            await self._ask_continuously(model, list(waiting.values()), sink)
        except FacEvalError as error:
            if not isinstance(error, AudioError):
                raise
            await self._ask_batches(list(waiting.values()), sink)
        except Exception:  # noqa: BLE001 - in batches it is found out which sample is at fault
            await self._ask_batches(list(waiting.values()), sink)
        else:
            missing = sum(number < asked for number in waiting)
            if missing:
                raise _defect(model, f"no answer to {missing} of {asked} requests that it took")

    def _begin(self, model: ContinuousModel, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        self._load(model)
        return iter(model.answers(requests, self._batch_size))

    async def _ask_batches(self, window: Chunk, sink: Belt) -> None:
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
            self._go_on_with(half, len(batch))
        await self._ask(batch[:half], sink)
        await self._ask(batch[half:], sink)

    def _go_on_with(self, size: int, before: int) -> None:
        self._progress.say(f"out of memory with a batch of {before}: going on with {size}")
        self._batch_size = size

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
            self._load(self._model)
            responses = self._model.generate(requests)
        if len(responses) != len(batch):
            raise _defect(self._model, f"{len(responses)} answers to a batch of {len(batch)}")
        return responses

    def _load(self, model: Model) -> None:
        if not self._loaded:
            self._progress.say(f"loading {model.name}")
            model.load()
            self._loaded = True

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


def _defect(model: Model | SampleModel, what: str) -> FacEvalError:
    return FacEvalError(
        f"model {model.name} gave {what}",
        remedy="This is a defect of the model's adapter: every request must get one answer.",
    )


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
