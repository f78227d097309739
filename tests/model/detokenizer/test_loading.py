from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fac_eval.errors import AssetError, DataError, MissingResource, UsageError
from fac_eval.model.detokenizer import (
    DetokenizerConfig,
    SpeechDetokenizer,
    inspect_folder,
    write_random_vocoder,
)
from fac_eval.model.detokenizer.config import read_config
from fac_eval.model.detokenizer.flow import Flow
from fac_eval.model.detokenizer.hift import DownsampleConv, HiFT

State = dict[str, Any]
GAIN, DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny vocoder to be spoilt."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "vocoder"))


def load(folder: Path, **options: Any) -> SpeechDetokenizer:
    return SpeechDetokenizer.from_pretrained(folder, device="cpu", **options)


def rewrite(path: Path, change: Callable[[State], Any]) -> None:
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


class Code:
    """What a malicious file holds."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize(
    ("part", "change", "named"),
    [
        pytest.param(
            "flow",
            lambda state: state.pop("input_embedding.weight"),
            ["1 missing", "input_embedding.weight"],
            id="missing",
        ),
        pytest.param(
            "hift",
            lambda state: state.pop(f"conv_pre{DIRECTION}"),
            ["1 missing", f"conv_pre{DIRECTION}"],
            id="a gain without its direction",
        ),
        pytest.param(
            "flow", lambda state: state.update(more=torch.ones(2)), ["1 unexpected", "more"], id="unexpected"
        ),
        pytest.param(
            "flow",
            lambda state: state.update({"spk_embed_affine_layer.bias": torch.ones(7)}),
            ["spk_embed_affine_layer.bias: [7] in the file, [80] in the model"],
            id="another shape",
        ),
        pytest.param(
            "hift",
            lambda state: state.update({f"conv_post{GAIN}": torch.ones(18)}),
            [f"conv_post{GAIN}: [18] in the file, [18, 1, 1] in the model"],
            id="another shape of a gain",
        ),
        pytest.param("hift", lambda state: state.clear(), ["missing:", "... and"], id="empty"),
        pytest.param(
            "flow", lambda state: state.update(epoch=3), ["'epoch'", "int", "not a tensor"], id="a number"
        ),
    ],
)
def test_other_tensors_than_the_models_are_refused_by_name(
    part: str, change: Callable[[State], Any], named: list[str], folder: Path
) -> None:
    rewrite(folder / f"{part}.pt", change)
    with pytest.raises(AssetError) as refusal:
        load(folder)
    for text in (f"{part}.pt", *named):
        assert text in str(refusal.value)


def test_code_in_a_file_is_refused_and_not_run(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "was-here"
    rewrite(folder / "flow.pt", lambda state: state.update(extra=Code(trace)))
    with pytest.raises(AssetError, match=r"flow\.pt: holds Python code beside tensors \(posix\.mkdir\)"):
        load(folder)
    assert not trace.exists()


def test_a_whole_module_is_refused(folder: Path) -> None:
    torch.save(nn.Linear(2, 2), folder / "hift.pt")
    with pytest.raises(AssetError, match=r"hift\.pt: holds Python code .*Linear"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(lambda data: data[: len(data) // 2], "truncated or damaged", id="half a file"),
        pytest.param(lambda data: b"", "truncated or damaged: it ends too early", id="nothing"),
        pytest.param(lambda data: b"<html>not found</html>", "no file of tensors", id="a page of the hub"),
        pytest.param(
            lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "Git LFS",
            id="a pointer",
        ),
    ],
)
def test_a_damaged_torch_file_is_named(content: Callable[[bytes], bytes], message: str, folder: Path) -> None:
    path = folder / "flow.pt"
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(AssetError, match=rf"flow\.pt: .*{message}"):
        load(folder)


def test_a_torch_file_must_hold_a_table(folder: Path) -> None:
    torch.save([torch.ones(2)], folder / "flow.pt")
    with pytest.raises(AssetError, match="holds a list"):
        load(folder)


def test_a_truncated_safetensors_file_is_named(folder: Path) -> None:
    path = folder / "hift.safetensors"
    save_file(torch.load(folder / "hift.pt", weights_only=True), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AssetError, match=r"hift\.safetensors: truncated"):
        load(folder)


def _old_names(state: State) -> State:
    return {
        key.replace(GAIN, ".weight_g").replace(DIRECTION, ".weight_v"): value for key, value in state.items()
    }


def _plain(state: State) -> State:
    plain = {key: value for key, value in state.items() if GAIN not in key and DIRECTION not in key}
    for key in [key for key in state if key.endswith(GAIN)]:
        name = key.removesuffix(GAIN)
        plain[f"{name}.weight"] = torch._weight_norm(state[name + DIRECTION], state[key], 0)
    return plain


def _of_a_pair(state: State) -> State:
    return {f"generator.{key}": value for key, value in state.items()}


@pytest.mark.parametrize("layout", [_old_names, _plain, _of_a_pair])
def test_every_layout_of_the_vocoder_makes_the_same_sound(
    layout: Callable[[State], State], folder: Path, tiny: SpeechDetokenizer
) -> None:
    torch.save(layout(torch.load(folder / "hift.pt", weights_only=True)), folder / "hift.pt")
    mel = torch.randn(1, 80, 12, generator=torch.Generator().manual_seed(0))
    noise = tiny._engine.source_noise.rows(0, 480 * 12)
    with torch.inference_mode():
        wave = load(folder)._engine.hift(mel, noise).wave
        assert torch.allclose(wave, tiny._engine.hift(mel, noise).wave, atol=1e-4)


def test_safetensors_and_torch_files_are_equals(tmp_path: Path, tiny: SpeechDetokenizer, codes: Any) -> None:
    write_random_vocoder(tmp_path / "other", seed=0, layout="safetensors")
    other = load(tmp_path / "other")
    assert [file.name for file in other.files] == ["flow.safetensors", "hift.safetensors"]
    assert torch.allclose(other.decode(codes(5)), tiny.decode(codes(5)), atol=1e-4)


def test_the_old_format_of_torch_is_read(folder: Path, tiny: SpeechDetokenizer, codes: Any) -> None:
    state = torch.load(folder / "flow.pt", weights_only=True)
    torch.save(state, folder / "flow.pt", _use_new_zipfile_serialization=False)
    assert torch.allclose(load(folder).decode(codes(5)), tiny.decode(codes(5)), atol=1e-4)


def test_files_are_recorded_with_their_hashes(tiny: SpeechDetokenizer, tiny_folder: Path) -> None:
    for file in tiny.files:
        data = (tiny_folder / file.name).read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        load(tmp_path / "nowhere")
    (folder / "hift.pt").unlink()
    with pytest.raises(MissingResource, match=r"neither hift\.safetensors nor hift\.pt"):
        load(folder)


def test_without_a_file_of_speakers_a_vector_will_do(folder: Path) -> None:
    (folder / "new_spk2info.pt").rename(folder / "voices.pt")
    with pytest.raises(MissingResource, match="speaker vectors"):
        load(folder)
    assert load(folder, speaker=torch.ones(1, 192)).speakers == ()
    assert load(folder, speakers=folder / "voices.pt").speakers == ("中文女", "中文男")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no speaker"),
        ({"a": torch.ones(2)}, "'a' has no `embedding`"),
        ({"a": {}}, "'a' has no `embedding`"),
    ],
)
def test_a_wrong_file_of_speakers_is_named(content: Any, message: str, folder: Path) -> None:
    torch.save(content, folder / "new_spk2info.pt")
    with pytest.raises(AssetError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["flow"].update(colour=1), "unknown keys in flow: colour"),
        (lambda content: content["flow"]["cfm"].update(solver="heun"), "heun"),
        (lambda content: content["flow"].update(input_frame_rate=50), "100 mel frames per second"),
        (lambda content: content["flow"].update(output_size=100), "mel bins differ"),
        (
            lambda content: content["hift"].update(upsample_rates=[8, 15]),
            "upsample_kernel_sizes has 3 entries for 2",
        ),
        (lambda content: content["flow"]["dit"].update(dim=72), "no multiple of 16"),
        (lambda content: content["flow"]["dit"].update(long_skip_connection=True), "long_skip_connection"),
        (lambda content: content["hift"]["istft_params"].update(hop_len=5), "no even multiple of the hop 5"),
        (lambda content: content["hift"].update(source_resblock_kernel_sizes=[7]), "has 1 entries for 3"),
        (lambda content: content.update(flow=[]), "flow is no object"),
    ],
)
def test_a_wrong_configuration_is_named(
    change: Callable[[dict[str, Any]], None], message: str, folder: Path
) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError, match=message) as refusal:
        read_config(folder)
    assert "config.json" in str(refusal.value)


def test_what_the_published_code_passes_over_is_passed_over(folder: Path) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text("utf-8"))
    content["flow"]["dit"].update(long_skip_connection=False, dropout=0.1)
    content["flow"]["cfm"].update(n_spks=1, sigma_min=1e-6)
    content["hift"]["source_resblock_kernel_sizes"].append(3)
    content["hift"]["source_resblock_dilation_sizes"].append([1])
    path.write_text(json.dumps(content), "utf-8")
    assert torch.equal(load(folder).decode(range(20)), load(folder).decode(range(20)))


def test_a_configuration_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "config.json").write_text("{", "utf-8")
    with pytest.raises(DataError, match=r"config\.json"):
        read_config(folder)


def test_a_configuration_for_another_program_is_passed_over(folder: Path) -> None:
    (folder / "config.json").write_text('{"architectures": ["CosyVoice3"]}', "utf-8")
    assert read_config(folder) == DetokenizerConfig()


def test_a_configuration_survives_its_file(tiny_folder: Path, tiny: SpeechDetokenizer) -> None:
    assert read_config(tiny_folder) == tiny.config == DetokenizerConfig.from_dict(tiny.config.to_dict())


def test_the_published_sizes_are_those_of_the_published_files() -> None:
    with torch.device("meta"):
        flow, hift = Flow(DetokenizerConfig().flow), HiFT(DetokenizerConfig().hift)
    assert _count(flow.state_dict()) == (330, 332_257_120)
    gains = [
        module.out_channels
        for module in hift.modules()
        if isinstance(module, nn.Conv1d) and not isinstance(module, DownsampleConv)
    ]
    tensors, values = _count(hift.state_dict())
    assert (tensors + len(gains), values + sum(gains)) == (328, 20_779_887)


def _count(state: dict[str, Tensor]) -> tuple[int, int]:
    return len(state), sum(value.numel() for value in state.values())


def test_weights_are_mapped_not_copied(folder: Path) -> None:
    flow = load(folder)._engine.flow
    with pytest.raises(RuntimeError, match=r"resiz|extern"):
        flow.input_embedding.weight.data.untyped_storage().resize_(1)


def test_equal_seeds_write_equal_weights(tmp_path: Path, tiny_folder: Path) -> None:
    for name, seed in (("same", 0), ("other", 5)):
        write_random_vocoder(tmp_path / name, seed=seed)
    for part in ("flow.pt", "hift.pt", "new_spk2info.pt"):
        original, same, other = (
            torch.load(place / part, weights_only=True)
            for place in (tiny_folder, tmp_path / "same", tmp_path / "other")
        )
        assert _equal(original, same)
        assert not _equal(original, other)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return torch.equal(one, other)


def test_a_folder_can_be_inspected_without_loading(tiny_folder: Path, tiny: SpeechDetokenizer) -> None:
    report = inspect_folder(tiny_folder)
    assert report.problems == ()
    assert report.files == tiny.files
    assert report.speakers == tiny.speakers
    assert report.memory["float32"] == 2 * report.memory["bfloat16"] == 4 * sum(report.parameters.values())


def test_inspection_lists_every_problem(folder: Path) -> None:
    rewrite(folder / "flow.pt", lambda state: state.pop("input_embedding.weight"))
    (folder / "hift.pt").unlink()
    (folder / "new_spk2info.pt").unlink()
    problems = inspect_folder(folder).problems
    assert len(problems) == 3
    for problem, text in zip(problems, ("input_embedding.weight", "hift.pt", "speaker vectors"), strict=True):
        assert text in problem


def test_what_the_hub_cannot_give_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[Any] = []

    def snapshot_download(name: str, **options: Any) -> str:
        asked.append((name, options["revision"]))
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    for place in ("owner/vocoder", "owner/vocoder@abc"):
        with pytest.raises(MissingResource, match="no network"):
            SpeechDetokenizer.from_pretrained(place, device="cpu")
    assert asked == [("owner/vocoder", None), ("owner/vocoder", "abc")]


def test_a_folder_of_the_hub_is_loaded(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tiny_folder))
    assert SpeechDetokenizer.from_pretrained("owner/vocoder", device="cpu").speakers
