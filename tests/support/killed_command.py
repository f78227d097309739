"""The command line in a process of its own that reaches no other machine, and may kill itself at a commit.

Usage: python killed_command.py VERDICTS ARGUMENTS...
The process dies in the middle of the commit that would keep its judge's VERDICTS-th reply; with 0 it lives. An attempt
to reach another machine ends it with exit code 99.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from fac_eval.cli.main import main
from fac_eval.store import writer

REACHED_OUT = 99


def die_at(verdict: int) -> None:
    """Arrange for this process to die while it writes the group that holds its `verdict`-th verdict."""
    original = writer.Writer._commit
    writer.COMMIT_SECONDS = 0.01
    left = verdict

    def counted(self: writer.Writer, group: writer._Group) -> None:
        nonlocal left
        left -= sum(stage == "judge" for stage, _ in group.work.values())
        if left <= 0:
            self._connection.set_trace_callback(
                lambda sql: os.kill(os.getpid(), signal.SIGKILL) if sql.startswith("INSERT") else None
            )
        original(self, group)

    writer.Writer._commit = counted  # type: ignore[method-assign]


def stay_here(event: str, arguments: tuple[object, ...]) -> None:
    """End the process where it looks a name up, or connects, beyond this machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost", None):
        os.write(2, f"{event}: {host}\n".encode())
        os._exit(REACHED_OUT)


if __name__ == "__main__":
    sys.addaudithook(stay_here)
    if int(sys.argv[1]):
        die_at(int(sys.argv[1]))
    main(sys.argv[2:])
