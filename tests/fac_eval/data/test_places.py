"""Hashes of files are remembered exactly as long as they are right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fac_eval.data.places import FileHashes, is_looked_up, off_the_network, offline_switch
from fac_eval.errors import DataError
from tests.support.hub_data import write_files


def test_hashes_are_remembered_until_a_file_changes(tmp_path: Path, cache: Path) -> None:
    path = write_files(tmp_path, {"a": b"one"}) / "a"
    os.utime(path, (1, 1))
    [first] = FileHashes().sha256(path)
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    assert FileHashes().sha256(path) == [first], "same size and time: not read again"
    os.utime(path, (2, 2))
    assert FileHashes().sha256(path) != [first]
    (cache / "hashes.json").write_text("not json")
    assert FileHashes().sha256(path, path) != [first, first]


def test_a_file_written_this_moment_is_hashed_each_time(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a": b"one"}) / "a"
    [first] = FileHashes().sha256(path)
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert FileHashes().sha256(path) != [first]


def test_hashing_goes_on_without_a_cache_and_tells_of_missing_files(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"a": b"one", "cache": b"a file where the folder should be"}) / "a"
    os.utime(path, (1, 1))
    assert len(FileHashes(tmp_path / "cache").sha256(path)[0]) == 64
    with pytest.raises(DataError, match="gone cannot be read"):
        FileHashes().sha256(tmp_path / "gone")


def test_a_command_may_keep_off_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAC_EVAL_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with off_the_network("fac-eval show"):
        assert (offline_switch(), is_looked_up()) == ("fac-eval show", False)
    assert (offline_switch(), is_looked_up()) == (None, True)
