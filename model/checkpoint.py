"""The files of a checkpoint: where they are, what tensors they hold, and their sha256."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from fac_eval.errors import AssetError, UsageError, require

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z")
_SMALL_FILES = ["*.json", "*.jinja", "*.txt", "*.model", "speech_tokenizer/*"]
_WEIGHT_FILES = ["*.safetensors", "pytorch_model*.bin", "*.pt"]
_CHUNK = 2**22


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
    """The folder of a checkpoint. A hub id (`owner/name`, optionally `@revision`) is downloaded or found cached."""
    folder = Path(path)
    if folder.is_dir():
        return folder
    name, _, given = os.fspath(path).partition("@")
    if not _HUB_ID.match(name):
        raise UsageError(
            f"{folder}: there is no such checkpoint folder",
            remedy="Give a folder with config.json, or a hub id owner/name.",
        )
    hub: Any = require(
        "huggingface_hub", extra="model", purpose="a checkpoint from the hub", package="huggingface-hub"
    )
    patterns = _SMALL_FILES + (_WEIGHT_FILES if weights else [])
    try:
        return Path(hub.snapshot_download(name, revision=given or revision, allow_patterns=patterns))
    except Exception as error:
        raise AssetError(
            f"the checkpoint {name!r} cannot be fetched: {error}",
            remedy="Check the name and the network, or give a folder that holds the files.",
        ) from error


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


def sha256_of(path: Path) -> str:
    """The sha256 of a file, remembered next to nothing: callers that ask often keep it (`file_hashes`)."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def file_hashes(folder: Path, files: list[Path]) -> Mapping[str, str]:
    """sha256 by file name; kept in a cache keyed by path, size and time of change, since shards are large."""
    from platformdirs import user_cache_path

    cache_path = user_cache_path("fac-eval") / "sha256.json"
    try:
        cache: dict[str, str] = json.loads(cache_path.read_text("utf-8"))
    except (OSError, ValueError):
        cache = {}
    result, fresh = {}, False
    for path in files:
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in cache:
            cache[key] = sha256_of(path)
            fresh = True
        result[path.relative_to(folder).as_posix()] = cache[key]
    if fresh:
        _keep(cache_path, cache)
    return result


def _keep(path: Path, cache: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(cache), "utf-8")
        temporary.replace(path)
    except OSError:
        return  # a read-only home costs time at the next start, nothing else


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
        file = safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise AssetError(
            f"{path}: the file is truncated or no safetensors file: {error}", remedy="Download it again."
        ) from error
    for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
        part: _Slice = file.get_slice(name)
        yield TensorEntry(
            name, tuple(part.get_shape()), part.get_dtype(), path, lambda name=name: file.get_tensor(name)
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
            lambda tensor=tensor: tensor,
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
