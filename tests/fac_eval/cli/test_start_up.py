"""What is imported before anything is done: the command line must answer at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "pyarrow",
    "datasets",
    "openai",
    "torch",
    "transformers",
    "pandas",
    "soundfile",
    "soxr",
    "nltk",
)
PROBE = """
import sys
try:
    {work}
finally:
    sys.stderr.write("loaded: " + " ".join(name for name in {heavy} if name in sys.modules) + "\\n")
"""


def loaded(work: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(work=work, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("loaded:")[2].strip()


@pytest.mark.parametrize(
    "work",
    [
        "import fac_eval",
        "from fac_eval.cli.main import main; main(['--help'])",
        "from fac_eval.cli.main import main; main(['ls', 'tasks'])",
        "from fac_eval.cli.main import main; main(['ls'])",
        "from fac_eval.cli.main import main; main(['run', '--help'])",
        "from fac_eval.cli.main import main; main(['show', 'openai'])",
    ],
    ids=["import", "help", "ls tasks", "ls", "run --help", "show a model"],
)
def test_nothing_heavy_is_imported(work: str) -> None:
    assert loaded(work) == ""


def test_a_heavy_import_would_be_noticed() -> None:
    assert loaded("import numpy") == "numpy"


def test_python_m_fac_eval_is_fac_eval() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fac_eval", "ls", "models"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "oracle" in done.stdout


def test_an_error_is_one_message_and_exit_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fac_eval", "show", "orcale"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Did you mean 'oracle'?" in done.stderr
    assert "Traceback" not in done.stderr
