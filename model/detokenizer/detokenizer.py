"""`SpeechDetokenizer`: speech codes to a 24 kHz waveform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor

from fac_eval.errors import UnknownName, UsageError

from .config import DetokenizerConfig, read_config
from .driver import Budget, Engine, Segment, speak_all, split_segments
from .loading import DEFAULT_SPEAKER, load_flow, load_hift, load_speakers, locate, weights_file
from .noise import SourceNoise, flow_noise
from .stream import SpeechStream, StreamSettings
from .tensor_files import LoadedFile, describe_file
from .worker import SpeechWorker

Speaker = str | Tensor
"""A name in the file of speakers, or a vector `[1, 192]`."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}

# A GPU is full with minutes of speech at once. A CPU is with seconds, and more only falls out of its cache.
# The two networks differ in what one code costs.
_ON_CPU = ((8, 500), (8, 250))
_ON_DEVICE = ((32, 8 * 750), (32, 8 * 750))


class SpeechDetokenizer:
    """Turns speech codes into sound: whole utterances, batches of them, or chunks while the codes still come.

    Equal codes make equal sound: all noise is fixed. Ids that are no speech codes (those that begin, end or pad a
    reply) are passed over, as in the published driver. Waveforms are float32 on the CPU, `[samples]`.
    """

    def __init__(
        self,
        engine: Engine,
        config: DetokenizerConfig,
        speaker: Tensor,
        *,
        speakers: dict[str, Tensor] | None = None,
        files: Sequence[LoadedFile] = (),
    ) -> None:
        """For networks at hand; `from_pretrained` loads them."""
        self.config = config
        self.files = tuple(files)
        self._engine = engine
        self._speaker = speaker
        self._speakers = dict(speakers or {})
        limits = _ON_CPU if engine.device.type == "cpu" else _ON_DEVICE
        self._budgets = (Budget(*limits[0]), Budget(*limits[1]))

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: str | torch.device = "auto",
        dtype: Literal["float32", "bfloat16"] = "float32",
        f0_dtype: Literal["float64", "float32"] = "float64",
        speaker: Speaker = DEFAULT_SPEAKER,
        speakers: str | Path | None = None,
    ) -> Self:
        """Load `flow` and `hift` from a folder of Fun-CosyVoice3-0.5B-2512, or of `write_random_vocoder`.

        Args:
            folder: Where `flow.pt` and `hift.pt` (or `.safetensors`) are; or a hub id, `owner/name@revision`.
            device: `auto` is the first GPU if there is one.
            dtype: Of the weights; the published pipeline runs in float32.
            f0_dtype: Of the pitch network. float32 is what the submodule that Fun-Audio-Chat pins does, float64
                what later versions do, and independent of the device.
            speaker: The voice where a call names none.
            speakers: The file of speaker vectors, if it is neither in `folder` nor fetched by `fac-eval prepare`.

        Raises:
            UsageError: The place is neither a folder nor a hub id.
            MissingResource: Its weights or the speakers are not there.
            AssetError: A file is damaged, holds code, or is of another model; the message names what.
        """
        folder = locate(folder)
        place = _device(device)
        config = read_config(folder)
        voices: dict[str, Tensor] = {}
        if speakers is not None or not isinstance(speaker, Tensor):
            voices = load_speakers(folder, None if speakers is None else Path(speakers))
        vector = _vector(speaker, voices, config)
        engine = Engine(
            load_flow(folder, config, place, _dtype(dtype, "float32", "bfloat16")),
            load_hift(folder, config, place, _DTYPES[dtype], _dtype(f0_dtype, "float64", "float32")),
            flow_noise(config.flow.output_size).to(place),
            SourceNoise(config.hift.nb_harmonics + 1),
        )
        with torch.inference_mode():
            engine.flow.prepare()
        files = [describe_file(weights_file(folder, part)) for part in ("flow", "hift")]
        return cls(engine, config, vector, speakers=voices, files=files)

    @property
    def sample_rate(self) -> int:
        """Samples per second of the waveforms."""
        return self.config.hift.sampling_rate

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._engine.device

    @property
    def speakers(self) -> tuple[str, ...]:
        """The voices that can be named."""
        return tuple(self._speakers)

    def decode(self, codes: Iterable[int], *, speaker: Speaker | None = None) -> Tensor:
        """The waveform of one utterance; empty if there are no speech codes in it."""
        return self.decode_batch([codes], speakers=[speaker])[0]

    @torch.inference_mode()
    def decode_batch(
        self, utterances: Sequence[Iterable[int]], *, speakers: Sequence[Speaker | None] | None = None
    ) -> list[Tensor]:
        """The waveform of each utterance, as `decode` gives it up to rounding.

        Utterances over 30 seconds are cut into segments, as the published driver does, and the segments of all
        utterances are worked on together. Where memory runs out, fewer are.

        Raises:
            ModelOutOfMemory: A single segment does not fit.
        """
        voices = [None] * len(utterances) if speakers is None else speakers
        segments: list[Segment] = []
        owners: list[int] = []
        for number, (codes, voice) in enumerate(zip(utterances, voices, strict=True)):
            vector = self._voice(voice)
            for part in split_segments(self.speech_codes(codes)):
                segments.append(Segment(part, vector))
                owners.append(number)
        pieces: list[list[Tensor]] = [[] for _ in utterances]
        for owner, wave in zip(owners, speak_all(self._engine, segments, *self._budgets), strict=True):
            pieces[owner].append(wave.cpu())
        return [torch.cat(waves) if waves else torch.zeros(0) for waves in pieces]

    def open_stream(
        self, *, speaker: Speaker | None = None, settings: StreamSettings | None = None
    ) -> SpeechStream:
        """A stream that takes codes and gives chunks of the waveform; one for each utterance."""
        return SpeechStream(self._engine, self._voice(speaker), settings or StreamSettings())

    def stream(
        self, codes: Iterable[int], *, speaker: Speaker | None = None, settings: StreamSettings | None = None
    ) -> Iterator[Tensor]:
        """Chunks of the waveform while `codes` come."""
        stream = self.open_stream(speaker=speaker, settings=settings)
        for code in codes:
            yield from stream.push([code])
        yield from stream.finish()

    def worker(self, max_batch: int = 8) -> SpeechWorker:
        """A thread that speaks what is submitted while the caller goes on; use it in a `with` statement."""
        return SpeechWorker(self, max_batch)

    def speech_codes(self, ids: Iterable[int]) -> list[int]:
        """The speech codes among `ids`, in order."""
        return [code for code in map(int, ids) if 0 <= code < self.config.flow.vocab_size]

    def _voice(self, speaker: Speaker | None) -> Tensor:
        return self._speaker if speaker is None else _vector(speaker, self._speakers, self.config)


def _vector(speaker: Speaker, voices: Mapping[str, Tensor], config: DetokenizerConfig) -> Tensor:
    if not isinstance(speaker, Tensor):
        if speaker not in voices:
            raise UnknownName("speaker", speaker, voices)
        return voices[speaker]
    if speaker.numel() != config.flow.spk_embed_dim:
        raise UsageError(
            f"a speaker vector has {config.flow.spk_embed_dim} numbers, not {list(speaker.shape)}"
        )
    return speaker.reshape(1, -1)


def _device(device: str | torch.device) -> torch.device:
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def _dtype(name: str, *known: str) -> torch.dtype:
    if name not in known:
        raise UsageError(f"dtype {name!r} is not one of {', '.join(known)}")
    return _DTYPES[name]
