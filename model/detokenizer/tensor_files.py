"""Reads files of tensors, torch's own and safetensors: nothing in them is executed, damage is named.

Tensors are mapped rather than read, so that a file's weights are in memory once.
"""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fac_eval.data.places import FileHashes
from fac_eval.errors import AssetError

_ZIP = b"PK\x03\x04"
_LFS_POINTER = b"version https://git-lfs"
_FETCH_AGAIN = "Download it again and compare its size with the hub's."


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file of weights, for provenance."""

    name: str
    size: int
    sha256: str


def describe_file(path: Path) -> LoadedFile:
    """Size and hash of a file; the hash is remembered until the file changes."""
    return LoadedFile(path.name, path.stat().st_size, FileHashes().sha256(path)[0])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a `.safetensors` or torch file by key.

    Raises:
        AssetError: The file is truncated or damaged, or holds anything that is no tensor.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    state = read_table(path)
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise AssetError(f"{path}: the entry {key!r} is of type {type(value).__name__}, not a tensor.")
    return state


def read_table(path: Path) -> dict[Any, Any]:
    """The table in a torch file, which may hold tensors, numbers, texts and tables of them, and nothing else.

    Raises:
        AssetError: The file is truncated or damaged, or would run code.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(len(_LFS_POINTER))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=head.startswith(_ZIP))
    except pickle.UnpicklingError as error:
        raise _refused(path, head, str(error)) from error
    except (RuntimeError, EOFError, OSError) as error:
        reason = str(error).split(". ", 1)[0].rstrip(".") or "it ends too early"
        raise AssetError(f"{path}: truncated or damaged: {reason}.", remedy=_FETCH_AGAIN) from error
    if not isinstance(content, dict):
        raise AssetError(f"{path}: holds a {type(content).__name__}, not a table of tensors.")
    return content


def _refused(path: Path, head: bytes, message: str) -> AssetError:
    if head == _LFS_POINTER:
        return AssetError(
            f"{path}: only the pointer that Git LFS keeps in place of a large file.",
            remedy="Fetch the file itself with: git lfs pull",
        )
    named = re.search(r"GLOBAL\s+(\S+)", message)
    if named is None:
        return AssetError(f"{path}: no file of tensors as torch writes it.", remedy=_FETCH_AGAIN)
    return AssetError(
        f"{path}: holds Python code beside tensors ({named[1]}). It is refused, and nothing of it was run.",
        remedy="Get the file from its publisher again. A file of weights needs no code.",
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise AssetError(f"{path}: truncated or damaged: {error}.", remedy=_FETCH_AGAIN) from error
