"""Fetching ahead of time what tasks need, into the cache or into a folder for machines without internet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fac_eval.data import _hub_api
from fac_eval.data._hub_api import HubFile
from fac_eval.data._layout import MANIFEST, FileNote, Manifest, hub_files
from fac_eval.data.assets import Asset, assets_root, fetch_asset
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.places import FileHashes, cache_root, offline_switch, write_json
from fac_eval.data.weights import HubWeights, weights_folder
from fac_eval.errors import DataError, FacEvalError, MissingResource

Need = HubDataset | Asset | HubWeights

_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of one need."""

    need: Need
    status: Literal["fetched", "kept", "failed"]
    path: Path | None = None
    files: int = 0
    bytes: int = 0
    commit: str | None = None
    error: FacEvalError | None = None


def prepare(needs: Sequence[Need], to: Path | None = None, *, progress: bool = False) -> list[Prepared]:
    """Fetch every need that is not there yet; one that fails does not stop the others.

    `to` names a folder that can be copied to a machine without internet and given there as `--data` and `--assets`;
    without it the cache is filled. Weights go into the hub's own cache either way. What is there is
    checked by size and hash, and fetched again if damaged.
    """
    preparation = _Preparation(to or cache_root(), progress)
    outcomes = []
    for need in dict.fromkeys(needs):
        try:
            outcomes.append(preparation.of(need))
        except FacEvalError as error:
            outcomes.append(Prepared(need, "failed", error=error))
    return outcomes


class _Preparation:
    """One pass over the needs: what it asked the hub once holds for all of them."""

    def __init__(self, root: Path, progress: bool) -> None:
        self._root, self._progress = root, progress
        self._hashes = FileHashes()
        self._commits: dict[tuple[str, str], str] = {}
        self._listings: dict[tuple[str, str], dict[str, HubFile]] = {}

    def of(self, need: Need) -> Prepared:
        if isinstance(need, HubWeights):
            return _weights(need)
        return self._asset(need) if isinstance(need, Asset) else self._dataset(need)

    def _asset(self, asset: Asset) -> Prepared:
        path = assets_root(self._root) / asset.path_in_cache
        if path.is_file() and self._hashes.sha256(path) == [asset.sha256]:
            return Prepared(asset, "kept", path, files=1, bytes=path.stat().st_size)
        _require_network(asset.name)
        path = fetch_asset(asset, self._root, progress=self._progress)
        _note_asset(asset, assets_root(self._root), path.stat().st_size)
        return Prepared(asset, "fetched", path, files=1, bytes=path.stat().st_size)

    def _dataset(self, dataset: HubDataset) -> Prepared:
        folder = self._root / "data" / dataset.folder_name
        manifest = Manifest.read(folder)
        noted = self._sound_files(dataset, folder, manifest)
        if noted is not None and _COMMIT.fullmatch(dataset.revision):
            # A commit never changes, so the hub need not be asked.
            return _outcome(dataset, "kept", folder, noted, dataset.revision)
        _require_network(dataset.repo)
        commit = self._commit(dataset)
        if noted is not None and {note.commit for note in noted.values()} == {commit}:
            return _outcome(dataset, "kept", folder, noted, commit)
        listed = self._listed(dataset.repo, commit)
        wanted = hub_files(list(listed), dataset)
        manifest.repo, manifest.revision = dataset.repo, dataset.revision
        manifest.needs[dataset.identity] = sorted(wanted)
        _write_manifest(manifest, folder)
        notes = self._fetch(dataset.repo, commit, wanted, folder)
        manifest.files.update(notes)
        _write_manifest(manifest, folder)
        return _outcome(dataset, "fetched", folder, notes, commit)

    def _commit(self, dataset: HubDataset) -> str:
        pin = (dataset.repo, dataset.revision)
        if pin not in self._commits:
            self._commits[pin] = _hub_api.resolve_revision(*pin)
        return self._commits[pin]

    def _listed(self, repo: str, commit: str) -> dict[str, HubFile]:
        if (repo, commit) not in self._listings:
            self._listings[repo, commit] = {file.path: file for file in _hub_api.list_files(repo, commit)}
        return self._listings[repo, commit]

    def _fetch(self, repo: str, commit: str, wanted: Sequence[str], folder: Path) -> dict[str, FileNote]:
        """Download and check; a file that is not what the hub lists is fetched once more."""
        listed = self._listed(repo, commit)
        wrong: list[str] = []
        for _ in range(2):
            _hub_api.download_files(repo, commit, wanted, listed, folder, progress=self._progress)
            hashes = self._hashes.sha256(*(folder / path for path in wanted))
            notes = {
                path: FileNote((folder / path).stat().st_size, sha256, commit)
                for path, sha256 in zip(wanted, hashes, strict=True)
            }
            wrong = [path for path, note in notes.items() if not _is_as_listed(note, listed[path])]
            if not wrong:
                return notes
            for path in wrong:
                (folder / path).unlink()
        raise DataError(
            f"{repo} at {commit}: {wrong[0]} came with other content than the hub lists.",
            remedy="Something between here and the hub may alter downloads, such as a proxy or a mirror; try again.",
        )

    def _sound_files(
        self, dataset: HubDataset, folder: Path, manifest: Manifest
    ) -> dict[str, FileNote] | None:
        """The data set's files as noted down, if all of them are there; damaged ones are removed."""
        paths = manifest.needs.get(dataset.identity)
        if paths is None:
            return None
        there = [path for path in paths if path in manifest.files and (folder / path).is_file()]
        notes = {}
        for path, sha256 in zip(there, self._hashes.sha256(*(folder / path for path in there)), strict=True):
            if manifest.files[path].sha256 == sha256:
                notes[path] = manifest.files[path]
            else:
                (folder / path).unlink()
        return notes if len(notes) == len(paths) else None


