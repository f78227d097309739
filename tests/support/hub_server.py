"""Local HTTP servers for tests: as much of the hub as its client library asks for, and a plain file host."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

LARGE = 1000
"""Files of this size on are large ones, which the hub lists with their sha256."""


@dataclass
class Reply:
    """What a server answers; `cut` closes the connection after that many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass
class Server:
    """A running server, what it was asked, and where it listens."""

    url: str
    asked: list[tuple[str, str, dict[str, str]]]
    """Method, path and headers of each request, in order."""


@contextmanager
def serve(answer: Callable[[str, str, dict[str, str], bytes], Reply]) -> Iterator[Server]:
    """Serve `answer(method, path, headers, body)` on a free local port."""
    asked: list[tuple[str, str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append((self.command, self.path, headers))
            reply = answer(self.command, self.path, headers, body)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = _answer

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ranged(body: bytes, headers: dict[str, str]) -> Reply:
    """`body`, or the part of it that a Range header asks for."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
    if match is None:
        return Reply(200, body, {"Accept-Ranges": "bytes"})
    start, end = int(match[1]), int(match[2]) + 1 if match[2] else len(body)
    if start >= len(body):
        return Reply(416, b"", {"Content-Range": f"bytes */{len(body)}"})
    span = f"bytes {start}-{min(end, len(body)) - 1}/{len(body)}"
    return Reply(206, body[start:end], {"Content-Range": span, "Accept-Ranges": "bytes"})


@dataclass
class FakeHub:
    """One repository: its branches, and the files of each commit."""

    repo: str
    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    kind: Literal["datasets", "models"] = "datasets"
    gated: bool = False
    broken: dict[str, Reply] = field(default_factory=dict)
    """Answers to downloads of these paths from their start, instead of the file."""

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(path)
        path = unquote(parts.path)
        api = f"/api/{self.kind}/{self.repo}"
        files = f"{'/datasets' if self.kind == 'datasets' else ''}/{self.repo}/resolve/"
        if not path.startswith((api, files)):
            return _error(404, "RepoNotFound")
        if self.gated:
            return _error(403, "GatedRepo")
        if path.startswith(files):
            return self._file(method, path.removeprefix(files), headers)
        rest = path.removeprefix(api)
        match = re.fullmatch(r"/(revision|tree|paths-info)/([^/]+)(?:/(.*))?", rest)
        commit = self._commit(match[2] if match else "main")
        if commit is None:
            return _error(404, "RevisionNotFound")
        if match is None or match[1] == "revision":
            return _json(self._info(commit))
        if match[1] == "tree":
            return self._tree(commit, match[3] or "", "recursive=true" in parts.query.lower())
        wanted = [unquote(name) for name in re.findall(r"paths=([^&]+)", body.decode())]
        if body.startswith(b"{"):
            wanted = json.loads(body)["paths"]
        return _json([entry for entry in self._entries(commit) if entry["path"] in wanted])

    def _commit(self, revision: str) -> str | None:
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None

    def _info(self, commit: str) -> dict[str, Any]:
        siblings = [{"rfilename": path} for path in self.commits[commit]]
        return {
            "_id": "0",
            "id": self.repo,
            "sha": commit,
            "siblings": siblings,
            "tags": [],
            "downloads": 0,
            "likes": 0,
        }

    def _entries(self, commit: str) -> list[dict[str, Any]]:
        files = self.commits[commit]
        folders = sorted({path.rsplit("/", 1)[0] for path in files if "/" in path})
        entries: list[dict[str, Any]] = [
            {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}
            for path in folders
        ]
        for path, content in files.items():
            entry: dict[str, Any] = {
                "type": "file",
                "path": path,
                "size": len(content),
                "oid": _blob(content),
            }
            if len(content) >= LARGE:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        return entries

    def _tree(self, commit: str, folder: str, recursive: bool) -> Reply:
        prefix = f"{folder}/" if folder else ""
        entries = [entry for entry in self._entries(commit) if entry["path"].startswith(prefix)]
        if prefix and not entries:
            return _error(404, "EntryNotFound")
        if not recursive:
            entries = [entry for entry in entries if "/" not in entry["path"][len(prefix) :]]
        return _json(entries)

    def _file(self, method: str, rest: str, headers: dict[str, str]) -> Reply:
        revision, _, path = rest.partition("/")
        commit = self._commit(revision)
        if commit is None:
            return _error(404, "RevisionNotFound")
        content = self.commits[commit].get(path)
        if content is None:
            return _error(404, "EntryNotFound", {"X-Repo-Commit": commit})
        reply = ranged(content, headers)
        if method == "GET" and path in self.broken and reply.status == 200:
            reply = self.broken[path]
        etag = hashlib.sha256(content).hexdigest() if len(content) >= LARGE else _blob(content)
        named = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "X-Linked-Size": str(len(content))}
        return Reply(reply.status, reply.body, {**reply.headers, **named}, reply.cut)


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _json(content: object) -> Reply:
    return Reply(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})
