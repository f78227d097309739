"""`fac-eval --help` imports these two commands, so they must cost next to nothing until they are called."""

from __future__ import annotations

import subprocess
import sys


def test_help_loads_nothing_heavy() -> None:
    probe = (
        "import sys; from fac_eval.reports.site.command import report, view;"
        "report.main(['--help'], standalone_mode=False); view.main(['--help'], standalone_mode=False);"
        "sys.stderr.write(' '.join(m for m in ('numpy', 'http.server', 'sqlite3') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--no-browser" in done.stdout
