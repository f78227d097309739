"""The data of a site as it stands at one moment, chunk by chunk, each made when it is asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from fac_eval import __version__
from fac_eval.codec import digest, to_json

from ..runs import RunPlace
from . import pages
from .board import Board, LoadedRun, arrange, load_run
from .chunks import script
from .index import TaskIndex, build_index
from .overview import overview
from .summary import build_summary

_CHUNK_NAME = re.compile(r"t(\d{1,6})/(summary|index|text-(\d{1,7})|samples-(\d{1,7}))\Z")
_BUILD_BYTES = 6

SoundPlace = Callable[[str, int, int], str | None]
"""From a clip's key, its row (-1: an answer) and its task's number to its file as the page names it, or None."""


class Snapshot:
    """What some runs hold now. Chunks asked for later fit those from before, also while a run goes on."""

    def __init__(self, places: Sequence[RunPlace], *, title: str = "fac-eval", live: bool = False) -> None:
        self.board: Board = arrange([load_run(place) for place in places])
        self.title, self.live = title, live
        self.made = time.time()
        self.build = _build(self.board.runs)
        self.place: SoundPlace = _no_sound
        self._indexes: dict[int, TaskIndex] = {}
        self._locks = [Lock() for _ in self.board.tasks]

    @property
    def stores(self) -> list[Path]:
        """The folders of the stores that the runs lie in."""
        return list(dict.fromkeys(run.place.store for run in self.board.runs))

    def index(self, task: int) -> TaskIndex:
        """The samples of a task, read once."""
        with self._locks[task]:
            if task not in self._indexes:
                self._indexes[task] = build_index(self.board.tasks[task])
            return self._indexes[task]

    def forget(self, task: int) -> None:
        """Give back the memory that a task's samples take."""
        self._indexes.pop(task, None)

    def names(self, task: int) -> Iterator[str]:
        """The chunks of a task."""
        samples = len(self.index(task).ids)
        yield from (f"t{task}/index", f"t{task}/summary")
        yield from (f"t{task}/text-{number}" for number in range(pages.chunk_count(samples, pages.TEXTS)))
        yield from (
            f"t{task}/samples-{number}" for number in range(pages.chunk_count(samples, pages.SAMPLES))
        )

    def chunk(self, name: str) -> bytes | None:
        """A chunk as a script, or None if there is none of that name."""
        data = self._site() if name == "site" else self._task_data(name)
        return None if data is None else script(name, data, fast=self.live)

    def _site(self) -> dict[str, Any]:
        return {
            **overview(self.board, title=self.title, build=self.build, live=self.live, made=self.made),
            "version": __version__,
            "page": {"texts": pages.TEXTS, "samples": pages.SAMPLES},
        }

    def _task_data(self, name: str) -> Any:
        found = _CHUNK_NAME.match(name)
        if found is None or int(found[1]) >= len(self.board.tasks):
            return None
        number, kind = int(found[1]), found[2]
        task, index = self.board.tasks[number], self.index(number)
        if kind == "index":
            return index.plain()
        if kind == "summary":
            return build_summary(task, index)
        part = int(found[3] or found[4])
        size = pages.TEXTS if found[3] else pages.SAMPLES
        if part >= pages.chunk_count(len(index.ids), size):
            return None
        return (
            pages.text_chunk(task, index, part)
            if found[3]
            else pages.sample_chunk(task, index, part, lambda key, row: self.place(key, row, number))
        )


def _no_sound(key: str, row: int, task: int) -> None:
    return None


def _build(runs: Sequence[LoadedRun]) -> str:
    """A name for the state of the runs, so that no page mixes chunks of two."""
    state = [
        [run.row.id, [[cell.id, cell.done, cell.counts.scored, cell.counts.n_failed] for cell in run.cells]]
        for run in runs
    ]
    return digest(__version__.encode(), to_json(state))[:_BUILD_BYTES].hex()
