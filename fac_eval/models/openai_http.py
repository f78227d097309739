"""One HTTP exchange with a chat-completions endpoint: bytes out, an answer or one typed failure back."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fac_eval.errors import ModelUnavailable, UsageError, require
from fac_eval.models.openai_reply import EmbeddedError, EventReader, Reply, ReplyBuilder, shown
from fac_eval.remote.retry import LONGEST_RETRY_AFTER, AttemptError, read_rejection, retry_after
from fac_eval.store.redact import REDACTED, scrub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fac_eval.models.openai_request import Encoded
    from fac_eval.vocabulary import FailureKind

OFFICIAL = "https://api.openai.com/v1"

_CONNECT_TIMEOUT = 10.0
_BIG_BODY = 256 * 1024  # bytes whose decoding would hold up the other calls


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is, and what it is told to let us in."""

    base_url: str
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def find(cls, base_url: str | None, key: str | None, headers: Mapping[str, str] | None) -> Address:
        """The address as given, completed from OPENAI_BASE_URL and OPENAI_API_KEY."""
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL
        key = (key or os.environ.get("OPENAI_API_KEY") or "").strip()
        if not key.isascii():
            raise UsageError("the API key holds characters that no key can hold")
        try:
            parts = urlsplit(base_url)
            valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(
                f"base_url {scrub(base_url)!r} is not the address of an endpoint",
                remedy="Write it in full, such as http://localhost:8000/v1.",
            )
        return cls(base_url, key, dict(headers or {}))

    @property
    def place(self) -> str:
        """Host and path: what may be shown and stored."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.hostname}{port}{parts.path.rstrip('/')}"

    def clean(self, text: str) -> str:
        """The text without the key, the headers' values and whatever else looks like a secret."""
        for secret in (self.key, *self.headers.values()):
            if len(secret) >= 4:
                text = text.replace(secret, REDACTED)
        return scrub(text)


class Connection:
    """The client of one event loop, with its pool of connections."""

    def __init__(self, address: Address, *, model: str, timeout: float, stream: bool, size: int) -> None:
        if not address.key and address.base_url == OFFICIAL:
            raise ModelUnavailable(
                f"{model}: no API key for {address.place}",
                remedy="Set OPENAI_API_KEY or give the model argument api_key=.",
            )
        openai: Any = require("openai", extra="api", purpose="the model 'openai'")
        # Version 3 of the package moved from httpx to its successor; both have the same classes.
        library = "httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx"
        http: Any = require(library, extra="api", purpose="the model 'openai'")
        limits = http.Limits(max_connections=size, max_keepalive_connections=size)
        waits = http.Timeout(timeout, connect=min(_CONNECT_TIMEOUT, timeout), pool=None)
        self._client = openai.AsyncOpenAI(
            api_key=address.key or "none",
            base_url=address.base_url,
            max_retries=0,
            timeout=waits,
            default_headers=dict(address.headers),
            http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=waits),
        )
        self._openai, self._http = openai, http
        self._address, self._model, self._timeout, self._stream = address, model, timeout, stream
        self.answers = 0
        """Answers of any status so far: the endpoint is there."""

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def send(self, encoded: Encoded) -> Reply:
        """Send a body and read the answer.

        Raises:
            AttemptError: this attempt came to nothing.
            ModelUnavailable: the endpoint's answer means that no request can succeed.
        """
        openai, http = self._openai, self._http
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(encoded)
        except openai.APIStatusError as error:
            self.answers += 1
            raise self._rejected(error.status_code, error.body, error.response) from error
        except EmbeddedError as error:
            raise self._rejected(error.status, error.error, None) from error
        except (TimeoutError, openai.APITimeoutError, http.TimeoutException) as error:
            message = f"no complete answer from {self._address.place} within {self._timeout:g} s"
            unreached = isinstance(error.__cause__, http.ConnectTimeout)
            raise _broken("timeout", message, unreached, overloaded=not unreached) from error
        except (openai.APIConnectionError, http.RequestError) as error:
            cause = error.__cause__ or error
            reason = self._address.clean(str(cause)) or type(cause).__name__
            message = f"the connection to {self._address.place} failed: {reason}"
            raise _broken("model_error", message, isinstance(cause, http.ConnectError)) from error

    async def _exchange(self, encoded: Encoded) -> Reply:
        # The body goes through the client's generic call: each attempt sends the same bytes, and what
        # misbehaving servers answer is read here, because it does not fit the client's own types.
        response = await self._client.post(
            "/chat/completions", cast_to=self._http.Response, content=encoded.body, stream=self._stream
        )
        self.answers += 1
        kind = response.headers.get("content-type", "")
        try:
            if self._stream and "json" not in kind:
                reply = await self._read_stream(response, encoded.size.speech)
            else:
                reply = await self._read_whole(response, encoded.size.speech)
        except AttemptError as failure:
            if "json" not in kind and "event-stream" not in kind:
                failure.message += f" (its content type is {kind or 'missing'})"
            raise
        finally:
            await response.aclose()
        request_id = response.headers.get("x-request-id")
        return replace(reply, details={**reply.details, "request_id": request_id}) if request_id else reply

    async def _read_whole(self, response: Any, speech: bool) -> Reply:
        body: bytes = await response.aread()

        def read() -> Reply:
            builder = ReplyBuilder(pcm=self._stream)
            builder.feed(body)
            return builder.finish(speech=speech, raw=body)

        return await asyncio.to_thread(read) if len(body) > _BIG_BODY else read()

    async def _read_stream(self, response: Any, speech: bool) -> Reply:
        events, builder = EventReader(), ReplyBuilder(pcm=True)
        seen, done = bytearray(), False

        def take(found: list[bytes]) -> bool:
            now = time.perf_counter()
            for data in found:
                if data.startswith(b"[DONE]"):
                    return True
                builder.feed(data, now)
            return done

        async for chunk in response.aiter_bytes():
            if len(seen) < _BIG_BODY:
                seen += chunk
            # What follows the end is read as well: only then can the connection be used again.
            done = done or take(events.feed(chunk))
        done = done or take(events.finish())
        return builder.finish(speech=speech, raw=bytes(seen), whole=done)

    def _rejected(self, status: int, body: object, response: Any) -> AttemptError:
        rejection = read_rejection(status, body)
        rejection = replace(rejection, message=self._address.clean(rejection.message))
        wait = None if response is None else retry_after(response.headers)
        remedy = rejection.remedy()
        if remedy is None and wait is not None and wait > LONGEST_RETRY_AFTER:
            remedy = f"It asks to be left alone for {wait / 60:.0f} minutes: run the same command again then."
        if remedy is not None:
            raise ModelUnavailable(
                f"{self._model}: {self._address.place} answered {status}: {rejection.message}", remedy=remedy
            ) from None
        raw = repr(body)[:2000] if response is None else shown(response.content)
        return rejection.failure(raw, wait)


def _broken(kind: FailureKind, message: str, unreached: bool, overloaded: bool = False) -> AttemptError:
    """The failure of a call that got no answer; one that got through may still be charged for."""
    return AttemptError(
        kind, message, again=True, overloaded=overloaded, unreached=unreached, billed=not unreached
    )
