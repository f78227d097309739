"""Checkpoints that load, and those that are refused with a message that names what is wrong."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fac_eval.errors import AssetError, FacEvalError, MissingResource, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from fac_eval.model.conformance.golden import GoldenModel

State = dict[str, Any]


@pytest.fixture
def checkpoint(golden_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(golden_folder / "tiny", tmp_path / "checkpoint"))


def load(folder: Path, **options: Any) -> Any:
    from fac_eval.model import FunAudioChatForConditionalGeneration

    return FunAudioChatForConditionalGeneration.from_pretrained(folder, **options)


def state_of(folder: Path) -> State:
    from safetensors.torch import load_file

    state: State = load_file(folder / "model.safetensors")
    return state


def save(state: State, path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state, path)


def same_weights(model: Any, golden: GoldenModel) -> bool:
    import torch

    theirs = golden.model().state_dict()
    ours = model.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def split(folder: Path) -> None:
    state = state_of(folder)
    names, files = sorted(state), ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    half = len(names) // 2
    parts = (names[:half], names[half:])
    for part, file in zip(parts, files, strict=True):
        save({name: state[name] for name in part}, folder / file)
    (folder / "model.safetensors").unlink()
    places = {name: file for part, file in zip(parts, files, strict=True) for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def as_torch(folder: Path) -> None:
    import torch

    torch.save({"state_dict": state_of(folder)}, folder / "model.pt")
    (folder / "model.safetensors").unlink()


def with_names_to_ignore(folder: Path) -> None:
    import torch

    state = state_of(folder)
    state["audio_invert_tower.crq_transformer.embed_tokens.weight"] = torch.zeros(3, 4)
    state["audio_invert_tower.lm_head.weight"] = torch.zeros(6565, 64)  # the embedding wins
    save(state, folder / "model.safetensors")


def with_the_head_for_the_embedding(folder: Path) -> None:
    state = state_of(folder)
    state["audio_invert_tower.lm_head.weight"] = state.pop("audio_tower.embed_tokens.weight")
    save(state, folder / "model.safetensors")


@pytest.mark.parametrize("change", [split, as_torch, with_names_to_ignore, with_the_head_for_the_embedding])
def test_every_layout_loads_the_same(
    checkpoint: Path, golden: GoldenModel, change: Callable[[Path], None]
) -> None:
    change(checkpoint)
    assert same_weights(load(checkpoint), golden)


def missing(folder: Path) -> None:
    state = state_of(folder)
    del state["audio_tower.output_matching.weight"]
    save(state, folder / "model.safetensors")


def extra(folder: Path) -> None:
    state = state_of(folder)
    state["audio_tower.more.weight"] = state["audio_tower.output_matching.weight"].clone()
    save(state, folder / "model.safetensors")


def wrong_shape(folder: Path) -> None:
    state = state_of(folder)
    state["audio_tower.output_matching.weight"] = state["audio_tower.output_matching.weight"][:5].clone()
    save(state, folder / "model.safetensors")


def truncated(folder: Path) -> None:
    split(folder)
    shard = folder / "model-00002-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size // 2)


def truncated_torch(folder: Path) -> None:
    as_torch(folder)
    os.truncate(folder / "model.pt", 5000)


def lost_shard(folder: Path) -> None:
    split(folder)
    (folder / "model-00001-of-00002.safetensors").unlink()


class _Code:
    def __reduce__(self) -> Any:
        return (os.system, ("exit 1",))


def code(folder: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({"weight": _Code()}, folder / "model.pt")


def bare_code(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.pt").write_bytes(pickle.dumps(_Code()))


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def other_model(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "qwen3"}')


def unequal_widths(folder: Path) -> None:
    change(folder, "audio_config", output_dim=32)


def windows(folder: Path) -> None:
    change(folder, "text_config", use_sliding_window=True, sliding_window=8, max_window_layers=1)


def unknown_head(folder: Path) -> None:
    change(folder, "audio_config", crq_transformer_config={"model_type": "qwen9"})


def change(folder: Path, section: str, **values: Any) -> None:
    content = json.loads((folder / "config.json").read_text())
    content[section] |= values
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (missing, ["1 missing from the files", "audio_tower.output_matching.weight"]),
        (extra, ["1 not known to the model", "audio_tower.more.weight"]),
        (wrong_shape, ["audio_tower.output_matching.weight", "[5, 64]", "[64, 64]", "model.safetensors"]),
        (truncated, ["model-00002-of-00002.safetensors", "truncated"]),
        (truncated_torch, ["model.pt", "truncated"]),
        (lost_shard, ["model-00001-of-00002.safetensors", "missing"]),
        (code, ["model.pt", "code"]),
        (bare_code, ["model.pt"]),
        (no_weights, ["holds no weights"]),
        (no_config, ["config.json", "missing"]),
        (other_model, ["config.json", "'qwen3'"]),
        (unequal_widths, ["output_dim is 32", "hidden_size is 64"]),
        (windows, ["text_config", "sliding windows"]),
        (unknown_head, ["crq_transformer_config", "'qwen9'"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_damaged_checkpoint_is_refused(
    checkpoint: Path, damage: Callable[[Path], None], named: list[str]
) -> None:
    damage(checkpoint)
    with pytest.raises(AssetError) as raised:
        load(checkpoint)
    for text in named:
        assert text in str(raised.value)


def test_experts_are_fused_and_a_missing_one_is_named(tmp_path: Path) -> None:
    import torch

    model, state = mixture(tmp_path)
    save(state, tmp_path / "model.safetensors")
    loaded = load(tmp_path)
    ids = torch.arange(12)[None]
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    del state["language_model.model.layers.0.mlp.experts.2.up_proj.weight"]
    save(state, tmp_path / "model.safetensors")
    with pytest.raises(AssetError, match=r"layers\.0\.mlp\.experts\.gate_up_proj: 1 of 8 expert matrices"):
        load(tmp_path)


def mixture(folder: Path) -> tuple[Any, State]:
    """A random model with experts, and its weights under the published names."""
    from fac_eval.model import FunAudioChatConfig
    from fac_eval.model.tiny import random_model
    from tests.model.conftest import GOLDEN

    values = json.loads((GOLDEN / "tiny" / "config.json").read_text())
    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "norm_topk_prob": True,
    }
    values["text_config"] |= {
        **experts,
        "model_type": "qwen3_moe",
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }
    (folder / "config.json").write_text(json.dumps(values))
    model = random_model(FunAudioChatConfig.from_dict(values), 3)
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        start, _, part = name.rpartition(".")
        if part == "gate_up_proj":
            for number, both in enumerate(value):
                gate, up = both.chunk(2)
                state[f"{start}.{number}.gate_proj.weight"] = gate.clone()
                state[f"{start}.{number}.up_proj.weight"] = up.clone()
        elif part == "down_proj" and start.endswith("experts"):
            state |= {f"{start}.{number}.down_proj.weight": down.clone() for number, down in enumerate(value)}
        elif name != "audio_invert_tower.lm_head.weight":
            state[name] = value
    return model, state


@pytest.mark.parametrize("attn", ["sdpa", "eager"])
def test_a_mixture_of_experts_decodes_rows_as_alone(tmp_path: Path, attn: str) -> None:
    import torch

    _, state = mixture(tmp_path)
    save(state, tmp_path / "model.safetensors")
    model = load(tmp_path, attn_implementation=attn)
    model.sp_gen_kwargs |= {"text_greedy": True, "force_text_abos": True}
    rows = [torch.arange(12) * 7 % 400, torch.arange(9) * 11 % 400]
    alone = [model.generate(row[None], max_new_tokens=6, eos_token_id=412) for row in rows]
    batch = torch.stack([rows[0], torch.cat([torch.full((3,), 410), rows[1]])])
    mask = torch.tensor([[1] * 12, [0] * 3 + [1] * 9])
    ids, speech = model.generate(batch, attention_mask=mask, max_new_tokens=6, eos_token_id=412)
    for row in range(2):
        assert ids[row, 12:].tolist() == alone[row][0][0, len(rows[row]) :].tolist()
        assert speech[row].tolist() == alone[row][1][0].tolist()


def test_dtype_and_device_choices(golden_folder: Path) -> None:
    import torch

    assert load(golden_folder / "tiny", torch_dtype=torch.bfloat16, device_map="cpu").dtype == torch.bfloat16
    assert load(golden_folder / "tiny", dtype="auto", device="cpu").dtype == torch.float32
    with pytest.raises(UsageError, match="int7"):
        load(golden_folder / "tiny", dtype="int7")
    with pytest.raises(UsageError, match="no device for"):
        load(golden_folder / "tiny", device_map={"language_model": "cpu", "audio_tower": "cpu"})
    with pytest.raises(TypeError, match="colour"):
        load(golden_folder / "tiny", colour="red")
    with pytest.raises(FacEvalError, match="is no folder"):
        load(golden_folder / "nowhere")


def test_shares_of_the_layers_for_two_devices(golden: GoldenModel) -> None:
    import torch

    from fac_eval.model.devices import balanced

    shares = balanced(golden.model(), [torch.device("cpu"), torch.device("meta")])
    assert {device.type for device in shares.values()} == {"cpu", "meta"}
    assert shares["audio_tower"] == shares["audio_invert_tower"]
    order = [shares[f"language_model.model.layers.{n}"].type for n in range(2)]
    assert order == sorted(order)


def test_weights_are_read_once_and_tied(golden: GoldenModel) -> None:
    model = golden.model()
    assert model.audio_invert_tower is not None
    assert model.audio_invert_tower.lm_head.weight is model.audio_tower.embed_tokens.weight
    assert not any(parameter.is_meta for parameter in model.parameters())
    assert not any(buffer.is_meta for buffer in model.buffers())


def test_the_auto_classes_know_the_model_once_asked(golden_folder: Path) -> None:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoProcessor

    from fac_eval.model import (
        FunAudioChatConfig,
        FunAudioChatForConditionalGeneration,
        FunAudioChatProcessor,
        register_auto_classes,
    )

    register_auto_classes()
    register_auto_classes()
    config = AutoConfig.from_pretrained(golden_folder / "tiny")
    assert isinstance(config, FunAudioChatConfig)
    assert isinstance(AutoProcessor.from_pretrained(golden_folder / "tiny"), FunAudioChatProcessor)
    model = AutoModelForSeq2SeqLM.from_pretrained(golden_folder / "tiny", config=config)
    assert isinstance(model, FunAudioChatForConditionalGeneration)


class FakeHub:
    """Stands in for `snapshot_download`."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.asked = folder, []  # type: ignore[var-annotated]

    def __call__(
        self, name: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool = False
    ) -> str:
        self.asked.append((name, revision, allow_patterns))
        if self.folder is None:
            raise OSError("no route to the hub")
        return str(self.folder)


def test_a_hub_id_is_fetched_at_its_revision(golden_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    hub = FakeHub(golden_folder / "tiny")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    assert load("FunAudioLLM/Fun-Audio-Chat-8B@abc").dtype is not None
    name, revision, patterns = hub.asked[0]
    assert (name, revision) == ("FunAudioLLM/Fun-Audio-Chat-8B", "abc")
    assert "model-*.safetensors" in patterns
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeHub(None))
    with pytest.raises(MissingResource, match="Fun-Audio-Chat-8B.*no route"):
        load("FunAudioLLM/Fun-Audio-Chat-8B")


def test_a_hub_checkpoint_is_known_by_its_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    from fac_eval.model.adapter import FunAudioChatModel

    fingerprints = set()
    for commit in ("c1", "c2"):
        hub = FakeHub(tmp_path / commit)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
        fingerprints.add(FunAudioChatModel("owner/name@main").fingerprint)
        assert not any("safetensors" in pattern for _, _, patterns in hub.asked for pattern in patterns)
    assert len(fingerprints) == 2
