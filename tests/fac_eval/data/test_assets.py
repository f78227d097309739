"""Pinned files: found, checked, fetched, continued; and whatever goes wrong is told with the way out."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fac_eval.data.assets import Asset, asset_path, fetch_asset
from fac_eval.data.places import use_assets
from fac_eval.errors import AssetError, MissingResource, UsageError
from tests.support.hub_server import Reply, Server, ranged, serve

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PLACE = "bench/prompt.txt"

Answer = Callable[[dict[str, str]], Reply]


@pytest.fixture
def answers() -> list[Answer]:
    """What the server answers to one request after another; the last answer goes on for ever."""
    return [lambda headers: ranged(CONTENT, headers)]


@pytest.fixture
def server(answers: list[Answer]) -> Iterator[Server]:
    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        return (answers.pop(0) if len(answers) > 1 else answers[0])(headers)

    with serve(answer) as running:
        yield running


@pytest.fixture
def asset(server: Server) -> Asset:
    return Asset("the judge prompt", f"{server.url}/prompt.txt", SHA256, PLACE)


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def choose(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    use_assets(str(folder))


def ranges(server: Server) -> list[str | None]:
    return [headers.get("range") for _, _, headers in server.asked]


# Finding


@pytest.mark.parametrize(
    "place", ["given", "given/assets", "environment", "environment/assets", "cache/assets"]
)
def test_an_asset_is_found_where_it_may_be(
    tmp_path: Path, place: str, asset: Asset, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.setenv("FAC_EVAL_ASSETS", str(tmp_path / "environment"))
    path = put(tmp_path / place / PLACE, CONTENT)
    choose(tmp_path / "given")
    assert asset_path(asset) == path
    assert server.asked == []


def test_the_given_folder_comes_first(tmp_path: Path, asset: Asset) -> None:
    put(tmp_path / "cache/assets" / PLACE, CONTENT)
    path = put(tmp_path / "given" / PLACE, CONTENT)
    choose(tmp_path / "given")
    assert asset_path(asset) == path


def test_an_asset_that_is_nowhere_is_told_with_the_places(tmp_path: Path, asset: Asset) -> None:
    choose(tmp_path / "given")
    with pytest.raises(MissingResource) as caught:
        asset_path(asset)
    message = str(caught.value)
    for part in (
        "the judge prompt",
        PLACE,
        str(tmp_path / "given"),
        str(tmp_path / "cache"),
        asset.url,
        SHA256,
    ):
        assert part in message


def test_other_content_is_refused_with_both_hashes(tmp_path: Path, asset: Asset) -> None:
    put(tmp_path / "cache/assets" / PLACE, CONTENT)
    put(tmp_path / "given" / PLACE, b"edited")
    choose(tmp_path / "given")
    with pytest.raises(AssetError) as caught:
        asset_path(asset)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"edited").hexdigest() in str(caught.value)


# Fetching


def test_an_asset_is_fetched_once(tmp_path: Path, asset: Asset, server: Server) -> None:
    path = fetch_asset(asset)
    assert path == tmp_path / "cache/assets" / PLACE == asset_path(asset)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    fetch_asset(asset)
    assert len(server.asked) == 1


def test_an_asset_is_fetched_into_a_folder_to_be_copied(tmp_path: Path, asset: Asset) -> None:
    assert fetch_asset(asset, tmp_path / "copy") == tmp_path / "copy/assets" / PLACE
    choose(tmp_path / "copy")
    assert asset_path(asset) == tmp_path / "copy/assets" / PLACE


def test_a_damaged_asset_is_fetched_again(tmp_path: Path, asset: Asset) -> None:
    path = put(tmp_path / "cache/assets" / PLACE, b"damaged")
    assert fetch_asset(asset) == path
    assert path.read_bytes() == CONTENT


def test_what_has_come_is_continued(tmp_path: Path, asset: Asset, server: Server) -> None:
    put(tmp_path / "cache/assets" / f"{PLACE}.part", CONTENT[:1000])
    assert fetch_asset(asset).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1000-"]


def test_a_body_cut_short_is_continued(asset: Asset, answers: list[Answer], server: Server) -> None:
    answers.insert(0, lambda headers: replace(ranged(CONTENT, headers), cut=100_000))
    answers.insert(1, lambda headers: replace(ranged(CONTENT, headers), cut=50_000))
    assert fetch_asset(asset).read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_cannot_continue_starts_over(
    tmp_path: Path, asset: Asset, answers: list[Answer]
) -> None:
    answers[0] = lambda headers: Reply(200, CONTENT)
    put(tmp_path / "cache/assets" / f"{PLACE}.part", b"x" * 1000)
    assert fetch_asset(asset).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "part", [b"x" * 1000, CONTENT + b"more", b"x" * len(CONTENT)], ids=["older", "too long", "full but older"]
)
def test_the_beginning_of_another_version_is_given_up(
    tmp_path: Path, asset: Asset, server: Server, part: bytes
) -> None:
    put(tmp_path / "cache/assets" / f"{PLACE}.part", part)
    assert fetch_asset(asset).read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(part)}-", None]


def test_a_full_part_needs_no_more(tmp_path: Path, asset: Asset, server: Server) -> None:
    put(tmp_path / "cache/assets" / f"{PLACE}.part", CONTENT)
    assert fetch_asset(asset).read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT)}-"]


def test_a_body_of_untold_length_is_taken(asset: Asset, answers: list[Answer]) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)

    answers[0] = lambda headers: Reply(200, chunked, {"Content-Length": "", "Transfer-Encoding": "chunked"})
    assert fetch_asset(asset).read_bytes() == CONTENT


def test_wrong_content_is_told_and_not_kept(tmp_path: Path, asset: Asset, answers: list[Answer]) -> None:
    answers[0] = lambda headers: Reply(200, b"a login page")
    with pytest.raises(AssetError) as caught:
        fetch_asset(asset)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"a login page").hexdigest() in str(caught.value)
    assert list((tmp_path / "cache/assets/bench").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, "put the file in place by hand"),
        (403, "--assets DIR"),
        (503, "Try again later"),
        (429, "Try again later"),
    ],
)
def test_a_refusal_is_told(
    asset: Asset, answers: list[Answer], server: Server, status: int, told: str
) -> None:
    answers[0] = lambda headers: Reply(status)
    with pytest.raises(AssetError) as caught:
        fetch_asset(asset)
    assert f"{asset.url} answers {status}" in str(caught.value)
    assert told.lower() in str(caught.value).lower()
    assert len(server.asked) == 1


def test_a_server_that_always_breaks_off_is_given_up_but_what_came_is_kept(
    tmp_path: Path, asset: Asset, answers: list[Answer], server: Server
) -> None:
    answers[:] = [
        lambda headers: replace(ranged(CONTENT, headers), cut=1000),
        lambda headers: replace(ranged(CONTENT, headers), cut=0),
    ]
    with pytest.raises(AssetError, match=f"ended after 1000 of {len(CONTENT)} bytes"):
        fetch_asset(asset)
    assert (tmp_path / "cache/assets" / f"{PLACE}.part").read_bytes() == CONTENT[:1000]
    assert len(server.asked) == 4
    answers[:] = [lambda headers: ranged(CONTENT, headers)]
    assert fetch_asset(asset).read_bytes() == CONTENT


def test_no_network_is_told() -> None:
    with serve(lambda *request: Reply(200)) as gone:
        pass
    with pytest.raises(AssetError) as caught:
        fetch_asset(Asset("the judge prompt", f"{gone.url}/prompt.txt", SHA256, PLACE))
    message = str(caught.value)
    assert "cannot be fetched from 127.0.0.1" in message
    assert "refused" in message.lower()
    assert "HTTPS_PROXY" in message
    assert "--to DIR" in message


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "prompt.txt"])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match=r"no http\(s\) address"):
        fetch_asset(Asset("the judge prompt", url, SHA256, PLACE))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EACCES, "cannot be written"),
        (errno.EROFS, "cannot be written"),
    ],
    ids=["full disk", "no permission", "read-only"],
)
def test_a_disk_that_refuses_is_told(
    asset: Asset, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(AssetError, match=told) as caught:
        fetch_asset(asset)
    assert "FAC_EVAL_CACHE" in str(caught.value)


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path, asset: Asset) -> None:
    put(tmp_path / "cache/assets/bench", b"")
    with pytest.raises(AssetError, match="cannot be written"):
        fetch_asset(asset)


def test_two_at_a_time_do_not_mix(asset: Asset, server: Server) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_asset(asset).read_bytes())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 4
    assert len(server.asked) == 1
