from __future__ import annotations

import copy
import io
import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from fac_eval import _audio_codec as codec
from fac_eval import audio
from fac_eval.audio import Audio, AudioFormat
from fac_eval.errors import AudioError

FORMATS: tuple[AudioFormat, ...] = ("wav", "flac", "mp3", "ogg", "opus")
LSB = 1 / 32_768


def tone(seconds: float = 1.0, rate: int = 16_000, hertz: float = 440.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def stored(
    samples: NDArray[Any], rate: int = 16_000, container: str = "WAV", subtype: str = "PCM_16"
) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=container, subtype=subtype)
    return stream.getvalue()


def noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.2, round(seconds * 16_000)).astype(np.float32)


def pitch(samples: NDArray[np.float32], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def pickled(clip: Audio) -> Audio:
    twin = pickle.loads(pickle.dumps(clip))
    assert isinstance(twin, Audio)
    return twin


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> audio._Cache:
    fresh = audio._Cache(audio.CACHE_BYTES)
    monkeypatch.setattr(audio, "_cache", fresh)
    return fresh


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the clips that were decoded."""
    calls: list[str] = []
    decode = codec.decode

    def counted(data: bytes, header: codec.Header, name: str) -> codec.Samples:
        calls.append(name)
        return decode(data, header, name)

    monkeypatch.setattr(codec, "decode", counted)
    return calls


class TestFormats:
    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
    def test_round_trip_keeps_length_rate_and_pitch(self, format: AudioFormat, rate: int) -> None:
        given = tone(0.5, rate)
        back = Audio.from_bytes(Audio.from_samples(given, rate).encoded(format))
        assert (back.rate, back.channels, back.seconds) == (rate, 1, 0.5)
        assert back.samples().dtype == np.float32
        assert len(back.samples()) == len(given)
        assert pitch(back.samples(), rate) == pytest.approx(440, abs=2)

    @pytest.mark.parametrize("format", ["wav", "flac"])
    def test_sixteen_bit_samples_come_back_exactly(self, format: AudioFormat) -> None:
        given = np.array([-32_768, -32_767, -1, 0, 1, 2, 32_766, 32_767], np.int16)
        back = Audio.from_bytes(Audio.from_samples(given, 16_000).encoded(format))
        assert np.array_equal(back.samples() * 32_768, given)

    @pytest.mark.parametrize("format", FORMATS)
    def test_loud_samples_are_clipped_not_wrapped(self, format: AudioFormat) -> None:
        loud = 4 * tone()
        back = Audio.from_bytes(Audio.from_samples(loud, 16_000).encoded(format)).samples()
        assert np.corrcoef(back, loud.clip(-1, 1))[0, 1] > 0.98

    @pytest.mark.parametrize("format", FORMATS)
    def test_bytes_already_in_the_form_asked_for_come_back_untouched(self, format: AudioFormat) -> None:
        given = Audio.from_samples(tone(), 16_000).encoded(format)
        assert Audio.from_bytes(given).encoded(format) is given
        assert Audio.from_bytes(given).encoded(format, 16_000) is given
        assert Audio.from_bytes(given).encoded(format, 8_000) != given

    @pytest.mark.parametrize(
        ("data", "format"),
        [
            pytest.param(stored(np.stack([tone(), tone()], 1)), "wav", id="stereo"),
            pytest.param(stored(tone(), subtype="FLOAT"), "wav", id="float wav"),
            pytest.param(stored(tone(), container="FLAC", subtype="PCM_24"), "flac", id="24-bit flac"),
            pytest.param(stored(tone(), container="OGG", subtype="OPUS"), "ogg", id="opus is not vorbis"),
        ],
    )
    def test_bytes_in_another_form_are_encoded_anew(self, data: bytes, format: AudioFormat) -> None:
        encoded = Audio.from_bytes(data).encoded(format)
        assert encoded != data
        info = soundfile.info(io.BytesIO(encoded))
        assert (f"{info.format}/{info.subtype}", info.channels) == (codec.STORED_AS[format], 1)

    def test_wav_header(self) -> None:
        encoded = Audio.from_samples(np.zeros(3, np.int16), 8_000).encoded("wav")
        assert len(encoded) == 44 + 6
        assert encoded[:4] + encoded[8:16] + encoded[36:40] == b"RIFFWAVEfmt data"
        assert struct.unpack("<IHHIIHH", encoded[16:36]) == (16, 1, 1, 8_000, 16_000, 2, 16)
        assert struct.unpack("<I", encoded[4:8]) + struct.unpack("<I", encoded[40:44]) == (42, 6)

    def test_long_clips_can_be_encoded(self) -> None:
        """libsndfile's Vorbis encoder crashes the process on one long write."""
        clip = Audio.from_samples(np.zeros(16_000 * 400, np.float32), 16_000)
        assert Audio.from_bytes(clip.encoded("ogg")).seconds == 400

    @pytest.mark.parametrize(
        ("format", "native", "held"),
        [
            ("mp3", 96_000, 48_000),
            ("opus", 22_050, 24_000),
            ("flac", 65_537, 65_540),
            ("wav", 65_537, 65_537),
        ],
    )
    def test_native_rate_that_a_format_lacks(self, format: AudioFormat, native: int, held: int) -> None:
        clip = Audio.from_samples(tone(0.1, native), native)
        assert Audio.from_bytes(clip.encoded(format)).rate == held
        assert Audio.from_bytes(clip.encoded(format)).seconds == pytest.approx(0.1, abs=1e-3)


class TestSamples:
    @pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG"])
    def test_channels_are_averaged(self, container: str) -> None:
        left, right = tone(hertz=300), -0.25 * tone(hertz=300)
        subtype = "VORBIS" if container == "OGG" else "PCM_16"
        clip = Audio.from_bytes(stored(np.stack([left, right], 1), container=container, subtype=subtype))
        assert clip.channels == 2
        assert np.abs(clip.samples() - 0.375 * left).max() < (0.05 if container == "OGG" else 2 * LSB)

    def test_from_samples_mixes_down(self) -> None:
        clip = Audio.from_samples(np.array([[1.0, 0.0, 0.5], [0.0, -1.0, 0.25]]), 16_000)
        assert clip.samples() == pytest.approx([0.5, -0.25])
        assert clip.channels == 1

    def test_from_samples_copies(self) -> None:
        given = tone()
        clip = Audio.from_samples(given, 16_000)
        given[:] = 0
        assert clip.samples().max() == pytest.approx(0.5, abs=1e-3)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_floats_of_any_width(self, dtype: type) -> None:
        assert Audio.from_samples(np.array([0.5, -0.25], dtype), 8_000).samples().tolist() == [0.5, -0.25]

    @pytest.mark.parametrize("rate", [None, 8_000])
    @pytest.mark.parametrize("kind", ["samples", "bytes"])
    def test_arrays_are_read_only(self, kind: str, rate: int | None) -> None:
        clip = Audio.from_samples(tone(), 16_000)
        clip = clip if kind == "samples" else Audio.from_bytes(clip.data())
        with pytest.raises(ValueError, match="read-only"):
            clip.samples(rate)[0] = 1

    @pytest.mark.parametrize(
        ("native", "wanted"),
        [(48_000, 16_000), (24_000, 16_000), (44_100, 16_000), (16_000, 24_000), (8_000, 48_000)],
    )
    def test_resampling_keeps_length_pitch_and_level(self, native: int, wanted: int) -> None:
        resampled = Audio.from_samples(tone(1.0, native, 1_000), native).samples(wanted)
        assert resampled.dtype == np.float32
        assert abs(len(resampled) - wanted) <= 1
        assert pitch(resampled, wanted) == pytest.approx(1_000, abs=1.5)
        assert np.sqrt(np.mean(resampled[500:-500] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)

    def test_resampling_removes_what_the_lower_rate_cannot_hold(self) -> None:
        resampled = Audio.from_samples(tone(1.0, 48_000, 11_000), 48_000).samples(16_000)
        assert np.abs(resampled[200:-200]).max() < 1e-3

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_tiny_clip_never_resamples_to_nothing(self, count: int) -> None:
        clip = Audio.from_samples(np.full(count, 0.5, np.float32), 48_000)
        assert len(clip.samples(8_000)) == 1
        assert Audio.from_bytes(clip.encoded("wav", 8_000)).samples()[0] == pytest.approx(0.5, abs=0.5)


class TestContent:
    def test_key_is_the_hash_of_the_given_bytes(self, tmp_path: Path) -> None:
        data = stored(tone())
        (tmp_path / "a.wav").write_bytes(data)
        file, same = Audio.from_file(tmp_path / "a.wav"), Audio.from_bytes(data, name="b")
        assert file.key == same.key
        assert len(file.key) == 32
        assert (file == same, hash(file) == hash(same), len({file, same})) == (True, True, 1)
        assert file != Audio.from_bytes(stored(tone(hertz=500)))
        assert file != "a.wav"

    def test_key_of_samples_covers_rate_and_values(self) -> None:
        clip = Audio.from_samples(tone(), 16_000)
        assert clip == Audio.from_samples(tone().astype(np.float64), 16_000)
        assert clip != Audio.from_samples(tone(), 16_001)
        assert clip != Audio.from_samples(tone(hertz=441), 16_000)

    def test_data_of_samples_is_flac(self) -> None:
        clip = Audio.from_samples(tone(), 24_000)
        back = Audio.from_bytes(clip.data())
        assert clip.data()[:4] == b"fLaC"
        assert back.rate == 24_000
        assert np.abs(back.samples() - clip.samples()).max() <= LSB / 2

    def test_data_of_samples_at_a_rate_that_flac_lacks_is_wav(self) -> None:
        assert Audio.from_bytes(Audio.from_samples(tone(0.1, 65_537), 65_537).data()).rate == 65_537

    @pytest.mark.parametrize(
        "copied", [copy.copy, copy.deepcopy, lambda clip: pickle.loads(pickle.dumps(clip))]
    )
    @pytest.mark.parametrize("kind", ["samples", "bytes", "file", "reference"])
    def test_copies_are_equal(self, kind: str, copied: Callable[[Audio], Audio], tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(stored(tone()))
        clip = {
            "samples": Audio.from_samples(tone(), 16_000),
            "bytes": Audio.from_bytes(path.read_bytes()),
            "file": Audio.from_file(path),
            "reference": Audio.reference("0f" * 16, seconds=1.0),
        }[kind]
        twin = copied(clip)
        assert twin == clip
        assert twin.seconds == 1.0
        if kind != "reference":
            assert np.array_equal(twin.samples(), clip.samples())
            assert not twin.samples().flags.writeable

    def test_immutable(self) -> None:
        clip = Audio.from_samples(tone(), 16_000)
        for name in ("key", "rate", "seconds", "anything"):
            with pytest.raises(AttributeError):
                setattr(clip, name, 1)

    def test_repr_is_short_and_reads_nothing(self) -> None:
        assert repr(Audio.from_file("no/such.wav")) == "<Audio 'no/such.wav'>"

    def test_relative_paths_survive_a_change_of_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.wav").write_bytes(stored(tone()))
        monkeypatch.chdir(tmp_path)
        clip = Audio.from_file("a.wav")
        monkeypatch.chdir(os.sep)
        assert clip.seconds == 1.0

    def test_reference_knows_what_it_was_told(self) -> None:
        clip = Audio.reference("ab" * 16, seconds=2.5, rate=24_000)
        assert (clip.key, clip.seconds, clip.rate) == ("ab" * 16, 2.5, 24_000)

    @pytest.mark.parametrize(
        "use",
        [
            Audio.samples,
            Audio.encoded,
            Audio.data,
            lambda clip: clip.channels,
            lambda clip: clip.samples(8_000),
        ],
        ids=["samples", "encoded", "data", "channels", "resampled"],
    )
    def test_reference_has_no_sound_even_where_the_cache_has(self, use: Callable[[Audio], Any]) -> None:
        data = Audio.from_samples(tone(), 16_000).encoded("wav")
        present = Audio.from_bytes(data)
        present.samples(), present.samples(8_000), present.encoded()
        with pytest.raises(AudioError, match="only the content hash"):
            use(Audio.reference(present.key, seconds=1.0, rate=16_000))

    @pytest.mark.parametrize("attribute", ["seconds", "rate"])
    def test_reference_does_not_know_what_it_was_not_told(self, attribute: str) -> None:
        with pytest.raises(AudioError, match="only the content hash"):
            getattr(Audio.reference("ab" * 16), attribute)


class TestSharing:
    def test_nothing_is_decoded_before_it_is_needed(self, decodes: list[str], tmp_path: Path) -> None:
        (tmp_path / "a.flac").write_bytes(stored(tone(), container="FLAC"))
        clip = Audio.from_file(tmp_path / "a.flac")
        assert (clip.rate, clip.channels, clip.seconds, len(clip.key)) == (16_000, 1, 1.0, 32)
        assert decodes == []

    def test_equal_clips_are_decoded_once(self, decodes: list[str], tmp_path: Path) -> None:
        data = stored(tone())
        (tmp_path / "a.wav").write_bytes(data)
        clips = [
            Audio.from_bytes(data, name="one"),
            Audio.from_bytes(data),
            Audio.from_file(tmp_path / "a.wav"),
        ]
        results = [clip.samples() for clip in clips]
        assert decodes == ["one"]
        assert all(result is results[0] for result in results)
        encoded = [clip.encoded("flac", 8_000) for clip in clips]
        assert all(result is encoded[0] for result in encoded)
        assert decodes == ["one"]

    def test_a_file_is_read_once_for_a_request(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.wav").write_bytes(stored(tone()))
        clip, reads = Audio.from_file(tmp_path / "a.wav"), []
        opened = audio._opened

        def counted(path: str, name: str) -> AbstractContextManager[BinaryIO]:
            reads.append(path)
            return opened(path, name)

        monkeypatch.setattr(audio, "_opened", counted)
        clip.encoded(), clip.encoded(), clip.samples(), clip.seconds, clip.key
        assert len(reads) == 1

    @pytest.mark.parametrize("use", [Audio.samples, lambda clip: clip.encoded("flac", 8_000)])
    def test_eight_threads_decode_once(
        self, use: Callable[[Audio], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data, calls, go = stored(tone()), [], threading.Event()
        decode = codec.decode

        def held(*args: Any) -> Any:
            calls.append(args)
            assert go.wait(10)
            return decode(*args)

        monkeypatch.setattr(codec, "decode", held)
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(use, Audio.from_bytes(data)) for _ in range(8)]
            go.set()
            results = [future.result(10) for future in futures]
        assert len(calls) == 1
        assert all(result is results[0] for result in results)

    def test_a_failure_is_not_shared(self) -> None:
        """Each clip's error names that clip."""
        data = stored(tone())[:1_000]
        for name in ("first", "second"):
            with pytest.raises(AudioError, match=f"^{name}: truncated"):
                Audio.from_bytes(data, name=name).samples()

    def test_cache_is_bounded_and_drops_the_least_recently_used(self) -> None:
        cache, made = audio._Cache(100), []

        def get(key: str, size: int = 40) -> bytes:
            def make() -> bytes:
                made.append(key)
                return bytes(size)

            return cache.get(key, make)

        for key in ("a", "b", "a", "c", "a", "b"):
            get(key)
        assert made == ["a", "b", "c", "b"]
        get("big", 51), get("big", 51), get("b"), get("a")
        assert made == ["a", "b", "c", "b", "big", "big"]
        assert cache._held == 80
        assert not cache._gates

    def test_waiters_get_a_value_too_big_to_keep(self) -> None:
        cache, made, first, go = audio._Cache(10), [], threading.Event(), threading.Event()

        def make() -> bytes:
            made.append(1)
            first.set()
            assert go.wait(10)
            return bytes(100)

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(cache.get, "key", make)
            assert first.wait(10)
            two = pool.submit(cache.get, "key", make)
            while cache._gates["key"].users < 2:
                pass
            go.set()
            assert one.result(10) is two.result(10)
        assert made == [1]

    def test_a_failed_maker_leaves_the_next_one_free(self) -> None:
        cache = audio._Cache(10)
        with pytest.raises(ZeroDivisionError):
            cache.get("key", lambda: bytes(1 // 0))
        assert cache.get("key", lambda: b"x") == b"x"


def _with_wav_size(data: bytes, size: int) -> bytes:
    return data[:40] + struct.pack("<I", size) + data[44:]


def _flac_of_unknown_length(data: bytes) -> bytes:
    fields = int.from_bytes(data[18:26], "big") >> 36 << 36
    return data[:18] + fields.to_bytes(8, "big") + data[26:]


def _mp3_without_tag() -> bytes:
    """Variable bit rate, loud first, and without the leading frame that counts the others."""
    sound = noise(10.0)
    sound[16_000:] *= 0.01
    data = stored(sound, container="MP3", subtype="MPEG_LAYER_III")
    assert b"Xing" in data[:200]
    second = next(at for at in range(40, 2_000) if data[at : at + 2] == data[:2] and data[at + 3] == data[3])
    return data[second:]


class TestHeaders:
    @pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFF0000 + 36], ids=hex)
    def test_streamed_wav_is_read_and_normalised(self, size: int) -> None:
        plain = Audio.from_samples(tone(), 16_000).encoded()
        clip = Audio.from_bytes(_with_wav_size(plain, size))
        assert clip.seconds == 1.0
        assert clip.encoded() == plain

    def test_wav_with_chunks_around_the_sound(self) -> None:
        plain = Audio.from_samples(tone(), 16_000).encoded()
        extra = b"LIST" + struct.pack("<I", 5) + b"hello\0"
        body = plain[12:36] + extra + plain[36:] + extra
        clip = Audio.from_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
        assert len(clip.samples()) == 16_000
        assert Audio.from_bytes(clip.data()[: len(plain) - 100]).rate == 16_000
        with pytest.raises(AudioError, match="truncated"):
            Audio.from_bytes(clip.data()[: len(plain) - 100]).samples()

    def test_streamed_flac(self) -> None:
        clip = Audio.from_bytes(_flac_of_unknown_length(stored(tone(10.0), container="FLAC")))
        assert clip.seconds == 10.0
        assert len(clip.samples()) == 160_000

    def test_mp3_without_a_frame_count_is_read_to_its_end(self) -> None:
        data = _mp3_without_tag()
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            assert sound.frames < 150_000, "libsndfile guesses right: the case is not tested"
        clip = Audio.from_bytes(data)
        assert clip.seconds == pytest.approx(10.0, abs=0.2)
        assert len(clip.samples()) == clip.seconds * 16_000

    def test_id3_tags_are_skipped(self) -> None:
        data = Audio.from_samples(tone(), 16_000).encoded("mp3")
        tagged = b"ID3\x04\0\0" + bytes((0, 0, 7, 0x68)) + bytes(7 * 128 + 0x68) + data
        assert Audio.from_bytes(tagged).seconds == 1.0
        assert len(Audio.from_bytes(tagged).samples()) == 16_000

    def test_wav_of_other_codecs(self) -> None:
        for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"):
            clip = Audio.from_bytes(stored(tone(), subtype=subtype))
            assert pitch(clip.samples(), 16_000) == pytest.approx(440, abs=2), subtype


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "text": (b"not audio at all", "not an audio format"),
    "html": (b"<!DOCTYPE html>" * 100, "WAV, FLAC, MP3, Ogg Vorbis and Opus"),
    "m4a": (b"\0\0\0 ftypM4A " + bytes(500), "convert it"),
    "zeros": (bytes(4_096), "not an audio format"),
    "wav header cut": (stored(tone())[:30], "header is damaged"),
    "flac header cut": (stored(tone(), container="FLAC")[:20], "header is damaged"),
    "ogg header cut": (stored(tone(), container="OGG", subtype="VORBIS")[:100], "header is damaged"),
    "no frames": (stored(np.zeros(0)), "0 frames"),
    "aiff": (stored(tone(), container="AIFF"), "AIFF files are not decoded"),
    "nan": (stored(np.array([0.1, np.nan, 0.2]), subtype="FLOAT"), "1 of 3 samples are NaN or infinite"),
    "infinity": (stored(np.array([0.1, np.inf, -np.inf]), subtype="DOUBLE"), "2 of 3 samples are NaN"),
    "rate": (stored(tone(), rate=500), "500 is no sampling rate"),
    "high rate": (stored(tone(), rate=1_000_000), "1000000 is no sampling rate"),
    "channels": (stored(np.zeros((10, 65))), "65 channels"),
    "wav cut": (stored(tone())[:-100], "truncated: only 1.00 s"),
    "wav cut in half": (stored(tone())[:16_044], "truncated: only 0.50 s"),
    "stereo wav cut": (stored(np.stack([tone(), tone()], 1))[:-4], "truncated"),
    "flac cut": (stored(tone(2.0), container="FLAC")[:-1_000], "truncated or corrupt"),
    "mp3 cut": (stored(tone(3.0), container="MP3", subtype="MPEG_LAYER_III")[:2_500], "truncated: only"),
    "ogg cut": (stored(noise(5.0), container="OGG", subtype="VORBIS")[:-50], "truncated: only"),
    "ogg cut in half": (stored(noise(5.0), container="OGG", subtype="VORBIS")[:20_000], "truncated: only"),
    "ogg cut early": (stored(tone(), container="OGG", subtype="VORBIS")[:-50], "0 frames.: empty or cut off"),
    "opus cut": (stored(tone(3.0), container="OGG", subtype="OPUS")[:-500], "truncated"),
}


class TestErrors:
    @pytest.mark.parametrize("case", BROKEN)
    @pytest.mark.parametrize("kind", ["bytes", "file"])
    @pytest.mark.parametrize("use", [Audio.samples, Audio.encoded], ids=["samples", "encoded"])
    def test_broken_clips(self, case: str, kind: str, use: Callable[[Audio], Any], tmp_path: Path) -> None:
        data, message = BROKEN[case]
        path = tmp_path / "clip.bin"
        path.write_bytes(data)
        clip = Audio.from_file(path) if kind == "file" else Audio.from_bytes(data, name="row 7")
        with pytest.raises(AudioError, match=message) as caught:
            use(clip)
        assert str(caught.value).startswith(f"{path}: " if kind == "file" else "row 7: ")
        assert caught.value.remedy
        assert len(clip.key) == 32

    def test_broken_bytes_do_not_pass_through(self) -> None:
        data = Audio.from_samples(tone(2.0), 16_000).encoded("flac")
        for format, broken in (("wav", BROKEN["wav cut"][0]), ("flac", data[:-1_000])):
            with pytest.raises(AudioError, match="truncated"):
                Audio.from_bytes(broken).encoded(format)  # type: ignore[arg-type]

    def test_missing_file(self, tmp_path: Path) -> None:
        clip = Audio.from_file(tmp_path / "gone.wav")
        for use in (Audio.samples, Audio.data, hash, lambda clip: clip.seconds):
            with pytest.raises(AudioError, match=r"gone\.wav: there is no such file"):
                use(clip)

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match="cannot be read"):
            Audio.from_file(tmp_path).samples()

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
        with pytest.raises(AudioError, match=r"a\.wav: the file may not be read"):
            Audio.from_file(tmp_path / "a.wav").samples()

    @pytest.mark.parametrize("known", ["key", "rate"])
    def test_file_that_changes_while_in_use(self, known: str, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(stored(tone()))
        clip = Audio.from_file(path)
        getattr(clip, known)
        path.write_bytes(stored(tone(0.5), 24_000))
        with pytest.raises(AudioError, match="changed while it was in use"):
            clip.samples()

    @pytest.mark.parametrize("rate", [0, -1, 999, 192_001, 16_000.5, "16000", float("nan")])
    def test_nonsense_rates(self, rate: Any) -> None:
        clip = Audio.from_samples(tone(), 16_000)
        for use in (
            lambda: clip.samples(rate),
            lambda: clip.encoded("wav", rate),
            lambda: Audio.from_samples(tone(), rate),
            lambda: Audio.reference("ab", rate=rate),
        ):
            with pytest.raises(AudioError, match="is no sampling rate"):
                use()

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            pytest.param(np.zeros(0), "not a single sample", id="empty"),
            pytest.param(np.zeros((0, 2)), "not a single sample", id="empty stereo"),
            pytest.param(np.zeros((2, 16_000)), r"shape \(2, 16000\)", id="channels first"),
            pytest.param(np.zeros((10, 0)), "shape", id="no channels"),
            pytest.param(np.zeros((2, 2, 2)), "shape", id="three axes"),
            pytest.param(np.zeros(()), "shape", id="scalar"),
            pytest.param(np.zeros(9, np.int32), "samples are int32", id="int32"),
            pytest.param(np.zeros(9, np.complex64), "samples are complex64", id="complex"),
            pytest.param(np.array(["a"]), "samples are <U1", id="text"),
            pytest.param(np.array([0, np.nan]), "NaN or infinite", id="nan"),
            pytest.param(np.array([0, 1e300]), "NaN or infinite", id="beyond float32"),
        ],
    )
    def test_samples_of_no_use(self, samples: NDArray[Any], message: str) -> None:
        with pytest.raises(AudioError, match=message):
            Audio.from_samples(samples, 16_000)

    def test_format_that_is_not_encoded(self) -> None:
        with pytest.raises(AudioError, match=r"'aac' cannot be encoded.*\n.*wav, flac, mp3, ogg, opus"):
            Audio.from_samples(tone(), 16_000).encoded("aac")  # type: ignore[arg-type]

    def test_rate_that_a_format_cannot_hold(self) -> None:
        with pytest.raises(AudioError, match=r"opus cannot hold a rate of 44100 Hz.*\n.*48000"):
            Audio.from_samples(tone(), 16_000).encoded("opus", 44_100)


FLOATS = st.floats(-1, 1, width=32)
RATES = st.integers(*codec.RATES)
CLIPS = arrays.arrays(np.float32, st.integers(1, 300), elements=FLOATS)


class TestProperties:
    @given(CLIPS, RATES)
    @settings(max_examples=60, deadline=None)
    def test_wav_round_trip_is_within_one_step(self, samples: NDArray[np.float32], rate: int) -> None:
        back = Audio.from_bytes(Audio.from_samples(samples, rate).encoded("wav"))
        assert back.rate == rate
        assert len(back.samples()) == len(samples)
        assert np.abs(back.samples() - samples).max() <= LSB

    @given(CLIPS, CLIPS, RATES, RATES)
    @settings(max_examples=60, deadline=None)
    def test_key_depends_on_content_only(
        self, a: NDArray[np.float32], b: NDArray[np.float32], one: int, other: int
    ) -> None:
        same = one == other and a.tobytes() == b.tobytes()
        assert (Audio.from_samples(a, one) == Audio.from_samples(b, other)) == same
        assert Audio.from_samples(a, one).key == Audio.from_samples(a[:, None].copy(), one).key
        data, twin = a.tobytes(), b.tobytes()
        assert (Audio.from_bytes(data, name="x") == Audio.from_bytes(twin, name="y")) == (data == twin)

    @given(
        st.sampled_from(
            [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3", b"\xff\xfb\x90\xc4"]
        ),
        st.binary(max_size=300),
    )
    @settings(max_examples=150, deadline=None)
    def test_random_bytes_are_an_error_or_a_valid_clip(self, start: bytes, rest: bytes) -> None:
        self.check(start + rest)

    @given(
        st.sampled_from([Audio.from_samples(tone(0.1), 16_000).encoded(format) for format in FORMATS]),
        st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=5),
        st.integers(0, 200),
    )
    @settings(max_examples=150, deadline=None)
    def test_damaged_files_are_an_error_or_a_valid_clip(
        self, data: bytes, changes: list[tuple[int, int]], cut: int
    ) -> None:
        damaged = bytearray(data)
        for position, value in changes:
            damaged[position % len(damaged)] = value
        self.check(bytes(damaged[: len(damaged) - cut]))

    @staticmethod
    def check(data: bytes) -> None:
        clip = Audio.from_bytes(data)
        try:
            samples = clip.samples()
        except AudioError as error:
            assert str(error).startswith("audio: ")
            return
        assert samples.ndim == 1 and len(samples) and samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert len(Audio.from_bytes(clip.encoded("wav")).samples()) == len(samples)


def test_import_loads_no_numeric_library() -> None:
    code = "import sys, fac_eval.audio; print(sorted({'numpy', 'soundfile', 'soxr'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
