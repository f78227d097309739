"""Sets of other sizes, names and settings than the recorded one: nothing of it may be built in."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError, run_conformance
from fac_eval.errors import DataError
from fac_eval.model.conformance import chat, generation
from fac_eval.model.conformance.edges import check_edge
from fac_eval.model.conformance.golden import GoldenModel, named
from fac_eval.model.conformance.tensors import Produced, _columns
from fac_eval.model.conformance.tolerance import Tolerances

EXPERTS = {
    "model_type": "qwen3_moe",
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "mlp_only_layers": [0],
}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "groups of three, chunks of 0.5 s": {"audio_config": {"group_size": 3, "n_window": 25}},
    "experts, features added": {
        "text_config": EXPERTS,
        "audio_config": {"continuous_features_mode": "add", "group_size": 2},
    },
    "qwen2, tied": {"text_config": {"model_type": "qwen2", "tie_word_embeddings": True}},
}
TEMPLATE = "<|audio_bos|><|AUDIO|><|audio_eos|>"


def write_checkpoint(tiny: Path, folder: Path, changes: dict[str, dict[str, Any]]) -> None:
    """The tiny checkpoint with another configuration, and weights for it."""
    from fac_eval.model.config import FunAudioChatConfig
    from fac_eval.model.tiny import random_model, save_weights

    folder.mkdir(parents=True)
    config = json.loads((tiny / "config.json").read_text("utf-8"))
    for section, values in changes.items():
        config[section] |= values
    size = config["audio_config"]["group_size"]
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    for path in tiny.iterdir():
        if path.name not in ("config.json", "processor_config.json", "model.safetensors", "vocoder"):
            (folder / path.name).symlink_to(path)
    processor = json.loads((tiny / "processor_config.json").read_text("utf-8"))
    (folder / "processor_config.json").write_text(json.dumps(processor | {"audio_group_size": size}), "utf-8")
    save_weights(random_model(FunAudioChatConfig.from_dict(config), 5), folder / "weights.safetensors")


def record(folder: Path, checkpoint: str) -> dict[str, Any]:
    """A set in the known layout under other names, recorded by our own model: prompts, runs, a batch of three."""
    from safetensors.torch import save_file

    seconds = {"hum": 0.31, "low_hum_2": 1.2, "blip": 0.03}
    waves = {name: torch.arange(int(16000 * s)).mul(0.1).sin().mul(0.3) for name, s in seconds.items()}
    tensors = {f"wave.{name}": wave for name, wave in waves.items()}
    what = dict.fromkeys(tensors, "the waveform itself")
    header = {"checkpoint": checkpoint, "tensor_file": "values.safetensors"}
    index: dict[str, Any] = {
        "header": {**header, "tolerance": {"mel": 3e-5, "embeddings": "abs 1e-4.", "hidden states": 1e-4}},
        "waveforms": {
            name: {
                "samples": len(wave),
                "sha256_float32_le": hashlib.sha256(wave.numpy().astype("<f4").tobytes()).hexdigest(),
            }
            for name, wave in waves.items()
        },
        "processor_cases": [],
        "tensors": what,
        "notes": ["a remark"],
    }
    index["header"]["tolerance"]["logits"] = "abs 5e-4"
    place = folder / "other_index.json"
    save_file(tensors, folder / "values.safetensors")
    place.write_text(json.dumps(index), "utf-8")
    golden = GoldenModel(place)
    for name, clips in {"ask": ["hum"], "ask_more": ["low_hum_2", "blip"], "words": []}.items():
        turns = [{"role": "user", "content": TEMPLATE * len(clips) or "Say yes."}]
        text = golden.processor.apply_chat_template(turns, add_generation_prompt=True)
        ids = golden.processor(text=text, audio=[waves[clip].numpy() for clip in clips] or None)["input_ids"]
        case = {"id": name, "conversation": turns, "audio": clips, "templated_text": text}
        index["processor_cases"].append(case | {"input_ids": ids[0].tolist()})
    place.write_text(json.dumps(index), "utf-8")
    golden = GoldenModel(place)
    output = golden.forward(golden.inputs("ask_more"))
    tensors["ask_more.text_logits"], tensors["ask_more.last_hidden"] = output.logits, output.last_hidden_state
    tensors["ask_more.speech_logits_argmax"] = output.speech_logits.argmax(-1)
    output = golden.forward(golden.inputs("ask", "ask_more", "words"))
    tensors["batch3.text_logits"] = output.logits
    what |= {name: "" for name in tensors if name not in what}
    what["batch3.text_logits"] = "of ask, ask_more and words"
    save_file(tensors, folder / "values.safetensors")
    speak = {"text_greedy": True, "force_text_abos": True}
    sampled = {"do_sample": True, "top_k": 9, "max_new_tokens": 6, "repetition_penalty": 1.1}
    runs: list[dict[str, Any]] = [
        {"id": "greedy", "prompt": "ask", "sp_gen_kwargs": speak, "generate_kwargs": {"max_new_tokens": 6}},
        {"id": "drawn", "prompt": "words", "sp_gen_kwargs": {}, "generate_kwargs": sampled, "torch_seed": 3},
        {
            "id": "together",
            "prompt": "ask+ask_more+words",
            "sp_gen_kwargs": speak,
            "generate_kwargs": {"max_new_tokens": 6},
        },
    ]
    index["generate_cases"] = [run | generation.generation(golden, run) for run in runs]
    inputs = golden.inputs("ask", "ask_more", "words")
    index["together_inputs"] = {"input_ids": inputs["input_ids"].tolist()}
    place.write_text(json.dumps(index), "utf-8")
    return index


def disagreeing(folder: Path) -> dict[str, list[str]]:
    return {case.id: found for case in chat.cases(folder) if (found := list(case.check()))}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_set_of_another_model_is_read_from_its_files(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    write_checkpoint(tiny_folder, folder / "weights", VARIANTS[name])
    index = record(folder, "weights")
    (report,) = run_conformance([tmp_path])
    assert (report.name, report.path.name) == ("model", "other_index.json")
    assert report.agreements == report.cases == 15
    assert report.kinds["generate_cases"] == 3
    assert report.kinds["together_inputs"] == 1
    index["generate_cases"][0]["speech_ids"][0][4] += 1
    index["together_inputs"]["input_ids"][0][-1] += 1
    del index["waveforms"]["blip"]
    (folder / "other_index.json").write_text(json.dumps(index), "utf-8")
    assert disagreeing(folder).keys() == {"generate_cases.greedy", "together_inputs.all", "tensors"}


def test_all_sets_of_a_folder_are_compared(golden_folder: Path, tmp_path: Path) -> None:
    index = json.loads((golden_folder / "tiny_index.json").read_text("utf-8"))
    for name in ("tiny", "tiny_tensors.safetensors"):
        (tmp_path / name).symlink_to(golden_folder / name)
    for name in ("a_index.json", "b_index.json"):
        (tmp_path / name).write_text(json.dumps(index), "utf-8")
    once = Counter(case.label for case in chat.cases(golden_folder))
    found = list(chat.cases(tmp_path))
    assert Counter(case.label for case in found) == {label: 2 * count for label, count in once.items()}
    assert len({case.id for case in found}) == len(found)


@pytest.mark.parametrize("missing", ["header", "processor_cases", "tensors"])
def test_what_is_no_index_is_named_at_once(golden_folder: Path, tmp_path: Path, missing: str) -> None:
    index = json.loads((golden_folder / "tiny_index.json").read_text("utf-8"))
    del index[missing]
    (tmp_path / "tiny_index.json").write_text(json.dumps(index), "utf-8")
    with pytest.raises(DataError, match=missing):
        chat.cases(tmp_path / "tiny_index.json")


def run(golden: GoldenModel, case_id: str, **changes: Any) -> dict[str, Any]:
    case = next(case for case in golden.index["generate_cases"] if case["id"] == case_id)
    return {**case, **changes}


def test_rows_of_a_spoken_batch_may_end_apart(golden: GoldenModel) -> None:
    """The reference pads them, and goes on talking for a row that has ended: that part of its record is not ours."""
    case = run(golden, "batch2_s2s")
    first = case["new_text_ids"][0]
    options = {**case["generate_kwargs"], "eos_token_id": first[4]}
    text = [first[:5] + [410] * 25, case["new_text_ids"][1]]
    speech = [case["speech_ids"][0][:20] + [7] * 125, case["speech_ids"][1]]
    changed = {**case, "generate_kwargs": options, **generation._written(golden, text, speech)}
    assert generation.check_generation(golden, changed) == []
    text[0][2] += 1
    changed |= generation._written(golden, text, speech)
    assert "new_text_ids[0][:5]" in generation.check_generation(golden, changed)[0]


def test_a_drawn_batch_is_no_agreement(golden: GoldenModel) -> None:
    options = {"do_sample": True, "max_new_tokens": 3, "eos_token_id": 412, "pad_token_id": 410}
    with pytest.raises(CannotRunError, match="from one stream"):
        generation.check_generation(
            golden,
            run(golden, "batch2_s2t", generate_kwargs=options, sp_gen_kwargs={"disable_speech": True}),
        )


@pytest.mark.parametrize(
    ("texts", "codes", "sound"),
    [
        pytest.param([[416, 1, 2, 3], [416, 5]], [9] * 15, (4, 15), id="speaks to the end"),
        pytest.param([[416, 1, 417, 3], [416, 5]], [9] * 5 + [6562] * 5, (3, 10), id="stops speaking"),
        pytest.param([[1, 416, 2, 3], [416, 5]], [9] * 10, (1, 0), id="another speaks first"),
        pytest.param([[1, 2, 3], [4, 416, 5]], [], (2, 0), id="another alone speaks"),
    ],
)
def test_how_much_of_a_row_is_sound(
    golden: GoldenModel, texts: list[list[int]], codes: list[int], sound: tuple[int, int]
) -> None:
    single = {"new_text_ids": [texts[0]], "speech_ids": [codes]}
    assert generation._sound(golden, {"new_text_ids": texts}, 0, single) == sound


def test_a_close_run_says_so_and_an_unknown_record_is_no_agreement(golden: GoldenModel) -> None:
    case = run(golden, "s2s_maxlen", new_text_ids=[[1]], min_top1_top2_margin_text=1e-5)
    assert "rounding" in generation.check_generation(golden, case)[-1]
    with pytest.raises(CannotRunError, match="beams; the rest agrees"):
        generation.check_generation(golden, run(golden, "s2s_maxlen", beams=4, note="x"))
    options = {"max_new_tokens": 6, "min_p": 0.1}
    with pytest.raises(CannotRunError, match="min_p"):
        generation.check_generation(golden, run(golden, "s2s_maxlen", generate_kwargs=options))


def test_an_odd_input_is_found_among_the_waveforms(golden: GoldenModel, tmp_path: Path) -> None:
    case = next(c for c in golden.index["processor_edge_cases"] if c["case"] == "no wrapping at all")
    other = GoldenModel(golden.checkpoint.parent / "tiny_index.json")
    other.tensors["wave.short"] = torch.zeros(700)
    other.index["waveforms"] = {"short": {}, **other.index["waveforms"]}
    assert check_edge(other, case) == []
    changed = json.loads(json.dumps(case))
    changed["output"]["speech_attention_mask"][0][6] = 0
    assert check_edge(other, changed)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("enc_direct.pooled", "enc_direct.out"),
        ("disc_direct.out_of_something", "disc_direct.out_combined"),
        ("trace.cache", "trace.text_ids"),
        ("p_chirp.enc.layer7_out", "p_chirp.enc.layer0_out"),
        ("p_chirp.attention", "p_chirp.last_hidden"),
        ("train.sometimes.losses", "train.text_ids"),
        ("flow.mel", "mel.chirp_1p7"),
    ],
)
def test_an_unknown_tensor_is_no_agreement(golden_folder: Path, name: str, change: str) -> None:
    golden = GoldenModel(golden_folder / "tiny_index.json")
    golden.tensors[name] = golden.tensors[change]
    with pytest.raises(CannotRunError, match=f"no rule for the tensor {name}"):
        Produced(golden)(name)


def test_features_may_be_added_in_one_tensor(golden: GoldenModel) -> None:
    name = "disc_direct.out_combined"
    other = GoldenModel(golden.checkpoint.parent / "tiny_index.json")
    told = other.index["tensors"][name]
    told["what"] = told["what"].replace("replace", "add")
    exists = other.tensors["disc_direct.exist"]
    apart = Produced(other)(name) - other.tensors[name]
    assert torch.allclose(apart[exists], other.tensors["disc_direct.out_ids_only"][exists], atol=1e-5)
    assert not other.model().audio_tower.adds


def test_an_argmax_may_take_the_other_of_two_equals() -> None:
    class Set:
        tolerances = Tolerances({"logits": "abs 5e-4"})

    logits = torch.tensor([[[1.0, 1.0005, 0.0], [3.0, 1.0, 0.0]]])
    best: Tensor = Produced._best(type("P", (), {"_golden": Set})(), logits, torch.tensor([[0, 1]]))  # type: ignore[arg-type]
    assert best.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("batch of p_two_b and p_two", ["p_two_b", "p_two"]),
        ("of s2s.12: a step", ["s2s.12"]),
        ("p_two_c", []),
    ],
)
def test_names_are_whole_words(told: str, found: list[str]) -> None:
    assert named(told, ["p_two", "p_two_b", "s2s.1", "s2s.12"]) == found


@pytest.mark.parametrize(
    ("name", "what", "allowed"),
    [
        ("mel.a", "", 2e-5),
        ("p.continuous", "", 1e-4),
        ("p.last_hidden", "", 1e-4),
        ("p.speech_lse", "", 5e-4),
        ("bf16.p.text_logits", "", 0.25),
        ("bf16.p.text_logits", "(tolerance: max abs diff 1.5e-1 relative to scale)", 1.5),
        ("p.text_logits", "(tolerance: max abs diff 2e-3.)", 2e-3),
    ],
)
def test_tolerances_are_read(name: str, what: str, allowed: float) -> None:
    stated = {
        "mel": 2e-5,
        "embeddings, hidden states": "abs 1e-4.",
        "logits, losses": "abs 5e-4",
        "bf16.*": "abs 0.25",
        "ids": "exact",
    }
    assert Tolerances(stated).of(name, what, 10.0) == pytest.approx(allowed)
    with pytest.raises(CannotRunError, match="no tolerance"):
        Tolerances({"ids": "exact"}).of(name)


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("rows [1, 3L, .], columns 0..1 and 7..9 last 10 rows", [0, 1, 7, 8, 9]),
        ("columns 2..3 and the last 2 of 10 valid frames", [2, 3, 8, 9]),
        ("columns [4, 1] of the 10", [4, 1]),
    ],
)
def test_columns_are_read(what: str, columns: list[int]) -> None:
    assert _columns(torch.arange(10)[None], what).tolist() == [columns]


def test_speech_without_a_name_is_not_written(golden: GoldenModel) -> None:
    from fac_eval.model.answers import speech_string

    assert speech_string(golden.processor.speech_tokenizer, [3, 6562, 7000]) == "[AU0003]<|audio_eos|>"


def test_odd_numbers_are_compared(golden_folder: Path) -> None:
    golden = GoldenModel(golden_folder / "tiny_index.json")
    for value, agrees in ((float("inf"), True), (float("nan"), False)):
        golden.tensors["p_chirp.last_hidden"] = torch.full((1, 2, 3), value)
        golden.index["tensors"]["p_chirp.last_hidden"] = "a remark"
        found = chat._check_tensor(golden, lambda name: golden.tensors[name], "p_chirp.last_hidden")  # type: ignore[arg-type]
        assert (found == []) is agrees
    golden.tensors["p_chirp.last_hidden"] = torch.zeros(1, 0, 3)
    assert chat._check_tensor(golden, lambda name: golden.tensors[name], "p_chirp.last_hidden") == []  # type: ignore[arg-type]
