"""What a checkpoint's answers depend on: the sha256 of its files, or the commit of a hub repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fac_eval.data.places import NOT_LOOKED_UP, FileHashes, is_looked_up, offline_switch
from fac_eval.data.weights import HUB_ID
from fac_eval.errors import AssetError, UsageError, require

_SMALL = (".json", ".jinja", ".txt")
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin")


def folder_hashes(folder: Path) -> Mapping[str, str]:
    """sha256 by name of every file of a checkpoint's folder that a model is made from."""
    files = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in _SMALL + _WEIGHTS
    ]
    if not any(path.suffix in _WEIGHTS for path in files):
        raise AssetError(f"{folder}: holds no weights", remedy="Expected *.safetensors, *.pt or *.bin files.")
    return file_hashes(folder, files)


def file_hashes(folder: Path, files: Sequence[Path]) -> Mapping[str, str]:
    """sha256 of files by their name within a folder; what has been hashed before is remembered."""
    names = [path.relative_to(folder).as_posix() for path in files]
    return dict(zip(names, FileHashes().sha256(*files), strict=True))


def split_hub_id(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """`owner/name@revision` in its two parts."""
    name, _, given = name.partition("@")
    if not HUB_ID.match(name):
        raise UsageError(
            f"{name}: there is no such folder", remedy="Give a folder, or a hub id owner/name@revision."
        )
    return name, given or revision


def hub_commit(name: str, revision: str | None) -> str:
    """The commit that a hub id stands for; only one small file is fetched, none that is cached."""
    purpose = "a checkpoint from the hub"
    hub: Any = require("huggingface_hub", extra="model", purpose=purpose, package="huggingface-hub")
    name, revision = split_hub_id(name, revision)
    try:
        folder = hub.snapshot_download(
            name,
            revision=revision,
            allow_patterns=["config.json", "README.md"],
            local_files_only=offline_switch() is not None,
        )
    except (OSError, ValueError) as error:
        if not is_looked_up():
            return NOT_LOOKED_UP
        raise AssetError(
            f"the hub does not tell the commit of {name!r}: {error}",
            remedy="Check the name and the network, or give a folder that holds the files.",
        ) from error
    return Path(folder).name
