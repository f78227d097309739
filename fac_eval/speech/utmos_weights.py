"""Published weights of the UTMOS22 strong learner into the network, whichever of the two layouts they have.

`speechmos` is the bare state dict of tarepan/SpeechMOS, `lightning` the training checkpoint that the authors' demo
and the package `utmos` carry. Both come as torch files or as safetensors; no code in a torch file is ever run.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.errors import AssetError

from .utmos_sizes import UtmosSizes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .utmos import UtmosNetwork

Layout = Literal["speechmos", "lightning"]

_EXPECTED = (
    "Expected is utmos22_strong_step7459_v1.pt of SpeechMOS v1.0.0, epoch=3-step=7459.ckpt of the authors' demo, or a "
    ".safetensors file with the tensors of either."
)
_TABLES = {
    "domain_emb": "feature_extractors.1.embedding.weight",
    "judge_emb": "output_layers.0.judge_embedding.weight",
}
"""Of these the lightning layout holds all rows, the other one the row in use."""
_UNUSED = re.compile(r"(wav2vec2|feature_extractors\.0\.ssl_model)\.mask_emb\Z")
_RUNS_CODE = {"builtins", "ctypes", "importlib", "nt", "os", "posix", "pty", "runpy", "shutil", "socket"} | {
    *("subprocess", "sys", "webbrowser"),
}
_HARMLESS_BUILTINS = {
    *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "getattr", "int", "list"),
    *("object", "range", "set", "slice", "str", "tuple", "type"),
}
_SPEECHMOS_NAMES = (
    (r"(conv_layers\.\d+)\.conv\.", r"\1.0."),
    (r"(conv_layers\.0)\.layer_norm\.", r"\1.2."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (r"pos_conv_embed\.conv\.", "pos_conv.0."),
    (r"parametrizations\.weight\.original0$", "weight_g"),  # what torch calls it since weight norm is no hook
    (r"parametrizations\.weight\.original1$", "weight_v"),
    (r"(layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"(layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"feed_forward\.intermediate_dense\.", "fc1."),
    (r"feed_forward\.output_dense\.", "fc2."),
)
"""From the names of transformers' `Wav2Vec2Model`, for fairseq's are those of the files."""
_LIGHTNING_NAMES = (
    (r"^wav2vec2\.", "feature_extractors.0.ssl_model."),
    (r"^blstm\.", "output_layers.0.decoder_rnn."),
    (r"^projection\.0\.", "output_layers.1.net.0."),
    (r"^projection\.2\.", "output_layers.1.net.3."),
)
_SHOWN = 6


def load_network(path: Path, sizes: UtmosSizes, device: str | torch.device = "cpu") -> UtmosNetwork:
    """The network with the weights of a file, in float32 and ready to score.

    Raises:
        AssetError: The file is missing or damaged, holds code, or its tensors are not those of such a network.
    """
    import torch

    from .utmos import UtmosNetwork

    try:
        with torch.device("meta"):
            network = UtmosNetwork(sizes)
    except (ValueError, RuntimeError) as error:
        raise AssetError(f"no network has the sizes {sizes}: {error}") from error
    tensors = read_tensors(path)
    layout = layout_of(tensors)
    shapes = {name: tuple(place.shape) for name, place in network.state_dict().items()}
    if problems := list(_misfits(tensors, shapes, sizes, layout)):
        raise AssetError(
            f"{path}: these are no weights of the UTMOS22 strong learner (read in the layout {layout})\n"
            + "\n".join(problems),
            remedy=_EXPECTED,
        )
    # Each tensor takes its place as it is, so that there never is a second copy.
    network.load_state_dict({name: _fitted(tensors, name, sizes, layout) for name in shapes}, assign=True)
    return network.eval().requires_grad_(False).to(device)


def layout_of(names: Mapping[str, object]) -> Layout:
    """Which of the two layouts a file has, told by its names."""
    return "lightning" if any(name.startswith("feature_extractors.") for name in names) else "speechmos"


def name_in_file(name: str, layout: Layout) -> str:
    """What a parameter of our network is called in a file."""
    head, dot, rest = name.partition(".")
    if head == "wav2vec2":
        name = head + dot + _renamed(rest, _SPEECHMOS_NAMES)
    if layout == "speechmos":
        return name
    return _TABLES.get(name) or _renamed(name, _LIGHTNING_NAMES)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file, not read into memory yet where its format allows that."""
    if not path.is_file():
        raise AssetError(f"{path}: there is no such file", remedy=_EXPECTED)
    values = _safetensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    if isinstance(values, dict) and isinstance(values.get("state_dict"), dict):
        values = values["state_dict"]
    if not isinstance(values, dict):
        raise AssetError(f"{path}: holds a {type(values).__name__}, not named tensors", remedy=_EXPECTED)
    import torch

    for name, value in values.items():
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise AssetError(f"{path}: {name!r} is no tensor of floats", remedy=_EXPECTED)
    return {str(name): value for name, value in values.items()}


