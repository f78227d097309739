"""Importing the data modules must cost next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fac_eval.data

HEAVY = (
    "datasets",
    "httpx",
    "huggingface_hub",
    "numpy",
    "pandas",
    "platformdirs",
    "pyarrow",
    "soundfile",
    "torch",
    "tqdm",
)
MODULES = sorted(
    path.stem for path in Path(fac_eval.data.__file__).parent.glob("*.py") if path.stem != "__init__"
)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    imports = "".join(f"import fac_eval.data.{module}\n" for module in MODULES)
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}import sys\nprint(*sys.modules)"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("package", HEAVY)
def test_importing_the_data_modules_leaves_heavy_packages_alone(loaded: set[str], package: str) -> None:
    assert "fac_eval.data.hub" in loaded
    assert package not in loaded
