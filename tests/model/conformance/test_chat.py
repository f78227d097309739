"""Our model against everything that the reference recorded."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fac_eval.conformance import Case
    from fac_eval.model.conformance.golden import GoldenModel


@pytest.fixture(scope="module")
def cases(golden_folder: Path, _one_thread: None) -> list[Case]:
    from fac_eval.model.conformance.chat import cases

    return list(cases(golden_folder))


def test_every_case_and_tensor_agrees(cases: list[Case]) -> None:
    problems = {case.id: found for case in cases if (found := list(case.check()))}
    assert problems == {}


def test_every_kind_is_compared(cases: list[Case], golden: GoldenModel) -> None:
    kinds = Counter(case.label.split(":")[0] for case in cases)
    assert kinds["generate_cases"] == len(golden.index["generate_cases"])
    assert kinds["tensor"] + kinds["given tensor"] + kinds["waveform"] == len(golden.tensors)
    assert set(golden.index) - {"header", "waveforms", "tensors", "forward_cases", "notes"} <= set(kinds)


@pytest.mark.parametrize(
    "options",
    [
        {"attn_implementation": "eager"},
        {
            "device_map": {
                "continuous_audio_tower": "cpu",
                "audio_tower": "cpu",
                "audio_invert_tower": "cpu",
                "language_model.model.embed_tokens": "cpu",
                "language_model.model.rotary_emb": "cpu",
                "language_model.model.layers.0": "cpu",
                "language_model.model.layers.1": "cpu",
                "language_model.model.norm": "cpu",
                "language_model.lm_head": "cpu",
            }
        },
    ],
    ids=["eager", "split"],
)
def test_other_ways_to_load_give_the_same(golden_folder: Path, options: dict[str, object]) -> None:
    from fac_eval.model.conformance.chat import cases

    found = cases(golden_folder / "tiny_index.json", **options)
    wanted = (
        "p_chirp",
        "p_two",
        "enc_direct",
        "batch2",
        "s2s_example.2",
        "s2s_rp.s_two",
        "s2t_greedy.p_two",
        "trace",
    )
    chosen = [case for case in found if any(name in case.id for name in wanted)]
    assert len(chosen) > 30
    problems = {case.id: result for case in chosen if (result := list(case.check()))}
    assert problems == {}


@pytest.mark.parametrize(
    ("place", "value", "case_id"),
    [
        (("generate_cases", 0, "new_text_ids", 0, 1), 305, "generate_cases.s2t_greedy.p_chirp"),
        (("generate_cases", 10, "speech_ids", 0, 7), 1, "generate_cases.s2s_greedy.s_chirp"),
        (("processor_cases", 0, "feature_lens", 0), 171, "processor_cases.p_chirp"),
        (
            ("processor_edge_cases", 0, "output", "input_ids", 0, 3),
            7,
            "processor_edge_cases.audio of 639 samples (0 frames)",
        ),
        (("mel_stats", "chirp_1p7", "mean"), -0.4, "mel_stats.chirp_1p7"),
        (
            ("generate_cases", 10, "min_top1_top2_margin_speech"),
            0.5,
            "generate_cases.s2s_greedy.s_chirp",
        ),
        (("generate_cases", 41, "codes_for_vocoder", 1, 2), 3, "generate_cases.batch2_s2s"),
        (("tensors", "trace.text_ids", "shape"), [4], "tensor.trace.text_ids"),
        (("streamer_cases", 0, "steps", 2, "text_str"), "x", "streamer_cases.s_chirp#0"),
        (("waveforms", "chirp_1p7", "samples"), 1, "waveform.chirp_1p7"),
    ],
    ids=["text", "speech", "lengths", "edge", "mel", "gap", "batch", "shape", "streamer", "waveform"],
)
def test_a_wrong_record_is_noticed(
    golden_folder: Path, tmp_path: Path, place: tuple[str | int, ...], value: object, case_id: str
) -> None:
    from fac_eval.model.conformance.chat import cases

    index = json.loads((golden_folder / "tiny_index.json").read_text("utf-8"))
    inner = index
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "tiny_index.json").write_text(json.dumps(index), "utf-8")
    (tmp_path / "tiny_tensors.safetensors").symlink_to(golden_folder / "tiny_tensors.safetensors")
    (tmp_path / "tiny").symlink_to(golden_folder / "tiny")
    (case,) = [case for case in cases(tmp_path) if case.id == case_id]
    assert list(case.check())


def test_a_wrong_tensor_is_noticed(golden_folder: Path) -> None:
    from fac_eval.model.conformance.chat import cases
    from fac_eval.model.conformance.golden import GoldenModel

    found = {case.id: case for case in cases(golden_folder)}
    check = found["tensor.p_chirp.merged_embeds"].check
    golden = next(part for part in check.args if isinstance(part, GoldenModel))  # type: ignore[attr-defined]
    golden.tensors["p_chirp.merged_embeds"] = golden.tensors["p_chirp.merged_embeds"] + 2e-4
    assert list(check()) == ["p_chirp.merged_embeds: differs by up to 0.0002, allowed 0.0001"]
