"""The `openai` judge: a text or audio model behind any OpenAI-compatible endpoint, asked live or in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_eval.errors import AudioError, BatchFailed, BudgetReached
from fac_eval.models.openai import OpenAIModel
from fac_eval.models.openai_http import Address
from fac_eval.models.openai_request import (
    AudioFormat,
    Dialect,
    Encoded,
    MaxTokensField,
    UnsendableError,
    encode,
)
from fac_eval.remote.estimate import Estimator
from fac_eval.vocabulary import Failure, Question, Request, Response, Usage, Verdict

from .llm import ModelJudge, failure_of
from .openai_batch import BatchEndpoint, Line
from .prompts import PromptChoice

if TYPE_CHECKING:
    from fac_eval.remote.budget import Budget, Reservation
    from fac_eval.remote.prices import Price

BATCH_DISCOUNT = 0.5
"""The share of the usual price that questions in a batch cost."""


class OpenAIJudge(ModelJudge):
    """A judge behind an OpenAI-compatible chat-completions endpoint.

    Args:
        model: the model id as the endpoint knows it.
        prompts: whose wording: official, own, or auto (official where its file is at hand).
        base_url: the endpoint, usually ending in /v1; OPENAI_BASE_URL, then OpenAI's own, if not given.
        api_key: the key; OPENAI_API_KEY if not given.
        text_only: the model takes no sound.
        audio_format: how clips are sent, wav or mp3.
        audio_rate: sample rate that clips are sent at; each clip's own if not given, as the benchmarks have it.
        timeout: seconds that one attempt may take in all.
        max_retries: how often a call is tried again after trouble that may pass.
        concurrency: questions in flight.
        requests_per_minute: stay within this rate.
        tokens_per_minute: stay within this rate.
        seed: send a seed with each question.
        max_tokens_field: the name that the endpoint gives to the limit of the reply's length.
        prices: a file of prices that extends the built-in table.
        headers: further HTTP headers, as a JSON object; they are never stored or shown.
        extra_body: further fields of each call's body, as a JSON object.
        poll_seconds: how often a batch is asked about.
    """

    max_questions = 10_000

    def __init__(
        self,
        model: str,
        *,
        prompts: PromptChoice = "auto",
        base_url: str | None = None,
        api_key: str | None = None,
        text_only: bool = False,
        audio_format: AudioFormat = "wav",
        audio_rate: int | None = None,
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
        poll_seconds: float = 30.0,
    ) -> None:
        super().__init__(prompts)
        self.model = OpenAIModel(
            model,
            base_url=base_url,
            api_key=api_key,
            audio_format=audio_format,
            audio_rate=audio_rate,
            text_only=text_only,
            timeout=timeout,
            max_retries=max_retries,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            seed=seed,
            max_tokens_field=max_tokens_field,
            prices=prices,
            headers=headers,
            extra_body=extra_body,
        )
        self.name = model
        self.capabilities = self.model.capabilities
        self.concurrency = self.capabilities.concurrency
        self.poll_seconds = poll_seconds
        self._dialect = Dialect(
            model,
            audio_format,
            audio_rate,
            text_only,
            seed=seed,
            max_tokens_field=max_tokens_field,
            extra_body=extra_body or {},
        )
        address = Address.find(base_url, api_key, headers)
        self._batches = BatchEndpoint(address, model=model, timeout=timeout, max_retries=max_retries)
        self._reserved: dict[str, Reservation] = {}

    @property
    def fingerprint(self) -> str:
        """That of the model; whose prompt it is asked with is told by `identity`."""
        return self.model.fingerprint

    def describe(self) -> Mapping[str, object]:
        """Name, endpoint, fingerprint and price; no secrets."""
        return self.model.describe()

    @property
    def price(self) -> Price | None:
        """The model's price, if the table knows it."""
        return self.model.price

    @property
    def budget(self) -> Budget | None:
        """The money that the run may spend."""
        return self.model.budget

    @budget.setter
    def budget(self, budget: Budget | None) -> None:
        self.model.budget = budget

    def remarks(self) -> list[str]:
        """What the user should know about the cost once the work is over."""
        return self.model.remarks()

    async def answer(self, request: Request) -> Response:
        """One call, within the limits, tried again after trouble that may pass."""
        return await self.model.generate(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.model.aclose()
        await self._batches.aclose()

    async def submit(self, questions: Sequence[tuple[str, Question]]) -> str:
        """Hand questions over as one batch, at half the price; clips that cannot be sent are left out."""
        lines: list[tuple[str, Encoded]] = []
        for key, question in questions:
            try:
                lines.append((key, encode(self.request(question), self._dialect)))
            except (AudioError, UnsendableError):
                continue
        if not lines:
            raise BatchFailed("none of its questions can be sent")
        reservation = await self._reserve([encoded for _, encoded in lines])
        try:
            batch = await self._batches.submit([(key, encoded.body) for key, encoded in lines])
        except BaseException:
            if reservation is not None:
                reservation.settle(0.0)
            raise
        if reservation is not None:
            self._reserved[batch] = reservation
        return batch

    async def collect(self, batch: str) -> Mapping[str, Verdict] | None:
        """The verdicts of a batch, or None as long as it is being worked on."""
        try:
            lines = await self._batches.collect(batch)
        except BatchFailed:
            await self._settle(batch, [])
            raise
        if lines is None:
            return None
        verdicts = {line.name: self._read(line) for line in lines}
        await self._settle(batch, [verdict.usage for verdict in verdicts.values()])
        return verdicts

    def _read(self, line: Line) -> Verdict:
        usage = Usage()
        if line.tokens is not None:
            cost = None if self.model.price is None else BATCH_DISCOUNT * self.model.price.cost(line.tokens)
            tokens = line.tokens
            usage = Usage(tokens.input, tokens.output, tokens.input_audio, tokens.output_audio, cost)
            self.model.spent.add(usage)
        error = None if line.error is None else failure_of(line.error)
        if error is None and not line.text.strip():
            error = Failure("judge_error", "the judge's reply is empty", line.text)
        return Verdict("" if error is not None else line.text, usage=usage, error=error)

    async def _reserve(self, calls: Sequence[Encoded]) -> Reservation | None:
        """Set a batch's upper estimate aside; a batch must not wait for the one before it, which may take a day."""
        budget = self.model.budget
        if budget is None:
            return None
        estimator = Estimator(self.model.price)
        bound = BATCH_DISCOUNT * sum(estimator.cost_bound(call.size) for call in calls)
        if budget.spent + budget.reserved + bound > budget.limit:
            raise BudgetReached(
                f"a batch of {len(calls)} questions could cost up to ${bound:.4f}, and ${budget.spent:.4f} of the "
                f"${budget.limit:g} that --max-cost allows are spent, ${budget.reserved:.4f} set aside",
                remedy="Raise --max-cost and run the same command again: what was handed over is collected then.",
            )
        return await budget.reserve(lambda: bound)

    async def _settle(self, batch: str, usages: Sequence[Usage]) -> None:
        budget = self.model.budget
        if budget is None:
            return
        cost = sum(usage.cost or 0.0 for usage in usages)
        reservation = self._reserved.pop(batch, None)
        try:
            # A batch that an earlier process handed over has nothing set aside in this one.
            reservation = reservation or await budget.reserve(lambda: 0.0)
        except BudgetReached:
            return
        reservation.settle(cost)
