"""The one rule of the house: arrows point down to fac_eval/, which imports none of the folders above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ABOVE = ("judges", "model", "reports", "tasks")


def imports(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level == 0:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("fac_eval"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_imports_nothing_above_it(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        assert not (parts[0] == "fac_eval" and len(parts) > 1 and parts[1] in ABOVE), name
        assert parts[0] not in ABOVE, name


@pytest.mark.parametrize("folder", ABOVE)
def test_a_folder_above_imports_the_engine_and_itself_only(folder: str) -> None:
    for path in files(folder):
        for name in imports(path):
            parts = name.split(".")
            assert not (parts[0] == "fac_eval" and len(parts) > 1 and parts[1] in ABOVE), f"{path}: {name}"
            assert parts[0] not in ABOVE, f"{path}: {name}"


def test_the_rule_would_be_noticed_when_broken(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def f():\n    from fac_eval.tasks.voicebench import Mmsu\n")
    assert "fac_eval.tasks.voicebench" in list(imports(broken))
