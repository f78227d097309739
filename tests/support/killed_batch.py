"""A judged run in a process of its own, whose judge remembers batches in a folder, for tests that kill it.

Usage: python killed_batch.py STORE FOLDER [PLACE]
With PLACE the process kills itself: when the first batch is `collected`, or when its replies have been `kept`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import fac_eval
from fac_eval import registry
from fac_eval.store import Writer
from fac_eval.vocabulary import Question, Verdict
from tests.support.judges import ENTRIES, BatchCritic, JudgedOptions, JudgedTask
from tests.support.toys import Echo


class Remembered(BatchCritic):
    """A judge whose batches outlive the process, a file each."""

    def __init__(self, folder: Path, place: str) -> None:
        super().__init__(max_questions=25)
        self.folder = folder
        self.place = place

    async def submit(self, questions: Sequence[tuple[str, Question]]) -> str:
        batch = f"batch-{len(list(self.folder.iterdir())) + 1}"
        (self.folder / batch).write_text(json.dumps([key for key, _ in questions]))
        return batch

    async def collect(self, batch: str) -> Mapping[str, Verdict] | None:
        if self.place == "collected":
            die()
        return {key: Verdict("5", prompt="own") for key in json.loads((self.folder / batch).read_text())}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def never(self: Writer, judge: str, batch: str) -> None:
    die()


if __name__ == "__main__":
    value, group = ENTRIES["toy"], registry.GROUPS["rubric"]
    registry._entries = lambda kind: {"toy": (EntryPoint("toy", value, group),)}  # type: ignore[assignment]
    place = sys.argv[3] if len(sys.argv) > 3 else ""
    if place == "kept":
        Writer.batch_done = never  # type: ignore[method-assign]
    fac_eval.run(
        Echo(),
        JudgedTask(JudgedOptions(n=40)),
        judge=Remembered(Path(sys.argv[2]), place),
        judge_mode="batch",
        store=sys.argv[1],
        progress=False,
    )
