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
from itertools import takewhile
from pathlib import Path

from tests.support.chat_server import Answer, ChatServer
from tests.support.example_plugin import ROOT, environment

ENDPOINT = "http://localhost:8000/v1"
"""Where the pages say that an endpoint is."""
ENDPOINT_ANSWER = "Paris"

_BLOCK = re.compile(
    r"^<!-- (?P<role>run|file|output)(?:: (?P<detail>[^\n]+?))? -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_DETAILS = {
    "run": re.compile(r"exit \d+"),
    "file": re.compile(r"[\w./-]+"),
    "output": re.compile(r"part|varies"),
}
_MARK = re.compile(r"^<!--.*-->$", re.MULTILINE)


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


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


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


def run_page(page: Path, folder: Path, site: Path) -> Iterator[Printed]:
    """Write the page's files and run its blocks in order, in `folder`, with the packages in `site` installed.

    The repository's folders lie there too, and an endpoint that answers `ENDPOINT_ANSWER` stands in for the one
    at `ENDPOINT`.
    """
    for name in ("examples", "tests"):
        (folder / name).symlink_to(ROOT / name)
    blocks = blocks_of(page.read_text("utf-8"))
    with ChatServer(models=("my-model",)) as server:
        server.answer = Answer(ENDPOINT_ANSWER, usage={"prompt_tokens": 24, "completion_tokens": 2})
        for position, block in enumerate(blocks):
            text = block.text.replace(ENDPOINT, server.base_url)
            if block.role == "file":
                path = folder / block.detail
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
            if block.role == "run":
                shown = takewhile(lambda later: later.role == "output", blocks[position + 1 :])
                code, printed = _run(block.language, text, folder, environment(folder, site=site))
                yield Printed(block, code, printed.replace(server.base_url, ENDPOINT), tuple(shown))


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


def _run(language: str, text: str, folder: Path, variables: Mapping[str, str]) -> tuple[int, str]:
    if language == "python":
        command = [sys.executable, "-c", text]
    else:
        # The functions stand in for an activated environment.
        call = f'python() {{ "{sys.executable}" "$@"; }}\nfac-eval() {{ python -m fac_eval "$@"; }}\nset -e\n'
        command = ["bash", "-c", call + text]
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
