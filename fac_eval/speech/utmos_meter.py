"""The quality meter `utmos`: predicted naturalness of speech by the UTMOS22 strong learner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fac_eval.audio import Audio
from fac_eval.data.assets import Asset, asset_path
from fac_eval.data.places import FileHashes
from fac_eval.errors import AssetError, MissingExtra, MissingResource, UsageError
from fac_eval.interfaces import QualityMeter

from .utmos_sizes import PUBLISHED, UtmosSizes, sizes_beside

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .utmos import UtmosNetwork

    Samples = NDArray[np.float32]

REVISION = 1
"""Raised whenever scores of unchanged weights change."""

WEIGHTS = Asset(
    name="UTMOS22 strong learner",
    url="https://huggingface.co/spaces/sarulab-speech/UTMOS-demo/resolve/47212055c2ecfb02d40cec2395233b83295d3d30/"
    "epoch%3D3-step%3D7459.ckpt",
    sha256="44c57e3e4135a243b43d2c82b6a693fcd56f15f9ad0e1eb2a8b31fdecd3a49b8",
    path_in_cache="utmos/epoch=3-step=7459.ckpt",
    licence="MIT",
    note="A training checkpoint of 1.2 GB, of which 0.4 GB are the model.",
)
"""The authors' own file. Others hold the same model in less room, but none of them has a published hash."""

SILENT = 1e-4
"""Where no sample reaches this, there is nothing to hear; the score is then the network's biases."""

_SMALLER = "https://github.com/tarepan/SpeechMOS/releases/download/v1.0.0/utmos22_strong_step7459_v1.pt"
_PADDED = 1.1
"""The most that a batch may hold, padding included, in terms of its sound."""
_DEVICES = ("auto", "cpu", "cuda")


