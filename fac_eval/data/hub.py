"""Where the rows of hub data sets come from: a folder of the user's, what was prepared, or the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.data import _hub_api, _layout
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.places import FileHashes, cache_root, offline_switch
from fac_eval.data.tables import Table, open_table
from fac_eval.errors import AudioError, DataError, MissingResource, UsageError

if TYPE_CHECKING:
    from fac_eval.audio import Audio


@dataclass(frozen=True, slots=True)
class Source:
    """Where a data set is read from: the user's folder, the prepared one, or the hub at a commit."""

    kind: Literal["folder", "prepared", "hub"]
    folder: Path | None = None
    commit: str | None = None


SHIPPED = "sample"
"""Given instead of a folder: the few items that ship with each task."""


class DataFinder:
    """Finds data sets and reads them: in `data`, among what was prepared, and at last on the hub."""

    def __init__(
        self, data: str | Path | None = None, *, offline: bool | None = None, cache: Path | None = None
    ) -> None:
        """`offline` keeps off the hub; by default `FAC_EVAL_OFFLINE` and `HF_HUB_OFFLINE` decide."""
        self._shipped = data == SHIPPED
        self._data = None if data is None or self._shipped else Path(data).expanduser()
        if self._data is not None and not self._data.is_dir():
            raise UsageError(
                f"--data {self._data} is no folder.", remedy="Give a folder that holds the data set."
            )
        self._cache = cache or cache_root()
        self._offline = offline
        self._sources: dict[HubDataset, Source] = {}
        self._tables: dict[HubDataset, Table] = {}

    def source(self, dataset: HubDataset) -> Source:
        """Where `dataset` will be read from; raises if it is nowhere.

        Raises:
            MissingResource: It is not on this machine and the hub cannot be reached.
            DataError: The hub has no such data set or revision.
        """
        if dataset not in self._sources:
            self._sources[dataset] = self._find(dataset)
        return self._sources[dataset]

    def folder(self, dataset: HubDataset) -> Path:
        """The local folder of `dataset`, for tasks that read its files themselves."""
        folder = self.source(dataset).folder
        if folder is None:
            raise MissingResource(
                f"{dataset.repo} has to be on this machine.", remedy=_how_to_prepare(dataset)
            )
        return folder

    def splits(self, dataset: HubDataset) -> tuple[str, ...]:
        """The splits that are there: all of them, but a folder of the user's may hold fewer."""
        folder = self.source(dataset).folder
        if dataset.table:
            return (dataset.config,)
        if folder is None:
            return dataset.splits
        return tuple(split for split in dataset.splits if _layout.local_shards(folder, dataset.config, split))

    def table(self, dataset: HubDataset) -> Table:
        """The file of rows of a data set that names one.

        Raises:
            MissingResource: The data set is not on this machine.
            DataError: Its folder lacks the file, or it cannot be read.
        """
        if dataset not in self._tables:
            folder = self.folder(dataset)
            found = sorted(folder.glob(dataset.table))
            if not found:
                raise DataError(f"{folder} has no {dataset.table}.", remedy=_how_to_prepare(dataset))
            self._tables[dataset] = open_table(found[0])
        return self._tables[dataset]

    def rows(
        self, dataset: HubDataset, split: str, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Stream the rows of a split, with `columns` or else those that the data set names.

        Audio stays encoded: `{"bytes": ..., "path": ...}`, for `audio_of`.
        """
        source = self.source(dataset)
        columns = dataset.columns if columns is None else columns
        if dataset.table:
            return (row for _, row in self.table(dataset).rows(columns or None))
        if source.folder is None:
            return _hub_api.stream_rows(
                dataset.repo, dataset.config, split, revision=source.commit, columns=columns
            )
        shards = _layout.local_shards(source.folder, dataset.config, split)
        if not shards:
            raise DataError(
                f"{source.folder} has no Parquet files of the split {split!r} of {dataset.config!r}.",
                remedy=f"Expected {dataset.config}/{split}-00000-of-00001.parquet or the like.",
            )
        return (row for shard in shards for _, row in open_table(shard).rows(columns or None))

    def audio_of(self, dataset: HubDataset, cell: Any) -> Audio:
        """The clip in a cell of the audio column.

        Raises:
            AudioError: The cell holds none, or a path to a file that is not there.
        """
        from fac_eval.audio import Audio

        if isinstance(cell, str):
            cell = {"path": cell}
        if not isinstance(cell, Mapping) or not (cell.get("bytes") or cell.get("path")):
            raise AudioError(f"A row of {dataset.repo} ({dataset.config}) holds no audio.")
        data, path = cell.get("bytes"), str(cell.get("path") or "audio")
        if data:
            return Audio.from_bytes(data, name=path)
        file = self.clip_path(dataset, path)
        if file.is_file():
            return Audio.from_file(file)
        raise AudioError(
            f"{self.folder(dataset)} has no file {path!r}, which a row names as its audio.",
            remedy="Fetch it again.",
        )

    def clip_path(self, dataset: HubDataset, name: str) -> Path:
        """Where the file is that a row names as its clip, or where it should be."""
        folder = self.folder(dataset)
        if dataset.table:
            places = [self.table(dataset).path.parent / dataset.clips / name, folder / name]
        else:
            places = [folder / name, folder / dataset.config / name]
        return next((place for place in places if place.is_file()), places[0])

    def count(self, dataset: HubDataset, split: str | None = None) -> int | None:
        """Rows of a split, or of all splits there are; `None` where only reading the data tells."""
        source = self.source(dataset)
        if dataset.table:
            return self.table(dataset).count
        splits = self.splits(dataset) if split is None else (split,)
        if source.folder is not None:
            shards = [
                shard
                for name in splits
                for shard in _layout.local_shards(source.folder, dataset.config, name)
            ]
            return sum(open_table(shard).count for shard in shards)
        counts = _hub_api.row_counts(dataset.repo, dataset.config, source.commit or dataset.revision) or {}
        return sum(counts[name] for name in splits) if all(name in counts for name in splits) else None

    def fingerprint(self, dataset: HubDataset) -> str:
        """Identity of the data: repository and commit, or a hash of the files where no commit vouches for them.

        What `fac-eval prepare` fetched and nobody changed has the same fingerprint as on the hub.
        """
        source = self.source(dataset)
        if source.folder is None:
            return f"{dataset.repo}@{source.commit}"
        files = _layout.local_files(source.folder, dataset)
        hashes = self._hashes.sha256(*files)
        content = {
            file.relative_to(source.folder).as_posix(): [file.stat().st_size, sha256]
            for file, sha256 in zip(files, hashes, strict=True)
        }
        commit = _layout.Manifest.read(source.folder).commit_of(content)
        if commit is not None:
            return f"{dataset.repo}@{commit}"
        return "files:" + blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()

    @cached_property
    def _hashes(self) -> FileHashes:
        return FileHashes(self._cache)

    def _find(self, dataset: HubDataset) -> Source:
        if self._shipped:
            if dataset.sample is None:
                raise MissingResource(
                    f"no items of {dataset.repo} ({dataset.config}) come with fac-eval.",
                    remedy="Leave out --data sample, or name a folder that holds the data set.",
                )
            return Source("folder", dataset.sample)
        given = _layout.candidates(self._data, dataset) if self._data is not None else []
        for folder in given:
            if _layout.state(folder, dataset) != "absent":
                return Source("folder", folder)
        if self._data is not None:
            raise MissingResource(
                f"--data {self._data} does not hold {dataset.repo} ({dataset.config}).",
                remedy=f"Looked for {', '.join(str(folder) for folder in given)}.\n{_how_to_prepare(dataset)}",
            )
        prepared = self._cache / "data" / dataset.folder_name
        if _layout.state(prepared, dataset) == "all":
            return Source("prepared", prepared)
        looked = f"Looked in {prepared}"
        switch = "offline=True" if self._offline else offline_switch() if self._offline is None else None
        if switch is not None:
            raise MissingResource(
                f"{dataset.repo} ({dataset.config}) is not on this machine, and {switch} keeps off the hub. {looked}.",
                remedy=_how_to_prepare(dataset),
            )
        if dataset.files:
            raise MissingResource(
                f"{dataset.repo} is not on this machine. {looked}.", remedy=_how_to_prepare(dataset)
            )
        try:
            return Source("hub", commit=_hub_api.resolve_revision(dataset.repo, dataset.revision))
        except MissingResource as error:
            raise MissingResource(f"{error.message} {looked}.", remedy=_how_to_prepare(dataset)) from error


def _how_to_prepare(dataset: HubDataset) -> str:
    name = dataset.benchmark or dataset.repo
    return (
        f"Where there is internet, run: fac-eval prepare {name}\n"
        f"For a machine without it: fac-eval prepare {name} --to DIR, copy DIR there, and run with --data DIR."
    )
