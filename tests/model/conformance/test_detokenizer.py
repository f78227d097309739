from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError
from fac_eval.model.conformance import detokenizer as conformance
from fac_eval.model.conformance.detokenizer import GoldenDetokenizer
from fac_eval.model.detokenizer import dit, driver, flow, hift

GOLDEN = Path(__file__).parents[2] / "golden" / "detokenizer"
CASES = {case.id: case for case in conformance.cases(GOLDEN)}


@pytest.mark.parametrize("case_id", [case_id for case_id in CASES if not case_id.startswith("segments_")])
def test_recorded_case(case_id: str) -> None:
    assert CASES[case_id].check() == [], CASES[case_id].label


def test_recorded_segments() -> None:
    tables = [case for case in CASES.values() if case.id.startswith("segments_")]
    assert len(tables) > 100
    assert [case.id for case in tables if case.check()] == []


def test_every_stage_is_there_and_an_index_file_stands_for_its_folder() -> None:
    stages = Counter(case.label.split(":")[0] for case in conformance.cases(GOLDEN / "index.json"))
    assert stages.keys() == {
        "noise",
        "segments",
        "flow",
        "hift",
        "e2e",
        "e2e_stream",
        "tensor",
        "completeness",
    }


def _all_heads(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    heads = x.unflatten(-1, (-1, 2 * cos.shape[-1]))
    even, odd = heads[..., 0::2], heads[..., 1::2]
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-3)


def _other_schedule(steps: int = 10) -> tuple[Tensor, list[float]]:
    return torch.arange(steps) / steps, [1 / steps] * steps


@pytest.mark.parametrize(
    ("module", "name", "replacement", "case_id"),
    [
        pytest.param(dit, "rotate_first_head", _all_heads, "flow_full_25", id="positions in every head"),
        pytest.param(dit, "_NORM_EPS", 1e-3, "flow_full_25", id="another epsilon"),
        pytest.param(flow, "schedule", _other_schedule, "flow_full_25", id="even steps"),
        pytest.param(hift, "_LAST_SLOPE", 0.1, "hift_full_50", id="another slope"),
        pytest.param(hift, "_MAGNITUDE_LIMIT", 0.1, "hift_full_50", id="another limit"),
        pytest.param(driver, "_SHORTEST_TAIL", 10, "segments_777", id="another rule for tails"),
        pytest.param(driver, "look_ahead", lambda _: 9, "e2e_hop_a", id="waiting too long"),
    ],
)
def test_a_wrong_model_disagrees(
    module: Any, name: str, replacement: Any, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, replacement)
    differing = [case.check() for case in conformance.cases(GOLDEN) if case.id.startswith(case_id)]
    assert any(differing)


def _entry(golden: GoldenDetokenizer, case_id: str) -> dict[str, Any]:
    return next(dict(entry) for entry in golden.index["cases"] if entry["id"] == case_id)


@pytest.mark.parametrize(
    ("name", "recorded", "message"),
    [
        pytest.param(
            "other", torch.zeros(1), "other: recorded, but nothing of ours corresponds", id="one we have not"
        ),
        pytest.param("mel", torch.full((1, 80, 6), torch.nan), "mel: nan apart", id="not a number"),
        pytest.param("mel", torch.zeros(1, 80, 6), "apart, allowed 5e-05", id="other values"),
        pytest.param(
            "mu", torch.zeros(1, 80, 7), "mu: shape [1, 80, 6], recorded [1, 80, 7]", id="another shape"
        ),
    ],
)
def test_a_tensor_that_differs_is_named(name: str, recorded: Tensor, message: str) -> None:
    golden = GoldenDetokenizer(GOLDEN)
    entry = _entry(golden, "flow_full_3")
    golden.tensors[f"flow_full_3/{name}"] = recorded
    assert name in golden.recorded(entry)
    assert message in "; ".join(golden.check_tensor(entry, name))


def test_a_case_that_fails_fails_with_all_its_tensors() -> None:
    golden = GoldenDetokenizer(GOLDEN)
    entry = _entry(golden, "flow_full_3")
    entry["input"] = {**entry["input"], "tokens": [331]}
    assert "outside the vocabulary" in golden.check_case(entry)[0]
    assert "outside the vocabulary" in golden.check_tensor(entry, "mel")[0]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mel_mean", 0.5, "mel_mean: expected 0.5"),
        ("mel_shape", [1, 80, 8], "mel_shape: expected [1, 80, 8], got [1, 80, 6]"),
        ("colour", "blue", "colour: recorded"),
        ("error", "IndexError", "expected an error (IndexError)"),
    ],
)
def test_numbers_in_the_index_are_compared(key: str, value: Any, message: str) -> None:
    golden = GoldenDetokenizer(GOLDEN)
    entry = _entry(golden, "flow_full_3")
    entry["expected"] = {**entry["expected"], key: value}
    assert message in "; ".join(golden.check_case(entry))


def test_a_tensor_without_a_case_is_reported() -> None:
    golden = GoldenDetokenizer(GOLDEN)
    golden.tensors["forgotten/mel"] = torch.zeros(1)
    assert golden.check_owners() == ["forgotten/mel: belongs to no case"]


def test_an_unknown_stage_cannot_be_run() -> None:
    golden = GoldenDetokenizer(GOLDEN)
    with pytest.raises(CannotRunError, match="'codec'"):
        golden.check_case({**_entry(golden, "flow_full_3"), "stage": "codec"})


def test_another_formula_of_the_noise_cannot_be_run() -> None:
    golden = GoldenDetokenizer(GOLDEN)
    golden.index["header"]["hift_noise"] = "a buffer"
    with pytest.raises(CannotRunError, match="hift_noise"):
        golden.check_case(_entry(golden, "hift_full_50"))


def test_a_set_of_other_sizes_is_read_from_its_files(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from fac_eval.model.detokenizer import DetokenizerConfig, write_random_vocoder

    config = json.loads((GOLDEN / "config.json").read_text("utf-8"))
    config["flow"]["dit"].update(dim=32, depth=1, heads=2)
    config["hift"].update(base_channels=16)
    folder = tmp_path / "detokenizer"
    write_random_vocoder(folder, 3, DetokenizerConfig.from_dict(config), layout="safetensors")
    original = GoldenDetokenizer(GOLDEN)
    save_file(dict(original.inputs), folder / "inputs.safetensors")
    index = {
        "header": original.index["header"],
        "config": config,
        "cases": [_entry(original, "flow_full_25")],
    }
    (folder / "index.json").write_text(json.dumps(index), "utf-8")
    (folder / "segments.json").write_text("[]", "utf-8")
    save_file(
        {key: value for key, value in original.tensors.items() if key.startswith("flow_full_25/")},
        folder / "flow_cases.safetensors",
    )
    case = next(case for case in conformance.cases(folder) if case.id == "flow_full_25/mel")
    assert "apart" in case.check()[0]
