"""Voices that a system brings along, Flite and eSpeak NG: for baselines and demos without weights or network."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from fac_eval.audio import Audio
from fac_eval.errors import MissingResource
from fac_eval.interfaces import Synthesizer
from fac_eval.vocabulary import Failure

_VERSION = re.compile(r"\d+(\.\d+)+")


class _SystemVoice(Synthesizer):
    """A program that reads a text file aloud into a WAV file."""

    install: str

    def __init__(self, voice: str) -> None:
        self._voice = voice

    @abstractmethod
    def _command(self, program: str, text: Path, wav: Path) -> list[str]:
        """The command that speaks `text` into `wav`."""

    @cached_property
    def fingerprint(self) -> str:
        """Program, version and voice."""
        told = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=False)
        version = _VERSION.search(told.stdout + told.stderr)
        return f"{self.name}/{version[0] if version else 'unknown version'}/{self._voice}"

    @cached_property
    def _program(self) -> str:
        found = shutil.which(self.name)
        if found is None:
            raise MissingResource(
                f"the synthesizer {self.name} is not on this machine.",
                remedy=f"Install it ({self.install}), or name another voice.",
            )
        return found

    def speak(self, texts: Sequence[str]) -> list[Audio | Failure]:
        """One clip a text; a text without a word is a failure."""
        return [self._spoken(text) for text in texts]

    def _spoken(self, text: str) -> Audio | Failure:
        if not any(char.isalnum() for char in text):
            return Failure("bad_response", f"there is nothing to say in {text!r:.80}")
        with tempfile.TemporaryDirectory() as folder:
            words, wav = Path(folder) / "words.txt", Path(folder) / "speech.wav"
            words.write_text(text.replace("\0", " "), encoding="utf-8")
            done = subprocess.run(
                self._command(self._program, words, wav), capture_output=True, text=True, check=False
            )
            if done.returncode != 0 or not wav.is_file():
                return Failure(
                    "model_error", f"{self.name} failed: {done.stderr.strip()[-200:] or 'no clip'}"
                )
            return Audio.from_bytes(wav.read_bytes(), name=f"{self.name}.wav")


class Flite(_SystemVoice):
    """English voices of Carnegie Mellon's Flite."""

    name = "flite"
    install = "Debian and Ubuntu: apt-get install flite"

    def __init__(self, voice: str = "slt") -> None:
        """`voice` is one of those that `flite -lv` lists."""
        super().__init__(voice)

    def _command(self, program: str, text: Path, wav: Path) -> list[str]:
        return [program, "-voice", self._voice, "-f", str(text), "-o", str(wav)]


class EspeakNg(_SystemVoice):
    """eSpeak NG's voices in a hundred languages: clear to people, hardly so to recognisers."""

    name = "espeak-ng"
    install = "Debian and Ubuntu: apt-get install espeak-ng"

    def __init__(self, voice: str = "en-us", speed: int = 160) -> None:
        """`voice` is one of those that `espeak-ng --voices` lists, `speed` in words a minute."""
        super().__init__(f"{voice}@{speed}")
        self._language, self._speed = voice, speed

    def _command(self, program: str, text: Path, wav: Path) -> list[str]:
        return [program, "-v", self._language, "-s", str(self._speed), "-f", str(text), "-w", str(wav)]
