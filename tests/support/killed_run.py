"""A run in a process of its own that says what it asks, for tests that kill it.

Usage: python killed_run.py STORE SAMPLES [COMMIT PLACE]
Prints one line a request: the key under which the answer will be stored. With COMMIT and PLACE the process kills
itself at that commit: `before` it, or in the `middle` of its transaction.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import fac_eval
from fac_eval import Request, Response
from fac_eval.codec import request_key
from fac_eval.store import writer
from tests.support.toys import Echo, ToyOptions, ToyTask


class Talker(Echo):
    """Says which request it is asked before it answers."""

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        for request in requests:
            os.write(1, request_key(self.fingerprint, request).hex().encode() + b"\n")
        return super().generate(requests)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(commit: int, place: str) -> None:
    """Arrange for this process to die at its `commit`-th group commit."""
    original = writer.Writer._commit
    seen = 0

    def counted(self: writer.Writer, group: writer._Group) -> None:
        nonlocal seen
        seen += 1
        if seen == commit and place == "before":
            die()
        if seen == commit:
            self._connection.set_trace_callback(
                lambda sql: die() if sql.startswith("INSERT OR IGNORE") else None
            )
        original(self, group)

    writer.Writer._commit = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    assert sqlite3.threadsafety
    if len(sys.argv) > 3:
        kill_at(int(sys.argv[3]), sys.argv[4])
    writer.COMMIT_SECONDS = 0.01
    task = ToyTask(ToyOptions(n=int(sys.argv[2]), speech=True))
    fac_eval.run(Talker(speech=True, batch_size=2), task, store=sys.argv[1], progress=False)
