"""Whisper through transformers: the recogniser that spoken answers are officially scored with.

`generate` is called directly: the defaults of transformers' recognition pipeline (beams, lengths) changed between
versions, and with them the transcripts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.audio import Audio
from fac_eval.data.weights import HubWeights, hub_weights, weights_folder, weights_identity
from fac_eval.errors import AssetError, AudioError, require
from fac_eval.interfaces import Transcriber
from fac_eval.models.devices import device_of
from fac_eval.speech.hearing import RATE, is_worth_hearing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

OFFICIAL = "openai/whisper-large-v3"
Variant = Literal["whisper-v3", "ultraeval"]


class Whisper(Transcriber):
    """Whisper through transformers, as official scorers use it: greedy, with timestamps, in batches."""

    name = "whisper"

    def __init__(
        self,
        path: str = OFFICIAL,
        variant: Variant = "whisper-v3",
        dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
        device: str = "auto",
        revision: str | None = None,
        batch_size: int = 16,
    ) -> None:
        """`path` is a folder or a hub id.

        `whisper-v3` tells Whisper the language that the task names and resamples by windowed sinc; `ultraeval` has the
        language detected clip by clip and takes ffmpeg's resampler where there is one, as UltraEval-Audio does.
        `dtype` is float16 on a GPU and float32 elsewhere unless given.
        """
        self._path, self._revision = path, revision
        self._variant, self._dtype, self._device = variant, dtype, device
        self.batch_size = batch_size

    @cached_property
    def fingerprint(self) -> str:
        """The weights and everything that can change a transcript."""
        return f"whisper/{json.dumps(self._settings(), sort_keys=True, separators=(',', ':'))}"

    def describe(self) -> Mapping[str, object]:
        """With the versions of the libraries that do the work."""
        from importlib.metadata import version

        versions = {package: version(package) for package in ("torch", "transformers")}
        return {**super().describe(), **self._settings(), "versions": versions}

    def _settings(self) -> dict[str, Any]:
        return {
            "weights": weights_identity(self._path, self._revision),
            "variant": self._variant,
            "dtype": self._dtype,
            "resampler": self._resampler,
        }

    @property
    def _resampler(self) -> str:
        return "ffmpeg" if self._variant == "ultraeval" and shutil.which("ffmpeg") else "sinc"

    def weights(self) -> tuple[HubWeights, ...]:
        """What has to be downloaded beforehand for a machine without internet."""
        return hub_weights(self._path, self._revision)

    def load(self) -> None:
        """Read the weights."""
        torch: Any = require("torch", extra="model", purpose="Whisper")
        transformers: Any = require("transformers", extra="model", purpose="Whisper")
        folder = weights_folder(self._path, self._revision)
        self._target = device_of(self._device)
        wanted = self._dtype
        if wanted == "auto":
            wanted = "float16" if self._target.type == "cuda" else "float32"
        try:
            model = transformers.WhisperForConditionalGeneration.from_pretrained(
                folder, dtype=getattr(torch, wanted), attn_implementation="sdpa"
            )
            self._processor = transformers.WhisperProcessor.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise AssetError(f"{folder} holds no Whisper that can be read: {error}") from error
        if not model.generation_config.suppress_tokens:
            raise AssetError(
                f"{folder}: generation_config.json lists no suppressed tokens, so Whisper would write symbols.",
                remedy="Take the generation_config.json of the published checkpoint.",
            )
        self._model = model.to(self._target).eval()

    def close(self) -> None:
        """Give back the memory."""
        for name in ("_model", "_processor"):
            self.__dict__.pop(name, None)

    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        """The words as Whisper writes them, its leading blank included; empty where there is nothing to hear."""
        if "_model" not in self.__dict__:
            self.load()
        waves = [self._wave(clip) for clip in clips]
        window = self._processor.feature_extractor.n_samples
        heard = [index for index, wave in enumerate(waves) if is_worth_hearing(wave)]
        texts = [""] * len(waves)
        for long in (False, True):
            chosen = [index for index in heard if (len(waves[index]) > window) == long]
            for start in range(0, len(chosen), self.batch_size):
                part = chosen[start : start + self.batch_size]
                for index, text in zip(
                    part, self._batch([waves[i] for i in part], language, long=long), strict=True
                ):
                    texts[index] = text
        return texts

    def _batch(
        self, waves: Sequence[npt.NDArray[np.float32]], language: str | None, *, long: bool
    ) -> list[str]:
        import torch

        shape: dict[str, Any] = {"truncation": False, "padding": "longest"} if long else {}
        inputs = self._processor.feature_extractor(
            list(waves), sampling_rate=RATE, return_tensors="pt", return_attention_mask=True, **shape
        )
        with torch.inference_mode():
            ids = self._model.generate(
                input_features=inputs.input_features.to(self._target, self._model.dtype),
                attention_mask=inputs.attention_mask.to(self._target),
                return_timestamps=True,
                task="transcribe",
                language=None if self._variant == "ultraeval" else language,
                num_beams=1,
                do_sample=False,
                condition_on_prev_tokens=False,
            )
        texts: list[str] = self._processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return texts

    def _wave(self, clip: Audio) -> npt.NDArray[np.float32]:
        if self._resampler == "ffmpeg" and clip.rate != RATE:
            return _through_ffmpeg(clip)
        from fac_eval.speech.resample_sinc import resample

        return resample(clip.samples(), clip.rate, "sinc")


def _through_ffmpeg(clip: Audio) -> npt.NDArray[np.float32]:
    import numpy as np

    raw = ["-f", "f32le", "-ac", "1"]
    done = subprocess.run(
        ["ffmpeg", "-v", "error", *raw, "-ar", str(clip.rate), "-i", "-", *raw, "-ar", str(RATE), "-"],
        input=clip.samples().astype("<f4").tobytes(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise AudioError(f"ffmpeg cannot resample {clip!r}: {done.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(done.stdout, "<f4").astype(np.float32)
