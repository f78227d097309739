"""`FunAudioChatProcessor`: a conversation and its clips to what the model's forward takes.

Each `<|AUDIO|>` of the text becomes as many copies as its clip has 5 Hz groups.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BatchFeature, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from fac_eval.errors import AssetError, AudioError

from .mel import LogMel, MelSettings, Samples, log_mel
from .prompts import AUDIO, AUDIO_BOS, AUDIO_EOS, AUDIO_PAD, CHATML

logger = logging.getLogger(__name__)

FRAME_RATE = 25
SPEECH_FOLDER = "speech_tokenizer"

AudioInput = Any
"""A 1-D array at 16 kHz, or the reference's JSON text `{"path": ..., "token": ...}`."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip as the model takes it: its speech ids (pads where there is a waveform) and its log-mel."""

    speech_ids: tuple[int, ...]
    mel: LogMel | None

    def groups(self, size: int) -> int:
        """How many `<|AUDIO|>` positions it fills."""
        return -(-len(self.speech_ids) // size)


class FunAudioChatProcessor:
    """Tokenizer, speech tokenizer and log-mel of a checkpoint behind the reference's call signatures."""

    attributes = ("feature_extractor", "speech_tokenizer", "tokenizer")

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        speech_tokenizer: PreTrainedTokenizerBase,
        mel: MelSettings,
        *,
        audio_token: str = AUDIO,
        audio_bos_token: str = AUDIO_BOS,
        audio_eos_token: str = AUDIO_EOS,
        audio_pad_token: str = AUDIO_PAD,
        audio_group_size: int = 5,
    ) -> None:
        self.tokenizer: Any = tokenizer
        self.speech_tokenizer: Any = speech_tokenizer
        self.mel = mel
        self.audio_token, self.audio_pad_token = audio_token, audio_pad_token
        self.audio_bos_token, self.audio_eos_token = audio_bos_token, audio_eos_token
        self.audio_group_size = audio_group_size
        self.tokenizer.padding_side = "left"  # rows of a batch end where generation begins
        self._told_of_length = False

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike[str], **kwargs: Any) -> FunAudioChatProcessor:
        """Read the processor of a checkpoint: a folder, or a hub id with an optional `revision`."""
        from .checkpoint import locate

        folder = locate(path, revision=kwargs.get("revision"), weights=False)
        settings = _read_json(folder / "processor_config.json")
        options = {
            name: settings[name]
            for name in (
                "audio_token",
                "audio_bos_token",
                "audio_eos_token",
                "audio_pad_token",
                "audio_group_size",
            )
            if name in settings
        }
        speech_folder = folder / SPEECH_FOLDER
        if not speech_folder.is_dir():
            raise AssetError(
                f"{folder}: the folder {SPEECH_FOLDER}/ is missing", remedy="A checkpoint needs it."
            )
        if "audio_group_size" not in options:
            options["audio_group_size"] = _read_json(speech_folder / "tokenizer_config.json").get(
                "audio_group_size", 5
            )
        tokenizer = _tokenizer(folder)
        if getattr(tokenizer, "chat_template", None) is None:
            tokenizer.chat_template = CHATML
        return cls(tokenizer, _tokenizer(speech_folder), MelSettings.read(folder), **options)

    @property
    def sampling_rate(self) -> int:
        """The rate that clips must have, in Hz."""
        return self.mel.sampling_rate

    def apply_chat_template(
        self,
        conversation: Sequence[dict[str, Any]],
        chat_template: str | None = None,
        *,
        add_generation_prompt: bool = False,
        tokenize: bool = False,
        **kwargs: Any,
    ) -> Any:
        """A conversation of `{"role", "content"}` in the form that the model was trained on."""
        return self.tokenizer.apply_chat_template(
            conversation,
            chat_template=chat_template,
            add_generation_prompt=add_generation_prompt,
            tokenize=tokenize,
            **kwargs,
        )

    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        audio: Sequence[AudioInput] | None = None,
        *,
        sampling_rate: int | None = None,
        return_tensors: str = "pt",
        padding: Any = True,
        **kwargs: Any,
    ) -> BatchFeature:
        """The model's inputs for one or several texts and, in the order of their placeholders, all their clips.

        Args:
            text: Templated conversations.
            audio: One entry an `<|AUDIO|>`: 1-D samples at 16 kHz, or the JSON text of a discrete turn.
            sampling_rate: The rate of the samples where it is not 16 kHz; they are resampled.
            return_tensors: Only `pt`.
            padding: As for a tokenizer; rows are padded on the left.
        """
        if text is None:
            raise ValueError("a processor call needs `text`")
        if return_tensors != "pt":
            raise ValueError(f"return_tensors must be 'pt', got {return_tensors!r}")
        texts = [text] if isinstance(text, str) else list(text)
        clips = [] if audio is None else self.clips(audio, sampling_rate=sampling_rate)
        if audio is not None:
            texts = self.expand(texts, clips)
        kwargs.pop("audio_kwargs", None)
        tokens = self.tokenizer(texts, return_tensors="pt", padding=padding, **kwargs)
        data = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
        if clips:
            data |= self.clip_tensors(clips)
        return BatchFeature(data=data)

    def clips(self, audio: Sequence[AudioInput], *, sampling_rate: int | None = None) -> list[Clip]:
        """Each clip's speech ids and log-mel."""
        if isinstance(audio, str | np.ndarray | torch.Tensor):
            raise TypeError("`audio` must be a list of clips, one for each placeholder, not a bare clip")
        return [self._clip(entry, sampling_rate) for entry in audio]

    def expand(self, texts: Sequence[str], clips: Sequence[Clip]) -> list[str]:
        """Each placeholder as many times as its clip has groups, wrapped in its marks unless one is there."""
        found = sum(text.count(self.audio_token) for text in texts)
        if found != len(clips):
            raise ValueError(
                f"Found {found} {self.audio_token} token{'s' if found > 1 else ''} in provided text "
                f"but received {len(clips)} audio{'s' if len(clips) > 1 else ''}"
            )
        rest = iter(clips)
        expanded = []
        for text in texts:
            before, *afters = text.split(self.audio_token)
            out = before
            for after in afters:
                copies = self.audio_token * next(rest).groups(self.audio_group_size)
                if not before.endswith(self.audio_bos_token) and not after.startswith(self.audio_eos_token):
                    copies = self.audio_bos_token + copies + self.audio_eos_token
                out += copies + after
                before = after
            expanded.append(out)
        return expanded

    def clip_tensors(self, clips: Sequence[Clip], *, padded: bool = True) -> dict[str, torch.Tensor]:
        """The batch tensors of clips, padded to the extractor's window as the reference does, or to the longest."""
        size = self.audio_group_size
        width = max(clip.groups(size) for clip in clips) * size
        ids = torch.full((len(clips), width), self.speech_pad_id)
        mask = torch.zeros((len(clips), width), dtype=torch.int64)
        for row, clip in enumerate(clips):
            ids[row, : len(clip.speech_ids)] = torch.tensor(clip.speech_ids, dtype=torch.int64)
            mask[row, : len(clip.speech_ids)] = 1
        data = {"speech_ids": ids, "speech_attention_mask": mask}
        mels = [clip.mel for clip in clips if clip.mel is not None]
        if mels:
            frames = self.mel.frames if padded else max(mel.columns.shape[1] for mel in mels)
            valid = torch.tensor([mel.columns.shape[1] for mel in mels])
            data["input_features"] = torch.stack([mel.padded(frames) for mel in mels])
            data["feature_attention_mask"] = (torch.arange(frames) < valid[:, None]).to(torch.int32)
            data["feature_exist_mask"] = torch.tensor([clip.mel is not None for clip in clips])
        return data

    @property
    def speech_pad_id(self) -> int:
        """The id that stands for a frame of which only the waveform is known."""
        return int(self.speech_tokenizer.convert_tokens_to_ids(self.audio_pad_token))

    def frames(self, samples: int) -> int:
        """25 Hz frames of a clip. In floating point and in this order, as the reference counts: 18560 gives 28."""
        return int(samples / self.sampling_rate * FRAME_RATE)

    def batch_decode(self, *args: Any, **kwargs: Any) -> list[str]:
        """As the text tokenizer's."""
        return list(self.tokenizer.batch_decode(*args, **kwargs))

    def decode(self, *args: Any, **kwargs: Any) -> str:
        """As the text tokenizer's."""
        return str(self.tokenizer.decode(*args, **kwargs))

    def _clip(self, entry: AudioInput, rate: int | None) -> Clip:
        if isinstance(entry, str | bytes | bytearray):
            return self._recorded_turn(json.loads(entry))
        if np.ndim(entry) == 0:
            raise TypeError(f"a clip must be a 1-D array of samples, got the number {entry!r}")
        samples = np.asarray(entry, dtype=np.float32)
        if samples.ndim != 1:
            raise AudioError(
                f"a clip must be 1-D (mono), got an array of shape {samples.shape}",
                remedy="Mix it down first.",
            )
        if rate is not None and rate != self.sampling_rate:
            from fac_eval.audio import Audio

            samples = Audio.from_samples(samples, rate).samples(self.sampling_rate)
        return Clip((self.speech_pad_id,) * self.frames(len(samples)), self._mel(samples))

    def _recorded_turn(self, turn: dict[str, str]) -> Clip:
        ids = tuple(self.speech_tokenizer.encode(turn.get("token") or "", add_special_tokens=False))
        path = turn.get("path")
        if not path:
            return Clip(ids, None)
        from fac_eval.audio import Audio

        samples = Audio.from_file(path).samples(self.sampling_rate)
        return Clip(ids or (self.speech_pad_id,) * self.frames(len(samples)), self._mel(samples))

    def _mel(self, samples: Samples) -> LogMel:
        if not np.isfinite(samples).all():
            raise AudioError("a clip holds samples that are not finite (NaN or infinity)")
        if len(samples) > self.mel.n_samples and not self._told_of_length:
            self._told_of_length = True
            logger.warning(
                "a clip of %.1f s exceeds the %.0f s that this checkpoint hears: the rest keeps its placeholders "
                "but is silent; said once",
                len(samples) / self.sampling_rate,
                self.mel.n_samples / self.sampling_rate,
            )
        return log_mel(samples, self.mel)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    # The generic class takes tokenizer.json as it is, and does not ask what model the folder's config.json names.
    kind: Any = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
    try:
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise AssetError(f"{folder}: the tokenizer cannot be read: {error}") from error
    return tokenizer


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise AssetError(f"{path}: is no JSON: {error}") from error
    return values
