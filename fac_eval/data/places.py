"""Where fetched files are kept, whether the network may be used, and file hashes that are not computed twice."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fac_eval.errors import DataError, UsageError

_ON = {"1", "true", "yes", "on"}
_OFFLINE_SWITCHES = ("FAC_EVAL_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
_SETTLED_SECONDS = 2.0

ASSETS_VARIABLE = "FAC_EVAL_ASSETS"
NOT_LOOKED_UP = "(not looked up)"
_chosen: dict[str, str | None] = {}


def cache_root() -> Path:
    """The folder of everything `fac-eval prepare` fetches: `FAC_EVAL_CACHE`, or the user's cache folder."""
    given = os.environ.get("FAC_EVAL_CACHE")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("fac-eval", appauthor=False))


def use_assets(folder: str | None) -> None:
    """Look for pinned files in this folder first, for the rest of the process; None takes that back."""
    if folder is not None and not Path(folder).expanduser().is_dir():
        raise UsageError(
            f"--assets {folder} is no folder.", remedy="Make one with: fac-eval prepare TASKS --to DIR"
        )
    _chosen["assets"] = folder


def assets_folders() -> list[Path]:
    """Where pinned files of others may lie: the folder chosen for this process, then `FAC_EVAL_ASSETS`."""
    places = (_chosen.get("assets"), os.environ.get(ASSETS_VARIABLE))
    roots = [Path(place).expanduser() for place in places if place]
    return [folder for root in roots for folder in (root, root / "assets")]


@contextmanager
def off_the_network(who: str) -> Iterator[None]:
    """Nothing is fetched meanwhile, on behalf of `who`; what only the hub knows is `NOT_LOOKED_UP`."""
    _chosen["offline"] = who
    try:
        yield
    finally:
        del _chosen["offline"]


def is_looked_up() -> bool:
    """Whether what only the hub knows may be asked for, or is missed where it may not."""
    return "offline" not in _chosen


def offline_switch() -> str | None:
    """What forbids the network, if anything does: an environment variable, or the command itself."""
    if "offline" in _chosen:
        return _chosen["offline"]
    return next((name for name in _OFFLINE_SWITCHES if os.environ.get(name, "").strip().lower() in _ON), None)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Replace `path` in one step: another process sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(draft, path)


class FileHashes:
    """sha256 of files, remembered in a small file by path, size and modification time."""

    def __init__(self, cache: Path | None = None) -> None:
        self._store = (cache or cache_root()) / "hashes.json"

    def sha256(self, *paths: Path) -> list[str]:
        """The hash of each file's content, in hex."""
        known = self._load()
        fresh: dict[str, list[int | str]] = {}
        hashes = []
        for path in map(Path.resolve, paths):
            try:
                status = path.stat()
                stamp = [status.st_size, status.st_mtime_ns]
                entry = known.get(str(path))
                if entry is not None and entry[:2] == stamp:
                    hashes.append(str(entry[2]))
                    continue
                with open(path, "rb") as file:
                    hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error.strerror}.") from error
            # A file written this very moment could change again without its time stamp moving.
            if time.time() - status.st_mtime > _SETTLED_SECONDS:
                fresh[str(path)] = [*stamp, hashes[-1]]
        if fresh:
            self._remember(fresh)
        return hashes

    def _load(self) -> dict[str, list[int | str]]:
        try:
            content = json.loads(self._store.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        entries = content.items() if isinstance(content, dict) else ()
        return {key: entry for key, entry in entries if isinstance(entry, list) and len(entry) == 3}

    def _remember(self, fresh: dict[str, list[int | str]]) -> None:
        try:
            write_json(self._store, {**self._load(), **fresh})
        except OSError:
            # A cache folder that cannot be written costs time, nothing else.
            return
