"""The server: the same chunks as on disk, to its own pages only, and no file that a run does not name."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fac_eval.errors import UsageError
from fac_eval.reports.runs import find_runs
from fac_eval.reports.site.chunks import unpacked
from fac_eval.reports.site.server import Pages, SiteServer


@pytest.fixture(scope="module")
def server(world: str) -> Iterator[SiteServer]:
    with SiteServer(Pages(lambda: find_runs([], world))) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, dict(response.getheaders()), response.read()


def ask(server: SiteServer, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return Answer(connection.getresponse())
    finally:
        connection.close()


def site_of(server: SiteServer) -> Any:
    return unpacked(ask(server, "/data/site.js").body)[1]


def clip_of(server: SiteServer) -> dict[str, Any]:
    """An answer's clip, as a page learns of it."""
    site = site_of(server)
    number = next(i for i, task in enumerate(site["tasks"]) if task["name"] == "world/spoken")
    _, samples = unpacked(ask(server, f"/data/t{number}/samples-0.js?v={site['build']}").body)
    clip: dict[str, Any] = samples[0]["cells"][0]["speech"]
    return clip


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/app.js", "/site.css", "/icon.svg", "/data/site.js", "/data/live.js"]
)
def test_what_there_is(server: SiteServer, path: str) -> None:
    found = ask(server, path)
    assert found.status == 200
    assert "default-src 'none'" in found.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in found.headers["Content-Security-Policy"]
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    head = ask(server, path, "HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/store.sqlite",
        "/../store.sqlite",
        "/..%2fstore.sqlite",
        "/data/../../../../etc/passwd",
        "/data/..%2f..%2fetc/passwd.js",
        "/audio/../store.sqlite",
        "/audio//etc/passwd",
        "/audio/" + "0" * 32,
        "/data/clips/" + "0" * 32 + ".js",
        "/data/site.js/",
        "//etc/passwd",
        "/data/t0/index.js",
        "/data/t0/index.js?v=nonsense",
    ],
)
def test_what_there_is_not(server: SiteServer, path: str) -> None:
    assert ask(server, path).status == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_foreign_name_for_this_machine_is_refused(server: SiteServer, host: str) -> None:
    assert ask(server, "/data/site.js", Host=host).status == 403


def test_localhost_is_an_own_name(server: SiteServer) -> None:
    assert ask(server, "/", Host=f"localhost:{server.port}").status == 200


def test_other_pages_get_no_data(server: SiteServer) -> None:
    for kind in ("cross-site", "same-site"):
        assert ask(server, "/data/site.js", Sec_Fetch_Site=kind, Sec_Fetch_Mode="no-cors").status == 403
        assert ask(server, "/audio/" + "0" * 32, Sec_Fetch_Site=kind, Sec_Fetch_Mode="navigate").status == 403
    assert ask(server, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    assert ask(server, "/data/site.js", Sec_Fetch_Site="same-origin").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_only_reads(server: SiteServer, method: str) -> None:
    assert ask(server, "/", method).status == 501


def test_served_chunks_are_those_on_disk(server: SiteServer, site: Path) -> None:
    build = site_of(server)["build"]
    for name in ("t0/index", "t0/text-0", "t0/summary"):
        served = ask(server, f"/data/{name}.js?v={build}").body
        assert unpacked(served) == unpacked((site / "data" / f"{name}.js").read_bytes())


def test_a_clip_is_served_once_a_page_has_named_it(server: SiteServer) -> None:
    clip = clip_of(server)
    found = ask(server, f"/{clip['file']}")
    assert (found.status, found.headers["Content-Type"], found.body[:4]) == (200, "audio/flac", b"fLaC")
    _, drawn = unpacked(ask(server, f"/data/clips/{clip['audio']}.js").body)
    assert drawn["seconds"] == pytest.approx(clip["seconds"], abs=0.01)


def test_a_question_s_clip_comes_from_its_data_set(server: SiteServer) -> None:
    site = site_of(server)
    number = next(i for i, task in enumerate(site["tasks"]) if task["name"] == "speech_fc/bfcl_single")
    _, samples = unpacked(ask(server, f"/data/t{number}/samples-0.js?v={site['build']}").body)
    for sample in reversed(samples):
        clip = sample["messages"][0]["parts"][0]
        assert ask(server, f"/{clip['file']}").status == 200


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=4-99999999", 206, slice(4, None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("bytes=-", 200, slice(None)),
        ("chunks=1-2", 200, slice(None)),
    ],
)
def test_a_player_may_ask_for_a_part(server: SiteServer, asked: str, status: int, content: slice) -> None:
    path = f"/{clip_of(server)['file']}"
    whole = ask(server, path).body
    part = ask(server, path, Range=asked)
    assert (part.status, part.body) == (status, whole[content])
    if status == 206:
        assert part.headers["Content-Range"].endswith(f"/{len(whole)}")


def test_live_figures(server: SiteServer) -> None:
    _, live = unpacked(ask(server, "/data/live.js").body)
    assert [run["state"] for run in live["runs"]] == ["finished", "finished"]
    assert live["runs"][1]["cost"] > 0
    assert live["runs"][1]["total"] == 48
    assert {kind for kind, _, _ in live["runs"][1]["failures"]} == {"judge_error", "model_error"}


def test_a_port_that_is_taken_is_named(server: SiteServer) -> None:
    with pytest.raises(UsageError, match=str(server.port)):
        SiteServer(server.pages, server.port)
