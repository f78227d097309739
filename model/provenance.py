"""Which files a checkpoint's answers depend on: their names on the hub, and their sha256."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fac_eval.data.places import FileHashes
from fac_eval.data.weights import SMALL_FILES, USUAL_FILES
from fac_eval.errors import AssetError

CHECKPOINT_SMALL_FILES = (*SMALL_FILES, "speech_tokenizer/*")
CHECKPOINT_FILES = (*USUAL_FILES, "speech_tokenizer/*")
"""What is read of a model's repository, as patterns; the first are all but the weights."""
SPEAKER_FILE = "new_spk2info.pt"
VOCODER_FILES = ("flow.pt", "flow.safetensors", "hift.pt", "hift.safetensors", "config.json", SPEAKER_FILE)
"""What is read of a vocoder's: a few of many files, most of which are gigabytes for other purposes."""

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
