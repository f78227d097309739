"""Audio beside the store: FLAC files named by the hash of their content."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from fac_eval.audio import Audio


class AudioFiles:
    """A folder of clips; a file is complete before its name exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        """Where the clip with this content hash lies."""
        return self._folder / key[:2] / f"{key}.flac"

    def keep(self, clip: Audio) -> Audio:
        """Store a clip as 16-bit FLAC and return it as it will be read from now on.

        The returned clip is identified by the hash of the FLAC bytes, so that what follows from it (a transcript,
        a quality figure) has the same key in the first run and after a restart.
        """
        data = clip.encoded("flac")
        kept = Audio.from_bytes(data, name="speech.flac")
        target = self.path(kept.key)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        return Audio.from_file(target)

    def load(self, key: str) -> Audio:
        """The clip with this content hash; one that is not here is known by its hash alone."""
        path = self.path(key)
        return Audio.from_file(path) if path.exists() else Audio.reference(key)
