"""Texts out of upstream Python files, read from the syntax tree: nothing of the file is run or imported."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from fac_eval.errors import AssetError


def module_text(path: Path, name: str) -> str:
    """The text that a file assigns to a name at its top level.

    Read are literals, names assigned before, sums and f-strings of them, and `.strip()` of any of these.

    Raises:
        AssetError: The file is no Python, or assigns no such text.
    """
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} is no Python source: {error}") from error
    texts: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, texts)
            if text is not None:
                texts[node.targets[0].id] = text
    if name not in texts:
        raise AssetError(f"{path} has no text {name}.")
    return texts[name]


def _text(node: ast.expr, known: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "strip":
        text = None if node.args or node.keywords else _text(node.func.value, known)
        return None if text is None else text.strip()
    parts: list[ast.expr] = []
    if isinstance(node, ast.JoinedStr):
        parts = node.values
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    texts = [_text(part, known) for part in parts]
    return None if not parts or None in texts else "".join(text for text in texts if text is not None)
