"""Model weights on this machine or on the hub: where they are, and what identifies them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fac_eval.data.places import NOT_LOOKED_UP, FileHashes, is_looked_up, offline_switch
from fac_eval.errors import MissingResource, UsageError, require

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z")
_READ = (".json", ".txt", ".model", ".jinja", ".safetensors", ".bin", ".pt", ".ckpt")
_SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
_USUAL = (*_SMALL, "*.safetensors")


@dataclass(frozen=True, slots=True)
class HubWeights:
    """Weights that are read from the hub's cache, and downloaded into it."""

    path: str
    """A hub id, `owner/name`."""
    revision: str | None = None
    patterns: tuple[str, ...] = _USUAL
    """The files that are read."""


def hub_weights(
    path: str, revision: str | None = None, patterns: tuple[str, ...] = _USUAL
) -> tuple[HubWeights, ...]:
    """What has to be fetched beforehand for a machine without internet: nothing where `path` is a folder."""
    return () if Path(path).expanduser().is_dir() else (HubWeights(path, revision, patterns),)


def weights_folder(
    path: str, revision: str | None = None, *, patterns: Sequence[str] = _USUAL, cached: bool = False
) -> Path:
    """The folder that a path or a hub id `owner/name` stands for; what is on the hub is downloaded.

    With `cached` it is not: the folder may then lack some of the files.

    Raises:
        UsageError: It is neither a folder nor a hub id.
        MissingResource: The hub cannot be reached, or has no such repository.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if not HUB_ID.match(path):
        raise UsageError(f"{path} is no folder.", remedy="Name a folder of weights, or a hub id: owner/name.")
    hub: Any = require(
        "huggingface_hub", extra="model", purpose=f"Fetching {path}", package="huggingface-hub"
    )
    switch = offline_switch()
    try:
        found = hub.snapshot_download(
            path,
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=cached or switch is not None,
        )
    except (OSError, ValueError) as error:
        why = f", and {switch} keeps off the hub" if switch else f": {str(error).strip().splitlines()[0]}"
        raise MissingResource(
            f"the weights {path} are not on this machine{why}.",
            remedy="Fetch them with fac-eval prepare where there is internet, copy the folder, and give its path.",
        ) from error
    return Path(found)


def weights_identity(path: str, revision: str | None = None) -> str:
    """What identifies the weights: a hash of a folder's files, or the hub id with the commit.

    A hub id is looked up with its small files alone.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        try:
            return f"{path}@{weights_folder(path, revision, patterns=_SMALL).name}"
        except MissingResource:
            if is_looked_up():
                raise
            return f"{path}@{NOT_LOOKED_UP}"
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix in _READ)
    if not files:
        raise MissingResource(
            f"{folder} holds no weights.", remedy="Expected *.safetensors and *.json files."
        )
    hashes = FileHashes().sha256(*files)
    content = {
        file.relative_to(folder).as_posix(): sha256 for file, sha256 in zip(files, hashes, strict=True)
    }
    return "files:" + blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()
