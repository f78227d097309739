"""What the rules decide, what they leave to others, and what they get wrong by design."""

from __future__ import annotations

import ast
import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import UsageError
from fac_eval.judges.lexical import LexicalJudge, gives, options, plain_words, wordings
from fac_eval.resolve import find_rubric, resolve_judge
from fac_eval.vocabulary import Question
from tests.support.judge_server import all_rubrics

ASKED = "What is it? A. a dog, B. a cat, C. vitamin C, D. none of these"


@pytest.mark.parametrize(
    ("answer", "reference", "question", "right"),
    [
        ("Paris", "Paris", "", True),
        ("I think it is paris.", "Paris", "", True),
        ("Parisian", "Paris", "", False),
        ("the Beatles", "The Beatles", "", True),
        ("It was Beatles", "The Beatles", "", True),
        ("答案是北京。", "北京", "", True),
        ("", "Paris", "", False),
        ("It is not Paris", "Paris", "", True),
        ("the French capital", "Paris", "", False),
        ("David Seville sang it", "['Ross Bagdasarian', 'David Seville']", "", True),
        ("nobody", "['Ross Bagdasarian', 'David Seville']", "", False),
        ("He spoke Spanish", "English;Spanish", "", True),
        ("twenty-one", "21", "", True),
        ("It is 1,000.0 metres", "one thousand", "", True),
        ("3.50", "3.5", "", True),
        ("121", "21", "", False),
        ("two thousand and five people", "2005", "", True),
        ("B", "B", ASKED, True),
        ("(b) a cat", "B", ASKED, True),
        ("a cat", "B", ASKED, True),
        ("a cat", "A", ASKED, False),
        ("The answer is A", "B", ASKED, False),
        ("option B", "a cat", ASKED, True),
        ("It is a cat", "a cat", ASKED, True),
        ("It is a dog or a cat", "a cat", ASKED, False),
        ("The answer is B.", "B", "", True),
        ("It is a dog", "A", "", False),
    ],
)
def test_decisions(answer: str, reference: str, question: str, right: bool) -> None:
    assert gives(answer, reference, question) is right


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("three million two hundred thousand and one", "3200001"),
        ("one two three", "1 2 3"),
        ("hundred and one", "hundred and 1"),
        ("two and a half", "2 and half"),
        ("nineteen eighty four", "19 84"),
        ("the a", "the a"),
        ("-3.0 007 .5", "-3 7 0.5"),
        ("", ""),
    ],
)
def test_numbers_in_words_are_numbers(text: str, words: str) -> None:
    assert plain_words(text) == words


def test_options_are_listed_from_a_on() -> None:
    assert options(ASKED) == ["a dog", "a cat", "vitamin C", "none of these"]
    assert options("Which?\n(A) x\n(B) y\n(C) z") == ["x", "y", "z"]
    assert options("Vitamin C. What is it? B. x") == []


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("x", ["x"]),
        ("x; y ;", ["x", "y"]),
        ("['x', 'y;z']", ["x", "y;z"]),
        ("[x, y", ["[x, y"]),
        ("[1, 2]", ["1", "2"]),
    ],
)
def test_a_reference_may_have_several_wordings(reference: str, found: list[str]) -> None:
    assert wordings(reference) == found


@given(st.text(), st.text(), st.text())
def test_any_text_is_decided(answer: str, reference: str, question: str) -> None:
    assert gives(answer, reference, question) in (True, False)


@given(st.lists(st.text(alphabet="abcdefgh", min_size=2), min_size=1), st.data())
def test_every_wording_is_right(words: list[str], data: st.DataObject) -> None:
    said = data.draw(st.sampled_from(words))
    assert gives(f"Well, {said}!", str(words))


DECIDABLE = {name for name, rubric in all_rubrics().items() if rubric.decisions}


class TestTheJudge:
    @pytest.mark.parametrize("name", sorted(all_rubrics()))
    def test_it_takes_what_rules_can_decide_and_nothing_else(self, name: str) -> None:
        judge = resolve_judge("lexical")
        assert isinstance(judge, LexicalJudge)
        if name in DECIDABLE:
            judge.check(find_rubric(name))
            assert judge.identity(find_rubric(name))["prompt"] == "rules"
        else:
            with pytest.raises(UsageError, match="open-ended") as caught:
                judge.check(find_rubric(name))
            assert "--judge openai:" in str(caught.value)

    def test_what_it_leaves_to_others(self) -> None:
        assert set(all_rubrics()) - DECIDABLE == {
            "voicebench/open",
            "voicebench/open-official",
            "openaudiobench/alpaca_eval",
            "openaudiobench/reasoning_qa",
            "mmau_pro/open",
            "ultraeval_audio/chatbot",
            *(name for name in all_rubrics() if name.startswith("vstyle/")),
        }

    @pytest.mark.parametrize(
        ("rubric", "answer", "reply"),
        [
            ("voicebench/qa", "Ada Lovelace", "yes"),
            ("voicebench/qa-official", "Bob", "no"),
            ("mmau/judge", "Ada", "Result: yes"),
            ("openaudiobench/llama_questions", "Bob", "The score is [Incorrect]"),
        ],
    )
    def test_it_speaks_as_the_rubric_asks(self, rubric: str, answer: str, reply: str) -> None:
        inputs = {"question": "Who?", "reference": "Ada", "answer": answer}
        verdict = asyncio.run(LexicalJudge().judge(Question(rubric, inputs)))
        assert (verdict.reply, verdict.prompt, verdict.error) == (reply, "rules", None)

    def test_its_object_is_a_python_literal(self) -> None:
        inputs = {"question": "Who?", "reference": "Ada", "answer": "Ada"}
        verdict = asyncio.run(LexicalJudge().judge(Question("openaudiobench/trivia_qa", inputs)))
        assert ast.literal_eval(verdict.reply) == {"judgment": "correct"}

    def test_without_a_reference_it_decides_nothing(self) -> None:
        inputs = {"question": "Who?", "reference": " ", "answer": "Ada"}
        verdict = asyncio.run(LexicalJudge().judge(Question("voicebench/qa", inputs)))
        assert verdict.error is not None
        assert verdict.error.kind == "judge_error"
