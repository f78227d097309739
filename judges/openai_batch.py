"""The files and batches of an OpenAI-compatible endpoint: many calls handed over at once, replies fetched later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from fac_eval.errors import BatchFailed, ModelUnavailable, UsageError, require
from fac_eval.models.openai_http import OFFICIAL, Address
from fac_eval.models.openai_reply import EmbeddedError, ReplyBuilder
from fac_eval.remote.prices import Tokens
from fac_eval.remote.retry import AttemptError, read_rejection
from fac_eval.vocabulary import Failure

URL = "/v1/chat/completions"
MOST_BYTES = 200 * 1024 * 1024
"""The biggest file of calls that the protocol takes."""

_WORKING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_OVER = frozenset({"completed", "expired", "cancelled"})


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one call of a batch."""

    name: str
    text: str = ""
    tokens: Tokens | None = None
    error: Failure | None = None


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Problem(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Row(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Problem | None = None


class _Call(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw
    method: str = "POST"
    url: str = URL


_row = msgspec.json.Decoder(_Row)


class BatchEndpoint:
    """Hands batches over and collects them. One client an event loop."""

    def __init__(self, address: Address, *, model: str, timeout: float, max_retries: int) -> None:
        self._address, self._model = address, model
        self._timeout, self._max_retries = timeout, max_retries
        self._client: tuple[asyncio.AbstractEventLoop, Any] | None = None

    async def submit(self, calls: Sequence[tuple[str, bytes]]) -> str:
        """Upload calls (a name and a body each) and start a batch of them; its id."""
        content = b"\n".join(msgspec.json.encode(_Call(name, msgspec.Raw(body))) for name, body in calls)
        if len(content) > MOST_BYTES:
            raise UsageError(
                f"a batch of {len(calls)} questions takes {len(content) / 2**20:.0f} MiB, and a file of calls may "
                f"have {MOST_BYTES / 2**20:.0f}",
                remedy="Questions with audio are better asked with --judge-mode live.",
            )
        client = self._open()
        with _explained(self._model, self._address):
            file = await client.files.create(file=("questions.jsonl", content), purpose="batch")
            batch = await client.batches.create(input_file_id=file.id, endpoint=URL, completion_window="24h")
        found: str = batch.id
        return found

    async def collect(self, batch: str) -> list[Line] | None:
        """What became of each call; None while the batch is being worked on.

        Raises:
            BatchFailed: it ended without a single reply.
        """
        client = self._open()
        with _explained(self._model, self._address):
            state = await self._state(client, batch)
            if state.status in _WORKING:
                return None
            if state.status not in _OVER:
                raise BatchFailed(f"the batch {batch} is {state.status}{_problems(state)}")
            files = [file for file in (state.output_file_id, state.error_file_id) if file]
            contents = [(await client.files.content(file)).content for file in files]
        lines = [line for content in contents for line in _lines(content, self._address)]
        if not lines:
            raise BatchFailed(f"the batch {batch} is {state.status} and holds no reply{_problems(state)}")
        return lines

    async def _state(self, client: Any, batch: str) -> Any:
        openai: Any = require("openai", extra="api", purpose="the judge 'openai'")
        try:
            return await client.batches.retrieve(batch)
        except openai.NotFoundError as error:
            raise BatchFailed(f"{self._address.place} knows no batch {batch}") from error

    async def aclose(self) -> None:
        """Close the client; a later call opens a new one."""
        held, self._client = self._client, None
        if held is not None and held[0] is asyncio.get_running_loop():
            await held[1].close()

    def _open(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            if not self._address.key and self._address.base_url == OFFICIAL:
                raise ModelUnavailable(
                    f"{self._model}: no API key for {self._address.place}",
                    remedy="Set OPENAI_API_KEY or give the judge argument api_key=.",
                )
            openai: Any = require("openai", extra="api", purpose="the judge 'openai'")
            client = openai.AsyncOpenAI(
                api_key=self._address.key or "none",
                base_url=self._address.base_url,
                max_retries=self._max_retries,
                timeout=self._timeout,
                default_headers=dict(self._address.headers),
            )
            self._client = (loop, client)
        return self._client[1]


@contextmanager
def _explained(model: str, address: Address) -> Iterator[None]:
    """Turns what the client raises into an error that says what to do."""
    openai: Any = require("openai", extra="api", purpose="the judge 'openai'")
    later = "Run the same command again: a batch that was handed over is collected then."
    try:
        yield
    except openai.APIStatusError as error:
        rejection = read_rejection(error.status_code, error.body)
        raise ModelUnavailable(
            f"{model}: {address.place} answered {error.status_code} about a batch: "
            f"{address.clean(rejection.message)}",
            remedy=rejection.remedy() or later,
        ) from error
    except openai.APIConnectionError as error:
        reason = address.clean(str(error.__cause__ or error))
        raise ModelUnavailable(
            f"{model}: {address.place} cannot be reached: {reason}", remedy=later
        ) from error


def _problems(state: Any) -> str:
    found = [
        problem.message for problem in (state.errors.data or [] if state.errors else []) if problem.message
    ]
    return ": " + "; ".join(dict.fromkeys(found)) if found else ""


def _lines(content: bytes, address: Address) -> Iterator[Line]:
    for raw in _filled(content.split(b"\n")):
        try:
            row = _row.decode(raw)
        except msgspec.DecodeError:
            continue  # it names no call, so it is nobody's reply
        yield _line(row, address)


def _filled(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line for line in lines if line.strip())


def _line(row: _Row, address: Address) -> Line:
    if row.error is not None or row.response is None:
        problem = row.error or _Problem()
        message = address.clean(problem.message or problem.code or "no reply")
        return Line(row.custom_id, error=Failure("model_error", message))
    body = bytes(row.response.body)
    try:
        if row.response.status_code != 200:
            raise EmbeddedError(_error_of(body))
        builder = ReplyBuilder()
        builder.feed(body)
        reply = builder.finish(speech=False, raw=body)
    except EmbeddedError as error:
        rejection = read_rejection(row.response.status_code, error.error)
        failure = rejection.failure(None, None)
        raw = address.clean(body[:2000].decode("utf-8", "replace"))
        return Line(row.custom_id, error=Failure(failure.kind, address.clean(failure.message), raw))
    except AttemptError as failure:
        raw_text = None if failure.raw is None else address.clean(failure.raw)
        return Line(
            row.custom_id, tokens=failure.tokens, error=Failure(failure.kind, failure.message, raw_text)
        )
    return Line(row.custom_id, reply.text, reply.tokens)


def _error_of(body: bytes) -> object:
    try:
        found: object = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")
    return found
