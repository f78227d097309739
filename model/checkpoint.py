"""The files of a checkpoint: where they are and what tensors they hold."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from fac_eval.data.weights import hub_place, weights_folder
from fac_eval.errors import AssetError, require

from .provenance import CHECKPOINT_FILES, CHECKPOINT_SMALL_FILES


class _Slice(Protocol):
    def get_shape(self) -> list[int]: ...

    def get_dtype(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a checkpoint, not read yet."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: Path
    read: Callable[[], Tensor]


def locate(path: str | os.PathLike[str], *, revision: str | None = None, weights: bool = True) -> Path:
    """The folder of a checkpoint. A hub id (`owner/name`, optionally `@revision`) is downloaded or found cached.

    Raises:
        UsageError: It is neither a folder nor a hub id.
        MissingResource: The hub cannot be reached, or does not give it.
    """
    files = CHECKPOINT_FILES if weights else CHECKPOINT_SMALL_FILES
    return weights_folder(os.fspath(path), revision, patterns=files)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, in order; safetensors where there are any."""
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if (folder / index).is_file():
            return _indexed(folder / index)
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        found = [path for path in sorted(folder.iterdir()) if path.suffix in (".pt", ".pth", ".bin")]
    if not found:
        raise AssetError(f"{folder}: holds no weights", remedy="Expected *.safetensors, *.pt or *.bin files.")
    return found


def entries(files: list[Path]) -> Iterator[TensorEntry]:
    """Every tensor of the files, lazily. A truncated file or one with code in it is refused by name."""
    for path in files:
        yield from _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)


def hub_entries(path: str, *, revision: str | None = None) -> Iterator[TensorEntry]:
    """Every tensor of a checkpoint on the hub, from the headers of its safetensors files; weights are not fetched."""
    name, revision = hub_place(path, revision)
    hub: Any = require(
        "huggingface_hub", extra="model", purpose="a checkpoint from the hub", package="huggingface-hub"
    )
    try:
        found = hub.get_safetensors_metadata(name, revision=revision)
    except Exception as error:
        raise AssetError(
            f"the hub does not tell what weights {name!r} holds: {_first_line(error)}",
            remedy="Download it, and give the folder.",
        ) from error
    for file, header in found.files_metadata.items():
        for tensor, info in header.tensors.items():
            yield TensorEntry(tensor, tuple(info.shape), info.dtype, Path(file), partial(_not_here, name))


def _not_here(name: str) -> Tensor:
    raise AssetError(f"the weights of {name!r} are not on this machine", remedy="Download them first.")


def _indexed(index: Path) -> list[Path]:
    try:
        names = json.loads(index.read_text("utf-8"))["weight_map"].values()
    except (ValueError, KeyError, AttributeError) as error:
        raise AssetError(f"{index}: is no index of weights: {error}") from error
    files = [index.parent / name for name in sorted(set(names))]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise AssetError(
            f"{index}: these shards are missing: {', '.join(missing)}", remedy="Download them again."
        )
    return files


def _safetensors(path: Path) -> Iterator[TensorEntry]:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise AssetError(
            f"{path}: the file is truncated or no safetensors file: {error}", remedy="Download it again."
        ) from error
    for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
        part: _Slice = file.get_slice(name)
        yield TensorEntry(
            name, tuple(part.get_shape()), part.get_dtype(), path, partial(file.get_tensor, name)
        )


def _pickled(path: Path) -> Iterator[TensorEntry]:
    try:
        values = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise AssetError(
            f"{path}: holds more than tensors and is refused: unpickling it could run code ({_first_line(error)})",
            remedy="Convert it to safetensors where you trust it.",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise AssetError(
            f"{path}: the file is truncated or no torch file: {_first_line(error)}",
            remedy="Download it again.",
        ) from error
    if isinstance(values, dict) and isinstance(values.get("state_dict"), dict):
        values = values["state_dict"]
    if not isinstance(values, dict):
        raise AssetError(f"{path}: holds a {type(values).__name__}, not named tensors")
    for name, tensor in values.items():
        if not isinstance(tensor, Tensor):
            raise AssetError(f"{path}: {name!r} is a {type(tensor).__name__}, not a tensor")
        yield TensorEntry(
            str(name),
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            path,
            partial(_given, tensor),
        )


def _given(tensor: Tensor) -> Tensor:
    return tensor


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
