"""Writing a site to a folder that opens from disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fac_eval.audio import Audio
from fac_eval.codec import from_json
from fac_eval.errors import FacEvalError, UsageError
from fac_eval.store import Store

from ..runs import RunPlace
from . import bundle
from .chunks import script
from .clips import Questions, is_key, playable, spoken
from .pictures import picture
from .snapshot import Snapshot

AudioMode = Literal["copy", "link", "none"]

MARK = "fac-eval-site.txt"
_MARK_TEXT = (
    "A site written by fac-eval. The next 'fac-eval report --html' to this folder replaces all of it.\n"
)

Step = Callable[[str], object]
_GROUP = 512


@dataclass(slots=True)
class Written:
    """What a site came to."""

    folder: Path
    systems: int = 0
    tasks: int = 0
    samples: int = 0
    clips: int = 0
    files: int = 0
    data_bytes: int = 0
    audio_bytes: int = 0
    remarks: list[str] = field(default_factory=list)
    """What could not be brought along, and why."""


def write_site(
    places: Sequence[RunPlace],
    folder: str | Path,
    *,
    audio: AudioMode = "copy",
    data: str | None = None,
    title: str = "fac-eval",
    step: Step | None = None,
) -> Written:
    """Write the site over some runs; a folder is replaced only when its new content is complete.

    `audio` copies the clips beside the pages, links them where the file system can, or leaves them out; `data` is
    where data sets lie, for the sound of the questions, if not where the run found them. `step` hears of each chunk.

    Raises:
        UsageError: the folder holds something else, or cannot be written.
    """
    snapshot = Snapshot(places, title=title)
    with _replaced(Path(folder)) as part:
        written = Written(Path(folder), len(snapshot.board.systems), len(snapshot.board.tasks))
        _Writer(part, snapshot, written, audio, data, step or _unheard).write()
        return written


@contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `target` once it is full."""
    target = target.expanduser().resolve()
    _check(target)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        yield part
        _swap(part, target, old)
    except OSError as error:
        raise UsageError(
            f"cannot write {target}: {error.strerror or error}.",
            remedy="Check permissions and free space, or give another folder.",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _swap(part: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    try:
        part.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _check(target: Path) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (target / MARK).is_file():
            raise UsageError(
                f"{target} is not empty, and no site of fac-eval.",
                remedy="Name a new folder: all that is in the old one would be replaced.",
            )
    elif target.exists():
        raise UsageError(f"{target} is no folder.", remedy="Give --html the name of a folder.")


class _Writer:
    """Writes the files of one site."""

    def __init__(
        self,
        folder: Path,
        snapshot: Snapshot,
        written: Written,
        audio: AudioMode,
        data: str | None,
        step: Step,
    ) -> None:
        self._folder, self._snapshot, self._written = folder, snapshot, written
        self._audio, self._data, self._step = audio, data, step
        self._placed: dict[str, str | None] = {}
        """Clips by content: their file, or None if they cannot be had."""
        snapshot.place = lambda key, row, _: self._place(key, row)

    def write(self) -> None:
        """All files."""
        self._put("index.html", bundle.frame(self._snapshot.title, self._snapshot.build))
        self._put("app.js", bundle.app_script())
        self._put("site.css", bundle.style_sheet())
        self._put("icon.svg", bundle.icon())
        self._put(MARK, _MARK_TEXT.encode())
        self._chunk("site")
        for task in range(len(self._snapshot.board.tasks)):
            if self._audio != "none":
                self._bring_questions(task)
            for name in self._snapshot.names(task):
                self._chunk(name)
                self._step(name)
            self._written.samples += len(self._snapshot.index(task).ids)
            self._snapshot.forget(task)

    def _put(self, name: str, content: bytes) -> int:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._written.files += 1
        return len(content)

    def _chunk(self, name: str) -> None:
        content = self._snapshot.chunk(name)
        assert content is not None, name
        self._written.data_bytes += self._put(f"data/{name}.js", content)

    def _place(self, key: str, row: int) -> str | None:
        """Where a clip is; one that was answered is brought now."""
        if self._audio == "none":
            return None
        if key not in self._placed and row < 0:
            path = spoken(key, self._snapshot.stores)
            self._bring(key, None if path is None else Audio.from_file(path), path)
        return self._placed.get(key)

    def _bring_questions(self, number: int) -> None:
        """Find the clips of a task's questions in its data set."""
        task = self._snapshot.board.tasks[number]
        wanted = self._asked_with(number) - self._placed.keys()
        for cell in task.cells:
            if not wanted:
                return
            config = self._snapshot.board.runs[cell.run].row.config
            try:
                for clip in Questions(cell.row, config, self._data).clips():
                    key = _key(clip)
                    if key in wanted:
                        self._bring(key, clip)
                        wanted.discard(key)
                        self._step(key)
                    if not wanted:
                        break
            except FacEvalError as error:
                reason = error.message
            else:
                reason = "its data set no longer holds them"
        if wanted:
            self._placed.update(dict.fromkeys(wanted))
            self._written.remarks.append(
                f"{task.name}: {len(wanted):,} clips of questions are left out: {reason}"
            )

    def _asked_with(self, number: int) -> set[str]:
        keys = [key for key in self._snapshot.index(number).samples if key is not None]
        found: set[str] = set()
        for folder in self._snapshot.stores:
            with Store.reader(folder) as store:
                for start in range(0, len(keys), _GROUP):
                    held = store.samples(keys[start : start + _GROUP])
                    found.update(key for body in held.values() for key in _clip_keys(body))
        return found

    def _bring(self, key: str, clip: Audio | None, path: Path | None = None) -> None:
        """Put a clip and its picture beside the pages; what lies in a store under `path` can be linked."""
        self._placed[key] = None
        if clip is None:
            return
        try:
            content, suffix = playable(clip)
            drawn = picture(clip)
        except FacEvalError:
            return  # the page says that the sound is not here
        name = f"audio/{key[:2]}/{key}.{suffix}"
        if path is None or self._audio != "link" or not self._linked(path, name):
            self._written.audio_bytes += self._put(name, content)
        self._written.data_bytes += self._put(f"data/clips/{key}.js", script(f"clips/{key}", drawn))
        self._written.clips += 1
        self._placed[key] = name

    def _linked(self, path: Path, name: str) -> bool:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            return False  # another file system, or one without links: a copy does
        self._written.files += 1
        return True


def _unheard(name: str) -> None:
    """Nobody wants to know of a step."""


def _key(clip: Audio) -> str:
    try:
        return clip.key
    except FacEvalError:
        return ""


def _clip_keys(body: bytes) -> Iterator[str]:
    sample: Mapping[str, Any] = from_json(body)
    for message in sample.get("messages", ()):
        for part in message.get("parts", ()):
            if is_key(part.get("audio")):
                yield part["audio"]
