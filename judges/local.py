"""The `transformers` judge: a chat model on this machine, fed with batches of the questions that are waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from fac_eval.data.weights import HubWeights
from fac_eval.errors import FacEvalError, ModelOutOfMemory
from fac_eval.interfaces import Model
from fac_eval.models.transformers_chat import TransformersModel
from fac_eval.vocabulary import Request, Response

from .llm import ModelJudge
from .prompts import PromptChoice


class Batcher:
    """Gathers requests that come one by one into batches for a local model, which works in one thread."""

    def __init__(self, model: Model, size: int) -> None:
        self._model, self._size = model, size
        self._waiting: deque[tuple[Request, asyncio.Future[Response]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "judge")
        self._loaded = False

    async def answer(self, request: Request) -> Response:
        """The model's response to one request, which shares a batch with others that wait."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def close(self) -> None:
        """Let the model go, once what it is working on is done."""
        if self._worker is not None:
            self._worker.cancel()
        if self._loaded:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._model.close)
            self._loaded = False

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # those who ask in the same moment share the first batch
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            requests = [request for request, _ in batch]
            try:
                responses = await loop.run_in_executor(self._thread, self._answers, requests)
            except FacEvalError as error:  # no request can succeed
                for _, future in batch:
                    _fail(future, error)
                continue
            for (_, future), response in zip(batch, responses, strict=True):
                if not future.done():
                    future.set_result(response)

    def _answers(self, requests: Sequence[Request]) -> list[Response]:
        if not self._loaded:
            self._model.load()
            self._loaded = True
        return self._split(requests)

    def _split(self, requests: Sequence[Request]) -> list[Response]:
        """Answers to a batch; one that does not fit or fails is halved until the request at fault is alone."""
        try:
            return self._model.generate(requests)
        except FacEvalError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad request must not fail its neighbours
            if len(requests) == 1:
                kind: Literal["out_of_memory", "model_error"] = (
                    "out_of_memory" if isinstance(error, ModelOutOfMemory) else "model_error"
                )
                return [Response.failed(kind, f"{type(error).__name__}: {error}")]
        half = len(requests) // 2
        return self._split(requests[:half]) + self._split(requests[half:])


class TransformersJudge(ModelJudge):
    """A chat model on this machine; it reads, and hears nothing.

    Args:
        path: a folder with the model, or its id on the hub.
        prompts: whose wording: official, own, or auto (official where its file is at hand).
        revision: the pinned revision of a hub id.
        dtype: the precision of the weights; `auto` takes the checkpoint's own.
        device: cuda, cpu, ...; `auto` takes a GPU if there is one.
        batch_size: questions answered together.
        template: further arguments of the chat template as a JSON object, e.g. {"enable_thinking": false}.
    """

    def __init__(
        self,
        path: str,
        *,
        prompts: PromptChoice = "auto",
        revision: str | None = None,
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        device: str = "auto",
        batch_size: int = 16,
        template: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(prompts)
        self.model = TransformersModel(
            path,
            revision=revision,
            dtype=dtype,
            device=device,
            batch_size=batch_size,
            template=template,
        )
        self.name = self.model.name
        self.capabilities = self.model.capabilities
        self.concurrency = 2 * batch_size  # a full batch waits while one is being answered
        self._batcher = Batcher(self.model, batch_size)

    @property
    def fingerprint(self) -> str:
        """That of the model; whose prompt it is asked with is told by `identity`."""
        return self.model.fingerprint

    def describe(self) -> Mapping[str, object]:
        """What is known of the model and its files."""
        return self.model.describe()

    def weights(self) -> tuple[HubWeights, ...]:
        """Those of the model."""
        return self.model.weights()

    async def answer(self, request: Request) -> Response:
        """One answer, out of a batch."""
        return await self._batcher.answer(request)

    async def aclose(self) -> None:
        """Give back the memory."""
        await self._batcher.close()


def _fail(future: asyncio.Future[Response], error: FacEvalError) -> None:
    if not future.done():
        future.set_exception(error)
