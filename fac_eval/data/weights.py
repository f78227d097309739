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

SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
"""What transformers reads beside the weights."""
USUAL_FILES = (*SMALL_FILES, "model.safetensors*", "model-*.safetensors")
"""What transformers reads; not the copies in other layouts and precisions that some repositories hold as well."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z")
_READ = (".json", ".txt", ".model", ".jinja", ".safetensors", ".bin", ".pt", ".ckpt")
_OLDER = ("pytorch_model.bin", "pytorch_model-*.bin")
# One file that every model has; a commit asked for by others would be unknown where they were not fetched.
_TELLING = ("config.json",)


@dataclass(frozen=True, slots=True)
class HubWeights:
    """Weights that are read from the hub's cache, and downloaded into it."""

    path: str
    """A hub id, `owner/name`."""
    revision: str | None = None
    patterns: tuple[str, ...] = USUAL_FILES
    """The files that are read; `weights_folder` says what else, where none of them is of safetensors."""


def hub_weights(
    path: str, revision: str | None = None, patterns: tuple[str, ...] = USUAL_FILES
) -> tuple[HubWeights, ...]:
    """What has to be fetched beforehand for a machine without internet: nothing where `path` is a folder.

    Raises:
        UsageError: It is neither a folder nor a hub id.
    """
    if _is_folder(path):
        return ()
    name, revision = hub_place(path, revision)
    return (HubWeights(name, revision, patterns),)


def hub_place(path: str, revision: str | None = None) -> tuple[str, str | None]:
    """The hub id and the revision that `owner/name` or `owner/name@revision` stands for.

    Raises:
        UsageError: It is no hub id, or two revisions are given.
    """
    name, own = split_revision(path)
    if not _HUB_ID.match(name):
        raise UsageError(
            f"{path} is no folder.",
            remedy="Give a folder of weights, or a hub id: owner/name, owner/name@revision.",
        )
    if own and revision and own != revision:
        raise UsageError(f"{path}, but revision={revision}.", remedy="Name one revision.")
    return name, own or revision


def split_revision(path: str) -> tuple[str, str | None]:
    """`owner/name@revision` in its two parts; a folder has no revision, whatever it is called."""
    if _is_folder(path):
        return path, None
    name, _, revision = path.partition("@")
    return name, revision or None


def weights_folder(
    path: str, revision: str | None = None, *, patterns: Sequence[str] = USUAL_FILES, cached: bool = False
) -> Path:
    """The folder that a path or a hub id `owner/name`, optionally `@revision`, stands for.

    What is on the hub is downloaded: the files that match the patterns and, where these ask for `*.safetensors` and
    there are none, torch's own in their place. With `cached` nothing is; the folder may then lack some of the files.

    Raises:
        UsageError: It is neither a folder nor a hub id.
        MissingResource: The hub cannot be reached, or does not give it.
    """
    if _is_folder(path):
        return Path(path).expanduser()
    name, revision = hub_place(path, revision)
    folder = _snapshot(name, revision, patterns, cached)
    wants_safetensors = any(pattern.endswith("*.safetensors") for pattern in patterns)
    if wants_safetensors and not any(folder.glob("*.safetensors")):
        folder = _snapshot(name, revision, (*patterns, *_OLDER), cached)
    return folder


def hub_commit(path: str, revision: str | None = None) -> str:
    """The commit that a hub id stands for, which may have to be asked for; one small file is fetched with it.

    Raises:
        UsageError: It is no hub id.
        MissingResource: The hub cannot be reached, or has no such repository.
    """
    name, revision = hub_place(path, revision)
    try:
        return _snapshot(name, revision, _TELLING).name
    except MissingResource:
        if is_looked_up():
            raise
        return NOT_LOOKED_UP


def weights_identity(path: str, revision: str | None = None) -> str:
    """What identifies the weights: a hash of a folder's files, or the hub id with the commit."""
    if not _is_folder(path):
        return f"{split_revision(path)[0]}@{hub_commit(path, revision)}"
    folder = Path(path).expanduser()
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


def _is_folder(path: str) -> bool:
    return Path(path).expanduser().is_dir()


def _snapshot(name: str, revision: str | None, patterns: Sequence[str], cached: bool = False) -> Path:
    """Some files of a repository, in the hub's cache."""
    hub: Any = require(
        "huggingface_hub", extra="model", purpose=f"Fetching {name}", package="huggingface-hub"
    )
    switch = offline_switch()
    try:
        found = hub.snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=cached or switch is not None,
        )
    except (hub.errors.HTTPError, OSError, ValueError) as error:
        raise _missing(name, revision, error, switch, hub.errors) from error
    return Path(found)


def _missing(
    name: str, revision: str | None, error: Exception, switch: str | None, errors: Any
) -> MissingResource:
    """What a failed download means, for the person who reads it."""
    if isinstance(error, errors.GatedRepoError):
        return MissingResource(
            f"the weights {name} are open only to those who accepted their terms.",
            remedy=f"Accept them at huggingface.co/{name}, then log in with: hf auth login",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return MissingResource(
            f"there is no folder {name}, and the hub has no such model, or it is private and you are not logged in.",
            remedy="Check the name. To log in: hf auth login",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return MissingResource(
            f"{name} has no revision {revision}.", remedy="Name a commit, branch or tag of it."
        )
    told = str(error).strip().split("\n", 1)[0].rstrip(".") or type(error).__name__
    why = f", and {switch} keeps off the hub" if switch else f": {told}"
    return MissingResource(
        f"the weights {name} are not on this machine{why}.",
        remedy="Fetch them with fac-eval prepare where there is internet, copy the folder, and give its path.",
    )
