"""Calls, pictures, clips, and the joining of the page's script."""

from __future__ import annotations

import io
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fac_eval import Audio
from fac_eval.errors import AudioError, PluginError
from fac_eval.reports.site import bundle
from fac_eval.reports.site.calls import expected_calls, made_calls
from fac_eval.reports.site.clips import Questions, is_key, playable, spoken
from fac_eval.reports.site.pictures import BANDS, LEVELS, PEAKS, picture
from fac_eval.reports.site.snapshot import Snapshot
from tests.reports.site.world import tone

NAMED = [{"name": "f", "arguments": {"x": 1}}]
BOTH = [*NAMED, {"name": "g", "arguments": {}}]
ACCEPTED = [{"name": "f", "accepted": {"x": [1, ""]}}]
TWICE = {
    "main.js": 'import { b } from "./a.js";\nconst x = b;\n',
    "a.js": "export const b = 1;\nconst x = 2;\n",
}


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        pytest.param("Paris", None, id="text"),
        pytest.param(None, None, id="nothing"),
        pytest.param([1, 2], None, id="a list of numbers"),
        pytest.param("[not json", None, id="broken json"),
        pytest.param({"answer": "x"}, None, id="a table of texts"),
        pytest.param(NAMED, NAMED, id="named"),
        pytest.param('[{"name": "f", "arguments": "{\\"x\\": 1}"}]', NAMED, id="as json text"),
        pytest.param({"tool_calls": NAMED}, NAMED, id="under a key"),
        pytest.param({"ground_truth": '[{"f": {"x": [1, ""]}}]'}, ACCEPTED, id="accepted values"),
        pytest.param({"ground_truth": '{"f": {"x": 1}, "g": {}}'}, BOTH, id="by name"),
        pytest.param([{"f": {"x": 1}}, {"f": {"x": 2}}], NAMED, id="alternatives: the first"),
    ],
)  # fmt: skip
def test_expected_calls(reference: Any, wanted: Any) -> None:
    assert expected_calls(reference) == wanted


def test_made_calls_are_native_or_written() -> None:
    assert made_calls({"tool_calls": [{"name": "f", "arguments": '{"x": 1}'}]}) == NAMED
    assert made_calls({"text": '<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>'}) == NAMED
    assert made_calls({"text": "f(x=1)"}) == []
    assert made_calls({"tool_calls": [{"name": "f", "arguments": "{x"}]}) == [
        {"name": "f", "arguments": "{x"}
    ]


@pytest.mark.parametrize("seconds", [0.001, 0.02, 1.0, 40.0])
@pytest.mark.parametrize("rate", [8000, 48000])
def test_a_picture_has_its_size_whatever_the_clip(seconds: float, rate: int) -> None:
    samples = np.sin(np.arange(int(rate * seconds)) / 5).astype(np.float32)
    drawn = picture(Audio.from_samples(samples, rate))
    assert len(drawn["peaks"]) <= PEAKS
    assert drawn["bands"] == BANDS
    assert len(drawn["spectrum"]) % BANDS == 0
    assert all(0 <= level <= LEVELS for level in drawn["spectrum"])
    assert all(0 <= peak <= 100 for peak in drawn["peaks"])


def test_a_tone_is_brightest_at_its_pitch_and_silence_is_dark() -> None:
    rate = 16000
    loud = np.sin(2 * np.pi * 3000 * np.arange(rate) / rate).astype(np.float32)
    levels = np.array(picture(Audio.from_samples(loud, rate))["spectrum"]).reshape(-1, BANDS)
    low = np.sin(2 * np.pi * 300 * np.arange(rate) / rate).astype(np.float32)
    lower = np.array(picture(Audio.from_samples(low, rate))["spectrum"]).reshape(-1, BANDS)
    assert levels.mean(axis=0).argmax() > lower.mean(axis=0).argmax() > 0
    assert max(picture(Audio.from_samples(np.zeros(rate, np.float32), rate))["spectrum"]) == 0


@pytest.mark.parametrize(
    ("format", "suffix"), [("WAV", "wav"), ("FLAC", "flac"), ("OGG", "ogg"), ("MP3", "mp3")]
)
def test_what_browsers_play_stays_as_it_is(format: str, suffix: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, tone(300).samples(), 16000, format=format)
    assert playable(Audio.from_bytes(file.getvalue())) == (file.getvalue(), suffix)


def test_what_begins_unlike_anything_they_play_becomes_flac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fac_eval.reports.site.clips.suffix_of", lambda data: None)
    content, suffix = playable(tone(300))
    assert (content[:4], suffix) == (b"fLaC", "flac")


def test_what_is_no_sound_is_an_error() -> None:
    with pytest.raises(AudioError):
        playable(Audio.from_bytes(b"no sound at all"))


@pytest.mark.parametrize("key", ["../../etc/passwd", "a" * 31, "A" * 32, "", None, "0" * 32 + "\n"])
def test_only_a_hash_names_a_file(key: object, tmp_path: Path) -> None:
    assert not is_key(key)
    assert spoken(str(key), [tmp_path]) is None


def test_clips_of_questions_are_found_in_any_order(snapshot: Snapshot) -> None:
    task = next(task for task in snapshot.board.tasks if task.name == "world/spoken")
    questions = Questions(task.cells[0].row, {})
    keys = [clip.key for clip in questions.clips()]
    for key in (keys[5], keys[2], keys[23], keys[0]):
        found = questions.find(key)
        assert found is not None
        assert found.key == key
    assert questions.find("0" * 32) is None


def test_the_script_is_one_and_holds_no_module_syntax() -> None:
    text = bundle.app_script().decode()
    assert not re.search(r"^\s*(import|export)\b", text, re.MULTILINE)
    assert text.count("facEval = Object.freeze") == 1
    assert not re.search(
        r"\.(innerHTML|outerHTML|insertAdjacentHTML)\b|document\.write|\beval\(|new Function", text
    )


def test_no_modules_of_the_page_import_each_other() -> None:
    folder = Path(bundle.__file__).parent / "web"
    texts = {path.name: path.read_text("utf-8") for path in folder.glob("*.js")}
    graph = {name: re.findall(r'from "\./(\w+\.js)"', text) for name, text in texts.items()}
    order = list(TopologicalSorter(graph).static_order())  # an error where there is a circle
    assert order[-1] == bundle.ENTRY


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        pytest.param({"main.js": 'import x from "./a.js";\n'}, "cannot be joined", id="default import"),
        pytest.param({"main.js": "export default 1;\n"}, "cannot be joined", id="default export"),
        pytest.param(TWICE, "both declare 'x'", id="a name twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_an_error(
    modules: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "_read", lambda folder, name: modules[name])
    bundle.app_script.cache_clear()
    with pytest.raises(PluginError, match=complaint):
        bundle.app_script()


@pytest.fixture(autouse=True)
def fresh_script() -> Any:
    yield
    bundle.app_script.cache_clear()


def test_the_frame_escapes_its_title() -> None:
    frame = bundle.frame("<script>x</script>", '"><img>').decode()
    assert "<script>x" not in frame
    assert "<img>" not in frame
    assert "Content-Security-Policy" in frame