def _weights(weights: HubWeights) -> Prepared:
    """The hub's own library checks what is there; off the network, what there is has to do."""
    path, revision, patterns = weights.path, weights.revision, weights.patterns
    try:
        before = _files(weights_folder(path, revision, patterns=patterns, cached=True))
    except MissingResource:
        before = {}
    folder = weights_folder(path, revision, patterns=patterns)
    files = _files(folder)
    status: Literal["kept", "fetched"] = "kept" if files == before else "fetched"
    return Prepared(weights, status, folder, len(files), sum(files.values()), commit=folder.name)


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _is_as_listed(note: FileNote, listed: HubFile) -> bool:
    return note.size == listed.size and listed.sha256 in (None, note.sha256)


def _note_asset(asset: Asset, folder: Path, size: int) -> None:
    import msgspec

    manifest = folder / MANIFEST
    try:
        notes = msgspec.json.decode(manifest.read_bytes(), type=dict[str, dict[str, object]])
    except (OSError, ValueError):
        notes = {}
    notes[asset.path_in_cache] = {
        "name": asset.name,
        "url": asset.url,
        "sha256": asset.sha256,
        "size": size,
        "licence": asset.licence,
        "written": _now(),
    }
    write_json(manifest, notes)


def _outcome(
    dataset: HubDataset,
    status: Literal["fetched", "kept"],
    folder: Path,
    notes: Mapping[str, FileNote],
    commit: str,
) -> Prepared:
    size = sum(note.size for note in notes.values())
    return Prepared(dataset, status, folder, len(notes), size, commit)


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    manifest.written = _now()
    try:
        manifest.write(folder)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror}.",
            remedy="FAC_EVAL_CACHE names another place, or give one with --to DIR.",
        ) from error


def _require_network(name: str) -> None:
    switch = offline_switch()
    if switch is not None:
        raise MissingResource(
            f"{name} has to be fetched, but {switch} forbids the network.",
            remedy=f"Unset {switch} and try again.",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
