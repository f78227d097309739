"""Weights in both published layouts and all file formats, and what files that are none are told."""

from __future__ import annotations

import os
import pickle
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fac_eval.errors import AssetError
from fac_eval.speech import utmos_weights
from fac_eval.speech.utmos_sizes import PUBLISHED, sizes_beside
from fac_eval.speech.utmos_weights import layout_of, load_network, name_in_file, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file

GOLDEN = Path(__file__).parents[2] / "golden" / "utmos"
FILES = {
    "speechmos": GOLDEN / "weights.safetensors",
    "lightning": GOLDEN / "weights_lightning_layout.safetensors",
}
SIZES = sizes_beside(FILES["speechmos"])
WAVE = np.sin(np.arange(8_000) / 9).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return load_network(FILES["speechmos"], SIZES).score([WAVE])


@pytest.fixture
def tensors(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    return read_tensors(FILES[getattr(request, "param", "speechmos")])


class Hyperparameters(dict[str, Any]):
    """Pickled as a foreign class that is called, given items and a state."""

    def __reduce__(self) -> Any:
        return Hyperparameters, ({"lr": 1},), {"_parent": None}, None, iter({"betas": [1, 2]}.items())


def training_checkpoint(
    tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any
) -> None:
    """A file as trainers write it, with objects of a package that is gone when the file is read."""
    gone = ModuleType("gone_package")
    gone.Hyperparameters = Hyperparameters  # type: ignore[attr-defined]
    monkeypatch.setattr(Hyperparameters, "__module__", "gone_package")
    monkeypatch.setitem(sys.modules, "gone_package", gone)
    content = {
        "epoch": 3,
        "state_dict": OrderedDict(tensors),
        "hyper_parameters": Hyperparameters(),
        "callbacks": {Hyperparameters: {"best": Path("best.ckpt")}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "counts": defaultdict(list, {1: [2]}),
        "seen": {1, 2},
    }
    torch.save(content, path, **options)
    monkeypatch.delitem(sys.modules, "gone_package")


@pytest.mark.parametrize("layout", FILES)
def test_both_layouts_are_the_same_network(layout: str, expected: list[float]) -> None:
    assert layout_of(read_tensors(FILES[layout])) == layout
    assert load_network(FILES[layout], SIZES).score([WAVE]) == expected


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old-format"])
@pytest.mark.parametrize("layout", FILES)
def test_torch_files_give_the_same(
    layout: str, zipped: bool, expected: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.ckpt"
    options = {"_use_new_zipfile_serialization": zipped}
    if layout == "lightning":
        training_checkpoint(read_tensors(FILES[layout]), monkeypatch, path, **options)
    else:
        torch.save(read_tensors(FILES[layout]), path, **options)
    assert load_network(path, SIZES).score([WAVE]) == expected


def test_half_precision_weights_are_widened(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file({name: tensor.half() for name, tensor in tensors.items()}, tmp_path / "half.safetensors")
    network = load_network(tmp_path / "half.safetensors", SIZES)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("tensors", FILES, indirect=True)
def test_the_weights_are_not_copied(tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utmos_weights, "read_tensors", lambda path: tensors)
    network = load_network(FILES["speechmos"], SIZES)
    layout = layout_of(tensors)
    for name, held in network.state_dict().items():
        given = tensors[name_in_file(name, layout)]
        table = given.shape != held.shape
        assert (
            held.untyped_storage().nbytes() == held.nbytes if table else held.data_ptr() == given.data_ptr()
        )


def test_the_published_sizes_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        from fac_eval.speech.utmos import UtmosNetwork

        network = UtmosNetwork(PUBLISHED)
    assert sum(p.numel() for p in network.parameters()) + PUBLISHED.hidden == 102_772_865
    assert len(network.state_dict()) + 1 == 225
    assert PUBLISHED.shortest == 400
    assert [PUBLISHED.frames(n) for n in (1, 399, 400, 719, 720, 16_000)] == [0, 0, 1, 1, 2, 49]


@pytest.mark.parametrize(
    ("tensors", "name", "value", "told"),
    [
        ("speechmos", "blstm.bias_hh_l0", None, "1 missing from the file:\n  blstm.bias_hh_l0"),
        ("speechmos", "quantizer.vars", [1, 2], "1 not known to the network:\n  quantizer.vars"),
        ("speechmos", "projection.0.bias", [3], "projection.0.bias: [3], expected [40]"),
        (
            "lightning",
            "output_layers.1.net.3.bias",
            None,
            "missing from the file:\n  output_layers.1.net.3.bias",
        ),
        ("lightning", "output_layers.1.net.1.bias", [1], "not known to the network"),
        (
            "lightning",
            "output_layers.0.judge_embedding.weight",
            [288, 6],
            "[288, 6], expected [more than 288, 6]",
        ),
        ("lightning", "feature_extractors.1.embedding.weight", [3, 7], "[3, 7], expected [more than 0, 8]"),
        (
            "lightning",
            "feature_extractors.0.ssl_model.encoder.pos_conv.0.weight_g",
            [48, 1, 1],
            "weight_g: [48, 1, 1], expected [1, 1, 16]",
        ),
    ],
    indirect=["tensors"],
)
def test_what_does_not_fit_is_named_as_in_the_file(
    tensors: dict[str, Tensor], name: str, value: list[int] | None, told: str, tmp_path: Path
) -> None:
    if value is None:
        del tensors[name]
    else:
        tensors[name] = torch.zeros(value)
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    with pytest.raises(AssetError) as caught:
        load_network(path, SIZES)
    assert told in caught.value.message
    assert str(path) in caught.value.message


def test_the_unused_mask_embedding_may_be_there_or_not(
    tensors: dict[str, Tensor], expected: list[float], tmp_path: Path
) -> None:
    del tensors["wav2vec2.mask_emb"]
    save_file(tensors, tmp_path / "weights.safetensors")
    assert load_network(tmp_path / "weights.safetensors", SIZES).score([WAVE]) == expected


@pytest.mark.parametrize("cut", [0, 1, 40, 2_000, -1])
@pytest.mark.parametrize("kind", ["zip", "old-format", "safetensors"])
def test_a_file_that_was_cut_off_is_refused(
    kind: str, cut: int, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pt")
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(
        AssetError, match=r"weights\.\w+: the file is truncated, or no (torch|safetensors) file"
    ):
        load_network(path, SIZES)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html>not found</html>", "is truncated, or no torch file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is truncated, or no torch file"),
        (pickle.dumps([1]), "is truncated, or no torch file"),
    ],
    ids=["page", "pointer", "pickle"],
)
def test_what_is_no_torch_file_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(AssetError, match=told):
        load_network(tmp_path / "weights.pt", SIZES)


@pytest.mark.parametrize(
    ("content", "told"),
    [([1], "holds a list"), ({"args": 1}, "'args' is no tensor"), ({"n": torch.ones(2).int()}, "'n' is no")],
)
def test_other_torch_files_are_refused(content: Any, told: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(AssetError, match=told):
        load_network(tmp_path / "weights.pt", SIZES)


class _Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize(
    "function",
    [os.system, eval, exec, os.mkdir, __import__],
    ids=["system", "eval", "exec", "mkdir", "import"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old-format"])
def test_code_in_a_file_is_refused_and_not_run(
    function: Any, zipped: bool, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    argument = str(trace) if function is os.mkdir else f"__import__('os').mkdir({str(trace)!r})"
    path = tmp_path / "weights.pt"
    torch.save(
        {"state_dict": tensors, "x": _Calls(function, argument)}, path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(AssetError, match=r"is refused: opening it the usual way would call \w+\.\w+"):
        load_network(path, SIZES)
    assert not trace.exists()


def test_code_of_other_modules_is_not_run_either(
    tensors: dict[str, Tensor], expected: list[float], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": tensors, "x": _Calls(Path.touch, trace)}, path)
    assert load_network(path, SIZES).score([WAVE]) == expected
    assert not trace.exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"no\.pt: there is no such file"):
        load_network(tmp_path / "no.pt", SIZES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"judge_dim": 6}', "these sizes are missing: conv_dim, domain_dim"),
        ('{"judge_dim": 6', "cannot be read"),
    ],
)
def test_sizes_that_cannot_be_read_are_an_error(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(AssetError, match=told):
        sizes_beside(tmp_path / "weights.pt")


@pytest.mark.parametrize("text", [None, "[]", '{"model_type": "wav2vec2", "hidden_size": 768}'])
def test_a_config_of_something_else_leaves_the_published_sizes(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert sizes_beside(tmp_path / "weights.pt") == PUBLISHED
