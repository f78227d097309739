"""Pinned files of others (prompts, rubrics, language data, weights): found or fetched, and always checked."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from fac_eval.data.places import FileHashes, assets_folders, cache_root
from fac_eval.errors import AssetError, MissingResource, UsageError

_CHUNK = 1 << 16
_TIMEOUT = 30.0
_BARREN_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Asset:
    """An upstream file, pinned by its sha256."""

    name: str
    url: str
    sha256: str
    path_in_cache: str
    """Where it is kept below the assets folder, e.g. `voicebench/judge_prompt.txt`."""
    licence: str = ""
    note: str = ""


def asset_path(asset: Asset) -> Path:
    """The checked file of `asset`: in `--assets DIR`, in `FAC_EVAL_ASSETS`, or where `prepare` put it.

    Raises:
        MissingResource: It is in none of them.
        AssetError: It is there with other content than the pinned one.
    """
    folders = [*assets_folders(), assets_root()]
    for folder in folders:
        path = folder / asset.path_in_cache
        if path.is_file():
            _check(asset, path)
            return path
    raise MissingResource(
        f"{asset.name} is not on this machine. Looked for {asset.path_in_cache} in "
        + ", ".join(str(folder) for folder in folders)
        + ".",
        remedy="Fetch it with fac-eval prepare where there is internet, or put the file of\n"
        f"{asset.url}\nin place by hand (sha256 {asset.sha256}).",
    )


def assets_root(to: Path | None = None) -> Path:
    """The folder that assets are fetched into, in the cache or in a folder made to be copied."""
    return (to or cache_root()) / "assets"


def fetch_asset(asset: Asset, to: Path | None = None, *, progress: bool = False) -> Path:
    """Download `asset` unless its right content is there already; a download cut short is continued.

    Raises:
        AssetError: The server cannot be reached or refuses, the content is not the pinned one, or the disk refuses.
    """
    if urlsplit(asset.url).scheme not in ("http", "https"):
        raise UsageError(f"{asset.name}: {asset.url} is no http(s) address.")
    path = assets_root(to) / asset.path_in_cache
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(path.parent):
            if path.is_file() and _sha256(path) == asset.sha256:
                return path
            resumed = part.exists()
            _download(asset, part, progress)
            if resumed and _sha256(part) != asset.sha256:
                # The beginning may be of an older upstream file: once more, from the start.
                part.unlink()
                _download(asset, part, progress)
            found = _sha256(part)
            if found != asset.sha256:
                part.unlink()
                raise _wrong(asset, f"What {asset.url} holds", found)
            os.replace(part, path)
    except OSError as error:
        raise _disk_error(asset, path, error) from error
    return path


def _download(asset: Asset, part: Path, progress: bool) -> None:
    """Bring `part` to its full length, asking again for the rest as long as something comes."""
    barren = 0
    while True:
        before = _size(part)
        try:
            with _answer(asset, before) as response:
                if response is None:
                    return
                expected = _receive(response, part, asset.name, progress)
        except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
            problem = str(error.reason if isinstance(error, URLError) else error) or type(error).__name__
        else:
            if expected is None or _size(part) == expected:
                return
            problem = f"the connection ended after {_size(part)} of {expected} bytes"
        barren = barren + 1 if _size(part) <= before else 0
        if barren >= _BARREN_ATTEMPTS:
            raise AssetError(
                f"{asset.name} cannot be fetched from {urlsplit(asset.url).netloc}: {problem}.",
                remedy="Check the network or a proxy (HTTPS_PROXY) and try again; what has come is kept. On a machine "
                "without internet, use the folder of fac-eval prepare --to DIR from another one.",
            )


@contextmanager
def _answer(asset: Asset, start: int) -> Iterator[HTTPResponse | None]:
    """The response to a request from byte `start` on; `None` if there is nothing from there on."""
    headers = {"User-Agent": "fac-eval", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with urlopen(Request(asset.url, headers=headers), timeout=_TIMEOUT) as response:
            yield response
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:
            yield None
            return
        place = f"{asset.path_in_cache} in a folder given with --assets DIR (sha256 {asset.sha256})"
        raise AssetError(
            f"{asset.name} cannot be fetched: {asset.url} answers {error.code} {error.reason}.",
            remedy="Try again later; what has come is kept."
            if error.code >= 500 or error.code == 429
            else f"It may have moved. Put the file in place by hand: {place}.",
        ) from error


def _receive(response: HTTPResponse, part: Path, name: str, progress: bool) -> int | None:
    """Write the body to `part`, after what is there if the server continues it. Returns the full length, if told."""
    from tqdm import tqdm

    resumed = response.status == 206
    start = _size(part) if resumed else 0
    length = response.headers.get("Content-Length")
    expected = start + int(length) if length is not None and length.isdecimal() else None
    bar: Any = tqdm(
        desc=name,
        total=expected,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=None if progress else True,
    )
    with bar, open(part, "ab" if resumed else "wb") as file:
        for block in _blocks(response):
            file.write(block)
            bar.update(len(block))
    return expected


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(_CHUNK)
        except OSError as error:
            # Told apart from an error of the disk, which is an OSError as well.
            raise ConnectionError(str(error)) from error
        if not block:
            return
        yield block


def _check(asset: Asset, path: Path) -> None:
    found = _sha256(path)
    if found != asset.sha256:
        raise _wrong(asset, str(path), found)


def _wrong(asset: Asset, what: str, found: str) -> AssetError:
    return AssetError(
        f"{what} is not the pinned {asset.name}:\n  expected sha256 {asset.sha256}\n  found sha256    {found}",
        remedy=f"Delete it and run fac-eval prepare, or get the pinned version of {asset.url}.",
    )


def _disk_error(asset: Asset, path: Path, error: OSError) -> AssetError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AssetError(
            f"{asset.name}: no space left in {path.parent}.",
            remedy="Free some space and try again: what has come is kept. FAC_EVAL_CACHE names another place.",
        )
    return AssetError(
        f"{asset.name} cannot be written to {path}: {error.strerror or error}.",
        remedy="FAC_EVAL_CACHE names another place, or give one with --to DIR.",
    )


def _sha256(path: Path) -> str:
    return FileHashes().sha256(path)[0]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep a second process from writing to the same unfinished file."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