def _misfits(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], sizes: UtmosSizes, layout: Layout
) -> Iterator[str]:
    """What does not fit, one kind after the other, under the file's own names."""
    expected = {name_in_file(name, layout): (name, shape) for name, shape in shapes.items()}
    yield from _listed("missing from the file", [name for name in expected if name not in tensors])
    extra = [name for name in tensors if name not in expected and not _UNUSED.match(name)]
    yield from _listed("not known to the network", extra)
    wrong = []
    for name, (ours, shape) in expected.items():
        found = tuple(tensors[name].shape) if name in tensors else shape
        if layout == "lightning" and ours in _TABLES:
            row = _row(ours, sizes)
            if len(found) != 2 or found[1] != shape[1] or (name in tensors and found[0] <= row):
                wrong.append(f"{name}: {list(found)}, expected [more than {row}, {shape[1]}]")
        elif found != shape:
            wrong.append(f"{name}: {list(found)}, expected {list(shape)}")
    yield from _listed("of a wrong shape", wrong)


def _listed(title: str, names: list[str]) -> Iterator[str]:
    if names:
        more = f"\n  ... and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"{len(names)} {title}:\n" + "\n".join(f"  {name}" for name in names[:_SHOWN]) + more


def _fitted(tensors: Mapping[str, Tensor], name: str, sizes: UtmosSizes, layout: Layout) -> Tensor:
    tensor = tensors[name_in_file(name, layout)].detach()
    if layout == "lightning" and name in _TABLES:
        row = _row(name, sizes)
        tensor = tensor[row : row + 1].clone()  # a view would keep the whole table
    return tensor.float()


def _row(name: str, sizes: UtmosSizes) -> int:
    return sizes.domain_id if name == "domain_emb" else sizes.judge_id


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, "safetensors", error) from error


def _unpickled(path: Path) -> Any:
    import torch

    try:
        # A training checkpoint holds objects of packages that need not be here; weights_only refuses such files.
        return torch.load(
            path,
            map_location="cpu",
            weights_only=False,
            pickle_module=_tensor_pickles(path),
            mmap=zipfile.is_zipfile(path),
        )
    except AssetError:
        raise
    except Exception as error:  # there is no end to the ways in which a damaged pickle can fail
        raise _damaged(path, "torch", error) from error


def _damaged(path: Path, kind: str, error: Exception) -> AssetError:
    reason = re.split(r"\. |\n", str(error).strip(), maxsplit=1)[0] or type(error).__name__
    return AssetError(
        f"{path}: the file is truncated, or no {kind} file: {reason}", remedy="Get it again. " + _EXPECTED
    )


class _Inert:
    """Stands for an object of any other class in a checkpoint: takes whatever a pickle does to it, and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> _Inert:
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    append = extend = add = update = __setstate__


def _tensor_pickles(path: Path) -> Any:
    """A stand-in for the module `pickle` that can make tensors and plain containers, and nothing else."""
    import torch

    allowed: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
        ("torch", "dtype"): torch.dtype,
    }

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in allowed:
                return allowed[module, name]
            if module == "torch":
                known = getattr(torch, name, None)
                if isinstance(known, torch.dtype) or (isinstance(known, type) and name.endswith("Storage")):
                    return known
            root = "builtins" if module == "__builtin__" else module.partition(".")[0]
            if root in _RUNS_CODE and not (root == "builtins" and name in _HARMLESS_BUILTINS):
                raise AssetError(
                    f"{path}: is refused: opening it the usual way would call {module}.{name}, which weights never do",
                    remedy="Do not open this file with anything else. " + _EXPECTED,
                )
            return _Inert

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    return SimpleNamespace(
        __name__="fac_eval tensor pickles",
        Unpickler=Unpickler,
        load=load,
        UnpicklingError=pickle.UnpicklingError,
    )
