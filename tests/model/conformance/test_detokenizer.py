from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError, run_conformance
from fac_eval.errors import DataError
from fac_eval.model.conformance import detokenizer as conformance
from fac_eval.model.conformance.detokenizer import GoldenDetokenizer
from fac_eval.model.conformance.noise import FormulaNoise
from fac_eval.model.detokenizer import dit, driver, flow, hift

GOLDEN = Path(__file__).parents[2] / "golden" / "detokenizer"
INDEX = GOLDEN / "index.json"
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
    golden = GoldenDetokenizer(INDEX)
    entry = _entry(golden, "flow_full_3")
    golden.tensors[f"flow_full_3/{name}"] = recorded
    assert name in golden.recorded(entry)
    assert message in "; ".join(golden.check_tensor(entry, name))


def test_a_case_that_fails_fails_with_all_its_tensors() -> None:
    golden = GoldenDetokenizer(INDEX)
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
    golden = GoldenDetokenizer(INDEX)
    entry = _entry(golden, "flow_full_3")
    entry["expected"] = {**entry["expected"], key: value}
    assert message in "; ".join(golden.check_case(entry))


def test_a_tensor_without_a_case_is_reported() -> None:
    golden = GoldenDetokenizer(INDEX)
    golden.tensors["forgotten/mel"] = torch.zeros(1)
    assert golden.check_complete() == ["forgotten/mel: belongs to no case"]


def test_an_unknown_stage_cannot_be_run() -> None:
    golden = GoldenDetokenizer(INDEX)
    with pytest.raises(CannotRunError, match="'codec'"):
        golden.check_case({**_entry(golden, "flow_full_3"), "stage": "codec"})


def test_another_formula_of_the_noise_cannot_be_run() -> None:
    golden = GoldenDetokenizer(INDEX)
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
    original = GoldenDetokenizer(INDEX)
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


def _other_set(folder: Path, changes: dict[str, Any], case_ids: list[str], header: dict[str, Any]) -> None:
    """Networks of other sizes with the recorded cases named, what they give put in place of what was recorded."""
    from safetensors.torch import save_file

    from fac_eval.model.detokenizer import DetokenizerConfig, write_random_vocoder

    original = GoldenDetokenizer(INDEX)
    config = json.loads((GOLDEN / "config.json").read_text("utf-8"))
    for section, values in changes.items():
        config[section] |= values
    write_random_vocoder(folder, 3, DetokenizerConfig.from_dict(config), layout="safetensors")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(dict(original.inputs), folder / "inputs.safetensors")
    index = {
        "header": {**original.index["header"], **header},
        "config": config,
        "cases": [_entry(original, case_id) for case_id in case_ids],
    }
    (folder / "sizes_index.json").write_text(json.dumps(index), "utf-8")
    made = GoldenDetokenizer(folder / "sizes_index.json")
    tensors = {}
    for entry in made.index["cases"]:
        found = made._outcome(entry)
        assert not isinstance(found, Exception), found
        recorded = [key for key in original.tensors if key.startswith(f"{entry['id']}/")]
        names = [key.split("/", 1)[1] for key in recorded]
        tensors |= {f"{entry['id']}/{name}": found[name].contiguous() for name in names if name in found}
        kept = {"calls", "samples", "dtype", "clipped"} & entry["expected"].keys()
        entry["expected"] = {name: found[name] for name in kept}
    save_file(tensors, folder / "all_cases.safetensors")
    (folder / "sizes_index.json").write_text(json.dumps(made.index), "utf-8")


SIZES = {
    "flow": {
        "spk_embed_dim": 192,
        "pre_lookahead_len": 4,
        "dit": {"dim": 32, "depth": 1, "heads": 3, "dim_head": 8},
    },
    "hift": {
        "base_channels": 8,
        "f0_cond_channels": 6,
        "nb_harmonics": 3,
        "upsample_rates": [4, 2],
        "upsample_kernel_sizes": [7, 4],
        "istft_params": {"n_fft": 12, "hop_len": 4},
        "conv_pre_look_right": 2,
    },
}


def test_a_set_of_other_sizes_agrees_until_something_is_changed(tmp_path: Path) -> None:
    folder = tmp_path / "sizes"
    header = {"t_span": [0.0, 1 - 0.75**0.5, 0.5, 1.0], "official_noise": {}}
    chosen = ["flow_full_3", "flow_stream_25_10_1", "e2e_25", "e2e_hop_dup", "stream_demo"]
    _other_set(folder, SIZES, chosen, header)
    (report,) = run_conformance([tmp_path])
    assert (report.name, report.path.name, report.agreements) == (
        "detokenizer",
        "sizes_index.json",
        report.cases,
    )
    assert report.kinds == {"noise": 2, "flow": 2, "tensor": 12, "e2e": 2, "e2e_stream": 1, "completeness": 1}
    index = json.loads((folder / "sizes_index.json").read_text("utf-8"))
    index["header"]["t_span"][1] += 1e-4
    index["config"]["flow"]["cfm"]["inference_cfg_rate"] = 0.71
    (folder / "sizes_index.json").write_text(json.dumps(index), "utf-8")
    (report,) = run_conformance([folder])
    wrong = {case.id for case in report.disagreements}
    assert wrong >= {"schedule", "tensors", "flow_full_3/mel", "flow_stream_25_10_1/mel"}
    assert "flow_full_3/mu" not in wrong


@pytest.mark.parametrize("stride", [9, 4])
def test_noise_by_a_formula_depends_on_its_place_alone(stride: int) -> None:
    noise = FormulaNoise(f"float32((({stride}*t+h)*2654435761+12345 mod 2**32)/2**32), h=0..3", 4)
    rows = noise.rows(7_300_000, 7_300_002)
    wanted = [
        [((stride * t + h) * 2654435761 + 12345) % 2**32 / 2**32 for h in range(4)]
        for t in (7_300_000, 7_300_001)
    ]
    assert torch.equal(rows, torch.tensor(wanted, dtype=torch.float64).float())


@pytest.mark.parametrize(
    ("name", "value", "case_id"),
    [
        ("rand_ini", [0.0, 0.5], "rand_ini"),
        ("rand_noise", {"shape": [1, 80, 15000], "head_0_1": [0.0]}, "rand_noise"),
        ("rand_noise", {"shape": [1, 80, 15001]}, "rand_noise"),
    ],
)
def test_wrong_published_noise_is_noticed(name: str, value: Any, case_id: str, tmp_path: Path) -> None:
    index = json.loads(INDEX.read_text("utf-8"))
    index["header"]["official_noise"][name] = value
    for path in GOLDEN.iterdir():
        if path.name != "index.json":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "index.json").write_text(json.dumps(index), "utf-8")
    (case,) = [case for case in conformance.cases(tmp_path) if case.id == case_id]
    assert case.check()


def test_a_case_without_its_input_cannot_be_run() -> None:
    golden = GoldenDetokenizer(INDEX)
    entry = _entry(golden, "flow_oob")  # an error is expected of it, but not this one
    with pytest.raises(CannotRunError, match="has no 'tokens'"):
        golden.check_case({**entry, "input": {}})


@pytest.mark.parametrize("content", ["[]", '{"header": {}}', '{"header": 1, "config": {}, "cases": []}'])
def test_what_is_no_index_is_named_at_once(content: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(content, "utf-8")
    with pytest.raises(DataError, match="no index of a recorded set"):
        conformance.cases(tmp_path)
    (tmp_path / "index.json").unlink()
    with pytest.raises(DataError, match="holds no index"):
        conformance.cases(tmp_path)
