"""Runs in an environment of its own, which has qa-metrics: answers JSON lines of questions with PEDANT's judgments.

Started by `fac_eval.metrics.pedant`; it imports nothing of fac-eval and keeps to the Python of old environments.
"""

import hashlib
import importlib
import importlib.util
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any


def _no_network(*_: object) -> Any:
    # Each construction would put the newest classifiers in place of the pinned ones; nltk's data is not needed.
    raise OSError("no network for PEDANT")


def main() -> None:
    """Say what is installed; once told to, load it and answer one line after the other until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the package prints is no answer

    def say(message: "dict[str, Any]") -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        say(_installed())
        if not sys.stdin.readline():
            return  # the classifiers, which run code when they are loaded, are not the right ones
        socket.getaddrinfo = _no_network  # type: ignore[assignment]
        pedant = importlib.import_module("qa_metrics.pedant").PEDANT()
        say({"ready": True})
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting is told to who asked for it
        say({"error": _told(error)})
        return
    for line in sys.stdin:
        question = json.loads(line)
        try:
            found = pedant.evaluate([question["reference"]], question["answer"], question["question"])
            say({"correct": bool(found)})
        except Exception as error:  # noqa: BLE001 - one answer that it cannot take must not end the others
            say({"error": _told(error)})


def _installed() -> "dict[str, Any]":
    """The package's version and its classifiers' sha256, found without importing it."""
    version = importlib.import_module("importlib.metadata").version("qa-metrics")
    spec = importlib.util.find_spec("qa_metrics")
    places = (spec.submodule_search_locations if spec else None) or []
    files = [file for place in places for file in (Path(place) / "classifier").glob("*.pkl")]
    return {"version": version, "files": {file.name: _sha256(file) for file in files}}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
