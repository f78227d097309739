"""Whisper through faster-whisper (CTranslate2): quicker than transformers, and another recogniser in every result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from fac_eval.audio import Audio
from fac_eval.data.weights import HubWeights, hub_weights, weights_folder, weights_identity
from fac_eval.errors import require
from fac_eval.interfaces import Transcriber
from fac_eval.speech.hearing import is_worth_hearing

_FILES = ("*.json", "*.txt", "model.bin")


class FasterWhisper(Transcriber):
    """Whisper through CTranslate2: greedy, quicker, and another recogniser than `whisper`."""

    name = "faster-whisper"
    batch_size = 1

    def __init__(
        self,
        path: str = "Systran/faster-whisper-large-v3",
        compute_type: str = "default",
        device: str = "auto",
        revision: str | None = None,
    ) -> None:
        """`path` is a folder of converted weights or a hub id; `compute_type` is CTranslate2's, such as int8."""
        self._path, self._revision = path, revision
        self._compute_type, self._device = compute_type, device

    @cached_property
    def fingerprint(self) -> str:
        """The weights, the arithmetic and the package's version, which decides over the search."""
        from importlib.metadata import version

        self._package()
        settings = {
            "weights": weights_identity(self._path, self._revision),
            "compute_type": self._compute_type,
            "version": version("faster-whisper"),
        }
        return f"faster-whisper/{json.dumps(settings, sort_keys=True, separators=(',', ':'))}"

    def weights(self) -> tuple[HubWeights, ...]:
        """What has to be downloaded beforehand for a machine without internet."""
        return hub_weights(self._path, self._revision, _FILES)

    def load(self) -> None:
        """Read the weights."""
        folder = weights_folder(self._path, self._revision, patterns=_FILES)
        self._model = self._package().WhisperModel(
            str(folder), device=self._device, compute_type=self._compute_type
        )

    def close(self) -> None:
        """Give back the memory."""
        self.__dict__.pop("_model", None)

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        """The words as Whisper writes them; empty where there is nothing to hear."""
        if "_model" not in self.__dict__:
            self.load()
        return [self._heard(clip, language) for clip in clips]

    def _heard(self, clip: Audio, language: str | None) -> str:
        from fac_eval.speech.resample_sinc import resample

        samples = resample(clip.samples(), clip.rate, "sinc")
        if not is_worth_hearing(samples):
            return ""
        segments, _ = self._model.transcribe(
            samples,
            language=language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
            without_timestamps=False,
        )
        return "".join(segment.text for segment in segments)

    @staticmethod
    def _package() -> Any:
        return require(
            "faster_whisper",
            extra="faster-whisper",
            purpose="The recogniser faster-whisper",
            package="faster-whisper",
        )
