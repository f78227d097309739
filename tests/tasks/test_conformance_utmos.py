"""The recorded UTMOS scores, in both layouts, alone and in batches; and that wrong records are noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fac_eval.conformance import CannotRunError
from fac_eval.errors import DataError
from fac_eval.tasks.conformance import utmos

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

GOLDEN = Path(__file__).parents[1] / "golden" / "utmos"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / "cases.jsonl").read_text("utf-8").splitlines()]


def written(folder: Path, *chosen: dict[str, Any]) -> Path:
    """A set with some of the cases, and one file of weights."""
    for name in ("config.json", "weights.safetensors"):
        shutil.copy(GOLDEN / name, folder)
    lines = [json.dumps(row) for row in (rows()[0], *chosen)]
    (folder / "cases.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def row(case_id: str) -> dict[str, Any]:
    return next(row for row in rows() if row.get("id") == case_id)


def problems(folder: Path) -> dict[str, list[str]]:
    return {case.id: found for case in utmos.cases(folder) if (found := list(case.check()))}


def test_every_case_agrees_in_both_layouts() -> None:
    found = list(utmos.cases(GOLDEN))
    kinds = {case.label.partition(":")[0] for case in found}
    assert kinds == {"resampling", "weights", "weights_lightning_layout"}
    assert len(found) > 2 * len(rows())
    assert {case.id: differences for case in found if (differences := list(case.check()))} == {}


def test_the_set_may_be_named_by_its_file_of_cases() -> None:
    assert [case.id for case in utmos.cases(GOLDEN / "cases.jsonl")] == [
        case.id for case in utmos.cases(GOLDEN)
    ]


@pytest.mark.parametrize(
    ("case_id", "key", "value", "told"),
    [
        ("utmos-024", "score_sinc", 3.0, "sinc: 2.991"),
        ("utmos-024", "score_linear", 3.0, "linear: 2.991"),
        ("utmos-024", "score_sinc", "nan", "expected utmos_nonfinite"),
        ("utmos-024", "frames_sinc", 2, "1 frames, expected 2"),
        ("utmos-050", "error_sinc", 1.0, "utmos_too_short"),
        ("utmos-nan", "score_sinc", 2.0, "utmos_nonfinite"),
        ("utmos-052", "n16k_sinc", 401, "sinc: 400 samples, expected 401"),
        ("utmos-052", ("resampled_linear", "first", 0), 0.5, "linear: first samples are off by 0.17"),
        ("utmos-052", ("resampled_sinc", "sumsq"), 17.0, "sinc: sumsq 16.58"),
    ],
)
def test_a_wrong_record_disagrees(case_id: str, key: Any, value: Any, told: str, tmp_path: Path) -> None:
    wrong = row(case_id)
    *path, last = key if isinstance(key, tuple) else (key,)
    target = wrong["expected"]
    for step in path:
        target = target[step]
    target[last] = value
    assert told in json.dumps(problems(written(tmp_path, wrong)))


def test_a_padded_score_is_noticed(tmp_path: Path) -> None:
    batch = row("utmos-batch-2")
    members = [row(case_id) for case_id in batch["input"]["members"]]
    batch["expected"]["scores"] = batch["expected"]["naive_zero_padded"]
    found = problems(written(tmp_path, *members, batch))
    assert set(found) == {"utmos-batch-2.weights"}
    assert len(found["utmos-batch-2.weights"]) == 3


def test_a_network_that_lets_padding_in_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fac_eval.speech.utmos import UtmosNetwork

    exact = UtmosNetwork.score

    def padded(self: UtmosNetwork, waves: Any) -> list[float]:
        import numpy as np

        longest = max(len(wave) for wave in waves)
        return exact(self, [np.pad(wave, (0, longest - len(wave))) for wave in waves])

    monkeypatch.setattr(UtmosNetwork, "score", padded)
    batch = row("utmos-batch-1")
    found = problems(written(tmp_path, *(row(member) for member in batch["input"]["members"]), batch))
    assert set(found) == {"utmos-batch-1.weights", "all.sinc.weights", "all.linear.weights"}


def test_what_the_set_lacks_cannot_run(tmp_path: Path) -> None:
    batch = row("utmos-batch-0")
    cases = {case.id: case for case in utmos.cases(written(tmp_path, batch))}
    with pytest.raises(CannotRunError, match="no clip 'utmos-005'"):
        cases["utmos-batch-0.weights"].check()


def test_a_set_without_weights_is_an_error(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "cases.jsonl", tmp_path)
    with pytest.raises(DataError, match=r"weights and a config\.json"):
        list(utmos.cases(tmp_path))
