"""Everything said to the hub, with its errors in words for the person who reads them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from fac_eval.errors import DataError, MissingResource, require

_OWN_COPY = "If you have a copy of it, give it with --data DIR."


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository; the hub knows the sha256 of large files only."""

    path: str
    size: int
    sha256: str | None


def resolve_revision(repo: str, revision: str) -> str:
    """The commit that `revision` (a commit, branch or tag) stands for now."""
    with _hub_errors(repo, revision):
        return str(_api().dataset_info(repo, revision=revision).sha)


def list_files(repo: str, commit: str) -> list[HubFile]:
    """All files of the data set at `commit`."""
    with _hub_errors(repo, commit):
        entries = _api().list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
        return [
            HubFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None)
            for entry in entries
            if hasattr(entry, "size")
        ]


def download_files(
    repo: str, commit: str, paths: Collection[str], listed: Iterable[str], folder: Path, *, progress: bool
) -> None:
    """Fetch some of the `listed` files into `folder`; what is there from the same commit is kept."""
    hub = _library()
    with _hub_errors(repo, commit):
        hub.snapshot_download(
            repo,
            repo_type="dataset",
            revision=commit,
            local_dir=folder,
            allow_patterns=patterns_of(paths, listed),
            endpoint=_endpoint(),
            tqdm_class=None if progress else _silent_bars(),
        )


def patterns_of(paths: Collection[str], listed: Iterable[str]) -> list[str]:
    """Few patterns that match just these of the listed paths: the library tries each pattern on each path."""
    wanted = set(paths)
    mixed = {folder for path in listed if path not in wanted for folder in _folders(path)}
    whole = {path: next((folder for folder in _folders(path) if folder not in mixed), None) for path in paths}
    found = (escape(path) if folder is None else f"{escape(folder)}/*" for path, folder in whole.items())
    return list(dict.fromkeys(found))


def _folders(path: str) -> list[str]:
    """The folders that a path lies in, from the top."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def stream_rows(
    source: str, config: str, split: str, *, revision: str | None = None, columns: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Rows as the `datasets` library streams them, audio left encoded as `{"bytes", "path"}`.

    `source` is a repository (then `revision` pins it) or a local folder with the same layout.
    """
    datasets: Any = require("datasets", extra="data", purpose=f"Streaming {source} from the hub")
    with _hub_errors(source, revision or "local"):
        rows = datasets.load_dataset(source, config, split=split, revision=revision, streaming=True)
        rows = rows.decode(False)
        there = rows.column_names or columns
        missing = [name for name in columns if name not in there]
        if missing:
            raise DataError(
                f"{source}, config {config}: no column {missing[0]!r}.", remedy=f"It has {list(there)}."
            )
        yield from rows.select_columns(list(columns)) if columns else rows


def row_counts(repo: str, config: str, commit: str) -> Mapping[str, int] | None:
    """Rows of each split as the data set's card declares them, if it does."""
    datasets: Any = require("datasets", extra="data", purpose=f"Asking the hub about {repo}")
    with _hub_errors(repo, commit):
        splits = datasets.load_dataset_builder(repo, config, revision=commit).info.splits
    return {name: split.num_examples for name, split in splits.items()} if splits else None


def _library() -> Any:
    return require("huggingface_hub", extra="data", purpose="Fetching data sets", package="huggingface-hub")


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _api() -> Any:
    return _library().HfApi(endpoint=_endpoint())


def _silent_bars() -> type[Any]:
    base: type[Any] = _library().utils.tqdm

    def start(bar: Any, *args: Any, **options: Any) -> None:
        base.__init__(bar, *args, **{**options, "disable": True})

    return type("SilentBar", (base,), {"__init__": start})


@contextmanager
def _hub_errors(repo: str, revision: str) -> Iterator[None]:
    errors: Any = require(
        "huggingface_hub.errors", extra="data", purpose="Fetching data sets", package="huggingface-hub"
    )
    try:
        yield
    except errors.GatedRepoError as error:
        raise DataError(
            f"{repo} is open only to those who accepted its terms.",
            remedy=f"Accept them at huggingface.co/datasets/{repo}, then log in with: hf auth login",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(
            f"The hub has no data set {repo}, or it is private and you are not logged in.",
            remedy=f"To log in: hf auth login. {_OWN_COPY}",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DataError(
            f"{repo} has no revision {revision}: its history was rewritten, or the revision is misspelt.",
            remedy=f"Numbers of another revision may differ, so none is taken in its place. {_OWN_COPY}",
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise DataError(
            f"The hub answered {status} when asked about {repo}: {error.server_message or 'no reason given'}.",
            remedy="Try again later: what was fetched is kept." if status >= 429 else None,
        ) from error
    except (errors.HTTPError, ConnectionError, TimeoutError, errors.LocalEntryNotFoundError) as error:
        raise MissingResource(
            f"The hub cannot be reached for {repo}: {_cause(error)}.",
            remedy="Check the network, a proxy (HTTPS_PROXY), or the mirror in HF_ENDPOINT, and try again.",
        ) from error
    except OSError as error:
        raise DataError(f"Reading {repo} failed: {error}.") from error
    except (ValueError, RuntimeError) as error:
        raise DataError(f"{repo} at {revision} is not as expected: {error}.") from error


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().rstrip(".") or type(error).__name__
