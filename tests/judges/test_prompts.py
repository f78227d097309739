"""Whose wording is used, what is refused, and how templates are filled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.data.assets import Asset
from fac_eval.data.source_text import module_text, whole_text
from fac_eval.errors import AssetError, DataError, MissingResource
from fac_eval.judges.prompts import Prompt, choose
from fac_eval.rubric import Rubric, UpstreamPrompt
from fac_eval.vocabulary import Settings

TEMPLATE = "Upstream: {q} / {a}"
SOURCE = f'PROMPT = "{TEMPLATE}"\n'


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def rubric(*, file: str = SOURCE, text: str = TEMPLATE) -> Rubric:
    asset = Asset("the prompt", "https://example.org/prompt.py", digest(file), "x/prompt.py")
    read = partial(module_text, name="PROMPT")
    upstream = UpstreamPrompt(asset, read, digest(text), names={"question": "q", "answer": "a"})
    return Rubric("x/y", own="Own: {question} / {answer}", settings=Settings(), upstream=upstream)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the upstream file belongs."""
    monkeypatch.setenv("FAC_EVAL_ASSETS", str(tmp_path))
    (tmp_path / "x").mkdir()
    return tmp_path / "x" / "prompt.py"


class TestChoice:
    def test_our_own_wording_stands_in_where_the_file_is_missing(self) -> None:
        prompt = choose(rubric(), "auto")
        assert prompt.source == "own"
        assert prompt.render({"question": "who?", "answer": "me"}) == "Own: who? / me"

    def test_the_file_is_used_where_it_is_there(self, place: Path) -> None:
        place.write_text(SOURCE, "utf-8")
        for choice in ("auto", "official"):
            prompt = choose(rubric(), choice)  # type: ignore[arg-type]
            assert prompt.source == "official"
            assert prompt.render({"question": "who?", "answer": "me"}) == "Upstream: who? / me"
        assert choose(rubric(), "own").source == "own"

    def test_official_or_nothing(self) -> None:
        with pytest.raises(MissingResource) as caught:
            choose(rubric(), "official")
        assert "fac-eval prepare" in str(caught.value)
        assert "prompts=auto" in str(caught.value)
        with pytest.raises(MissingResource, match="has no official prompt"):
            choose(replace(rubric(), upstream=None), "official")

    @pytest.mark.parametrize("choice", ["auto", "official"])
    def test_a_changed_file_is_refused_with_both_hashes(self, place: Path, choice: str) -> None:
        place.write_text(SOURCE + "# changed\n", "utf-8")
        with pytest.raises(AssetError) as caught:
            choose(rubric(), choice)  # type: ignore[arg-type]
        assert digest(SOURCE) in str(caught.value)
        assert digest(SOURCE + "# changed\n") in str(caught.value)

    def test_a_prompt_of_another_text_is_refused_with_both_hashes(self, place: Path) -> None:
        place.write_text(SOURCE, "utf-8")
        with pytest.raises(AssetError) as caught:
            choose(rubric(text="something else"), "auto")
        assert digest("something else") in str(caught.value)
        assert digest(TEMPLATE) in str(caught.value)

    def test_a_file_without_the_prompt_is_refused(self, place: Path) -> None:
        place.write_text("OTHER = 1\n", "utf-8")
        with pytest.raises(AssetError, match="has no text PROMPT"):
            choose(rubric(file="OTHER = 1\n"), "auto")

    def test_a_file_is_hash_enough_where_the_text_has_none(self, place: Path) -> None:
        place.write_bytes(b"All {q} of\r\nit {a}")
        held = rubric(file="All {q} of\r\nit {a}")
        assert held.upstream is not None
        whole = replace(held, upstream=replace(held.upstream, read=whole_text, sha256=""))
        assert choose(whole, "auto").template == "All {q} of\r\nit {a}"

    def test_every_part_of_a_prompt_changes_its_identity(self) -> None:
        prompts = [
            Prompt("own", "a {x}"),
            Prompt("official", "a {x}"),
            Prompt("own", "b {x}"),
            Prompt("own", "a {x}", fill="replace"),
            Prompt("own", "a {x}", names={"y": "x"}),
        ]
        assert len({repr(prompt.identity) for prompt in prompts}) == len(prompts)


class TestFilling:
    @pytest.mark.parametrize(
        ("prompt", "text"),
        [
            (Prompt("own", "{question}|{answer}"), "{a} {{b}}|{question}"),
            (Prompt("own", '{{"k": 1}} {answer}'), '{"k": 1} {question}'),
            (
                Prompt("official", "{Q}|{P}", names={"question": "Q", "answer": "P"}),
                "{a} {{b}}|{question}",
            ),
            (Prompt("official", "{{question}}|{{ answer }}\n", fill="jinja"), "{a} {{b}}|{question}"),
            (
                Prompt(
                    "official",
                    "{p} {{x}} {r}",
                    fill="replace",
                    names={"question": "p", "answer": "r"},
                ),
                "{a} {{b}} {{x}} {question}",
            ),
        ],
        ids=["format", "doubled braces", "other names", "jinja", "replace"],
    )
    def test_braces_in_values_stay(self, prompt: Prompt, text: str) -> None:
        assert prompt.render({"question": "{a} {{b}}", "answer": "{question}"}) == text

    def test_one_after_another_means_within_what_was_put_in(self) -> None:
        names = {"question": "prompt", "reference": "reference", "answer": "response"}
        prompt = Prompt("official", "{prompt} {reference} {response}", fill="replace", names=names)
        filled = prompt.render({"answer": "{prompt}", "reference": "{response}", "question": "{reference}"})
        assert filled == "{prompt} {prompt} {prompt}"

    def test_jinja_escapes_nothing(self) -> None:
        prompt = Prompt("official", "{{response}}", fill="jinja")
        assert prompt.render({"response": "<b> & 'c' {{response}}"}) == "<b> & 'c' {{response}}"

    @pytest.mark.parametrize("fill", ["format", "replace", "jinja"])
    def test_a_missing_input_is_named(self, fill: str) -> None:
        template = "{{answer}}" if fill == "jinja" else "{answer}"
        prompt = Prompt("own", template, fill=fill, names={"answer": "answer"})  # type: ignore[arg-type]
        with pytest.raises(DataError, match="needs answer; there is question"):
            prompt.render({"question": "x"})

    def test_further_inputs_do_no_harm(self) -> None:
        assert Prompt("own", "{answer}").render({"answer": 3, "reference": "y"}) == "3"

    @given(st.text(), st.text())
    def test_format_puts_values_in_as_they_are(self, question: str, answer: str) -> None:
        filled = Prompt("own", "<{question}|{answer}>").render({"question": question, "answer": answer})
        assert filled == f"<{question}|{answer}>"

    @given(st.text(), st.text())
    def test_jinja_puts_values_in_as_they_are(self, question: str, answer: str) -> None:
        prompt = Prompt("official", "<{{ question }}|{{answer}}>", fill="jinja")
        assert prompt.render({"question": question, "answer": answer}) == f"<{question}|{answer}>"
