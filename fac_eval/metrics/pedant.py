"""PEDANT, the classifier behind half of VoiceBench's official SD-QA figure, run in an environment of its own.

It needs old packages and classifiers that run code when they are loaded, so it never shares our process.
docs/benchmarks/voicebench.md tells how to set the environment up.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from fac_eval.errors import AssetError, DataError, MissingResource

Version = Literal["0.2.17", "0.2.32"]

PYTHON_VARIABLE = "FAC_EVAL_PEDANT_PYTHON"
"""Names the Python of an environment with qa-metrics."""

CLASSIFIERS: Mapping[Version, frozenset[str]] = MappingProxyType(
    {
        "0.2.17": frozenset(
            {
                "9c3dd5998745ece1cfb6cb16b953358f794e8716d63a08f3b212d8bc32a59b8b",
                "e886c9ba3ddb15a4b693b075dfe19cfad36dc74e7f8f195b8d9e98e989f2ba4f",
            }
        ),
        "0.2.32": frozenset(
            {
                "7c06599ed233e71c7e20276132ed66e2ece19eafae3da7b50b184c07cd7be1e0",
                "a8f6e9a65909d3954346ab216ffac32c6fd28e7bb453cae2f357a9176c8984d1",
                "ee525b408339d33dbd4d75e1a73e48a4f7e7a299c505379ece0ebbaef60aaade",
                "e4ecbcf0fd01d4d8f3f0231e80da6f03c5cf4cca6b1b3eb507e82505bdf4ca60",
            }
        ),
    }
)
"""The sha256 of each classifier file of zli12321/qa_metrics that a version is used with."""

_WORKER = Path(__file__).with_name("pedant_worker.py")
_REMEDY = f"Set {PYTHON_VARIABLE} to a Python with qa-metrics=={{}} and its classifiers, or use panda=off."


class Pedant:
    """A running PEDANT; one is enough, and it may be asked from any thread."""

    def __init__(self, version: Version) -> None:
        self._version: Version = version
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, unless it runs already.

        Raises:
            MissingResource: There is no such environment, or PEDANT does not start in it.
            AssetError: It has another version or other classifiers.
        """
        with self._lock:
            self._running()

    def correct(self, reference: str, answer: str, question: str) -> bool:
        """Whether it finds an answer correct. VoiceBench gives it all three in lower case."""
        asked = {"reference": reference, "answer": answer, "question": question}
        with self._lock:
            process = self._running()
            try:
                _ask(process, json.dumps(asked))
            except OSError as error:
                raise DataError("PEDANT has ended while it was asked") from error
            found = _answer(process)
        if "error" in found:
            raise DataError(f"PEDANT fails on this answer: {found['error']}")
        return bool(found["correct"])

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            python = os.environ.get(PYTHON_VARIABLE)
            remedy = _REMEDY.format(self._version)
            if not python:
                raise MissingResource(
                    f"PEDANT {self._version} needs an environment of its own.", remedy=remedy
                )
            process = _started(python, remedy)
            weakref.finalize(self, _end, process)
            self._check(_answer(process), python, remedy)
            _ask(process, "load")
            _refuse(_answer(process), python, remedy)
            self._process = process
        return self._process

    def _check(self, found: Mapping[str, Any], python: str, remedy: str) -> None:
        _refuse(found, python, remedy)
        if found["version"] != self._version:
            raise AssetError(f"{python} has qa-metrics {found['version']}.", remedy=remedy)
        lacking = CLASSIFIERS[self._version] - set(found["files"].values())
        if lacking:
            there = ", ".join(f"{name} {sha256}" for name, sha256 in sorted(found["files"].items()))
            raise AssetError(
                f"{python} lacks the classifier with sha256 {min(lacking)}; it has {there or 'none'}.",
                remedy=remedy,
            )


def _started(python: str, remedy: str) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [python, "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
    except OSError as error:
        raise MissingResource(f"{PYTHON_VARIABLE}={python} cannot be run: {error}.", remedy=remedy) from error


def _refuse(found: Mapping[str, Any], python: str, remedy: str) -> None:
    if "error" in found:
        raise MissingResource(f"PEDANT does not start in {python}: {found['error']}.", remedy=remedy)


def _ask(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        found: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return {"error": "its process says nothing readable" if line else "its process has ended"}
    return found


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
