"""Leaderboards as text, Markdown, LaTeX, CSV, JSON and HTML."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..board import Leaderboard

FORMATS = ("terminal", "md", "latex", "csv", "json", "html")
SUFFIXES = {".txt": "terminal", ".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html"}
"""The format that a file's name asks for."""


def render(board: Leaderboard, to: str) -> str:
    """A leaderboard in one of `FORMATS`, ending in a line break."""
    modules = {"terminal": "text", "md": "markdown"}
    module = import_module(f".{modules.get(to, to)}", __package__)
    text: str = module.render(board)
    return text
