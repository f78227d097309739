"""Speech for the sample sets: free synthesizers, and clips that are the same bytes whenever they are made again."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLE_RATE = 16_000
ESPEAK_PREFIX = "espeak-ng:"
"""What a voice of eSpeak NG is written with, e.g. `espeak-ng:cmn` for Mandarin; all others are Flite's."""


class SampleDataError(Exception):
    """The sample data cannot be made as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How libsndfile writes a clip, and the suffix of its file name."""

    container: str
    subtype: str
    suffix: str
    compression: float | None = None


# Compression 0.985 is about 11 kbit/s for Opus: clear speech, and small enough for a repository.
FORMATS = {
    "opus": AudioFormat("OGG", "OPUS", ".ogg", 0.985),
    "vorbis": AudioFormat("OGG", "VORBIS", ".ogg", 1.0),
    "flac": AudioFormat("FLAC", "PCM_16", ".flac"),
    "wav": AudioFormat("WAV", "PCM_16", ".wav"),
}


class Flite:
    """The Flite program, as a speaker of sentences."""

    def __init__(self, program: str) -> None:
        self._program = _found(program, "Flite", "flite")
        self._voices = _run([self._program, "-lv"]).partition(":")[2].split()

    def speak(self, text: str, voice: str) -> npt.NDArray[np.int16]:
        """Return the 16-bit samples, at SAMPLE_RATE, of a voice that reads the text."""
        if voice not in self._voices:
            raise SampleDataError(f"Flite has no voice {voice!r}; it has: {', '.join(self._voices)}")
        samples, rate = _spoken([self._program, "-voice", voice, "-t", text, "-o"])
        if rate != SAMPLE_RATE:
            raise SampleDataError(f"voice {voice!r} speaks at {rate} Hz; choose one of {SAMPLE_RATE} Hz")
        return samples


class Espeak:
    """The eSpeak NG program, for the languages that Flite does not speak."""

    def __init__(self, program: str) -> None:
        self._program = _found(program, "eSpeak NG", "espeak-ng")

    def speak(self, text: str, voice: str) -> npt.NDArray[np.int16]:
        """Return the 16-bit samples, at SAMPLE_RATE, of a voice that reads the text."""
        import numpy as np
        import soxr

        samples, rate = _spoken([self._program, "-v", voice, text, "-w"])
        resampled = soxr.resample(samples.astype(np.float32) / 32768, rate, SAMPLE_RATE)
        speech: npt.NDArray[np.int16] = np.clip(np.rint(resampled * 32768), -32768, 32767).astype(np.int16)
        return speech


class Speaker:
    """Flite, and eSpeak NG for the voices that are named so."""

    def __init__(self, flite: str, espeak: str) -> None:
        self._flite = Flite(flite)
        self._espeak_program = espeak

    @cached_property
    def _espeak(self) -> Espeak:
        return Espeak(self._espeak_program)

    def speak(self, text: str, voice: str) -> npt.NDArray[np.int16]:
        """Return the 16-bit samples, at SAMPLE_RATE, of a voice that reads the text."""
        if voice.startswith(ESPEAK_PREFIX):
            return self._espeak.speak(text, voice.removeprefix(ESPEAK_PREFIX))
        return self._flite.speak(text, voice)


def _found(program: str, name: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise SampleDataError(
            f"the speech synthesizer {program!r} was not found; install {name} (Debian and Ubuntu: "
            f"apt-get install {package}) or name the program with --{package}"
        )
    return found


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SampleDataError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def _spoken(command: Sequence[str]) -> tuple[npt.NDArray[np.int16], int]:
    """The samples, and their rate, that a command writes to the file named after it."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        _run([*command, str(wav)])
        samples, rate = soundfile.read(wav, dtype="int16")
    return samples, rate


def encode(samples: npt.NDArray[np.int16], audio_format: AudioFormat) -> bytes:
    """Encode a clip; the same samples always give the same bytes."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        samples,
        SAMPLE_RATE,
        format=audio_format.container,
        subtype=audio_format.subtype,
        compression_level=audio_format.compression,
    )
    encoded = buffer.getvalue()
    return with_fixed_serial(encoded) if audio_format.container == "OGG" else encoded


def with_fixed_serial(ogg: bytes, serial: int = 1) -> bytes:
    """Replace the stream number of a one-stream Ogg file, which libsndfile draws at random."""
    out = bytearray(ogg)
    start = 0
    while start < len(out):
        if out[start : start + 4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {start}")
        segments = out[start + 26]
        body = start + 27 + segments
        end = body + sum(out[start + 27 : body])
        struct.pack_into("<I", out, start + 14, serial)
        struct.pack_into("<I", out, start + 22, 0)
        struct.pack_into("<I", out, start + 22, _ogg_checksum(out[start:end]))
        start = end
    return bytes(out)


def _ogg_checksum(page: bytes | bytearray) -> int:
    table = _ogg_checksum_table()
    checksum = 0
    for byte in page:
        checksum = (checksum << 8) & 0xFFFFFFFF ^ table[checksum >> 24 ^ byte]
    return checksum


@cache
def _ogg_checksum_table() -> tuple[int, ...]:
    """The byte table of Ogg's CRC: polynomial 0x04C11DB7, most significant bit first."""
    table = []
    for byte in range(256):
        remainder = byte << 24
        for _ in range(8):
            remainder = (remainder << 1) & 0xFFFFFFFF ^ (0x04C11DB7 if remainder >> 31 else 0)
        table.append(remainder)
    return tuple(table)
