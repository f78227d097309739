"""A model that adds up the numbers it reads, or counts the beeps it hears: a stand-in for a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fac_eval import Audio, Capabilities, Model, Request, Response
from fac_eval.errors import UsageError

RATE = 16_000


class BeepCounter(Model):
    """Counts beeps in clips, or adds up the numbers of a text.

    Args:
        threshold: the amplitude, between 0 and 1, above which there is a beep.
        batch_size: requests a batch when the user says `auto`.
    """

    name = "beep_counter"

    def __init__(self, threshold: float = 0.1, *, batch_size: int = 16) -> None:
        if not 0 < threshold < 1:
            raise UsageError(f"beep_counter: threshold lies between 0 and 1, not at {threshold}")
        self._threshold = threshold
        self._weights: Any = None
        self.capabilities = Capabilities(
            inputs=frozenset({"text", "audio"}), outputs=frozenset({"text"}), batch_size=batch_size
        )

    @property
    def fingerprint(self) -> str:
        """What can change an answer: the version of this code and the threshold, not the batch size."""
        return f"beep_counter/1:threshold={self._threshold}"

    def load(self) -> None:
        """Reading weights would stand here: it happens once, and only if there is something to answer."""
        import numpy as np

        self._weights = np.full(RATE // 100, 100 / RATE)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """One answer a request, in order."""
        return [self._answer(request) for request in requests]

    def close(self) -> None:
        """Free the device."""
        self._weights = None

    def _answer(self, request: Request) -> Response:
        message = request.messages[-1]
        clips = [part for part in message.parts if isinstance(part, Audio)]
        if clips:
            count = sum(self._beeps(clip) for clip in clips)
        elif numbers := re.findall(r"\d+", message.text):
            count = sum(map(int, numbers))
        else:
            return Response.failed("model_error", "the question holds neither a clip nor a number")
        return Response(text=str(count), finish_reason="stop")

    def _beeps(self, clip: Audio) -> int:
        import numpy as np

        loudness = np.convolve(np.abs(clip.samples(RATE)), self._weights, mode="same")
        loud = np.concatenate([[False], loudness > self._threshold])
        return int((loud[1:] & ~loud[:-1]).sum())
