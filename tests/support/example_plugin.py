"""Installs examples/plugin the way a user does, into a folder of its own and without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "plugin"


def install_plugin(folder: Path) -> Path:
    """Install the package below `folder` and return the folder to put on PYTHONPATH."""
    copy, target = folder / "plugin", folder / "site"
    # A build leaves its traces beside the sources, so it gets a copy of them.
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(target), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the example plugin cannot be installed:\n{done.stdout}{done.stderr}")
    return target


def environment(folder: Path, *, site: Path | None = None) -> dict[str, str]:
    """The environment of a user with nothing set: no network, a cache of its own, no key."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FAC_EVAL_", "GITHUB_", "HF_", "OPENAI_", "PYTHONPATH"))
    }
    ours = {"FAC_EVAL_CACHE": str(folder / "cache"), "FAC_EVAL_OFFLINE": "1"}
    return {**kept, **ours, **({"PYTHONPATH": str(site)} if site else {})}
