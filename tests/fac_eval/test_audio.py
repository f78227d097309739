from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pytest

from fac_eval import _audio_codec as codec
from fac_eval import audio
from fac_eval.audio import Audio
from fac_eval.errors import AudioError
from tests.support.sounds import pitch, stored, tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

LSB = 1 / 32_768


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
        "copied", [copy.copy, copy.deepcopy, pickled], ids=["copy", "deepcopy", "pickle"]
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
            pytest.param(Audio.samples, id="samples"),
            pytest.param(lambda clip: clip.samples(8_000), id="resampled"),
            pytest.param(Audio.encoded, id="encoded"),
            pytest.param(Audio.data, id="data"),
            pytest.param(lambda clip: clip.channels, id="channels"),
        ],
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

    @pytest.mark.parametrize(
        "use", [Audio.samples, lambda clip: clip.encoded("flac", 8_000)], ids=["samples", "encoded"]
    )
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


class TestErrors:
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


def test_import_loads_no_numeric_library() -> None:
    code = "import sys, fac_eval.audio; print(sorted({'numpy', 'soundfile', 'soxr'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
