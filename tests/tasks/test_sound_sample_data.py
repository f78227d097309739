"""The shipped sets of questions about clips, and the script that makes them."""

from __future__ import annotations

import io
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile

from fac_eval.data.hub import DataFinder
from fac_eval.data.validate import validate
from fac_eval.tasks import mmau, mmau_pro, mmsu
from tests.support.sample_tables import SAMPLE_DATA
from tools import make_sound_sample_data as maker
from tools.sample_sounds import render
from tools.sample_speech import SAMPLE_RATE, SampleDataError

DATASETS = {"mmau": mmau.DATASET, "mmau_pro": mmau_pro.DATASET, "mmsu": mmsu.DATASET}
FILES = {
    "mmau": {"README.md", "test_mini.parquet"},
    "mmau_pro": {"README.md", "data.zip", "test.parquet"},
    "mmsu": {"README.md", "data/train-00000-of-00001.parquet"},
}


class Silent:
    """Says nothing for a second and a half."""

    def speak(self, text: str, voice: str) -> Any:
        return np.zeros(SAMPLE_RATE * 3 // 2, dtype=np.int16)


def source(name: str) -> Path:
    return maker.SOURCES / f"{name}.toml"


def items(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(source(name).read_text("utf-8"))["items"]
    return found


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def clips(name: str) -> list[bytes]:
    if name == "mmau_pro":
        with ZipFile(SAMPLE_DATA / name / "data.zip") as archive:
            return [archive.read(member) for member in archive.namelist()]
    dataset = DATASETS[name]
    rows = DataFinder("sample").rows(dataset, dataset.splits[0])
    return [row[dataset.audio]["bytes"] for row in rows]


@pytest.mark.parametrize("name", DATASETS)
def test_the_layout_is_that_of_the_data_set(name: str) -> None:
    assert files(SAMPLE_DATA / name) == FILES[name]
    findings = validate(DATASETS[name], DataFinder("sample"))
    expected = next(iter(DATASETS[name].expected_rows.values()))
    assert [finding.problem for finding in findings] == [
        f"{len(items(name))} rows, but the published data set has {expected}."
    ]


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_shipped_is_what_was_written_down(name: str) -> None:
    dataset = DATASETS[name]
    rows = list(DataFinder("sample").rows(dataset, dataset.splits[0]))
    column = "instruction" if name == "mmau" else "question"
    assert [row[column] for row in rows] == [item["question"] for item in items(name)]


@pytest.mark.parametrize("name", DATASETS)
def test_a_set_is_small(name: str) -> None:
    assert sum((SAMPLE_DATA / name / file).stat().st_size for file in FILES[name]) < 300_000


@pytest.mark.parametrize("name", DATASETS)
def test_clips_are_short_mono_sound_at_16_khz(name: str) -> None:
    for clip in clips(name):
        sound, rate = soundfile.read(io.BytesIO(clip))
        assert (rate, sound.ndim) == (16_000, 1)
        assert 1 <= len(sound) / rate <= 25
        assert 0.005 < np.sqrt(np.mean(sound**2)) < 0.5


def test_answers_are_spread_over_the_options() -> None:
    places = Counter(item["choices"].index(item["answer"]) for item in items("mmau"))
    assert max(places.values()) <= 5
    letters = Counter(
        letter
        for item in items("mmsu")
        for letter in "abcd"
        if item.get(f"choice_{letter}") == item["answer_gt"]
    )
    assert set(letters) == set("abcd")
    assert sum(letters.values()) == len(items("mmsu"))


@pytest.mark.parametrize("name", DATASETS)
def test_the_script_writes_the_same_bytes_twice(name: str, tmp_path: Path) -> None:
    speaker: Any = Silent()
    for target in ("first", "second"):
        maker.make(source(name), tmp_path / target, speaker)
    for file in FILES[name]:
        first, second = ((tmp_path / target / name / file).read_bytes() for target in ("first", "second"))
        assert first == second, file


def test_parts_sound_as_they_are_written_down() -> None:
    speaker: Any = Silent()
    parts = [
        {"tone": 500, "seconds": 0.5, "times": 2, "gap": 0.25},
        {"rest": 0.25},
        {"say": "x", "voice": "slt"},
    ]
    samples = render(parts, speaker)
    assert len(samples) == 3 * SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(samples[: SAMPLE_RATE // 2].astype(float)))
    assert np.argmax(spectrum) * 2 == 500
    assert not samples[9000:11000].any()
    assert samples[13000:19000].any()


def test_a_ramp_grows() -> None:
    speaker: Any = Silent()
    samples = np.abs(render([{"noise": 1, "seconds": 2, "volume": [0.1, 1.0]}], speaker).astype(float))
    assert samples[:SAMPLE_RATE].mean() < samples[SAMPLE_RATE:].mean() / 2


@pytest.mark.parametrize(
    "part", [{}, {"tone": 440, "rest": 1}, {"tone": 440, "pitch": 3}], ids=["none", "two", "unknown"]
)
def test_a_part_that_makes_no_sense_is_refused(part: dict[str, Any]) -> None:
    speaker: Any = Silent()
    with pytest.raises(SampleDataError, match="one of say, tone"):
        render([part], speaker)


@pytest.mark.parametrize(("seconds", "message"), [(0.5, "lasts 0.5 s"), (26, "lasts 26.0 s")])
def test_clips_that_are_too_short_or_too_long_are_refused(seconds: float, message: str) -> None:
    speaker: Any = Silent()
    item = {"id": "x", "clips": [[{"rest": seconds}]]}
    with pytest.raises(SampleDataError, match=message):
        list(maker.clips_of(item, speaker))


def test_a_missing_synthesizer_is_one_clear_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert maker.main(["--flite", "no-such-flite"]) == 2
    assert "apt-get install flite" in capsys.readouterr().err
