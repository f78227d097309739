"""Encoded audio to samples and back: what `fac_eval.audio` needs of libsndfile and soxr, as plain functions.

libsndfile alone is too forgiving for an evaluation: it reads half a file as a shorter one. What a container
tells about its length is therefore checked here.
"""

from __future__ import annotations

import operator
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from fac_eval.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

AudioFormat = Literal["wav", "flac", "mp3", "ogg", "opus"]
STORED_AS: dict[AudioFormat, str] = {
    "wav": "WAV/PCM_16",
    "flac": "FLAC/PCM_16",
    "mp3": "MP3/MPEG_LAYER_III",
    "ogg": "OGG/VORBIS",
    "opus": "OGG/OPUS",
}
"""Container and codec of each format that can be encoded, in libsndfile's words."""
RATES = (1_000, 192_000)
"""Sampling rates outside of this are taken for nonsense; libsndfile's Vorbis encoder crashes above."""

_CODEC_RATES = {
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
}
_DECODED = ("WAV", "WAVEX", "FLAC", "MP3", "OGG")
_CONVERT = "What is decoded is WAV, FLAC, MP3, Ogg Vorbis and Opus; convert it: ffmpeg -i INPUT OUTPUT.wav"
_NO_SOUND = "there is no sound in it (0 frames): empty or cut off."
_FETCH_AGAIN = "Fetch or produce the file again."
_MOST_CHANNELS = 64
_BLOCK = 2**20  # values decoded at a time, so that a lying header cannot claim memory
_WRITTEN = 2**16  # frames encoded at a time: libsndfile's Vorbis encoder overflows the stack on long writes
_ENDLESS = 2**35  # frames: no recording is that long, but headers of streamed FLAC come out so
_STREAMED_WAV = 0x7FFF0000  # bytes: data sizes from here on are placeholders of writers that cannot seek back
_MP3_SLACK = 2 * 1152  # frames: some encoders count their tag frame too
_MP3_TAIL = 2048  # bytes: one MP3 frame and an ID3v1 tag


@dataclass(frozen=True, slots=True)
class Header:
    """What a clip says about itself before it is decoded."""

    rate: int
    channels: int
    frames: int | None
    """`None` where the header does not promise a length, or only an estimate can be had."""
    stored_as: str


def checked_rate(rate: Any, name: str) -> int:
    """`rate` as an int, or an `AudioError` about the clip called `name`."""
    try:
        number = operator.index(rate)
    except TypeError:
        number = -1
    if not RATES[0] <= number <= RATES[1]:
        raise AudioError(
            f"{name}: {rate!r} is no sampling rate.",
            remedy=f"A rate is a whole number of Hz from {RATES[0]} to {RATES[1]}.",
        )
    return number


