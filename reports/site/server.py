"""Serving the site on this machine while runs go on: the same files, made when a browser asks for them."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from fac_eval.audio import Audio
from fac_eval.errors import FacEvalError, UsageError

from ..runs import RunPlace
from . import bundle
from .chunks import script
from .clips import MEDIA_TYPES, Questions, is_key, playable, spoken
from .live import Progress
from .pictures import picture
from .snapshot import Snapshot

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_SNAPSHOTS = 3
_CLIP = re.compile(r"/audio/([0-9a-f]{32})\Z")
_PICTURE = re.compile(r"/data/clips/([0-9a-f]{32})\.js\Z")
_DATA = re.compile(r"/data/([a-z0-9][a-z0-9/-]{0,60})\.js\Z")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")

Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a browser gets."""

    content: bytes
    type: str


class Pages:
    """Answers to paths. Nothing in a path ever names a file: what is not known by its own name is not there."""

    def __init__(self, find: Callable[[], Sequence[RunPlace]], *, data: str | None = None) -> None:
        """`find` says which runs are meant, and is asked again whenever the stores have changed."""
        self._find, self._data = find, data
        self._lock = Lock()
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._stamp: Stamp | None = None
        self._progress = Progress()
        self._questions: dict[tuple[str, str], Questions] = {}
        self._clips: dict[str, Questions | None] = {}
        """The clips that pages have named: a question's by its data set, an answer's by its store."""
        self.current()

    def current(self) -> Snapshot:
        """What the stores hold now."""
        with self._lock:
            newest = next(reversed(self._snapshots.values()), None)
            if newest is not None and self._stamp == _stamp(newest.stores):
                return newest
            places = self._find()
            stamp = _stamp({place.store for place in places})
            snapshot = Snapshot(places, live=True)
            snapshot.place = lambda key, row, task: self._place(snapshot, key, row, task)
            # What was read for the same state stays.
            kept = self._snapshots.setdefault(snapshot.build, snapshot)
            self._snapshots.move_to_end(snapshot.build)
            self._stamp = stamp
            while len(self._snapshots) > _SNAPSHOTS:
                self._snapshots.popitem(last=False)
            return kept

    def get(self, path: str, build: str | None) -> Found | None:
        """The content at a path, or None."""
        if path in self._fixed:
            return self._fixed[path]
        if path in ("/", "/index.html"):
            return Found(bundle.frame("fac-eval", ""), "text/html; charset=utf-8")
        if path == "/data/site.js":
            return _script(self.current().chunk("site"))
        if path == "/data/live.js":
            return _script(self._live())
        if found := _PICTURE.match(path):
            clip = self._clip(found[1])
            return None if clip is None else _script(script(f"clips/{found[1]}", picture(clip)))
        if found := _CLIP.match(path):
            clip = self._clip(found[1])
            return None if clip is None else _sound(clip)
        if found := _DATA.match(path):
            with self._lock:
                snapshot = self._snapshots.get(build or "")
            return None if snapshot is None else _script(snapshot.chunk(found[1]))
        return None

    @cached_property
    def _fixed(self) -> dict[str, Found]:
        return {
            "/app.js": Found(bundle.app_script(), "text/javascript; charset=utf-8"),
            "/site.css": Found(bundle.style_sheet(), "text/css; charset=utf-8"),
            "/icon.svg": Found(bundle.icon(), "image/svg+xml"),
        }

    def _live(self) -> bytes:
        with self._lock:
            return script("live", self._progress.plain(self._find()))

    def _place(self, snapshot: Snapshot, key: str, row: int, task: int) -> str | None:
        if not is_key(key):
            return None
        if row < 0:
            self._clips.setdefault(key, None)
        else:
            cell = snapshot.board.tasks[task].cells[0]
            run = snapshot.board.runs[cell.run]
            questions = self._questions.setdefault(
                (run.row.id, cell.row.task + cell.row.variant),
                Questions(cell.row, run.row.config, self._data),
            )
            if not questions.installed:
                return None
            self._clips[key] = questions
        return f"audio/{key}"

    def _clip(self, key: str) -> Audio | None:
        if key not in self._clips:
            return None
        questions = self._clips[key]
        if questions is not None:
            return questions.find(key)
        with self._lock:
            stores = {folder for snapshot in self._snapshots.values() for folder in snapshot.stores}
        path = spoken(key, stores)
        return None if path is None else Audio.from_file(path)


