"""What a session ran on, for provenance."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import fac_eval

_PACKAGES = (
    "datasets",
    "huggingface-hub",
    "langdetect",
    "nltk",
    "numpy",
    "openai",
    "pyarrow",
    "soundfile",
    "soxr",
    "torch",
    "transformers",
)


def environment() -> dict[str, Any]:
    """Versions, machine and code revision of this process."""
    return {
        "fac_eval": fac_eval.__version__,
        "git": git_revision(Path(__file__).parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "cpus": os.cpu_count(),
        "packages": {name: found for name in _PACKAGES if (found := installed(name))},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def installed(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision(folder: Path) -> str | None:
    """The commit that the code stands at, with a mark when files were changed; None outside a checkout."""
    try:
        inside = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return inside.stdout.strip() or None if inside.returncode == 0 else None
