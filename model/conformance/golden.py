"""A golden set of the model as read: index, tensors, and the checkpoint that made them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
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
from .tolerance import Tolerances

_REQUIRED = ("waveforms", "processor_cases", "tensors")


class GoldenModel:
    """The set behind an index file. Models are loaded once for each dtype and attention asked for."""

    def __init__(self, index: Path, *, attn_implementation: str = "sdpa", device_map: Any = None) -> None:
        try:
            self.index: dict[str, Any] = json.loads(index.read_text("utf-8"))
            header = self.index["header"]
            self.checkpoint = index.parent / header["checkpoint"]
            self._tensor_file = index.parent / header["tensor_file"]
            self.tolerances = Tolerances(header["tolerance"])
        except (OSError, ValueError) as error:
            raise DataError(f"{index}: cannot be read: {error}") from error
        except (KeyError, TypeError) as error:
            raise DataError(f"{index}: is no index of a recorded set: {error!r}") from error
        missing = [name for name in _REQUIRED if name not in self.index]
        if missing:
            raise DataError(f"{index}: is no index of a recorded set: it has no {', '.join(missing)}")
        self._options = {"attn_implementation": attn_implementation, "device_map": device_map}
        self._models: dict[str, FunAudioChatForConditionalGeneration] = {}
        self._prompts = {case["id"]: case for case in self.index["processor_cases"]}

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """All recorded tensors by name."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found: dict[str, Tensor] = load_file(self._tensor_file)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{self._tensor_file}: cannot be read: {error}") from error
        return found

    @cached_property
    def processor(self) -> FunAudioChatProcessor:
        """The checkpoint's processor."""
        return FunAudioChatProcessor.from_pretrained(self.checkpoint)

    def processor_for(self, chunk_length: int) -> FunAudioChatProcessor:
        """The same with another window of the feature extractor, in seconds."""
        other = copy.copy(self.processor)
        other.mel = replace(other.mel, n_samples=chunk_length * other.mel.sampling_rate)
        return other

    def model(self, dtype: str = "float32") -> FunAudioChatForConditionalGeneration:
        """The checkpoint's model."""
        if dtype not in self._models:
            self._models[dtype] = FunAudioChatForConditionalGeneration.from_pretrained(
                self.checkpoint, dtype=dtype, **self._options
            )
        return self._models[dtype]

    def wave(self, name: str) -> Samples:
        """A recorded waveform."""
        if f"wave.{name}" not in self.tensors:
            raise DataError(f"the set has no waveform {name!r}")
        samples: Samples = self.tensors[f"wave.{name}"].numpy().astype(np.float32)
        return samples

    def what(self, name: str) -> str:
        """What the index says of a tensor."""
        entry = self.index["tensors"].get(name, "")
        return str(entry.get("what", "") if isinstance(entry, Mapping) else entry)

    def prompt(self, name: str) -> Mapping[str, Any]:
        """The processor case of a prompt."""
        if name not in self._prompts:
            raise DataError(f"the index has no prompt {name!r}")
        case: Mapping[str, Any] = self._prompts[name]
        return case

    def rows(self, prompt: str) -> list[str]:
        """The prompts of a case: one, or those of a batch joined by plus signs."""
        return [prompt] if prompt in self._prompts else prompt.split("+")

    def prompts_in(self, text: str) -> list[str]:
        """The prompts that a description names, in its order."""
        return named(text, self._prompts)

    def run_in(self, text: str) -> Mapping[str, Any] | None:
        """The generation that a description names, if it names one."""
        runs = {case["id"]: case for case in self.index.get("generate_cases", ())}
        found = named(text, runs)
        return runs[found[0]] if found else None

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


def named(text: str, names: Iterable[str]) -> list[str]:
    """Which of `names` a text mentions as whole words, in its order; of two that begin alike the longer one counts."""
    choices = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.findall(rf"(?<!\w)(?:{choices})(?!\w)", text) if choices else []
