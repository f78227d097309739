"""Recognisers: what is heard, what is not listened to, and that batches change nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import AssetError, MissingResource, UsageError
from fac_eval.speech.faster_whisper import FasterWhisper
from fac_eval.speech.hearing import is_worth_hearing
from fac_eval.speech.pocketsphinx import PocketSphinx
from fac_eval.speech.whisper import Whisper
from fac_eval.tasks.asr import LibriSpeechClean
from tests.support.tiny_whisper import write_tiny_whisper


def noise(seconds: float, rate: int = 16_000) -> Audio:
    samples = 0.3 * np.random.default_rng(int(seconds * 1000)).standard_normal(int(rate * seconds))
    return Audio.from_samples(samples.astype(np.float32), rate)


SILENT = Audio.from_samples(np.full(16_000, 5e-5, np.float32), 16_000)
SHORT = noise(0.05)


@pytest.mark.parametrize(
    ("samples", "worth"),
    [
        (np.full(16_000, 0.2), True),
        (np.full(16_000, 9e-5), False),
        (np.full(1_599, 0.2), False),
        (np.full(1_600, 0.2), True),
        (np.array([0.2] * 16_000 + [np.nan]), False),
        (np.array([0.2] * 16_000 + [np.inf]), False),
        (np.zeros(0), False),
    ],
    ids=["loud", "silent", "short", "just long enough", "nan", "inf", "empty"],
)
def test_what_cannot_hold_speech_is_not_listened_to(samples: np.ndarray, worth: bool) -> None:
    assert is_worth_hearing(samples.astype(np.float32)) is worth


class TestPocketSphinx:
    def test_clear_speech_is_mostly_understood(self) -> None:
        from fac_eval.data.hub import DataFinder
        from fac_eval.metrics.asr_wer import ENGLISH, pooled_errors, utterance_errors

        samples = list(LibriSpeechClean().samples(DataFinder("sample")))[:4]
        clips = [sample.messages[0].parts[0] for sample in samples]
        heard = PocketSphinx().transcribe(clips, "en")  # type: ignore[arg-type]
        errors = pooled_errors(
            utterance_errors(sample.reference, text, rules=ENGLISH)
            for sample, text in zip(samples, heard, strict=True)
        )
        assert errors.rate < 0.4

    def test_there_is_nothing_to_hear(self) -> None:
        assert PocketSphinx().transcribe([SILENT, SHORT], "en") == ["", ""]

    def test_it_says_that_it_knows_english_alone(self) -> None:
        with pytest.raises(UsageError, match="'zh'"):
            PocketSphinx().transcribe([SILENT], "zh")

    def test_its_version_identifies_it(self) -> None:
        assert PocketSphinx().fingerprint.startswith("pocketsphinx/5.")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def clips() -> list[Audio]:
    """Windows last two seconds: the last three are for the long form, one of them at another rate."""
    return [*(noise(seconds) for seconds in (0.5, 1.0, 1.9, 3.3, 5.1)), noise(2.5, 24_000), SILENT, SHORT]


class TestWhisper:
    def test_a_batch_gives_what_single_clips_give(self, tiny: Path, clips: list[Audio]) -> None:
        whisper = Whisper(str(tiny), device="cpu", batch_size=4)
        together = whisper.transcribe(clips, "en")
        assert together == [whisper.transcribe([clip], "en")[0] for clip in clips]
        assert together[-2:] == ["", ""]
        assert any(together)

    def test_the_language_is_told_or_detected(self, tiny: Path, clips: list[Audio]) -> None:
        told = {name: Whisper(str(tiny), device="cpu").transcribe(clips[:3], name) for name in ("en", "zh")}
        assert told["en"] != told["zh"]
        detecting = Whisper(str(tiny), variant="ultraeval", device="cpu")
        assert detecting.transcribe(clips[:3], "en") == detecting.transcribe(clips[:3], "zh")

    def test_weights_and_variant_identify_it_and_nothing_is_loaded_for_that(self, tiny: Path) -> None:
        prints = {
            Whisper(str(tiny)).fingerprint,
            Whisper(str(tiny), variant="ultraeval").fingerprint,
            Whisper(str(tiny), dtype="float16").fingerprint,
        }
        assert len(prints) == 3
        assert Whisper(str(tiny)).fingerprint == Whisper(str(tiny), device="cpu").fingerprint

    def test_weights_that_are_not_here_are_missed_by_name(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
        with pytest.raises(MissingResource, match="openai/whisper-large-v3"):
            _ = Whisper().fingerprint
        with pytest.raises(UsageError, match="no folder"):
            _ = Whisper(str(tmp_path / "nothing")).fingerprint

    def test_a_checkpoint_without_suppressed_tokens_is_refused(self, tiny: Path, tmp_path: Path) -> None:
        folder = tmp_path / "whisper"
        shutil.copytree(tiny, folder)
        path = folder / "generation_config.json"
        settings = json.loads(path.read_text())
        del settings["suppress_tokens"]
        path.write_text(json.dumps(settings))
        with pytest.raises(AssetError, match="suppressed"):
            Whisper(str(folder), device="cpu").transcribe([noise(1)], "en")

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(AssetError, match="no Whisper"):
            Whisper(str(tmp_path), device="cpu").load()


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("faster_whisper", reason="the extra faster-whisper is not installed")
    from ctranslate2.converters import TransformersConverter

    source = write_tiny_whisper(tmp_path_factory.mktemp("whisper30"), window=30)
    folder = tmp_path_factory.mktemp("converted") / "model"
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(
        str(folder)
    )
    return folder


class TestFasterWhisper:
    def test_it_writes_what_it_hears_and_nothing_of_silence(
        self, converted: Path, clips: list[Audio]
    ) -> None:
        recogniser = FasterWhisper(str(converted), device="cpu")
        heard = recogniser.transcribe(clips, "en")
        assert len(heard) == len(clips)
        assert heard[-2:] == ["", ""]
        assert heard == recogniser.transcribe(clips, "en")

    def test_it_is_another_recogniser_than_whisper(self, converted: Path) -> None:
        assert FasterWhisper(str(converted)).fingerprint.startswith("faster-whisper/")
