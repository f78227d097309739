"""What the speed scripts share: a function run in a fresh process, with its time and memory, and small tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHILD = """
import importlib, json, sys, time
folder, module, function, arguments = sys.argv[1:]
sys.path.insert(0, folder)
call = getattr(importlib.import_module(module), function)
began = time.perf_counter()
found = call(*json.loads(arguments))
print(json.dumps([time.perf_counter() - began, found]))
"""
"""A child times its own call, so that the interpreter's start-up and the imports of a script stay out of it."""


@contextmanager
def workspace() -> Iterator[str]:
    """A folder for everything that a script and its children write, removed afterwards.

    Compiled modules and remembered hashes go there, too: as warm as they are in daily use, and without traces.
    """
    with tempfile.TemporaryDirectory(prefix="fac-eval-bench-") as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        os.environ["FAC_EVAL_CACHE"] = f"{folder}/cache"
        yield folder


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function in a process of its own."""

    seconds: float
    """Wall time of the call, imports made within it included."""
    cpu: float
    """User and system seconds of the whole process."""
    peak: float
    """Largest resident size of the whole process, in MB."""
    found: Any
    """What the function returned."""


def call(function: Callable[..., Any], *arguments: str | int | float) -> Call:
    """Call a script's top-level function in a fresh process; an error there ends this process, too.

    The caller must be small itself: Linux counts its size at the start of a child as the child's.
    """
    script = Path(function.__code__.co_filename)
    parts = [str(script.parent), script.stem, function.__name__, json.dumps(arguments)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, "-c", _CHILD, *parts], stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode()
        if process.returncode:
            sys.exit(f"{said}\n{script.name}: {function.__name__} failed")
        seconds, found = json.loads(said.splitlines()[-1])
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return Call(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, found)


def best_of(rounds: int, *makers: Callable[[], Call]) -> list[Call]:
    """The fastest of `rounds` calls of each maker, taken in turns: another program's load then hits them all."""
    calls = [[make() for make in makers] for _ in range(rounds)]
    return [min(turns, key=lambda one: one.seconds) for turns in zip(*calls, strict=True)]


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table whose first column is text and whose others are numbers."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        first, *rest = (cell.ljust(width) if place == 0 else cell.rjust(width)
                        for place, (cell, width) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        print("  ".join([first, *rest]))


def machine() -> str:
    """The hardware and the Python that a table was measured with, in one line."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
