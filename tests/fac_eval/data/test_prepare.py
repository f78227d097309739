"""Fetching ahead of time: from a hub and a file host, again and again, interrupted and damaged."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_eval.data._hub_api import patterns_of
from fac_eval.data._layout import MANIFEST
from fac_eval.data.assets import Asset, asset_path
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.places import use_assets
from fac_eval.data.prepare import prepare
from fac_eval.errors import DataError, MissingResource
from tests.support.hub_data import COMMIT, DATASET, NEWER, parquet, repository, rows_of
from tests.support.hub_server import FakeHub, Reply, Server, serve

FILES = [name for name in repository() if name.startswith("cfg/")]
SPOKEN = HubDataset("org/name", revision=COMMIT, files=("en/metadata.jsonl", "en/wav/**"))
BRANCH = dataclasses.replace(DATASET, revision="main")


def fetched(server: Server) -> list[str]:
    """The files whose content was asked for."""
    return [
        path.split("/", 6)[6] for method, path, _ in server.asked if method == "GET" and "/resolve/" in path
    ]


def folder_of(root: Path, revision: str = COMMIT) -> Path:
    return root / "data" / f"org--name@{revision}"


def test_the_files_of_a_data_set_are_fetched_and_noted(server: Server, cache: Path) -> None:
    [outcome] = prepare([DATASET])
    assert (outcome.status, outcome.path, outcome.commit) == ("fetched", folder_of(cache), COMMIT)
    assert (outcome.files, outcome.bytes) == (3, sum(len(repository()[name]) for name in FILES))
    assert sorted(fetched(server)) == sorted(FILES)
    for name in FILES:
        assert (folder_of(cache) / name).read_bytes() == repository()[name]
    note = json.loads((folder_of(cache) / MANIFEST).read_text())
    assert (note["repo"], note["revision"]) == ("org/name", COMMIT)
    assert note["files"][FILES[0]] == {
        "size": len(repository()[FILES[0]]),
        "sha256": hashlib.sha256(repository()[FILES[0]]).hexdigest(),
        "commit": COMMIT,
    }
    assert note["written"]


def test_what_a_commit_holds_is_fetched_once_and_then_nothing_is_asked(server: Server) -> None:
    prepare([DATASET])
    server.asked.clear()
    [outcome] = prepare([DATASET])
    assert (outcome.status, outcome.files, outcome.commit) == ("kept", 3, COMMIT)
    assert server.asked == []


def test_needs_that_repeat_are_one(server: Server) -> None:
    assert len(prepare([DATASET, DATASET])) == 1


def test_configs_of_one_data_set_share_its_folder(server: Server, cache: Path) -> None:
    other = HubDataset("org/name", "other", ("test",), COMMIT)
    outcomes = prepare([DATASET, other, SPOKEN])
    assert [outcome.status for outcome in outcomes] == ["fetched"] * 3
    assert {outcome.path for outcome in outcomes} == {folder_of(cache)}
    assert [outcome.files for outcome in outcomes] == [3, 1, 3]
    assert sorted(fetched(server)) == sorted(name for name in repository() if name != "README.md")
    found = DataFinder(offline=True)
    assert list(found.rows(other, "test")) == rows_of("other", 1)
    assert (found.folder(SPOKEN) / "en/wav/deep/2.wav").read_bytes() == b"two"
    for dataset in (DATASET, other, SPOKEN):
        assert found.fingerprint(dataset) == f"org/name@{COMMIT}"


def test_a_branch_is_followed(server: Server, hub: FakeHub, cache: Path) -> None:
    assert [outcome.commit for outcome in prepare([BRANCH])] == [COMMIT]
    assert [outcome.status for outcome in prepare([BRANCH])] == ["kept"]
    hub.commits[NEWER] = {**repository(), "cfg/dev-00000-of-00001.parquet": parquet(rows_of("new", 2))}
    hub.branches["main"] = NEWER
    server.asked.clear()
    [outcome] = prepare([BRANCH])
    assert (outcome.status, outcome.commit) == ("fetched", NEWER)
    assert fetched(server) == ["cfg/dev-00000-of-00001.parquet"], "files that are the same are kept"
    found = DataFinder(offline=True)
    assert found.fingerprint(BRANCH) == f"org/name@{NEWER}"
    assert list(found.rows(BRANCH, "dev")) == rows_of("new", 2)


def test_data_of_two_commits_is_of_none(server: Server, hub: FakeHub) -> None:
    dev = dataclasses.replace(BRANCH, splits=("dev",))
    prepare([BRANCH])
    hub.commits[NEWER] = repository()
    hub.branches["main"] = NEWER
    prepare([dev])
    found = DataFinder(offline=True)
    assert found.fingerprint(dev) == f"org/name@{NEWER}"
    assert found.fingerprint(BRANCH).startswith("files:")


def test_a_lost_file_is_fetched_again_and_the_rest_kept(server: Server, cache: Path) -> None:
    prepare([DATASET])
    (folder_of(cache) / FILES[1]).unlink()
    server.asked.clear()
    assert [outcome.status for outcome in prepare([DATASET])] == ["fetched"]
    assert fetched(server) == [FILES[1]]


@pytest.mark.parametrize("damage", [b"", b"other content"], ids=["emptied", "changed"])
def test_a_damaged_file_is_fetched_again(server: Server, cache: Path, damage: bytes) -> None:
    prepare([DATASET])
    (folder_of(cache) / FILES[0]).write_bytes(damage)
    server.asked.clear()
    assert [outcome.status for outcome in prepare([DATASET])] == ["fetched"]
    assert fetched(server) == [FILES[0]]
    assert (folder_of(cache) / FILES[0]).read_bytes() == repository()[FILES[0]]


def test_a_half_done_preparation_is_told_and_then_completed(
    server: Server, hub: FakeHub, cache: Path
) -> None:
    hub.broken[FILES[2]] = Reply(500)
    [outcome] = prepare([DATASET])
    assert outcome.status == "failed"
    assert isinstance(outcome.error, DataError)
    assert "500" in str(outcome.error)
    with pytest.raises(DataError, match=r"lacks \d of the 3 files of org/name.*\n.*prepare again"):
        DataFinder(offline=True).source(DATASET)
    done = [name for name in FILES if (folder_of(cache) / name).exists()]
    hub.broken.clear()
    server.asked.clear()
    assert [outcome.status for outcome in prepare([DATASET])] == ["fetched"]
    assert sorted(fetched(server)) == sorted(set(FILES) - set(done))


def test_a_file_cut_short_on_its_way_is_completed(
    server: Server, hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)
    content = repository()[FILES[0]]
    hub.broken[FILES[0]] = Reply(200, content, cut=500)
    assert [outcome.status for outcome in prepare([DATASET])] == ["fetched"]
    assert (folder_of(cache) / FILES[0]).read_bytes() == content
    assert "bytes=500-" in [headers.get("range") for _, _, headers in server.asked]


def test_other_content_than_the_hub_lists_is_refused(server: Server, hub: FakeHub, cache: Path) -> None:
    content = repository()[FILES[0]]
    hub.broken[FILES[0]] = Reply(200, bytes(len(content)))
    [outcome] = prepare([DATASET])
    assert outcome.status == "failed"
    assert f"{FILES[0]} came with other content than the hub lists" in str(outcome.error)
    assert not (folder_of(cache) / FILES[0]).exists()
    assert fetched(server).count(FILES[0]) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.sets(
        st.lists(st.sampled_from(["a", "b", "a*", "[a]", "?"]), min_size=1, max_size=4).map("/".join),
        max_size=12,
    ),
    data=st.data(),
)
def test_patterns_match_what_is_wanted_and_nothing_else(paths: set[str], data: st.DataObject) -> None:
    # A path is a file, so it is no folder of another one.
    listed = sorted(path for path in paths if not any(other.startswith(f"{path}/") for other in paths))
    wanted = [path for path in listed if data.draw(st.booleans())]
    patterns = patterns_of(wanted, listed)
    assert [path for path in listed if any(fnmatchcase(path, pattern) for pattern in patterns)] == wanted


def test_whole_folders_are_one_pattern() -> None:
    listed = ["README.md", "en/wav/1.wav", "en/wav/x/2.wav", "en/metadata.jsonl"]
    assert patterns_of(["en/wav/1.wav", "en/wav/x/2.wav"], listed) == ["en/wav/*"]
    assert patterns_of(listed[1:], listed) == ["en/*"]
    assert patterns_of(["en/metadata.jsonl"], listed) == ["en/metadata.jsonl"]


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (dataclasses.replace(DATASET, repo="org/nope"), "no data set org/nope"),
        (dataclasses.replace(DATASET, revision=NEWER), "no revision"),
        (dataclasses.replace(DATASET, splits=("nope",)), "no Parquet files of the split 'nope'"),
        (dataclasses.replace(DATASET, config="nope"), "Folders with Parquet files there: cfg, other."),
        (dataclasses.replace(SPOKEN, files=("zh/*",)), "no file that matches 'zh/*'"),
    ],
    ids=["repository", "revision", "split", "config", "pattern"],
)
def test_one_need_that_fails_does_not_stop_the_others(server: Server, dataset: HubDataset, told: str) -> None:
    first, second = prepare([dataset, DATASET])
    assert (first.status, second.status) == ("failed", "fetched")
    assert told in str(first.error)


def test_without_the_network_what_is_here_is_kept_and_the_rest_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare([DATASET])
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    server.asked.clear()
    kept, lacking = prepare([DATASET, BRANCH])
    assert kept.status == "kept"
    assert isinstance(lacking.error, MissingResource)
    assert "Unset FAC_EVAL_OFFLINE" in str(lacking.error)
    assert server.asked == []


def test_a_folder_to_be_copied_serves_as_data_and_assets_elsewhere(
    server: Server, tmp_path: Path, cache: Path
) -> None:
    content = b"You are a judge."
    with serve(lambda *request: Reply(200, content)) as host:
        asset = Asset(
            "prompt", f"{host.url}/p", hashlib.sha256(content).hexdigest(), "judge/p.txt", licence="MIT"
        )
        first = prepare([DATASET, asset], tmp_path / "out")
        again = prepare([DATASET, asset], tmp_path / "out")
        assert len(host.asked) == 1
    assert [outcome.status for outcome in first] == ["fetched", "fetched"]
    assert [outcome.status for outcome in again] == ["kept", "kept"]
    assert first[1].bytes == again[1].bytes == len(content)
    assert not (cache / "data").exists()
    assert not (cache / "assets").exists()
    note = json.loads((tmp_path / "out/assets" / MANIFEST).read_text())["judge/p.txt"]
    assert (note["name"], note["sha256"], note["licence"]) == ("prompt", asset.sha256, "MIT")

    elsewhere = Path(shutil.copytree(tmp_path / "out", tmp_path / "elsewhere"))
    found = DataFinder(elsewhere, offline=True)
    assert found.folder(DATASET) == folder_of(elsewhere)
    assert found.fingerprint(DATASET) == f"org/name@{COMMIT}"
    assert [row for split in DATASET.splits for row in found.rows(DATASET, split)] == rows_of(
        "test", 5
    ) + rows_of("dev", 1)
    use_assets(str(elsewhere))
    assert asset_path(asset).read_bytes() == content
    # A copy that was cut short must not pass for a data set with fewer rows.
    (folder_of(elsewhere) / FILES[0]).unlink()
    with pytest.raises(DataError, match="lacks 1 of the 3 files"):
        DataFinder(elsewhere, offline=True).source(DATASET)


def test_an_asset_that_fails_is_told(server: Server) -> None:
    with serve(lambda *request: Reply(404)) as host:
        missing, found = prepare([Asset("prompt", f"{host.url}/p", "0" * 64, "p.txt"), DATASET])
    assert (missing.status, found.status) == ("failed", "fetched")
    assert "answers 404" in str(missing.error)


def test_a_cache_that_cannot_be_written_is_told(server: Server, cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    [outcome] = prepare([DATASET])
    assert outcome.status == "failed"
    assert "FAC_EVAL_CACHE names another place" in str(outcome.error)


def test_a_note_that_cannot_be_read_is_told(server: Server, cache: Path) -> None:
    prepare([DATASET])
    (folder_of(cache) / MANIFEST).write_text("{")
    [outcome] = prepare([DATASET])
    assert "Delete it and run fac-eval prepare again" in str(outcome.error)
    with pytest.raises(DataError, match=MANIFEST):
        DataFinder(offline=True).source(DATASET)


@pytest.mark.parametrize("progress", [True, False])
def test_bars_show_only_where_wanted(
    server: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # the hub's bars show even where there is no terminal
    prepare([DATASET], progress=progress)
    assert ("Fetching" in capfd.readouterr().err) == progress
