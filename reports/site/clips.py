"""Where the sound of questions and answers is found: answers lie in the store, questions in the data set."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from fac_eval.audio import Audio
from fac_eval.data.hub import DataFinder
from fac_eval.errors import FacEvalError
from fac_eval.resolve import rebuild_task
from fac_eval.store import CellRow
from fac_eval.store.audio_files import AudioFiles
from fac_eval.task import Task

MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
}
_KEPT = 64
_KEY = re.compile(r"[0-9a-f]{32}\Z")


def is_key(value: object) -> bool:
    """Whether something is the content hash of a clip, so that a file may be named by it."""
    return isinstance(value, str) and _KEY.match(value) is not None


def spoken(key: str, stores: Iterable[Path]) -> Path | None:
    """The file of an answer, in the first of some stores that has it."""
    if not is_key(key):
        return None
    paths = (AudioFiles(folder / "audio").path(key) for folder in stores)
    return next((path for path in paths if path.is_file()), None)


def suffix_of(data: bytes) -> str | None:
    """The suffix of an audio file that browsers play, by how its bytes begin."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:3] == b"ID3" or (data[:1] == b"\xff" and len(data) > 1 and data[1] & 0xE6 == 0xE2):
        return "mp3"
    return None


def playable(clip: Audio) -> tuple[bytes, str]:
    """A clip's bytes as they are, or as FLAC if no browser would play them, and the suffix that fits.

    Raises:
        AudioError: the clip is not here or cannot be read.
    """
    data = clip.data()
    suffix = suffix_of(data)
    return (data, suffix) if suffix else (clip.encoded("flac"), "flac")


class Questions:
    """The clips that a task asks with, found by reading its data set again."""

    def __init__(self, cell: CellRow, config: Mapping[str, Any], data: str | None = None) -> None:
        """`data` stands in for the place that the run was told; the hub is never asked."""
        self._spec = cell.task_spec
        self._data = config.get("data") if data is None else data
        self._lock = Lock()
        self._rest: Iterator[Audio] | None = None
        self._kept: OrderedDict[str, Audio] = OrderedDict()
        self._missing: set[str] = set()

    @cached_property
    def installed(self) -> bool:
        """Whether the task itself is here; its data may still be missing."""
        try:
            self._task()
        except FacEvalError:
            return False
        return True

    def _task(self) -> Task:
        return rebuild_task(str(self._spec["name"]), self._spec["options"], {}, set())

    def clips(self) -> Iterator[Audio]:
        """Every clip in the data set's order.

        Raises:
            FacEvalError: the task's package or its data is not on this machine.
        """
        finder = DataFinder(self._data, offline=True)
        for sample in self._task().samples(finder):
            for message in sample.messages:
                yield from (part for part in message.parts if isinstance(part, Audio))

    def find(self, key: str) -> Audio | None:
        """The clip with this content. Reading goes on from where it stopped, so that neighbours are found fast."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            if key in self._missing:
                return None
            found = (self._search(key) if self._rest is not None else None) or self._search(key)
            if found is None:
                self._missing.add(key)
            return found

    def _search(self, key: str) -> Audio | None:
        """Read on, from the beginning if the end was reached; the end is reached if there is no such clip."""
        if self._rest is None:
            self._rest = self.clips()
        try:
            for clip in self._rest:
                if self._keep(clip) == key:
                    return clip
        except FacEvalError:
            pass  # the page says that the sound is not here
        self._rest = None
        return None

    def _keep(self, clip: Audio) -> str | None:
        try:
            key = clip.key
        except FacEvalError:
            return None  # one file that cannot be read does not hide the others
        self._kept[key] = clip
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return key
