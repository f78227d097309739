from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fac_eval import _audio_codec as codec
from fac_eval import audio
from fac_eval.audio import Audio, AudioFormat
from fac_eval.errors import AudioError
from tests.support.sounds import noise, pitch, stored, tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FORMATS: tuple[AudioFormat, ...] = ("wav", "flac", "mp3", "ogg", "opus")
LSB = 1 / 32_768


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> audio._Cache:
    fresh = audio._Cache(audio.CACHE_BYTES)
    monkeypatch.setattr(audio, "_cache", fresh)
    return fresh


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


class TestBroken:
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
        with pytest.raises(AudioError, match="truncated"):
            Audio.from_bytes(data[:-1_000]).encoded("flac")


FLOATS = st.floats(-1, 1, width=32)
RATES = st.integers(*codec.RATES)
CLIPS = arrays.arrays(np.float32, st.integers(1, 300), elements=FLOATS)


class TestProperties:
    @given(CLIPS, RATES)
    @settings(max_examples=60)
    def test_wav_round_trip_is_within_one_step(self, samples: NDArray[np.float32], rate: int) -> None:
        back = Audio.from_bytes(Audio.from_samples(samples, rate).encoded("wav"))
        assert back.rate == rate
        assert len(back.samples()) == len(samples)
        assert np.abs(back.samples() - samples).max() <= LSB

    @given(CLIPS, CLIPS, RATES, RATES)
    @settings(max_examples=60)
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
    @settings(max_examples=150)
    def test_random_bytes_are_an_error_or_a_valid_clip(self, start: bytes, rest: bytes) -> None:
        self.check(start + rest)

    @given(
        st.sampled_from([Audio.from_samples(tone(0.1), 16_000).encoded(each) for each in FORMATS]),
        st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=5),
        st.integers(0, 200),
    )
    @settings(max_examples=150)
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
        except AudioError:
            return
        assert samples.ndim == 1
        assert samples.dtype == np.float32
        assert len(samples)
        assert np.isfinite(samples).all()
        assert len(Audio.from_bytes(clip.encoded("wav")).samples()) == len(samples)
