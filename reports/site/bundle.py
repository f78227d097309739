"""The page's own files: one style sheet, one script made of our modules, and the frame around them.

A browser loads no ES modules from disk, so the modules of `web/` are joined into one classic script when a site is
made. They keep to what joining understands: named imports from neighbours, exported declarations, and no name at the
top of two modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from importlib.resources import files
from string import Template

from fac_eval.errors import PluginError

ENTRY = "main.js"
STYLES = (
    "colours.css",
    "base.css",
    "parts.css",
    "tables.css",
    "charts.css",
    "explorer.css",
    "sample.css",
    "live.css",
)

POLICY = "; ".join(
    (
        "default-src 'none'",
        # 'self' holds for file: pages, too (tried in Chromium): scripts, style and sound from this folder, no others.
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        # Text can become markup or a script's address nowhere but in our one policy, which knows our addresses only.
        "require-trusted-types-for 'script'",
        "trusted-types fac-eval",
    )
)
"""The Content-Security-Policy of every page: nothing inline, nothing from elsewhere, no connection to anywhere."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |const |let |class )", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_TOP_NAME = re.compile(r"^(?:(?:async )?function\*? |const |let |class )([A-Za-z_$][\w$]*)", re.MULTILINE)


@lru_cache(maxsize=1)
def app_script() -> bytes:
    """All modules as one classic script."""
    texts = dict(_in_order(ENTRY, {}))
    owner: dict[str, str] = {}
    for name, text in texts.items():
        for found in _TOP_NAME.findall(text):
            if owner.setdefault(found, name) != name:
                raise PluginError(f"web/{name} and web/{owner[found]} both declare {found!r}")
    body = "\n".join(texts.values())
    return f'"use strict";\n(() => {{\n{body}}})();\n'.encode()


def _in_order(name: str, done: dict[str, str]) -> Iterator[tuple[str, str]]:
    """A module after those that it imports, each once."""
    if name in done:
        return
    text = done[name] = _read("web", name)
    for imported in _IMPORT.findall(text):
        yield from _in_order(imported, done)
    text = _EXPORT.sub("", _IMPORT.sub("", text))
    if left := _LEFT.search(text):
        raise PluginError(f"web/{name} has a line that cannot be joined: {left[0]}")
    yield name, text


def style_sheet() -> bytes:
    """All styles."""
    return "\n".join(_read("static", name) for name in STYLES).encode()


def icon() -> bytes:
    """The picture in the browser's tab."""
    return _read("static", "icon.svg").encode()


def frame(title: str, build: str) -> bytes:
    """The one HTML page; all else is drawn by the script."""
    template = Template(_read("static", "frame.html"))
    return template.substitute(title=escape(title), build=escape(build), policy=escape(POLICY)).encode()


def _read(folder: str, name: str) -> str:
    return files(__name__.rpartition(".")[0]).joinpath(folder, name).read_text("utf-8")
