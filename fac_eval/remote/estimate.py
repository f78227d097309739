"""Guesses what a call will take before it is made: tokens for the rate limit, dollars for the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fac_eval.remote.prices import Price, Tokens

AUDIO_TOKENS_PER_SECOND = 32
"""The most that a common endpoint counts: Gemini 32, Qwen-Omni 25, OpenAI 10 of input and 20 of output."""

_BYTES_PER_TOKEN = 4  # English prose; the upper estimate takes a token for every byte instead
_FIRST_OUTPUT = 1024
_ENOUGH_REPLIES = 8
_LEAST_OUTPUT = 64


@dataclass(frozen=True, slots=True)
class Size:
    """How big a request is, in the units it can be measured in without a tokenizer."""

    text_bytes: int
    audio_seconds: float
    max_tokens: int | None
    speech: bool
    """The answer is spoken, and its tokens may be priced as audio."""


class Estimator:
    """Estimates from a request's size, corrected by what earlier calls of the same model really took."""

    def __init__(self, price: Price | None) -> None:
        self._price = price
        self._replies = 0
        self._output_total = 0
        self._output_most = 0
        self._low_by = 1.0

    def tokens(self, size: Size) -> float:
        """A fair guess of all tokens of a call."""
        output = size.max_tokens
        if output is None:
            output = self._output_total // self._replies if self._replies else _FIRST_OUTPUT
        return size.text_bytes / _BYTES_PER_TOKEN + size.audio_seconds * AUDIO_TOKENS_PER_SECOND + output

    def cost_bound(self, size: Size) -> float:
        """An upper estimate in dollars.

        It is sound where `max_tokens` is set. Without it, replies are taken to be at most twice as long as
        the longest one so far. Where an endpoint has charged more than was estimated, later estimates follow.
        """
        return self._raw_bound(size) * self._low_by

    def observe(self, size: Size, tokens: Tokens, cost: float | None) -> None:
        """Learn from a call: its tokens, and what it cost against what is estimated for its size."""
        self._replies += 1
        self._output_total += tokens.output
        self._output_most = max(self._output_most, tokens.output)
        raw = self._raw_bound(size)
        if cost is not None and raw > 0:
            self._low_by = max(self._low_by, cost / raw)

    def _raw_bound(self, size: Size) -> float:
        if self._price is None:
            return 0.0
        output = size.max_tokens
        if output is None:
            known = self._replies >= _ENOUGH_REPLIES
            output = max(_LEAST_OUTPUT, 2 * self._output_most) if known else _FIRST_OUTPUT
        audio = math.ceil(size.audio_seconds * AUDIO_TOKENS_PER_SECOND)
        dear = max(self._price.output, self._price.audio_output or 0.0)
        spoken = output if size.speech and dear > self._price.output else 0
        return self._price.cost(Tokens(size.text_bytes + audio, output, audio, spoken))
