"""`Audio`: a lazy clip, immutable and known by its content.

Nothing is read, decoded or encoded before it is asked for, and then once: clips of equal content share the
results through one bounded cache. Down-mixing is the mean of the channels; resampling is soxr "HQ".
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar

from fac_eval import _audio_codec as codec
from fac_eval._audio_codec import AudioFormat, Header
from fac_eval.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from numpy.typing import NDArray

    from fac_eval._audio_codec import Samples

__all__ = ["CACHE_BYTES", "Audio", "AudioFormat"]

CACHE_BYTES = 64 * 2**20
"""Bound of the process-wide cache; a single result of more than half of it is not kept."""

_T = TypeVar("_T")


class Audio:
    """A clip of sound, given as a file, as encoded bytes, as samples, or by its content hash alone.

    Equal content means equal `key`, `==` and `hash`. Whatever is wrong with a file or its bytes shows as an
    `AudioError` when the sound is first needed, so that one bad clip does not stop a data set from loading.
    """

    __slots__ = ("_array", "_bytes", "_header", "_key", "_name", "_path", "_seconds")

    def __init__(
        self,
        name: str,
        *,
        path: str | None = None,
        data: bytes | None = None,
        array: Samples | None = None,
        key: str | None = None,
        seconds: float | None = None,
        header: Header | None = None,
    ) -> None:
        """Not for callers, who have the four class methods below."""
        self._name, self._path, self._bytes, self._array = name, path, data, array
        self._key, self._seconds, self._header = key, seconds, header

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """The clip in an audio file. Nothing is read yet, not even whether the file exists."""
        return cls(os.fspath(path), path=os.path.abspath(path))

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str = "audio") -> Self:
        """The clip in the bytes of an audio file; `name` is what messages call it."""
        return cls(name, data=bytes(data))

    @classmethod
    def from_samples(cls, samples: NDArray[Any], rate: int) -> Self:
        """The clip with these samples, `(n,)` or `(n, channels)`, int16 or float within -1 and 1; copied."""
        name = "audio from samples"
        rate = codec.checked_rate(rate, name)
        mono = codec.mono_copy(samples, name)
        key = _digest(f"{rate}:".encode(), mono.astype("<f4", copy=False).data)
        return cls(name, array=mono, key=key, header=Header(rate, 1, len(mono), "samples"))

    @classmethod
    def reference(cls, key: str, *, seconds: float | None = None, rate: int | None = None) -> Self:
        """A clip whose sound is not here: what is given can be asked for, the rest is an `AudioError`."""
        clip = cls(f"audio {key}", key=key, seconds=seconds)
        if rate is not None:
            clip._header = Header(codec.checked_rate(rate, clip._name), 1, None, "reference")
        return clip

    @property
    def key(self) -> str:
        """Content hash (hex, 16-byte blake2b): of the encoded bytes as given, or of rate and samples."""
        if self._key is None and self._path is not None:
            self._read_file(self._path)  # which takes the hash of what it reads
        if self._key is None:
            self._key = _digest(self.data())
        return self._key

    @property
    def seconds(self) -> float:
        """Length, from the header; from decoding only where the header does not tell it."""
        if self._seconds is None:
            header = self._head()
            frames = len(self.samples()) if header.frames is None else header.frames
            self._seconds = frames / header.rate
        return self._seconds

    @property
    def rate(self) -> int:
        """Native sampling rate in Hz."""
        return self._head().rate

    @property
    def channels(self) -> int:
        """Channels as stored (1 for a clip given as samples); what comes out is always mono."""
        self._need_sound()
        return self._head().channels

    def samples(self, rate: int | None = None) -> Samples:
        """Mono float32 samples at `rate` (default: native), in a read-only array."""
        return self._samples(rate, self._first_read())

    def encoded(self, format: AudioFormat = "wav", rate: int | None = None) -> bytes:
        """The clip as mono bytes of `format` (wav and flac hold 16 bits) at `rate`, in Hz.

        Without `rate` it is the native one, or the nearest higher one that the format can hold. Bytes that
        were given in just this form come back untouched.
        """
        if format not in codec.STORED_AS:
            formats = ", ".join(codec.STORED_AS)
            raise AudioError(f"{self._name}: {format!r} cannot be encoded.", remedy=f"Formats: {formats}.")
        data = self._first_read()
        native = self._head(data).rate
        wanted = codec.fitting_rate(format, native) if rate is None else self._held_rate(format, rate)
        return _cache.get((self.key, format, wanted), lambda: self._encode(format, wanted, data))

    def data(self) -> bytes:
        """The encoded bytes as given; for samples 16-bit FLAC at their rate, WAV if FLAC has no such rate."""
        if self._bytes is not None:
            return self._bytes
        if self._path is not None:
            return self._read_file(self._path)
        self._need_sound()
        return self.encoded("flac" if codec.fitting_rate("flac", self.rate) == self.rate else "wav")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        return self is other or self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<Audio {self._name!r}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for slot, value in state[1].items():
            setattr(self, slot, value)
        if self._array is not None:
            self._array.setflags(write=False)

    def _read_file(self, path: str) -> bytes:
        with _opened(path, self._name) as file:
            data = file.read()
        key = _digest(data)
        changed = self._key is not None and key != self._key
        if self._key is None and self._header is not None:
            changed = codec.read_header(BytesIO(data), self._name) != self._header
        if changed:
            raise AudioError(
                f"{self._name}: the file changed while it was in use.",
                remedy="Leave audio files alone until the run is over, then run again.",
            )
        self._key = key
        return data

    def _first_read(self) -> bytes | None:
        """The bytes where they are at hand or have to be read for the key anyway."""
        self._need_sound()
        return self.data() if self._path is not None and self._key is None else self._bytes

    def _head(self, data: bytes | None = None) -> Header:
        if self._header is None:
            data = self._bytes if data is None else data
            if data is not None:
                self._header = codec.read_header(BytesIO(data), self._name)
            else:
                self._need_sound()
                with _opened(str(self._path), self._name) as file:
                    self._header = codec.read_header(file, self._name)
        return self._header

    def _samples(self, rate: int | None, data: bytes | None) -> Samples:
        native = self._head(data).rate
        wanted = native if rate is None else codec.checked_rate(rate, self._name)
        if wanted != native:
            return _cache.get(
                (self.key, wanted), lambda: codec.resample(self._samples(None, data), native, wanted)
            )
        if self._array is not None:
            return self._array
        return _cache.get((self.key, native), lambda: self._decode(data))

    def _decode(self, data: bytes | None) -> Samples:
        return codec.decode(self.data() if data is None else data, self._head(), self._name)

    def _held_rate(self, format: AudioFormat, rate: int) -> int:
        wanted = codec.checked_rate(rate, self._name)
        nearest = codec.fitting_rate(format, wanted)
        if wanted != nearest:
            message = f"{self._name}: {format} cannot hold a rate of {wanted} Hz."
            raise AudioError(message, remedy=f"The nearest that it can is {nearest} Hz.")
        return wanted

    def _encode(self, format: AudioFormat, rate: int, data: bytes | None) -> bytes:
        if data is None and self._path is not None:
            data = self.data()
        samples = self._samples(rate, data)  # also for bytes that pass through: broken ones must not
        header = self._head()
        given_so = (header.stored_as, header.channels, header.rate) == (codec.STORED_AS[format], 1, rate)
        if data is not None and given_so and (format != "wav" or codec.wav_is_plain(data)):
            return data
        return codec.encode(samples, rate, format)

    def _need_sound(self) -> None:
        if self._path is None and self._bytes is None and self._array is None:
            raise AudioError(
                f"{self._name}: only the content hash of this clip is known here, its sound is not.",
                remedy="Open the data set or the store that holds it.",
            )


@dataclass(slots=True)
class _Gate:
    """Lets one thread make a value while others that want the same one wait for it."""

    lock: Lock = field(default_factory=Lock)
    users: int = 0
    value: Any = None


class _Cache:
    """A thread-safe LRU of arrays and bytes, bounded by their size; no value is made twice at a time."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._gates: dict[Hashable, _Gate] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """The value kept under `key`, made with `make` where there is none."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                kept: _T = self._values[key]
                return kept
            gate = self._gates.setdefault(key, _Gate())
            gate.users += 1
        try:
            with gate.lock:
                if gate.value is None:
                    gate.value = make()
                    self._keep(key, gate.value)
                value: _T = gate.value
                return value
        finally:
            with self._lock:
                gate.users -= 1
                if not gate.users:
                    del self._gates[key]

    def _keep(self, key: Hashable, value: Any) -> None:
        size = _size(value)
        if 2 * size > self._limit:
            return
        with self._lock:
            self._values[key] = value
            self._held += size
            while self._held > self._limit:
                self._held -= _size(self._values.popitem(last=False)[1])


_cache = _Cache(CACHE_BYTES)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else int(value.nbytes)


def _digest(*content: bytes | memoryview) -> str:
    digest = blake2b(digest_size=16)
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _opened(path: str, name: str) -> Iterator[BinaryIO]:
    try:
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError as error:
        raise AudioError(f"{name}: there is no such file.", remedy=f"Looked for {path}.") from error
    except PermissionError as error:
        raise AudioError(f"{name}: the file may not be read.", remedy="Grant read permission.") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error.strerror}.", remedy="Check the path.") from error