class Utmos(QualityMeter):
    """UTMOS22 strong, its scores neither clipped nor rounded. One clip's score does not depend on the others."""

    name = "utmos"

    def __init__(
        self,
        path: str | None = None,
        variant: Literal["sinc", "linear"] = "sinc",
        device: str = "auto",
        batch_size: int = 32,
        batch_seconds: float = 120.0,
    ) -> None:
        """Weights come from `path` (a file in either published layout), or are the pinned ones.

        `variant` is the rule by which other rates become 16 kHz: `sinc` as in UltraEval-Audio and SpeechMOS, `linear`
        as in the package `utmos`; their scores differ. `batch_seconds` bounds what the transformer works on at a
        time, padding included. A longer clip goes alone and is never cut; the convolutions take about 20 MB for each
        second of it.
        """
        if device.partition(":")[0] not in _DEVICES:
            raise UsageError(f"utmos: unknown device {device!r}", remedy=f"Known: {', '.join(_DEVICES)}.")
        if variant not in ("sinc", "linear"):
            raise UsageError(f"utmos: unknown variant {variant!r}", remedy="Known: sinc, linear.")
        if batch_size < 1 or not batch_seconds > 0:
            raise UsageError("utmos: batch_size and batch_seconds must be positive")
        self._path = None if path is None else Path(path).expanduser()
        self._variant: Literal["sinc", "linear"] = variant
        self._device = device
        self.batch_size = batch_size
        self._batch_seconds = batch_seconds
        self._network: UtmosNetwork | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The weights' sha256, the resampling rule, and sizes that are not the published ones."""
        parts = [f"utmos-{REVISION}", self._variant, f"sha256:{self._sha256}"]
        if self._sizes != PUBLISHED:
            parts.append(str(self._sizes))
        return "/".join(parts)

    def describe(self) -> Mapping[str, object]:
        """With what has to stand beside every figure: the weights and the resampling rule."""
        return {
            **super().describe(),
            "model": "UTMOS22 strong",
            "variant": self._variant,
            "weights": self._file.name,
            "sha256": self._sha256,
            "precision": "float32",
        }

    def assets(self) -> tuple[Asset, ...]:
        """What has to be fetched beforehand for a machine without internet."""
        return (WEIGHTS,) if self._path is None else ()

    def load(self) -> None:
        """Read the weights, onto a GPU where there is one."""
        for package in ("torch", "transformers", "safetensors"):
            if find_spec(package) is None:
                raise MissingExtra(package, "model", "UTMOS")
        import torch

        from .utmos_weights import load_network

        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            target = torch.device(device)
            torch.empty(0, device=target)
        except (RuntimeError, AssertionError) as error:
            raise UsageError(
                f"utmos: the device {device!r} cannot be used: {str(error).splitlines()[0]}"
            ) from error
        self._network = load_network(self._file, self._sizes, target)

    def close(self) -> None:
        """Give back the memory."""
        self._network = None

    def measure(self, clips: Sequence[Audio]) -> list[Mapping[str, float]]:
        """`utmos` of each clip, or in its place why there is none; see `measure_samples`."""
        return self.measure_samples([(clip.samples(), clip.rate) for clip in clips])

    def measure_samples(self, sounds: Sequence[tuple[Samples, int]]) -> list[Mapping[str, float]]:
        """The figures of mono samples within -1 and 1, each given with its rate.

        Where there can be no score, `utmos` is left out and a flag of value 1 says why: `utmos_no_audio` (not a
        sample), `utmos_too_short` (under 25 ms), `utmos_nonfinite` (NaN or infinite values, given or come up).
        `silent` marks a clip that stays below `SILENT`, with or without a score.
        """
        figures: list[dict[str, float]] = []
        waves: dict[int, Samples] = {}
        for index, (samples, rate) in enumerate(sounds):
            wave, flags = self._prepared(samples, rate)
            figures.append(flags)
            if wave is not None:
                waves[index] = wave
        for index, score in self._scores(waves).items():
            figures[index] |= {"utmos": score} if math.isfinite(score) else {"utmos_nonfinite": 1.0}
        return list(figures)

    def _prepared(self, samples: Samples, rate: int) -> tuple[Samples | None, dict[str, float]]:
        """A clip at 16 kHz, None if the network cannot score it, with its flags."""
        import numpy as np

        from .resample_sinc import resample

        if not len(samples):
            return None, {"utmos_no_audio": 1.0}
        # Looked at as it came: the linear rule may step over a sample.
        if not np.isfinite(samples).all():
            return None, {"utmos_nonfinite": 1.0}
        wave = resample(np.asarray(samples, np.float32), rate, self._variant)
        flags = {"silent": 1.0} if len(wave) and float(np.abs(wave).max()) < SILENT else {}
        if len(wave) < self._sizes.shortest:
            return None, flags | {"utmos_too_short": 1.0}
        return wave, flags

    def _scores(self, waves: Mapping[int, Samples]) -> dict[int, float]:
        """Scores in batches of clips of about one length."""
        from .resample_sinc import UTMOS_RATE

        if not waves:
            return {}
        if self._network is None:
            self.load()
        assert self._network is not None
        lengths = {index: len(wave) for index, wave in waves.items()}
        scores: dict[int, float] = {}
        for batch in _batches(lengths, self.batch_size, self._batch_seconds * UTMOS_RATE):
            scores.update(zip(batch, self._network.score([waves[index] for index in batch]), strict=True))
        return scores

    @cached_property
    def _file(self) -> Path:
        if self._path is not None:
            if not self._path.is_file():
                raise AssetError(
                    f"{self._path}: there is no such file of weights",
                    remedy=f"Get {_SMALLER}\nand give its path.",
                )
            return self._path
        try:
            return asset_path(WEIGHTS)
        except MissingResource as error:
            other = f"Or get the smaller {_SMALLER}\nand name it: utmos:path=FILE."
            raise MissingResource(error.message, remedy=f"{error.remedy}\n{other}") from error

    @cached_property
    def _sha256(self) -> str:
        return WEIGHTS.sha256 if self._path is None and self._file else FileHashes().sha256(self._file)[0]

    @cached_property
    def _sizes(self) -> UtmosSizes:
        return PUBLISHED if self._path is None else sizes_beside(self._file)


def _batches(lengths: Mapping[int, int], most_clips: int, most_samples: float) -> Iterator[list[int]]:
    """Clips in batches, the longest first; one ends where the padding would outweigh what a batch saves."""
    batch: list[int] = []
    total = 0
    for index in sorted(lengths, key=lambda index: lengths[index], reverse=True):
        total += lengths[index]
        padded = (len(batch) + 1) * lengths[batch[0]] if batch else 0
        if len(batch) == most_clips or padded > min(most_samples, _PADDED * total):
            yield batch
            batch, total = [], lengths[index]
        batch.append(index)
    if batch:
        yield batch
