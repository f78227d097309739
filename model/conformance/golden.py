"""A golden set of the model as read: index, tensors, and the checkpoint that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fac_eval.errors import DataError

from ..mel import Samples
from ..modeling import FunAudioChatForConditionalGeneration
from ..processor import FunAudioChatProcessor


class GoldenModel:
    """The set behind an index file. Models are loaded once for each dtype and attention asked for."""

    def __init__(self, index: Path, *, attn_implementation: str = "sdpa", device_map: Any = None) -> None:
        try:
            self.index: dict[str, Any] = json.loads(index.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{index}: cannot be read: {error}") from error
        header = self.index["header"]
        self.checkpoint = index.parent / header["checkpoint"]
        self._tensor_file = index.parent / header["tensor_file"]
        self._options = {"attn_implementation": attn_implementation, "device_map": device_map}
        self._models: dict[str, FunAudioChatForConditionalGeneration] = {}
        self._prompts = {case["id"]: case for case in self.index["processor_cases"]}

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """All recorded tensors by name."""
        from safetensors.torch import load_file

        found: dict[str, Tensor] = load_file(self._tensor_file)
        return found

    @cached_property
    def processor(self) -> FunAudioChatProcessor:
        """The checkpoint's processor."""
        return FunAudioChatProcessor.from_pretrained(self.checkpoint)

    def processor_for(self, chunk_length: int) -> FunAudioChatProcessor:
        """The same with another window of the feature extractor, in seconds."""
        own = self.processor
        mel = replace(own.mel, n_samples=chunk_length * own.mel.sampling_rate)
        return FunAudioChatProcessor(
            own.tokenizer, own.speech_tokenizer, mel, audio_group_size=own.audio_group_size
        )

    def model(self, dtype: str = "float32") -> FunAudioChatForConditionalGeneration:
        """The checkpoint's model."""
        if dtype not in self._models:
            self._models[dtype] = FunAudioChatForConditionalGeneration.from_pretrained(
                self.checkpoint, dtype=dtype, **self._options
            )
        return self._models[dtype]

    def wave(self, name: str) -> Samples:
        """A recorded waveform."""
        samples: Samples = self.tensors[f"wave.{name}"].numpy().astype(np.float32)
        return samples

    def prompt(self, name: str) -> Mapping[str, Any]:
        """The processor case of a prompt."""
        if name not in self._prompts:
            raise DataError(f"the index has no prompt {name!r}")
        case: Mapping[str, Any] = self._prompts[name]
        return case

    def inputs(self, *names: str, processor: FunAudioChatProcessor | None = None) -> dict[str, Tensor]:
        """The model's inputs for one prompt, or for several in a batch."""
        cases = [self.prompt(name) for name in names]
        waves = [self.wave(wave) for case in cases for wave in case["audio"]]
        batch = (processor or self.processor)(
            text=[case["templated_text"] for case in cases], audio=waves or None
        )
        return dict(batch)

    @torch.inference_mode()
    def forward(self, inputs: Mapping[str, Tensor], dtype: str = "float32") -> Any:
        """A plain forward."""
        return self.model(dtype)(**inputs)
