"""Stand-ins for programs of the system, so that tests need none installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_VOICE = """#!{python}
import sys, wave
arguments = sys.argv[1:]
if "--version" in arguments:
    print("a voice for tests, version 9.8.7")
    raise SystemExit
text = open(arguments[arguments.index("-f") + 1], encoding="utf-8").read()
if "crash" in text:
    print("out of breath", file=sys.stderr)
    raise SystemExit(3)
out = arguments[arguments.index("-o" if "-o" in arguments else "-w") + 1]
with wave.open(out, "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(16000)
    file.writeframes(b"\\x00\\x20\\x00\\xe0" * (800 * len(text)))
"""


def install_voice(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program `name` on the path that speaks 0.1 s of buzz a character, and nothing else beside it."""
    program = folder / name
    program.write_text(_VOICE.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
