"""Loads the flow and the vocoder from a checkpoint's folder: every tensor must be there, and none be left over.

Weights stay mapped to their file where they need no other precision, so loading makes no second copy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from fac_eval.data.assets import asset_path
from fac_eval.data.weights import weights_folder
from fac_eval.errors import AssetError, FacEvalError, MissingResource

from ..provenance import SPEAKER_FILE, VOCODER_FILES
from .config import SPEAKERS, DetokenizerConfig, read_config
from .flow import Flow
from .hift import HiFT
from .tensor_files import LoadedFile, describe_file, read_table, read_tensors

DEFAULT_SPEAKER = "中文女"

_GAIN, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
_OLD_GAIN, _OLD_DIRECTION = ".weight_g", ".weight_v"
_SHOWN_KEYS = 8

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class KeyDiff:
    """How the tensors of a file differ from those that the model has."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    """Key, shape in the file, shape in the model."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        wrong = [
            f"{key}: {list(found)} in the file, {list(wanted)} in the model"
            for key, found, wanted in self.shapes
        ]
        parts = (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", wrong))
        lines = []
        for label, keys in parts:
            if keys:
                lines.append(f"{len(keys)} {label}:")
                lines += [f"  {key}" for key in keys[:_SHOWN_KEYS]]
                if len(keys) > _SHOWN_KEYS:
                    lines.append(f"  ... and {len(keys) - _SHOWN_KEYS} more")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What `inspect_folder` found; it will load if there are no `problems`."""

    config: DetokenizerConfig
    files: tuple[LoadedFile, ...]
    parameters: Mapping[str, int]
    """Numbers of `flow` and `hift`."""
    memory: Mapping[str, int]
    """Bytes of the weights, by dtype."""
    speakers: tuple[str, ...]
    problems: tuple[str, ...]


def locate(place: str | Path) -> Path:
    """The folder at `place`, or that of a hub id `owner/name`, optionally `@revision`, fetched where it is not cached.

    Raises:
        UsageError: It is neither a folder nor a hub id.
        MissingResource: The hub cannot be reached, or does not give it.
    """
    return weights_folder(os.fspath(place), patterns=VOCODER_FILES)


def load_flow(folder: Path, config: DetokenizerConfig, device: torch.device, dtype: torch.dtype) -> Flow:
    """The flow with the weights of `folder`."""
    path = weights_file(folder, "flow")
    with torch.device("meta"):
        flow = Flow(config.flow)
    state = read_tensors(path)
    _check(path, flow, state)
    return _filled(flow, {key: value.to(device, dtype) for key, value in state.items()})


def load_hift(
    folder: Path, config: DetokenizerConfig, device: torch.device, dtype: torch.dtype, f0_dtype: torch.dtype
) -> HiFT:
    """The vocoder with the weights of `folder`, weight norm folded in, f0 in its own precision."""
    path = weights_file(folder, "hift")
    with torch.device("meta"):
        hift = HiFT(config.hift)
    state = hift_state(read_tensors(path))
    _check(path, hift, state)
    # The head and the source stay in float32: logarithms and phases do not fit into fewer bits.
    exact = ("m_source.", "conv_post.")
    weights = {}
    for key, value in folded(state, f0_dtype).items():
        own = (
            f0_dtype if key.startswith("f0_predictor.") else torch.float32 if key.startswith(exact) else dtype
        )
        weights[key] = value.to(device, own)
    return _filled(hift, weights)


def load_speakers(folder: Path, path: Path | None = None) -> dict[str, Tensor]:
    """Speaker vectors `[1, 192]` by name: of `path`, of the checkpoint's folder, or those `prepare` fetched.

    Raises:
        MissingResource: There is no such file anywhere.
        AssetError: It is damaged or holds something else.
    """
    if path is None:
        own = folder / SPEAKER_FILE
        path = own if own.is_file() else asset_path(SPEAKERS)
    content = read_table(path)
    vectors = {}
    for name, entry in content.items():
        vector = entry.get("embedding") if isinstance(entry, Mapping) else None
        if not isinstance(vector, Tensor):
            raise AssetError(f"{path}: the speaker {name!r} has no `embedding`.")
        vectors[str(name)] = vector.float().reshape(1, -1)
    if not vectors:
        raise AssetError(f"{path}: holds no speaker.")
    return vectors


def inspect_folder(place: str | Path) -> FolderReport:
    """Read names and shapes only, and say whether a folder or hub id will load and what it will need."""
    folder = locate(place)
    problems: list[str] = []
    files: list[LoadedFile] = []
    parameters: dict[str, int] = {}
    speakers: tuple[str, ...] = ()
    config = DetokenizerConfig()
    try:
        config = read_config(folder)
    except FacEvalError as error:
        problems.append(str(error))
    for part in ("flow", "hift"):
        try:
            path = weights_file(folder, part)
            files.append(describe_file(path))
            with torch.device("meta"):
                module: nn.Module = Flow(config.flow) if part == "flow" else HiFT(config.hift)
            state = read_tensors(path)
            state = hift_state(state) if part == "hift" else state
            parameters[part] = sum(value.numel() for value in state.values())
            _check(path, module, state)
        except FacEvalError as error:
            problems.append(str(error))
    try:
        speakers = tuple(load_speakers(folder))
    except FacEvalError as error:
        problems.append(str(error))
    total = sum(parameters.values())
    memory = {"float32": 4 * total, "bfloat16": 2 * total}
    return FolderReport(config, tuple(files), parameters, memory, speakers, tuple(problems))


def weights_file(folder: Path, part: str) -> Path:
    """`flow` or `hift` in `folder`, as safetensors or as torch writes it."""
    for name in (f"{part}.safetensors", f"{part}.pt"):
        if (folder / name).is_file():
            return folder / name
    raise MissingResource(
        f"{folder} holds neither {part}.safetensors nor {part}.pt.",
        remedy="Give the folder of FunAudioLLM/Fun-CosyVoice3-0.5B-2512, as downloaded from the hub.",
    )


def hift_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The vocoder's tensors under their own names; the file may be of a whole adversarial pair."""
    return {key.replace("generator.", ""): value for key, value in state.items()}


def folded(state: Mapping[str, Tensor], f0_dtype: torch.dtype) -> dict[str, Tensor]:
    """Replace each gain and direction by the weight they stand for; that of the f0 predictor in `f0_dtype`."""
    weights = dict(state)
    for gain_ending, direction_ending in ((_GAIN, _DIRECTION), (_OLD_GAIN, _OLD_DIRECTION)):
        for key in [key for key in state if key.endswith(gain_ending)]:
            name = key.removesuffix(gain_ending)
            dtype = f0_dtype if name.startswith("f0_predictor.") else torch.float32
            gain, direction = weights.pop(key).to(dtype), weights.pop(name + direction_ending).to(dtype)
            weights[f"{name}.weight"] = torch._weight_norm(direction, gain, 0)
    return weights


def compare_keys(module: nn.Module, state: Mapping[str, Tensor]) -> KeyDiff:
    """What a state lacks, has in excess, or has in another shape, in the file's own names.

    Any convolution of the vocoder may come plain or as gain and direction, in the old naming or the new.
    """
    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    for key in [key for key in wanted if key.endswith(".weight")]:
        name = key.removesuffix(".weight")
        for gain, direction in ((_GAIN, _DIRECTION), (_OLD_GAIN, _OLD_DIRECTION)):
            if isinstance(module, HiFT) and (name + gain in state or name + direction in state):
                shape = wanted.pop(key)
                wanted[name + gain] = (shape[0], *[1] * (len(shape) - 1))
                wanted[name + direction] = shape
                break
    found = {key: tuple(value.shape) for key, value in state.items()}
    return KeyDiff(
        missing=tuple(key for key in wanted if key not in found),
        unexpected=tuple(key for key in found if key not in wanted),
        shapes=tuple(
            (key, found[key], shape) for key, shape in wanted.items() if found.get(key, shape) != shape
        ),
    )


def _check(path: Path, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    diff = compare_keys(module, state)
    if diff:
        raise AssetError(
            f"{path}: its tensors are not those of the model.\n{diff}",
            remedy="The file is of another model or incomplete, or config.json beside it gives other sizes.",
        )


def _filled(module: _Network, weights: Mapping[str, Tensor]) -> _Network:
    module.load_state_dict(weights, assign=True)
    return module.eval().requires_grad_(False)
