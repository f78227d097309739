"""Texts out of upstream source files, without running them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from fac_eval.data.source_text import (
    function_template,
    mapping_text,
    module_text,
    whole_text,
    yaml_text,
)
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


@pytest.mark.parametrize(
    "read",
    [
        partial(module_text, name="BASE"),
        partial(mapping_text, name="BASE", key="x"),
        partial(function_template, function="f", name="x", arguments={}),
    ],
    ids=lambda read: read.func.__name__,
)
def test_what_is_no_python_is_refused(read: partial[str], tmp_path: Path) -> None:
    path = tmp_path / "upstream.py"
    path.write_text("this is (not python", "utf-8")
    with pytest.raises(AssetError, match="no Python source"):
        read(path)


MAPPING = """
TAIL = "the end"
PROMPTS = {
    "plain": "Judge {question}.",
    "joined": "One "
    "two " + TAIL,
    "stripped": '''
text
'''.strip(),
    "named": TAIL,
    "computed": TAIL.upper(),
    3: "no text key",
    **OTHERS,
}
"""


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("plain", "Judge {question}."),
        ("joined", "One two the end"),
        ("stripped", "text"),
        ("named", "the end"),
    ],
)
def test_texts_are_read_out_of_a_dictionary(key: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "upstream.py"
    path.write_text(MAPPING, "utf-8")
    assert mapping_text(path, "PROMPTS", key) == text


@pytest.mark.parametrize(
    ("name", "key"), [("PROMPTS", "computed"), ("PROMPTS", "x"), ("TAIL", "x"), ("X", "x")]
)
def test_a_missing_entry_is_refused(name: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "upstream.py"
    path.write_text(MAPPING, "utf-8")
    with pytest.raises(AssetError, match=rf"has no text {name}\['{key}'\]"):
        mapping_text(path, name, key)


FUNCTION = '''
def make(question, kind, answer="none"):
    """What it does."""
    kinds = {"a": "apples {raw}", "b": "beans"}
    phrase = kinds.get(kind, "anything")
    strict = kinds[kind]
    prompt = f"""About {phrase}: {question}
as {{"json": 1}} for {answer}"""
    computed = prompt.upper()
    mixed = f"{len(question)}"
    return prompt
'''


@pytest.mark.parametrize(
    ("name", "arguments", "template"),
    [
        ("prompt", {"kind": "b"}, 'About beans: {question}\nas {{"json": 1}} for {answer}'),
        ("prompt", {"kind": "a"}, 'About apples {{raw}}: {question}\nas {{"json": 1}} for {answer}'),
        ("prompt", {"kind": "c"}, 'About anything: {question}\nas {{"json": 1}} for {answer}'),
        (
            "prompt",
            {"kind": "b", "answer": "{x}"},
            'About beans: {question}\nas {{"json": 1}} for {{x}}',
        ),
        ("strict", {"kind": "b"}, "beans"),
    ],
)
def test_a_functions_text_is_a_template_of_its_parameters(
    name: str, arguments: dict[str, str], template: str, tmp_path: Path
) -> None:
    path = tmp_path / "upstream.py"
    path.write_text(FUNCTION, "utf-8")
    assert function_template(path, "make", name, arguments) == template


@pytest.mark.parametrize(
    ("function", "name", "arguments"),
    [
        ("make", "computed", {"kind": "b"}),
        ("make", "mixed", {"kind": "b"}),
        ("make", "prompt", {}),
        ("make", "strict", {"kind": "c"}),
        ("other", "prompt", {"kind": "b"}),
    ],
    ids=["a computed text", "a call within", "an unknown key", "a missing key", "a missing function"],
)
def test_what_a_function_computes_is_refused(
    function: str, name: str, arguments: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "upstream.py"
    path.write_text(FUNCTION, "utf-8")
    with pytest.raises(AssetError, match=f"has no text {name} in a function {function}"):
        function_template(path, function, name, arguments)


def test_yaml_scalars_are_folded_as_yaml_does(tmp_path: Path) -> None:
    path = tmp_path / "upstream.yaml"
    path.write_text(
        "judge:\n  args:\n    template: 'One\n      two\n\n      it''s {{x}}'\n    n: 3\n", "utf-8"
    )
    assert yaml_text(path, ("judge", "args", "template")) == "One two\nit's {{x}}"
    for keys in (("judge", "args"), ("judge", "args", "n"), ("judge", "x", "template"), ("x",)):
        with pytest.raises(AssetError, match="has no text under"):
            yaml_text(path, keys)


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "upstream.yaml"
    path.write_text("x: !!python/object/apply:os.getcwd []\n", "utf-8")
    with pytest.raises(AssetError, match="is no YAML"):
        yaml_text(path, ("x",))


def test_a_whole_file_keeps_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes("Löse\r\n{x}\n".encode())
    assert whole_text(path) == "Löse\r\n{x}\n"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(AssetError, match="no UTF-8"):
        whole_text(path)
