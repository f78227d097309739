"""Where data sets are found, what is read of them, and what their identity is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.prepare import prepare
from fac_eval.errors import AudioError, DataError, MissingResource, UsageError
from tests.support.hub_data import (
    COMMIT,
    DATASET,
    NEWER,
    parquet,
    repository,
    rows_of,
    write_files,
)
from tests.support.hub_server import FakeHub, Reply, Server, serve

SPOKEN = HubDataset("org/name", revision=COMMIT, files=("en/metadata.jsonl", "en/wav/**"))


def finder(folder: Path | None = None) -> DataFinder:
    return DataFinder(folder, offline=True)


def all_rows(found: DataFinder, dataset: HubDataset = DATASET) -> list[dict[str, Any]]:
    return [row for split in found.splits(dataset) for row in found.rows(dataset, split)]


# A folder of the user's


@pytest.mark.parametrize(
    "place", [".", "org--name", "name", f"org--name@{COMMIT}", f"data/org--name@{COMMIT}"]
)
def test_a_folder_is_found_under_its_names(tmp_path: Path, place: str) -> None:
    folder = write_files(tmp_path / "given" / place, repository())
    found = finder(tmp_path / "given")
    assert found.source(DATASET).kind == "folder"
    assert found.folder(DATASET).samefile(folder)
    assert all_rows(found) == rows_of("test", 5) + rows_of("dev", 1)
    assert (found.count(DATASET), found.count(DATASET, "dev")) == (6, 1)


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ("cfg", ["cfg/test-00000-of-00002.parquet", "cfg/test-00001-of-00002.parquet"]),
        ("cfg", ["cfg/test-00000-of-00002-0a1b2c.parquet", "cfg/test-00001-of-00002-0a1b2d.parquet"]),
        ("cfg", ["cfg/test/0000.parquet", "cfg/test/0001.parquet"]),
        ("default", ["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"]),
        ("default", ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"]),
    ],
    ids=["numbered", "numbered, with a hash", "a folder a split", "data folder", "at the top"],
)
def test_the_layouts_of_the_hub_are_understood(tmp_path: Path, config: str, files: list[str]) -> None:
    rows = rows_of("test", 5)
    write_files(tmp_path, dict(zip(files, [parquet(rows[:2]), parquet(rows[2:])], strict=True)))
    # A split of a similar name is another split.
    write_files(tmp_path, {files[0].replace("test", "test-more", 1): parquet(rows_of("more", 1))})
    assert list(finder(tmp_path).rows(HubDataset("org/name", config, ("test",)), "test")) == rows


def test_one_file_may_be_a_whole_split(tmp_path: Path) -> None:
    write_files(tmp_path, {"test.parquet": parquet(rows_of("test", 2))})
    assert all_rows(finder(tmp_path), HubDataset("org/name", "default", ("test",))) == rows_of("test", 2)


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    found = finder(write_files(tmp_path / "given", repository()))
    assert list(found.rows(DATASET, "dev", ["prompt"])) == [{"prompt": "say 0"}]
    named = dataclasses.replace(DATASET, columns=("id",))
    assert list(found.rows(named, "dev")) == [{"id": "dev-0"}]
    assert list(found.rows(dataclasses.replace(DATASET, columns=()), "dev")) == rows_of("dev", 1)
    with pytest.raises(DataError, match="lacks the column 'nope'"):
        list(found.rows(dataclasses.replace(DATASET, columns=("nope",)), "dev"))


def test_a_given_folder_may_hold_some_splits_only(tmp_path: Path) -> None:
    files = {name: content for name, content in repository().items() if "dev" in name}
    found = finder(write_files(tmp_path / "given", files))
    assert found.splits(DATASET) == ("dev",)
    assert found.count(DATASET) == 1
    with pytest.raises(DataError, match=r"no Parquet files of the split 'test' of 'cfg'"):
        found.rows(DATASET, "test")


@pytest.mark.parametrize(
    ("lost", "added", "told"),
    [
        ("cfg/test-00000-of-00002.parquet", None, "1 files for a split of 2; number 0 is missing"),
        (None, "cfg/test-00000-of-00001.parquet", "files of two versions are mixed"),
    ],
)
def test_a_split_that_lacks_files_is_no_split(
    tmp_path: Path, lost: str | None, added: str | None, told: str
) -> None:
    files = repository()
    if lost:
        del files[lost]
    if added:
        files[added] = parquet([])
    with pytest.raises(DataError, match=told):
        finder(write_files(tmp_path / "given", files)).source(DATASET)


def test_a_given_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        DataFinder(tmp_path / "nowhere")


def test_the_sample_comes_with_the_data_set(tmp_path: Path) -> None:
    shipped = write_files(tmp_path / "shipped", repository())
    found = DataFinder("sample")
    assert all_rows(found, dataclasses.replace(DATASET, sample=shipped)) == rows_of("test", 5) + rows_of(
        "dev", 1
    )
    with pytest.raises(MissingResource, match="no items of org/name"):
        found.source(DATASET)


def test_files_outside_the_parquet_layout_are_found_by_pattern(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "given", {**repository(), "en/wav/.hidden": b"", "en/wav.txt": b""})
    found = finder(tmp_path / "given")
    assert found.folder(SPOKEN) == folder
    before = found.fingerprint(SPOKEN)
    (folder / "en/wav/deep/2.wav").write_bytes(b"2wo")
    assert found.fingerprint(SPOKEN) != before
    with pytest.raises(MissingResource):
        finder(folder).source(dataclasses.replace(SPOKEN, files=("en/*/*.mp3",)))


# Clips


def test_clips_come_from_bytes_or_from_files_of_the_folder(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path / "given", {**repository(), "cfg/clips/1.wav": b"in config", "2.wav": b"on top"}
    )
    found = finder(folder)
    for cell, content in [
        ({"bytes": b"embedded", "path": "gone.wav"}, b"embedded"),
        ({"bytes": b"embedded", "path": None}, b"embedded"),
        ({"bytes": None, "path": "clips/1.wav"}, b"in config"),
        ({"bytes": b"", "path": "2.wav"}, b"on top"),
        ("2.wav", b"on top"),
        (str(folder / "2.wav"), b"on top"),
    ]:
        assert found.audio_of(DATASET, cell).data() == content


@pytest.mark.parametrize("cell", [None, {}, {"bytes": None, "path": None}, {"bytes": b"", "path": ""}, 3, []])
def test_a_cell_without_sound_is_told(tmp_path: Path, cell: Any) -> None:
    with pytest.raises(AudioError, match="holds no audio"):
        finder().audio_of(DATASET, cell)


def test_a_clip_whose_file_is_gone_is_told(tmp_path: Path) -> None:
    found = finder(write_files(tmp_path / "given", repository()))
    with pytest.raises(AudioError, match=r"has no file 'gone\.wav'"):
        found.audio_of(DATASET, {"bytes": None, "path": "gone.wav"})


# Identity


def test_the_fingerprint_of_a_folder_is_its_content(tmp_path: Path) -> None:
    one = finder(write_files(tmp_path / "one", repository())).fingerprint(DATASET)
    moved = finder(write_files(tmp_path / "two" / "name", repository())).fingerprint(DATASET)
    assert one.startswith("files:")
    assert moved == one
    files = repository()
    files["other/test-00000-of-00001.parquet"] = parquet([])
    assert finder(write_files(tmp_path / "three", files)).fingerprint(DATASET) == one, (
        "not a file of this config"
    )
    files["cfg/dev-00000-of-00001.parquet"] = parquet(rows_of("vde", 1))
    assert finder(write_files(tmp_path / "four", files)).fingerprint(DATASET) != one


def test_the_identity_names_the_pin_and_the_part() -> None:
    assert DATASET.identity == f"org/name@{COMMIT}/cfg[test,dev]"
    assert HubDataset("a/b", revision="refs/convert/parquet").folder_name == "a--b@refs--convert--parquet"
    assert hash(DATASET) == hash(dataclasses.replace(DATASET))


# Prepared, and the hub


def test_what_was_prepared_is_found_and_is_the_same_data_as_on_the_hub(server: Server, cache: Path) -> None:
    on_hub = DataFinder()
    assert on_hub.source(DATASET).kind == "hub"
    [outcome] = prepare([DATASET])
    prepared = finder()
    assert prepared.source(DATASET).kind == "prepared"
    assert prepared.folder(DATASET) == cache / "data" / f"org--name@{COMMIT}" == outcome.path
    assert all_rows(prepared) == rows_of("test", 5) + rows_of("dev", 1)
    assert prepared.fingerprint(DATASET) == on_hub.fingerprint(DATASET) == f"org/name@{COMMIT}"


def test_a_prepared_file_that_was_changed_is_other_data(server: Server, cache: Path) -> None:
    prepare([DATASET])
    (cache / f"data/org--name@{COMMIT}/cfg/dev-00000-of-00001.parquet").write_bytes(parquet([]))
    assert finder().fingerprint(DATASET).startswith("files:")


def test_the_users_folder_comes_before_what_was_prepared(server: Server, tmp_path: Path) -> None:
    prepare([DATASET])
    write_files(tmp_path / "given", repository())
    assert finder(tmp_path / "given").source(DATASET).kind == "folder"
    assert DataFinder().source(DATASET).kind == "prepared"


def test_a_folder_that_does_not_hold_the_data_set_is_an_error_and_nothing_stands_in(
    server: Server, tmp_path: Path
) -> None:
    prepare([DATASET])
    with pytest.raises(MissingResource, match=r"does not hold org/name \(cfg\)"):
        finder(tmp_path).source(DATASET)


def test_a_branch_stands_for_its_commit(server: Server, hub: FakeHub) -> None:
    branch = dataclasses.replace(DATASET, revision="main")
    assert DataFinder().source(branch).commit == COMMIT
    assert DataFinder().fingerprint(branch) == f"org/name@{COMMIT}"
    hub.commits[NEWER] = repository()
    hub.branches["main"] = NEWER
    assert DataFinder().fingerprint(branch) == f"org/name@{NEWER}"


def test_a_data_set_is_looked_for_once(server: Server) -> None:
    found = DataFinder()
    for _ in range(3):
        found.source(DATASET)
    assert sum("/revision/" in path for _, path, _ in server.asked) == 1


@pytest.mark.parametrize("switch", ["FAC_EVAL_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_offline_the_hub_is_not_asked(
    server: Server, switch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(switch, "1")
    named = dataclasses.replace(DATASET, benchmark="namebench")
    with pytest.raises(MissingResource) as caught:
        DataFinder().source(named)
    message = str(caught.value)
    assert f"{switch} keeps off the hub" in message
    assert "Looked in " in message
    assert "fac-eval prepare namebench\n" in message
    assert "--to DIR" in message
    assert server.asked == []


def test_data_sets_of_files_have_to_be_prepared(server: Server) -> None:
    with pytest.raises(MissingResource, match="fac-eval prepare org/name"):
        DataFinder().source(SPOKEN)
    with pytest.raises(MissingResource, match="has to be on this machine"):
        DataFinder().folder(DATASET)


def test_a_hub_out_of_reach_is_told_with_the_way_round(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    with serve(lambda *request: Reply(200)) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(MissingResource) as caught:
        DataFinder().source(DATASET)
    message = str(caught.value)
    assert "The hub cannot be reached for org/name: " in message
    assert "refused" in message
    assert "fac-eval prepare" in message


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (HubDataset("org/nope"), ["no data set org/nope", "hf auth login"]),
        (HubDataset("org/name", revision=NEWER), [f"no revision {NEWER}", "none is taken in its place"]),
        (HubDataset("no such / name"), ["not as expected"]),
    ],
    ids=["repository", "revision", "a name that is none"],
)
def test_what_the_hub_does_not_have_is_told(server: Server, dataset: HubDataset, told: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        DataFinder().source(dataset)
    for part in told:
        assert part in str(caught.value)


def test_a_data_set_behind_terms_is_told(server: Server, hub: FakeHub) -> None:
    hub.gated = True
    with pytest.raises(DataError, match="accepted its terms") as caught:
        DataFinder().source(DATASET)
    assert "huggingface.co/datasets/org/name" in str(caught.value)


@pytest.mark.parametrize(("status", "later"), [(403, False), (500, True)])
def test_a_hub_that_answers_errors_is_told(
    monkeypatch: pytest.MonkeyPatch, server: Server, status: int, later: bool
) -> None:
    with serve(lambda *request: Reply(status, b'{"error": "closed today"}')) as broken:
        monkeypatch.setenv("HF_ENDPOINT", broken.url)
        with pytest.raises(DataError, match=f"answered {status}.*closed today") as caught:
            DataFinder().source(DATASET)
    assert ("Try again later" in str(caught.value)) == later
