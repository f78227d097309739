"""The rules of the house: arrows point down to fac_eval/, which imports nothing above it, and none makes a circle."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
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


def circle(root: Path, folder: str) -> list[str]:
    """Modules of a folder that import each other, in functions and for types too; none if there is no circle."""
    modules = {}
    for path in sorted((root / folder).rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        modules[name if folder == "fac_eval" else f"fac_eval.{name}"] = path
    # The front door names what lies behind it, which may ask it for the version.
    modules.pop("fac_eval", None)
    graph = {name: set(neighbours(name, path, modules.keys())) for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def neighbours(name: str, path: Path, known: Collection[str]) -> Iterator[str]:
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            found = [inner if (inner := f"{base}.{alias.name}") in known else base for alias in node.names]
        yield from (one for one in found if one in known)


@pytest.mark.parametrize("folder", ["fac_eval", "judges", "reports", "tasks"])
def test_no_modules_import_each_other(folder: str) -> None:
    assert circle(ROOT, folder) == []


@pytest.mark.parametrize(
    "back",
    [
        pytest.param("from .one import x", id="relative"),
        pytest.param("def f():\n    import fac_eval.reports.one", id="in a function"),
        pytest.param("from fac_eval.reports import one", id="by the package"),
    ],
)
def test_a_circle_would_be_noticed(back: str, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "one.py").write_text("from . import other\n")
    (folder / "other.py").write_text(f"{back}\n")
    assert set(circle(tmp_path, "reports")) == {"fac_eval.reports.one", "fac_eval.reports.other"}
