"""Texts out of upstream files. Python is read from its syntax tree: nothing of a file is run or imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fac_eval.errors import AssetError


def module_text(path: Path, name: str) -> str:
    """The text that a Python file assigns to a name at its top level.

    Read are literals, names assigned before, sums and f-strings of them, and `.strip()` of any of these.

    Raises:
        AssetError: The file is no Python, or assigns no such text.
    """
    texts: dict[str, str] = {}
    for assigned, value in _assignments(_tree(path).body):
        text = _text(value, texts)
        if text is not None:
            texts[assigned] = text
    if name not in texts:
        raise AssetError(f"{path} has no text {name}.")
    return texts[name]


def mapping_text(path: Path, name: str, key: str) -> str:
    """The text under a key of the dictionary that a Python file writes out at its top level.

    Raises:
        AssetError: The file is no Python, or has no such text.
    """
    texts: dict[str, str] = {}
    found: str | None = None
    for assigned, value in _assignments(_tree(path).body):
        if assigned == name:
            found = _entries(value, texts).get(key)
        text = _text(value, texts)
        if text is not None:
            texts[assigned] = text
    if found is None:
        raise AssetError(f"{path} has no text {name}[{key!r}].")
    return found


def function_template(path: Path, function: str, name: str, arguments: Mapping[str, str]) -> str:
    """The text that a function assigns to a local name, as a template for `str.format`.

    Parameters given in `arguments` are put in; the others stay as placeholders. Besides what `module_text` reads,
    dictionaries of texts may be looked up with `[...]` or `.get(..., default)`.

    Raises:
        AssetError: The file is no Python, or the function assigns no such text.
    """
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            template = _Local(node, arguments).templates.get(name)
            if template is not None:
                return template
    raise AssetError(f"{path} has no text {name} in a function {function}.")


def yaml_text(path: Path, keys: Sequence[str]) -> str:
    """The text that stands in a YAML file below these keys, one within the other.

    Raises:
        AssetError: The file is no YAML, or has no text there.
    """
    import yaml

    try:
        found: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} is no YAML: {error}") from error
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        raise AssetError(f"{path} has no text under {' > '.join(keys)}.")
    return found


def whole_text(path: Path) -> str:
    """All of a file, line ends as they are.

    Raises:
        AssetError: It is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise AssetError(f"{path} is no UTF-8 text: {error}") from error


class _Local:
    """What a function's top-level assignments come to, as far as they are made of texts."""

    def __init__(self, function: ast.FunctionDef, arguments: Mapping[str, str]) -> None:
        parameters = [parameter.arg for parameter in function.args.args]
        self.templates = {name: f"{{{name}}}" for name in parameters}
        self.templates |= {name: _escaped(text) for name, text in arguments.items()}
        self._arguments = arguments
        self._mappings: dict[str, dict[str, str]] = {}
        for name, value in _assignments(function.body):
            self._mappings[name] = _entries(value, {})
            template = self._template(value)
            if template is not None:
                self.templates[name] = template

    def _template(self, node: ast.expr) -> str | None:
        looked_up = self._looked_up(node)
        if looked_up is not None:
            return _escaped(looked_up)
        if isinstance(node, ast.JoinedStr):
            parts = [
                self._template(part.value if isinstance(part, ast.FormattedValue) else part)
                for part in node.values
            ]
            return None if None in parts else "".join(part for part in parts if part is not None)
        if isinstance(node, ast.Name):
            return self.templates.get(node.id)
        text = _text(node, {})
        return None if text is None else _escaped(text)

    def _looked_up(self, node: ast.expr) -> str | None:
        """The entry that `table[key]` or `table.get(key, default)` stands for."""
        default: str | None = None
        if isinstance(node, ast.Subscript):
            table, key = node.value, node.slice
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            table, key = node.func.value, node.args[0]
            default = _text(node.args[1], {}) if len(node.args) > 1 else None
        else:
            return None
        wanted = _text(key, self._arguments)
        if not isinstance(table, ast.Name) or wanted is None:
            return None
        return self._mappings.get(table.id, {}).get(wanted, default)


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} is no Python source: {error}") from error


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _entries(node: ast.expr, known: Mapping[str, str]) -> dict[str, str]:
    """The texts of a dictionary that is written out, by their keys."""
    found: dict[str, str] = {}
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            text = _text(value, known)
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and text is not None:
                found[key.value] = text
    return found


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


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
