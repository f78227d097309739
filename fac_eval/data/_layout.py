"""Which files belong to a data set: in the hub's listing, in a folder, and as `fac-eval prepare` noted them down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.places import write_json
from fac_eval.errors import DataError

MANIFEST = "fac-eval-manifest.json"
_AGAIN = "Run fac-eval prepare again: it fetches what is missing, or copy the folder again."


def hub_files(paths: Sequence[str], dataset: HubDataset) -> list[str]:
    """The paths of a repository that `dataset` needs.

    Raises:
        DataError: A split or a pattern has no file, or a split lacks some of its files.
    """
    chosen = [
        path for split in dataset.splits for path in _shards(paths, dataset.config, split, dataset.repo)
    ]
    for split in dataset.splits:
        if not _shards(paths, dataset.config, split, dataset.repo):
            configs = sorted(
                {path.split("/")[0] for path in paths if path.endswith(".parquet") and "/" in path}
            )
            raise DataError(
                f"{dataset.repo} has no Parquet files of the split {split!r} of the config {dataset.config!r}.",
                remedy=f"Folders with Parquet files there: {', '.join(configs) or 'none'}.",
            )
    for pattern in dataset.files:
        matching = [path for path in paths if _matches(path, pattern)]
        if not matching:
            raise DataError(f"{dataset.repo} has no file that matches {pattern!r}.")
        chosen += matching
    return list(dict.fromkeys(chosen))


def local_shards(folder: Path, config: str, split: str) -> list[Path]:
    """The Parquet files of a split in `folder`, in order; none if it is not there at all."""
    places = [place for place, _ in _places(config, split)]
    names = [f"{place}{file.name}" for place in places for file in (folder / place).glob("*.parquet")]
    return [folder / path for path in _shards(names, config, split, str(folder))]


def local_files(folder: Path, dataset: HubDataset) -> list[Path]:
    """All files of `dataset` in `folder`, sorted by name within a split or pattern."""
    found = [file for split in dataset.splits for file in local_shards(folder, dataset.config, split)]
    for pattern in dataset.files:
        found += sorted(_matching(folder, pattern))
    return list(dict.fromkeys(found))


def candidates(root: Path, dataset: HubDataset) -> list[Path]:
    """The folders under `root` that may hold `dataset`, the most specific first."""
    flat = dataset.repo.replace("/", "--")
    names = [f"data/{dataset.folder_name}", dataset.folder_name, flat, dataset.repo.split("/")[-1]]
    return [folder for folder in [*(root / name for name in names), root] if folder.is_dir()]


State = Literal["absent", "some", "all"]


def state(folder: Path, dataset: HubDataset) -> State:
    """How much of `dataset` is in `folder`.

    Raises:
        DataError: Some files of a split are missing, or some of those that `fac-eval prepare` noted down.
    """
    noted = Manifest.read(folder).needs.get(dataset.identity)
    if noted is not None:
        lacking = [path for path in noted if not (folder / path).is_file()]
        if lacking:
            raise DataError(
                f"{folder} lacks {len(lacking)} of the {len(noted)} files of {dataset.repo}, e.g. {lacking[0]}.",
                remedy=_AGAIN,
            )
        return "all"
    parts = [bool(local_shards(folder, dataset.config, split)) for split in dataset.splits]
    parts += [next(_matching(folder, pattern), None) is not None for pattern in dataset.files]
    return "all" if parts and all(parts) else "some" if any(parts) else "absent"


class FileNote(msgspec.Struct, frozen=True):
    """What is known of a fetched file."""

    size: int
    sha256: str
    commit: str


@dataclass(slots=True)
class Manifest:
    """The note that `fac-eval prepare` leaves in a data set's folder."""

    repo: str = ""
    revision: str = ""
    files: dict[str, FileNote] = field(default_factory=dict)
    needs: dict[str, list[str]] = field(default_factory=dict)
    """The files of each data set (by identity) that was asked for, fetched or not."""
    written: str = ""
    schema: int = 1

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The folder's note; an empty one if there is none.

        Raises:
            DataError: There is one that cannot be read.
        """
        path = folder / MANIFEST
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} cannot be read: {error}.", remedy="Delete it and run fac-eval prepare again."
            ) from error

    def write(self, folder: Path) -> None:
        """Replace the folder's note."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        write_json(folder / MANIFEST, content)

    def commit_of(self, content: Mapping[str, Sequence[Any]]) -> str | None:
        """The one commit that these files (size and sha256 by name) are known to be of."""
        commits = set()
        for name, (size, sha256) in content.items():
            note = self.files.get(name)
            if note is None or (note.size, note.sha256) != (size, sha256):
                return None
            commits.add(note.commit)
        return commits.pop() if len(commits) == 1 else None


def _places(config: str, split: str) -> list[tuple[str, bool]]:
    """Folders where the hub's conventions put a split; whether all Parquet files there belong to it."""
    places = [(f"{config}/", False), (f"{config}/{split}/", True)]
    if config == "default":
        places += [("data/", False), ("", False)]
    return places


def _shards(paths: Iterable[str], config: str, split: str, where: str) -> list[str]:
    paths = list(paths)
    for place, whole in _places(config, split):
        here = sorted(path for path in paths if path.startswith(place) and "/" not in path[len(place) :])
        if whole:
            found = [path for path in here if path.endswith(".parquet")]
        else:
            numbered = re.compile(re.escape(split) + r"-(\d+)-of-(\d+)(?:-[0-9a-f]+)?\.parquet")
            numbers = {
                path: match.groups() for path in here if (match := numbered.fullmatch(path[len(place) :]))
            }
            found = list(numbers) or [path for path in here if path == f"{place}{split}.parquet"]
            _check_numbers(list(numbers.values()), f"{where}, {place}{split}")
        if found:
            return found
    return []


def _check_numbers(numbers: list[tuple[str | Any, ...]], where: str) -> None:
    if not numbers:
        return
    total = max(int(last) for _, last in numbers)
    missing = sorted(set(range(total)) - {int(number) for number, _ in numbers})
    if missing or len(numbers) != total:
        problem = f"number {missing[0]} is missing" if missing else "files of two versions are mixed"
        raise DataError(f"{where}: {len(numbers)} files for a split of {total}; {problem}.", remedy=_AGAIN)


def _matches(path: str, pattern: str) -> bool:
    """Whether `pattern` matches part by part; `**` at its end stands for everything below."""
    parts, wanted = path.split("/"), pattern.split("/")
    if any(part.startswith(".") for part in parts) or path == MANIFEST:
        return False
    if wanted[-1] == "**":
        wanted = wanted[:-1]
        if len(parts) <= len(wanted):
            return False
        parts = parts[: len(wanted)]
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    deep = pattern == "**" or pattern.endswith("/**")
    for file in folder.glob(f"{pattern}/*" if deep else pattern):
        if file.is_file() and _matches(file.relative_to(folder).as_posix(), pattern):
            yield file
