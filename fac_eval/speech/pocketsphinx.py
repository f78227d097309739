"""pocketsphinx: a small English recogniser that carries its model, for demos and tests.

It hears one word in ten wrong of a clear synthetic voice. Figures that rest on it test the plumbing, not a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from fac_eval.audio import Audio
from fac_eval.errors import UsageError, require
from fac_eval.interfaces import Transcriber
from fac_eval.speech.hearing import RATE, is_worth_hearing

_PRONUNCIATION = re.compile(r"\(\d+\)$")
_FILLER = re.compile(r"<.*>|\[.*\]")


class PocketSphinx(Transcriber):
    """A small English recogniser for demos and tests, which carries its model; it mishears a good deal."""

    name = "pocketsphinx"

    @property
    def fingerprint(self) -> str:
        """The package's version: model and code come together."""
        from importlib.metadata import version

        require("pocketsphinx", extra="speech", purpose="The recogniser pocketsphinx")
        return f"pocketsphinx/{version('pocketsphinx')}"

    @cached_property
    def _decoder(self) -> Any:
        package: Any = require("pocketsphinx", extra="speech", purpose="The recogniser pocketsphinx")
        return package.Decoder(samprate=RATE, loglevel="FATAL")

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        """The words heard, in lower case."""
        if language not in (None, "en"):
            raise UsageError(
                f"pocketsphinx knows English alone, and these answers are {language!r}.",
                remedy="Name another recogniser: --transcriber whisper.",
            )
        return [self._heard(clip) for clip in clips]

    def _heard(self, clip: Audio) -> str:
        import numpy as np

        samples = clip.samples(RATE)
        if not is_worth_hearing(samples):
            return ""
        self._decoder.start_utt()
        try:
            pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
            self._decoder.process_raw(pcm, full_utt=True)
        finally:
            self._decoder.end_utt()
        found = self._decoder.hyp()
        words = found.hypstr.split() if found is not None else []
        return " ".join(_PRONUNCIATION.sub("", word) for word in words if not _FILLER.fullmatch(word))
