"""The code blocks of the documentation that are meant to be run, and what they print.

A comment on the line before a block says what it is; a block without one is only shown.

    <!-- run -->            bash or Python, run in the page's own folder, one block after the other
    <!-- run: exit 2 -->    the same, but it must end with this exit code
    <!-- file: q.jsonl -->  the content of a file in that folder
    <!-- output -->         all that the block run before it printed
    <!-- output: part -->   some of its lines, in order; a line of dots stands for what is left out
    <!-- output: varies --> pasted from a real run, but different each time
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^<!-- (?P<role>run|file|output)(?:: (?P<detail>[^\n]+?))? -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_DETAILS = {
    "run": re.compile(r"exit \d+"),
    "file": re.compile(r"[\w./-]+"),
    "output": re.compile(r"part|varies"),
}
_MARK = re.compile(r"^<!--(?! (?:run|file|output)\b)?.*-->$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A marked code block and where its text stands in the page."""

    role: str
    detail: str
    language: str
    text: str
    start: int
    end: int
    line: int


@dataclass(frozen=True)
class Printed:
    """What a block printed, and the output blocks that follow it."""

    block: Block
    exit_code: int
    text: str
    shown: tuple[Block, ...]


def blocks_of(page: str) -> list[Block]:
    """The marked blocks of a page, in order. Raises ValueError for a mark that is none."""
    found = []
    for match in _BLOCK.finditer(page):
        role, detail = match["role"], match["detail"] or ""
        line = page.count("\n", 0, match.start()) + 1
        if (detail or role == "file") and not _DETAILS[role].fullmatch(detail):
            raise ValueError(f"line {line}: {role} cannot be {detail!r}")
        found.append(
            Block(
                role, detail, match["language"], match["text"], match.start("text"), match.end("text"), line
            )
        )
    marks = len(_MARK.findall(page))
    if marks != len(found):
        raise ValueError(f"{marks} marks, but {len(found)} marked code blocks")
    return found


def code_block(page: str, language: str, beginning: str) -> str:
    """The text of the one block in `language` that begins with `beginning`."""
    texts: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in texts if text.startswith(beginning)]
    return found


def run_page(page: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Printed]:
    """Write the page's files and run its blocks in order, in `folder`."""
    blocks = blocks_of(page)
    for position, block in enumerate(blocks):
        if block.role == "file":
            path = folder / block.detail
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        if block.role == "run":
            shown = []
            for later in blocks[position + 1 :]:
                if later.role != "output":
                    break
                shown.append(later)
            code, printed = _run(block, folder, environment)
            yield Printed(block, code, printed, tuple(shown))


def wanted_exit(block: Block) -> int:
    """The exit code that a block must end with."""
    return int(block.detail.removeprefix("exit ") or 0)


def holds_part(text: str, part: str) -> bool:
    """Whether the lines of `part` occur in `text` in order; a line of dots stands for any lines."""
    lines, place, gap = text.splitlines(), 0, True
    for line in part.splitlines():
        if line.strip() == "...":
            gap = True
            continue
        places = range(place, len(lines) if gap else min(place + 1, len(lines)))
        there = next((at for at in places if lines[at].rstrip() == line.rstrip()), None)
        if there is None:
            return False
        place, gap = there + 1, False
    return True


def _run(block: Block, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    if block.language == "python":
        command = [sys.executable, "-c", block.text]
    else:
        # The function stands in for the installed command, so that a checkout will do.
        call = f'fac-eval() {{ "{sys.executable}" -m fac_eval "$@"; }}\nset -e\n'
        command = ["bash", "-c", call + block.text]
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
