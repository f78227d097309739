"""The quality meter: what has no score and why, batches, and what a figure is identified by."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fac_eval.audio import Audio
from fac_eval.errors import AssetError, AudioError, MissingExtra, MissingResource, UsageError
from fac_eval.specs import build, parse_spec
from fac_eval.speech.utmos_meter import WEIGHTS, Utmos
from tests.support.sounds import noise, stored, tone

torch = pytest.importorskip("torch")

WEIGHTS_FILE = Path(__file__).parents[2] / "golden" / "utmos" / "weights.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def meter() -> Utmos:
    return Utmos(str(WEIGHTS_FILE), device="cpu")


def with_value(value: float) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = noise(0.5)
    samples[100] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "rate", "flags"),
    [
        pytest.param(noise(0.5), 16_000, {}, id="speech"),
        pytest.param(noise(0.025), 16_000, {}, id="just-long-enough"),
        pytest.param(noise(0.025)[:399], 16_000, {"utmos_too_short": 1.0}, id="a-sample-too-short"),
        pytest.param(noise(1)[:597], 24_000, {"utmos_too_short": 1.0}, id="too-short-at-16-khz"),
        pytest.param(noise(1)[:600], 24_000, {}, id="long-enough-at-16-khz"),
        pytest.param(np.zeros(0, np.float32), 16_000, {"utmos_no_audio": 1.0}, id="nothing"),
        pytest.param(with_value(np.nan), 16_000, {"utmos_nonfinite": 1.0}, id="nan"),
        pytest.param(with_value(np.inf), 48_000, {"utmos_nonfinite": 1.0}, id="infinite-at-48-khz"),
        pytest.param(
            noise(0.5) * np.float32(3e38), 16_000, {"utmos_nonfinite": 1.0}, id="overflowing-network"
        ),
        pytest.param(np.zeros(8_000, np.float32), 16_000, {"silent": 1.0}, id="silence"),
        pytest.param(np.full(8_000, 0.9e-4, np.float32), 16_000, {"silent": 1.0}, id="hardly-a-sound"),
        pytest.param(np.full(8_000, 1.1e-4, np.float32), 16_000, {}, id="quiet"),
        pytest.param(
            np.zeros(100, np.float32), 16_000, {"silent": 1.0, "utmos_too_short": 1.0}, id="short-silence"
        ),
    ],
)
def test_a_missing_score_has_a_reason(
    samples: NDArray[np.float32], rate: int, flags: dict[str, float], meter: Utmos
) -> None:
    (figures,) = meter.measure_samples([(samples, rate)])
    found = dict(figures)
    score = found.pop("utmos", None)
    assert found == flags
    assert (score is None) == any(flag.startswith("utmos_") for flag in flags)
    assert score is None or -10 < score < 10


@pytest.mark.parametrize("variant", ["sinc", "linear"])
def test_a_nan_between_the_samples_that_a_rule_takes_is_seen(variant: Any) -> None:
    samples = noise(0.5)
    samples[101] = np.nan
    (figures,) = Utmos(str(WEIGHTS_FILE), variant, "cpu").measure_samples([(samples, 48_000)])
    assert figures == {"utmos_nonfinite": 1.0}


def test_clips_without_a_score_do_not_touch_the_others(meter: Utmos) -> None:
    good = [(noise(0.3), 16_000), (tone(0.8), 24_000), (noise(0.05), 16_000)]
    bad = [(with_value(np.nan), 16_000), (noise(0.02), 16_000), (noise(0.5) * np.float32(3e38), 16_000)]
    mixed = meter.measure_samples([bad[0], good[0], bad[1], good[1], bad[2], good[2]])
    alone = [meter.measure_samples([sound])[0]["utmos"] for sound in good]
    assert [figures["utmos"] for figures in mixed[1::2]] == pytest.approx(alone, abs=1e-5)
    assert all("utmos" not in figures for figures in mixed[0::2])


def test_clips_are_measured_at_their_own_rate_and_mixed_down(meter: Utmos) -> None:
    left, right = tone(0.5, 24_000), noise(0.75)[:12_000]
    stereo = Audio.from_bytes(stored(np.stack([left, right], axis=1), 24_000, subtype="FLOAT"))
    mono = (left + right) / 2
    assert meter.measure([stereo]) == meter.measure_samples([(mono, 24_000)])


def test_a_clip_that_cannot_be_read_is_the_clips_error(meter: Utmos) -> None:
    with pytest.raises(AudioError):
        meter.measure([Audio.from_bytes(b"no sound")])


class _Recorder:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def score(self, waves: Sequence[NDArray[np.float32]]) -> list[float]:
        self.batches.append([len(wave) for wave in waves])
        return [float(len(wave)) for wave in waves]


def test_batches_hold_clips_of_about_one_length_and_no_more_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter = Utmos(str(WEIGHTS_FILE), device="cpu", batch_size=4, batch_seconds=10)
    recorder = _Recorder()
    monkeypatch.setattr(meter, "_network", recorder)
    seconds = [1.0, 30.0, 4.8, 4.7, 0.5, 6.0, 1.0, 0.98, 0.96, 0.94, 0.92, 0.25]
    found = meter.measure_samples([(noise(length), 16_000) for length in seconds])
    assert [figures["utmos"] for figures in found] == [round(length * 16_000) for length in seconds]
    assert [[length / 16_000 for length in batch] for batch in recorder.batches] == [
        [30.0],  # longer than allowed, and never cut
        [6.0],  # would lengthen the next by a quarter
        [4.8, 4.7],  # one more would be too much in all
        [1.0, 1.0, 0.98, 0.96],  # as many as allowed
        [0.94, 0.92],
        [0.5],
        [0.25],
    ]


def test_nothing_is_loaded_for_clips_without_a_score() -> None:
    meter = Utmos(str(WEIGHTS_FILE), device="cpu")
    assert meter.measure_samples([(noise(0.01), 16_000)]) == [{"utmos_too_short": 1.0}]
    assert meter.measure([]) == []
    assert meter._network is None


def test_it_can_be_closed_and_used_again(meter: Utmos) -> None:
    before = meter.measure_samples([(noise(0.3), 16_000)])
    meter.close()
    assert meter._network is None
    assert meter.measure_samples([(noise(0.3), 16_000)]) == before


def test_the_variants_give_different_scores_under_different_fingerprints(meter: Utmos) -> None:
    linear = Utmos(str(WEIGHTS_FILE), variant="linear", device="cpu")
    bright = [(tone(1.0, 24_000, 10_000) + tone(1.0, 24_000, 300), 24_000)]
    assert abs(meter.measure_samples(bright)[0]["utmos"] - linear.measure_samples(bright)[0]["utmos"]) > 0.01
    assert meter.fingerprint != linear.fingerprint
    assert (meter.describe()["variant"], linear.describe()["variant"]) == ("sinc", "linear")


def test_the_fingerprint_follows_content_and_sizes_not_places_or_batches(tmp_path: Path) -> None:
    original = Utmos(str(WEIGHTS_FILE))
    copy = tmp_path / "elsewhere.safetensors"
    shutil.copy(WEIGHTS_FILE, copy)
    config = (WEIGHTS_FILE.parent / "config.json").read_text("utf-8")
    (tmp_path / "config.json").write_text(config)
    same = Utmos(str(copy), device="cpu", batch_size=1, batch_seconds=1)
    assert same.fingerprint == original.fingerprint
    assert str(same.describe()["sha256"]) in same.fingerprint
    (tmp_path / "config.json").write_text(config.replace('"heads": 4', '"heads": 2'))
    assert Utmos(str(copy)).fingerprint != original.fingerprint
    (tmp_path / "config.json").write_text(config)
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert Utmos(str(copy)).fingerprint != original.fingerprint


def test_planning_loads_no_torch() -> None:
    code = (
        "import sys; from fac_eval.speech.utmos_meter import Utmos; "
        f"meter = Utmos({str(WEIGHTS_FILE)!r}); meter.fingerprint; meter.describe(); "
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"fac-eval\[model\]"):
        Utmos(str(WEIGHTS_FILE)).load()


@pytest.fixture
def no_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAC_EVAL_ASSETS", str(tmp_path))
    return tmp_path


def test_missing_weights_say_where_they_are_to_be_had(no_assets: Path) -> None:
    with pytest.raises(MissingResource) as caught:
        _ = Utmos().fingerprint
    assert caught.value.remedy is not None
    for hint in (WEIGHTS.url, WEIGHTS.sha256, "utmos22_strong_step7459_v1.pt", "utmos:path="):
        assert hint in caught.value.remedy
    assert Utmos().assets() == (WEIGHTS,)
    assert Utmos(str(WEIGHTS_FILE)).assets() == ()


def test_pinned_weights_of_other_content_are_refused(no_assets: Path) -> None:
    place = no_assets / WEIGHTS.path_in_cache
    place.parent.mkdir()
    place.write_bytes(b"other")
    with pytest.raises(AssetError, match="is not the pinned"):
        _ = Utmos().fingerprint


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("utmos:path=w.pt,variant=cubic", "variant"),
        ("utmos:path=w.pt,device=tpu", "unknown device 'tpu'"),
        ("utmos:path=w.pt,batch_size=0", "must be positive"),
        ("utmos:path=w.pt,batch_seconds=0", "must be positive"),
    ],
)
def test_options_are_checked_before_any_work(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        build(Utmos, parse_spec(spec), kind="meter")


def test_a_path_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(AssetError, match=r"no\.pt: there is no such file"):
        _ = Utmos("no.pt").fingerprint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="the device 'cuda' cannot be used"):
        Utmos(str(WEIGHTS_FILE), device="cuda").load()


@pytest.mark.parametrize("mixed", [False, True], ids=["one-switch", "switch-by-operation"])
def test_tf32_is_off_while_scoring_and_as_before_afterwards(mixed: bool) -> None:
    from fac_eval.speech.utmos import full_precision

    cudnn = torch.backends.cudnn
    operations = [getattr(cudnn, "conv", None), getattr(cudnn, "rnn", None), torch.backends.cuda.matmul]
    if operations[0] is None:
        pytest.skip("this torch has no switches by operation")

    def allowed() -> list[bool]:
        return [operation.fp32_precision == "tf32" for operation in operations]

    before = [operation.fp32_precision for operation in operations]
    try:
        if mixed:
            cudnn.conv.fp32_precision = "ieee"
        held = allowed()
        assert True in held
        with pytest.raises(KeyError), full_precision(torch.device("cuda")):
            assert True not in allowed()
            raise KeyError
        assert allowed() == held
        with full_precision(torch.device("cpu")):
            assert allowed() == held
    finally:
        for operation, precision in zip(operations, before, strict=True):
            operation.fp32_precision = precision
