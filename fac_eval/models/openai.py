"""The `openai` model: any OpenAI-compatible chat-completions endpoint, hosted or local."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fac_eval.errors import AudioError, ModelUnavailable, UsageError
from fac_eval.interfaces import AsyncModel, Capabilities
from fac_eval.models.openai_http import Address, Connection
from fac_eval.models.openai_request import (
    AudioFormat,
    Dialect,
    Encoded,
    MaxTokensField,
    UnsendableError,
    encode,
    holds_audio,
)
from fac_eval.remote.budget import Budget, Reservation, Spent
from fac_eval.remote.estimate import Estimator, Size
from fac_eval.remote.limits import AdaptiveLimit, Clock, RateLimiter
from fac_eval.remote.prices import EXAMPLE, Price, PriceTable, Tokens, load_prices
from fac_eval.remote.retry import AttemptError, pause_before
from fac_eval.vocabulary import Request, Response, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fac_eval.models.openai_reply import Reply

_UNREADABLE_RETRIES = 2  # an answer that makes no sense may have been paid for
_NEVER_REACHED_RETRIES = 2  # a wrong address should not take a minute to be told
_USUAL_CALLS = 16
_MOST_CALLS = 256


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    connection: Connection
    slots: AdaptiveLimit
    rate: RateLimiter


@dataclass(frozen=True, slots=True)
class _Call:
    """One attempt in flight: what was set aside for it, and when it began."""

    size: Size
    expected_tokens: float
    reservation: Reservation | None
    began: float


class OpenAIModel(AsyncModel):
    """A model behind an OpenAI-compatible chat-completions endpoint.

    Args:
        model: the model id as the endpoint knows it.
        base_url: the endpoint, usually ending in /v1; OPENAI_BASE_URL, then OpenAI's own, if not given.
        api_key: the key; OPENAI_API_KEY if not given. Endpoints that want none get a placeholder.
        audio_format: how clips are sent, wav or mp3.
        audio_rate: sample rate that clips are sent at; null keeps each clip's own.
        text_only: the model takes and gives no sound.
        voice: the voice of spoken answers.
        stream: stream answers, which measures the time to the first token and to the first sound.
        timeout: seconds that one attempt may take in all.
        max_retries: how often a request is asked again after trouble that may pass.
        concurrency: the most calls in flight; if not given, as many as the run makes. While the endpoint asks
            for less, there are fewer.
        requests_per_minute: stay within this rate.
        tokens_per_minute: stay within this rate; tokens are estimated, then corrected by the usage reported.
        seed: send each request's seed.
        max_tokens_field: the name that the endpoint gives to the limit of the answer's length.
        prices: a file of prices that extends the built-in table.
        headers: further HTTP headers, as a JSON object; they are never stored or shown.
        extra_body: further fields of each request's body, as a JSON object.

    `Timings` are those of the attempt that was answered: waiting for limits and retries is not the model's.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        audio_format: AudioFormat = "wav",
        audio_rate: int | None = 16000,
        text_only: bool = False,
        voice: str = "alloy",
        stream: bool = False,
        timeout: float = 120.0,
        max_retries: int = 6,
        concurrency: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        seed: bool = True,
        max_tokens_field: MaxTokensField = "max_tokens",
        prices: Path | None = None,
        headers: dict[str, str] | None = None,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        self.name = model
        self._address = Address.find(base_url, api_key, headers)
        self._dialect = Dialect(
            model,
            audio_format,
            audio_rate,
            text_only,
            voice,
            stream,
            seed,
            max_tokens_field,
            extra_body or {},
        )
        self.timeout = _positive("timeout", timeout)
        self.max_retries = max_retries
        self._cap = _positive("concurrency", concurrency) or _MOST_CALLS
        self._per_minute = (
            _positive("requests_per_minute", requests_per_minute),
            _positive("tokens_per_minute", tokens_per_minute),
        )
        self._price_file = prices
        self._budget: Budget | None = None
        self._session: _Session | None = None
        self._jitter = random.Random()
        self.clock = Clock()
        self.spent = Spent()
        """What this instance's calls took so far."""
        self.capabilities = Capabilities(
            inputs=frozenset({"text"} if text_only else {"text", "audio"}),
            outputs=frozenset({"text"} if text_only else {"text", "speech"}),
            tools=True,
            concurrency=concurrency or _USUAL_CALLS,
        )

    @property
    def fingerprint(self) -> str:
        """The model, where it is served, and the arguments that can change an answer."""
        changing = asdict(self._dialect)
        # How an answer travels, and what a field is called, do not change it.
        for name in ("stream", "max_tokens_field"):
            del changing[name]
        return json.dumps({"kind": "openai", "endpoint": self._address.place, **changing}, sort_keys=True)

    def describe(self) -> dict[str, object]:
        """Name, endpoint, fingerprint and price; no secrets."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "endpoint": self._address.place,
            "price": None if self.price is None else msgspec.structs.asdict(self.price),
            "prices_as_of": self._prices.as_of,
        }

    @cached_property
    def price(self) -> Price | None:
        """The model's price, if the table knows it."""
        return self._prices.find(self.name)

    @property
    def budget(self) -> Budget | None:
        """The money that the run may spend; set before work starts."""
        return self._budget

    @budget.setter
    def budget(self, budget: Budget | None) -> None:
        if budget is not None and self.price is None:
            raise UsageError(
                f"--max-cost cannot be kept: the price of {self.name!r} is not known",
                remedy=f"Name a price file with the argument prices=FILE or with FAC_EVAL_PRICES. {EXAMPLE}",
            )
        self._budget = budget

    def remarks(self) -> list[str]:
        """What the user should know about the costs once the work is done."""
        if not self.spent.unpriced:
            return []
        if self.price is None:
            reason = f"no price of {self.name!r} is known; name a price file with prices= or FAC_EVAL_PRICES"
        else:
            reason = "the endpoint reported no usage for them"
        return [f"{self.spent.unpriced} of {self.spent.calls} calls have no cost: {reason}"]

    async def generate(self, request: Request) -> Response:
        """Answer one request: within the limits, and asked again after trouble that may pass."""
        session = self._open()
        try:
            if holds_audio(request):
                encoded = await asyncio.to_thread(encode, request, self._dialect)
            else:
                encoded = encode(request, self._dialect)
        except (AudioError, UnsendableError) as error:
            return Response.failed("bad_input", str(error))
        answers_before = session.connection.answers
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(session, encoded, attempt)
            except AttemptError as failure:
                answers = session.connection.answers
                if attempt > self._retries(failure, reached=answers > 0):
                    return self._give_up(failure, attempt, alone=answers == answers_before)
                wait = failure.wait
            await self.clock.sleep(pause_before(attempt, wait, self._jitter))

    async def aclose(self) -> None:
        """Close the client; a later call opens a new one."""
        session, self._session = self._session, None
        if session is not None and session.loop is asyncio.get_running_loop():
            await session.connection.close()

    @cached_property
    def _prices(self) -> PriceTable:
        return load_prices(self._price_file)

    @cached_property
    def _estimator(self) -> Estimator:
        return Estimator(self.price)

    def _open(self) -> _Session:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.loop is not loop:
            slots = AdaptiveLimit(self._cap, self.clock)
            connection = Connection(
                self._address,
                model=self.name,
                timeout=self.timeout,
                stream=self._dialect.stream,
                size=self._cap,
            )
            self._session = _Session(loop, connection, slots, RateLimiter(*self._per_minute, self.clock))
        return self._session

    async def _attempt(self, session: _Session, encoded: Encoded, attempt: int) -> Response:
        """One call, within all limits; its cost is settled whichever way it ends."""
        await session.slots.acquire()
        try:
            expected = self._estimator.tokens(encoded.size)
            await session.rate.admit(expected)
            async with self._reserved(encoded.size) as reservation:
                call = _Call(encoded.size, expected, reservation, self.clock.now())
                started = time.perf_counter()
                try:
                    reply = await session.connection.send(encoded)
                except AttemptError as failure:
                    self._settle_failed(session, call, failure)
                    raise
                except ModelUnavailable:
                    if reservation is not None:
                        reservation.settle(0.0)
                    raise
                session.slots.succeeded()
                return _response(reply, self._account(session, call, reply.tokens), started, attempt)
        finally:
            session.slots.release()

    @asynccontextmanager
    async def _reserved(self, size: Size) -> AsyncIterator[Reservation | None]:
        if self._budget is None:
            yield None
            return
        with await self._budget.reserve(lambda: self._estimator.cost_bound(size)) as reservation:
            yield reservation

    def _account(self, session: _Session, call: _Call, tokens: Tokens | None) -> Usage:
        """Count a call that the endpoint charges for, and correct what was guessed about it."""
        cost = None if self.price is None or tokens is None else self.price.cost(tokens)
        usage = Usage()
        if tokens is not None:
            usage = Usage(tokens.input, tokens.output, tokens.input_audio, tokens.output_audio, cost)
            session.rate.correct(call.expected_tokens, tokens.input + tokens.output)
            self._estimator.observe(call.size, tokens, cost)
        if call.reservation is not None:
            call.reservation.settle(cost)
        self.spent.add(usage)
        return usage

    def _settle_failed(self, session: _Session, call: _Call, failure: AttemptError) -> None:
        if failure.overloaded:
            session.slots.overloaded(call.began)
        if failure.wait is not None:
            session.rate.hold(failure.wait)
        if failure.billed:
            self._account(session, call, failure.tokens)
        elif call.reservation is not None:
            call.reservation.settle(0.0)

    def _retries(self, failure: AttemptError, *, reached: bool) -> int:
        """How often a request may be asked again after this failure."""
        if not failure.again:
            return 0
        if failure.kind == "bad_response":
            return min(self.max_retries, _UNREADABLE_RETRIES)
        if failure.unreached and not reached:
            return min(self.max_retries, _NEVER_REACHED_RETRIES)
        return self.max_retries

    def _give_up(self, failure: AttemptError, attempts: int, *, alone: bool) -> Response:
        """The failed response; `alone`: no other request had an answer while this one was tried."""
        if failure.unreached and alone:
            raise ModelUnavailable(
                f"{self.name}: nobody answers at {self._address.place} ({failure.message})",
                remedy="Check base_url= and that the server runs, then run the same command again.",
            ) from failure
        tries = "" if attempts == 1 else f" (asked {attempts} times)"
        raw = None if failure.raw is None else self._address.clean(failure.raw)
        response = Response.failed(failure.kind, self._address.clean(failure.message) + tries, raw)
        return replace(response, timings=Timings(attempts=attempts))


def _positive(name: str, value: float | None) -> Any:
    if value is not None and not value > 0:
        raise UsageError(f"{name} must be above 0, not {value:g}")
    return value


def _response(reply: Reply, usage: Usage, started: float, attempt: int) -> Response:
    def since(moment: float | None) -> float | None:
        return None if moment is None else moment - started

    return Response(
        text=reply.text,
        speech=reply.speech,
        tool_calls=reply.tool_calls,
        finish_reason=reply.finish_reason,
        usage=usage,
        timings=Timings(
            total=time.perf_counter() - started,
            first_token=since(reply.first_token),
            first_audio=since(reply.first_audio),
            attempts=attempt,
        ),
        details=reply.details,
    )