def _script(content: bytes | None) -> Found | None:
    return None if content is None else Found(content, "text/javascript; charset=utf-8")


def _sound(clip: Audio) -> Found:
    content, suffix = playable(clip)
    return Found(content, MEDIA_TYPES[suffix])


def _stamp(stores: Sequence[Path] | set[Path]) -> Stamp:
    """Changes whenever something is committed to one of the stores."""
    stamps = []
    for folder in sorted(stores):
        for name in ("store.sqlite", "store.sqlite-wal"):
            try:
                state = (folder / name).stat()
            except OSError:
                stamps.append((0, 0))
            else:
                stamps.append((state.st_mtime_ns, state.st_size))
    return tuple(stamps)


class _Handler(BaseHTTPRequestHandler):
    """Checks who asks, finds what is asked for, and sends it with headers that keep it in its place."""

    protocol_version = "HTTP/1.1"
    server: SiteServer

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        refused = self._refusal()
        if refused is not None:
            self._send(403, Found(f"{refused}\n".encode(), "text/plain; charset=utf-8"), body)
            return
        asked = urlsplit(self.path)
        try:
            found = self.server.pages.get(asked.path, parse_qs(asked.query).get("v", [None])[0])
        except FacEvalError as error:
            _log.warning("%s: %s", asked.path, error)
            self._send(500, Found(f"{error}\n".encode(), "text/plain; charset=utf-8"), body)
            return
        if found is None:
            self._send(404, Found(b"There is no such page.\n", "text/plain; charset=utf-8"), body)
        elif found.type.startswith("audio/") and "Range" in self.headers:
            self._send_range(found, body)
        else:
            self._send(200, found, body)

    def _refusal(self) -> str | None:
        # A foreign name that resolves to this machine would make us part of a foreign site.
        if self.headers.get("Host") not in self.server.names:
            return "This server answers by its own address only."
        # Data come as scripts, which any page may load from anywhere, unless we say no.
        site = self.headers.get("Sec-Fetch-Site", "none")
        arriving = self.headers.get("Sec-Fetch-Mode") == "navigate" and urlsplit(self.path).path == "/"
        if site not in ("none", "same-origin") and not arriving:
            return "This server answers its own pages only."
        return None

    def _send(self, status: int, found: Found, body: bool, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": found.type,
            "Content-Length": str(len(found.content)),
            "Content-Security-Policy": f"{bundle.POLICY}; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            try:
                self.wfile.write(found.content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # a player that was closed wants no more

    def _send_range(self, found: Found, body: bool) -> None:
        size = len(found.content)
        asked = _RANGE.match(self.headers["Range"])
        if asked is None or not (asked[1] or asked[2]):
            self._send(200, found, body)
            return
        first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        last = min(int(asked[2]) if asked[1] and asked[2] else size - 1, size - 1)
        if first > last:
            self._send(416, Found(b"", found.type), body, Content_Range=f"bytes */{size}")
            return
        part = Found(found.content[first : last + 1], found.type)
        self._send(206, part, body, Content_Range=f"bytes {first}-{last}/{size}", Accept_Ranges="bytes")

    def log_message(self, format: str, *args: object) -> None:
        """Into the log, not the terminal."""
        _log.debug(format, *args)


class SiteServer(ThreadingHTTPServer):
    """The site on a port of this machine, reachable from this machine only."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, pages: Pages, port: int = 0) -> None:
        """Port 0 takes any that is free.

        Raises:
            UsageError: the port is taken or not allowed.
        """
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot serve on port {port}: {error}.",
                remedy="Name another with --port; 0 takes any that is free.",
            ) from error
        self.pages = pages
        self.port = int(self.server_address[1])
        self.names = {f"{HOST}:{self.port}", f"localhost:{self.port}"}

    @property
    def url(self) -> str:
        """What to open."""
        return f"http://{HOST}:{self.port}/"