def fitting_rate(format: AudioFormat, rate: int) -> int:
    """The lowest rate from `rate` on that `format` can hold, or its highest."""
    if format == "flac" and rate > 65_535:  # its headers count such rates in tens of Hz
        return -(-rate // 10) * 10
    rates = _CODEC_RATES.get(format, (rate,))
    return next((held for held in rates if held >= rate), rates[-1])


def mono_copy(samples: NDArray[Any], name: str) -> Samples:
    """A mixed-down, checked, read-only float32 copy of samples that a caller holds."""
    import numpy as np

    given = np.asarray(samples)
    if given.dtype != np.int16 and given.dtype.kind != "f":
        problem, remedy = f"samples are {given.dtype}", "Give int16, or floats within -1 and 1."
    elif given.ndim not in (1, 2) or (given.ndim == 2 and not 0 < given.shape[1] <= _MOST_CHANNELS):
        problem, remedy = f"samples have the shape {given.shape}", "Give (n,) or (n, channels)."
    elif not len(given):
        problem, remedy = "there is not a single sample", "Leave the clip out instead."
    else:
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which is refused below
            mono = _mixed(np.array(given, dtype=np.float32).reshape(len(given), -1))
        return _finished(mono / np.float32(32_768) if given.dtype == np.int16 else mono, name)
    raise AudioError(f"{name}: {problem}.", remedy=remedy)


def read_header(stream: BinaryIO, name: str) -> Header:
    """What the start of an audio file tells, without decoding it."""
    with _sound(stream, name) as sound:
        container, frames = sound.format, sound.frames
        header = Header(sound.samplerate, sound.channels, frames, f"{container}/{sound.subtype}")
    if container not in _DECODED:
        raise AudioError(f"{name}: {container} files are not decoded.", remedy=f"{_CONVERT}.")
    if header.channels > _MOST_CHANNELS:
        raise AudioError(f"{name}: its header claims {header.channels} channels.", remedy=_FETCH_AGAIN)
    checked_rate(header.rate, name)
    if not frames:
        raise AudioError(f"{name}: {_NO_SOUND}", remedy=_FETCH_AGAIN)
    if frames >= _ENDLESS or (container == "MP3" and not _mp3_is_counted(stream)):
        return Header(header.rate, header.channels, None, header.stored_as)
    return header


def decode(data: bytes, header: Header, name: str) -> Samples:
    """All samples of an audio file, mixed down; an `AudioError` where some are missing."""
    stream = BytesIO(data)
    samples = _read_all(stream, name)
    container, promised = header.stored_as.split("/")[0], header.frames or 0
    if container == "MP3":
        promised -= _MP3_SLACK
        if header.frames is None and len(data) - stream.tell() > _MP3_TAIL:
            more = _read_all(BytesIO(_mp3_without_limit(data, header)), name)
            samples = more if len(more) > len(samples) + _MP3_SLACK else samples
    cut = (container == "OGG" and _ogg_is_cut(data)) or (container.startswith("WAV") and _wav_is_cut(data))
    if cut or len(samples) < promised:
        there = f"only {len(samples) / header.rate:.2f} s of its sound are there"
        raise AudioError(f"{name}: truncated: {there}.", remedy=_FETCH_AGAIN)
    return _finished(samples, name)


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """The samples at another rate, read-only."""
    import numpy as np
    import soxr

    resampled: Samples = np.asarray(soxr.resample(samples, rate, wanted, quality="HQ"), dtype=np.float32)
    if not len(resampled):  # a clip of a sample or two, which rounds to none
        resampled = samples[:1].copy()
    resampled.setflags(write=False)
    return resampled


def encode(samples: Samples, rate: int, format: AudioFormat) -> bytes:
    """Mono samples as the bytes of an audio file; what lies beyond -1 and 1 is clipped."""
    import numpy as np
    import soundfile

    container, subtype = STORED_AS[format].split("/")
    values: NDArray[Any] = np.clip(samples, -1, 1)
    if subtype == "PCM_16":  # rounded here, so that 16-bit samples come back exactly
        values = np.minimum(np.rint(values * 32_768), 32_767).astype("<i2")
    if format == "wav":
        body = values.tobytes()
        riff = struct.pack("<4sI4s", b"RIFF", 36 + len(body), b"WAVE")
        fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
        return riff + fmt + struct.pack("<4sI", b"data", len(body)) + body
    stream = BytesIO()
    with soundfile.SoundFile(stream, "w", rate, 1, subtype, format=container) as sound:
        for start in range(0, len(values), _WRITTEN):
            sound.write(values[start : start + _WRITTEN])
    return stream.getvalue()


def wav_is_plain(data: bytes) -> bool:
    """Whether a WAV file tells its true size; not every reader knows the placeholders of streamed ones."""
    promised, there, _ = _wav_sizes(data)
    return promised <= there


class _Steady:
    """A stream that stays where it is when a damaged header sends libsndfile to before its start."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.read, self.readinto, self.tell = stream.read, stream.readinto, stream.tell

    def seek(self, offset: int, whence: int = 0) -> None:
        try:
            self._stream.seek(offset, whence)
        except (ValueError, OSError):
            return


@cache
def _forward_reader() -> Any:
    """A `SoundFile` that never seeks.

    soundfile seeks after every read, which costs the MP3 decoder its bit reservoir and fails at the end of
    FLAC streams of unknown length.
    """
    import soundfile

    return type("ForwardReader", (soundfile.SoundFile,), {"seekable": staticmethod(lambda: False)})


@contextmanager
def _sound(stream: BinaryIO, name: str) -> Iterator[Any]:
    import soundfile

    start = stream.read(12)
    stream.seek(0)
    if not start:
        raise AudioError(f"{name}: the file is empty (0 bytes).", remedy=_FETCH_AGAIN)
    try:
        sound = _forward_reader()(_Steady(stream))
    except soundfile.LibsndfileError as error:
        if start[:4] in (b"fLaC", b"OggS") or start[:3] == b"ID3" or start[8:] == b"WAVE":
            problem = f"its header is damaged, cut off, or names an unknown codec ({error.error_string})"
            raise AudioError(f"{name}: {problem}", remedy=f"{_FETCH_AGAIN} {_CONVERT}.") from error
        raise AudioError(f"{name}: not an audio format that is decoded.", remedy=f"{_CONVERT}.") from error
    with sound:
        yield sound


def _read_all(stream: BinaryIO, name: str) -> Samples:
    import numpy as np
    import soundfile

    blocks: list[Samples] = []
    with _sound(stream, name) as sound:
        size = read = min(sound.frames + 1, _BLOCK // sound.channels)
        try:
            while read == size:
                block = sound.read(size, dtype="float32", always_2d=True)
                blocks.append(_mixed(block))
                read = len(block)
        except soundfile.LibsndfileError as error:
            message = f"{name}: truncated or corrupt: its sound cannot be decoded to the end."
            raise AudioError(message, remedy=_FETCH_AGAIN) from error
    return np.concatenate(blocks)  # a copy in any case: a block may hold far more memory than sound


def _mixed(block: Samples) -> Samples:
    """The mean of the columns; taken column by column, for numpy is slow along short rows."""
    mono = block[:, 0]
    for channel in range(1, block.shape[1]):
        mono = mono + block[:, channel]
    return mono / mono.dtype.type(block.shape[1]) if block.shape[1] > 1 else mono


def _finished(samples: Samples, name: str) -> Samples:
    import numpy as np

    if not len(samples):
        raise AudioError(f"{name}: {_NO_SOUND}", remedy=_FETCH_AGAIN)
    finite = np.isfinite(samples)
    if not finite.all():
        problem = f"{np.count_nonzero(~finite)} of {len(samples)} samples are NaN or infinite"
        raise AudioError(f"{name}: {problem}.", remedy="Repair or drop the clip.")
    samples = np.ascontiguousarray(samples)
    samples.setflags(write=False)
    return samples


def _wav_sizes(data: bytes) -> tuple[int, int, int]:
    """Of a RIFF file's sound: bytes promised, bytes there, bytes in a frame."""
    position, frame = 12, 1
    while data[:4] == b"RIFF" and position + 8 <= len(data):
        chunk, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if chunk == b"fmt ":
            frame = max(1, int.from_bytes(data[position + 12 : position + 14], "little"))
        if chunk == b"data":
            return size, len(data) - position, frame
        position += size + size % 2
    return 0, 0, frame


def _wav_is_cut(data: bytes) -> bool:
    promised, there, frame = _wav_sizes(data)
    return promised < _STREAMED_WAV and there // frame < promised // frame


def _ogg_is_cut(data: bytes) -> bool:
    """Whether the last page runs beyond the end; Ogg headers promise no length."""
    page = data[data.rfind(b"OggS") :]
    segments = page[26] if len(page) > 26 else 255
    return len(page) < 27 + segments + sum(page[27 : 27 + segments])


def _mp3_start(stream: BinaryIO) -> int:
    """Where the first frame starts, behind any ID3 tags."""
    position = 0
    while True:
        stream.seek(position)
        tag = stream.read(10)
        if tag[:3] != b"ID3" or len(tag) < 10:
            return position
        size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
        position += 10 + size + (10 if tag[5] & 0x10 else 0)


def _mp3_is_counted(stream: BinaryIO) -> bool:
    """Whether the first frame counts the others; if not, libsndfile guesses the length from its bit rate."""
    stream.seek(_mp3_start(stream))
    frame = stream.read(256)
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))


def _mp3_without_limit(data: bytes, header: Header) -> bytes:
    """The file behind a frame that promises more than can be there, so that libsndfile reads to the end.

    It stops at the length it guessed, far too early where a variable bit rate starts high.
    """
    start = _mp3_start(BytesIO(data))
    first = data[start : start + 4].ljust(4, b"\0")
    full = first[1] >> 3 & 3 == 3  # MPEG 1; 2 and 2.5 have half the frame and other tables
    bit_rate = 5 if full else 8  # the index of 64 kbit/s
    side = {(True, 1): 17, (True, 2): 32, (False, 1): 9, (False, 2): 17}[full, header.channels]
    frame = bytes((first[0], first[1] | 1, first[2] & 0x0C | bit_rate << 4, first[3])) + bytes(side)
    frame += b"Info" + struct.pack(">II", 1, 2**31 - 1)
    return frame.ljust((144 if full else 72) * 64_000 // header.rate, b"\0") + data[start:]
