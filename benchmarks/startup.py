"""How long one waits before anything happens: the import, the help, the list of tasks, and a run of nothing.

Each command runs in turns with an interpreter that does nothing, which is what the ratios are to.

    python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

from _measure import machine, print_table, workspace

PYTHON = [sys.executable, "-c"]
CLI = [sys.executable, "-m", "fac_eval"]
COMMANDS = {
    "python -c pass": [*PYTHON, "pass"],
    "import fac_eval": [*PYTHON, "import fac_eval"],
    "fac_eval.run (loads the engine)": [*PYTHON, "import fac_eval; fac_eval.run"],
    "fac-eval --help": [*CLI, "--help"],
    "fac-eval run --help": [*CLI, "run", "--help"],
    "fac-eval ls tasks": [*CLI, "ls", "tasks"],
    "fac-eval ls models": [*CLI, "ls", "models"],
}


def seconds(command: list[str], folder: str) -> float:
    """Wall time of a command."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{done.stderr}\n{' '.join(command)}: exit code {done.returncode}")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    with workspace() as folder:
        for command in COMMANDS.values():
            seconds(command, folder)  # compiles what has not been compiled yet
        turns = [
            {name: seconds(command, folder) for name, command in COMMANDS.items()} for _ in range(args.rounds)
        ]
    print(f"{machine()}; {args.rounds} rounds, seconds\n")
    rows = []
    for name in COMMANDS:
        ratio = median(turn[name] / turn["python -c pass"] for turn in turns)
        taken = [turn[name] for turn in turns]
        rows.append((name, f"{min(taken):.3f}", f"{median(taken):.3f}", f"{ratio:.1f}"))
    print_table(("", "best", "median", "ratio to bare"), rows)


if __name__ == "__main__":
    main()
