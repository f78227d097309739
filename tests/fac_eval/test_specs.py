"""Specs as typed on a command line: what is read, and what is said about mistakes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import UnknownName, UsageError
from fac_eval.specs import Spec, build, parse_pairs, parse_spec, split_arguments

keys = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
values = st.text(st.characters(codec="utf-8", exclude_characters="\"',[]{}()\x00"), max_size=12)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("oracle", Spec("oracle")),
        ("file:questions.jsonl", Spec("file", "questions.jsonl")),
        ("file:a b.csv,metric=wer", Spec("file", "a b.csv", {"metric": "wer"})),
        ("file:weird=name.jsonl", Spec("file", None, {"weird": "name.jsonl"})),
        ('file:"weird=name.jsonl"', Spec("file", "weird=name.jsonl")),
        (
            "openai:base_url=http://h:8/v1,model=m",
            Spec("openai", None, {"base_url": "http://h:8/v1", "model": "m"}),
        ),
        ('m:stop=["a","b"],q="x,y"', Spec("m", None, {"stop": '["a","b"]', "q": "x,y"})),
        ("m:", Spec("m")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_specs_are_read(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


@given(st.dictionaries(keys, values.filter(lambda text: text == text.strip() and text), max_size=4))
def test_a_spec_is_read_back_from_its_text(arguments: dict[str, str]) -> None:
    spec = Spec("name", None, arguments)
    assert parse_spec(str(spec)) == spec


@given(st.text(max_size=60))
def test_any_text_is_a_spec_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(parse_spec(text), Spec)


@given(st.text(max_size=60))
def test_splitting_keeps_every_character_but_separators_and_blanks(text: str) -> None:
    joined = "".join(split_arguments(text))
    assert joined.replace(" ", "") in text.replace(" ", "") or "," in text


@pytest.mark.parametrize("text", [":x", "m:a=1,a=2", "m:a=1,loose", "m:path,another"])
def test_unreadable_specs_are_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse_spec(text)


def test_pairs_need_an_equals_sign() -> None:
    assert parse_pairs("temperature=0,stop=[1,2]") == {"temperature": "0", "stop": "[1,2]"}
    with pytest.raises(UsageError, match="key=value"):
        parse_pairs("temperature")


@dataclass(frozen=True)
class Thing:
    path: str
    n: int = 3
    mode: Literal["a", "b"] = "a"
    ok: bool = False
    names: tuple[str, ...] = ()
    share: float | None = None
    folder: Path | None = None


def thing(text: str) -> Any:
    return build(Thing, parse_spec(text), kind="thing")


def test_arguments_become_the_annotated_types() -> None:
    built = thing('t:p,n=4,mode=b,ok=true,names=["x","y"],share=0.5,folder=some/where')
    assert built == Thing("p", 4, "b", True, ("x", "y"), 0.5, Path("some/where"))
    assert thing("t:p,share=null").share is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t:p,n=four", "n: cannot use 'four'"),
        ("t:p,mode=c", "one of: a, b"),
        ("t:p,mod=a", "Did you mean 'mode'"),
        ("t:n=4", "missing a required argument: 'path'"),
        ("t:p,names=[x", "not valid JSON"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        thing(text)
    assert said in str(caught.value)


def test_an_unknown_argument_knows_its_neighbours() -> None:
    with pytest.raises(UnknownName) as caught:
        thing("t:p,sharing=1")
    assert caught.value.name == "sharing"
    assert "share" in caught.value.known
