"""Texts out of upstream source files, without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fac_eval.data.source_text import module_text
from fac_eval.errors import AssetError

SOURCE = '''
import nothing_that_exists
raise SystemExit("must not run")
BASE = "You are {asked}."
LONG = BASE + " " + "More."
WITH = f"{BASE} And {LONG}"
TRIMMED = """
  text
""".strip()
COMPUTED = BASE.upper()
NUMBER = 3
BASE_AGAIN: str = "annotated"
'''


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BASE", "You are {asked}."),
        ("LONG", "You are {asked}. More."),
        ("WITH", "You are {asked}. And You are {asked}. More."),
        ("TRIMMED", "text"),
    ],
)
def test_texts_are_read_by_name(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "upstream.py"
    path.write_text(SOURCE, "utf-8")
    assert module_text(path, name) == text


@pytest.mark.parametrize("name", ["COMPUTED", "NUMBER", "MISSING"])
def test_what_is_no_plain_text_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "upstream.py"
    path.write_text(SOURCE, "utf-8")
    with pytest.raises(AssetError, match=f"has no text {name}"):
        module_text(path, name)


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "upstream.py"
    path.write_text("this is (not python", "utf-8")
    with pytest.raises(AssetError, match="no Python source"):
        module_text(path, "BASE")
