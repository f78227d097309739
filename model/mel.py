"""Waveform (16 kHz) to log-mel (100 Hz), as Whisper's feature extractor gives it for a padded clip.

The extractor pads every clip with zeros to its full window, up to 300 s. Only the columns that the signal
reaches differ from a constant, so only those are transformed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fac_eval.errors import AssetError

Samples = NDArray[np.float32]

_FLOOR = 1e-10
_DYNAMIC_RANGE = 8.0
FILE = "preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class MelSettings:
    """What `preprocessor_config.json` says; `n_samples` is the window that longer clips are cut to."""

    feature_size: int = 128
    sampling_rate: int = 16000
    n_fft: int = 400
    hop_length: int = 160
    n_samples: int = 480000

    @classmethod
    def read(cls, folder: Path) -> MelSettings:
        """The settings in a checkpoint's folder. `chunk_length` (seconds) decides, as in the extractor itself."""
        path = folder / FILE
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise AssetError(f"{path}: the file is missing", remedy="A checkpoint needs it.") from error
        except ValueError as error:
            raise AssetError(f"{path}: is no JSON: {error}") from error
        rate = int(values.get("sampling_rate", 16000))
        return cls(
            feature_size=int(values.get("feature_size", 80)),
            sampling_rate=rate,
            n_fft=int(values.get("n_fft", 400)),
            hop_length=int(values.get("hop_length", 160)),
            n_samples=int(values.get("chunk_length", 30)) * rate,
        )

    @property
    def frames(self) -> int:
        """Columns of a full window."""
        return self.n_samples // self.hop_length


@dataclass(frozen=True, slots=True)
class LogMel:
    """The log-mel of one clip: its valid columns, and the value of every column that no signal reaches."""

    columns: torch.Tensor
    """[mel, T], T = ceil(samples / hop)."""
    tail: torch.Tensor
    """[mel, few]: the columns after T that the last samples still reach."""
    silence: float

    def padded(self, frames: int) -> torch.Tensor:
        """[mel, frames]: what the extractor gives for the padded clip."""
        full = torch.full((self.columns.shape[0], frames), self.silence)
        valid = self.columns.shape[1]
        full[:, :valid] = self.columns
        end = min(frames, valid + self.tail.shape[1])
        full[:, valid:end] = self.tail[:, : end - valid]
        return full


def log_mel(samples: Samples, settings: MelSettings) -> LogMel:
    """The log-mel of one mono clip at the settings' rate; what exceeds the window is cut off."""
    samples = samples[: settings.n_samples]
    # 400 zeros hold every window that still touches the signal, and the reflected edge. Where they do not fit,
    # the end of the window itself is reflected, as in the extractor.
    reach = min(len(samples) + max(settings.n_fft, 400), settings.n_samples)
    wave = torch.zeros(max(reach, settings.n_fft))
    wave.numpy()[: len(samples)] = samples  # samples may be read-only, which torch cannot take
    window = torch.hann_window(settings.n_fft)
    spectrum = torch.stft(wave, settings.n_fft, settings.hop_length, window=window, return_complex=True)
    power = (spectrum[..., :-1].abs() ** 2).contiguous()
    logs = (_filters(settings) @ power).clamp(min=_FLOOR).log10()
    lowest = float(logs.max()) - _DYNAMIC_RANGE
    logs = (logs.clamp(min=lowest) + 4.0) / 4.0
    valid = -(-len(samples) // settings.hop_length)
    silence = (max(float(np.log10(_FLOOR)), lowest) + 4.0) / 4.0
    return LogMel(logs[:, :valid], logs[:, valid:], silence)


@lru_cache(maxsize=4)
def _filters(settings: MelSettings) -> torch.Tensor:
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        num_frequency_bins=1 + settings.n_fft // 2,
        num_mel_filters=settings.feature_size,
        min_frequency=0.0,
        max_frequency=settings.sampling_rate / 2,
        sampling_rate=settings.sampling_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(bank.T.astype(np.float32)).contiguous()
