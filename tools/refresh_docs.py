"""Runs the documentation's examples again and pastes what they print now.

    python tools/refresh_docs.py [PAGE...]

Replaces the blocks marked `<!-- output -->` and `<!-- output: varies -->` (see tests/support/doc_blocks.py). Blocks
that show a part are named if they no longer fit; an example that ends with another exit code stops the work.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.doc_blocks import holds_part, pages, run_page, wanted_exit  # noqa: E402
from tests.support.example_plugin import install_plugin  # noqa: E402


def refresh(page: Path, site: Path) -> None:
    """Rewrite one page where an output differs."""
    text = page.read_text("utf-8")
    changes = []
    with tempfile.TemporaryDirectory() as folder:
        for printed in run_page(page, Path(folder), site):
            where = f"{page.relative_to(ROOT)}:{printed.block.line}"
            if printed.exit_code != wanted_exit(printed.block):
                sys.exit(f"{where}: exit code {printed.exit_code}\n{printed.text}")
            for shown in printed.shown:
                if shown.detail == "part" and not holds_part(printed.text, shown.text):
                    print(
                        f"{where}: no part of this output any more:\n{shown.text}\nIt is now:\n{printed.text}"
                    )
                elif shown.detail != "part" and shown.text != printed.text:
                    changes.append((shown.start, shown.end, printed.text))
    for start, end, new in reversed(changes):
        text = text[:start] + new + text[end:]
    page.write_text(text, "utf-8")
    print(f"{page.relative_to(ROOT)}: {len(changes)} outputs changed")


def main() -> None:
    """Refresh the pages named on the command line, or all."""
    with tempfile.TemporaryDirectory() as folder:
        site = install_plugin(Path(folder))
        for page in map(Path.resolve, map(Path, sys.argv[1:])) if sys.argv[1:] else pages():
            refresh(page, site)


if __name__ == "__main__":
    main()
