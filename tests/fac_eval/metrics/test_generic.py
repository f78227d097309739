from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.generic import (
    WordErrors,
    chosen_letter,
    edit_distance,
    folded,
    is_contained,
    is_exact,
    letter_of,
    letters,
    word_errors,
)

CITIES = ["London", "Paris", "Rome", "Berlin"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("  A\tlong\n\nWAY ", "a long way", id="blanks-and-case"),
        pytest.param("It's the dog’s.", "its the dogs", id="apostrophes-vanish"),
        pytest.param("well-known, e.g. here; (yes)", "well known e g here yes", id="punctuation-parts"),
        pytest.param("snake_case `code` **bold**", "snake case code bold", id="markup"),
        pytest.param("Ｆｕｌｌ　ｗｉｄｔｈ！", "full width", id="full-width"),
        pytest.param("STRASSE Straße", "strasse strasse", id="case-folding"),
        pytest.param("3.14", "3.14", id="decimal-point"),
        pytest.param("It is 3.", "it is 3", id="full-stop-after-number"),
        pytest.param("1,234,567 or 1,2", "1234567 or 1 2", id="thousands"),
        pytest.param("-5 and (-.5) and 3-2", "-5 and -.5 and 3 2", id="signs"),
        pytest.param("−5", "-5", id="unicode-minus"),
        pytest.param("wait...5", "wait 5", id="ellipsis-is-no-point"),
        pytest.param("zero\u200bwidth", "zerowidth", id="format-characters"),
        pytest.param("¿?", "¿?", id="nothing-but-punctuation-stays"),
        pytest.param("हिन्दी, ठीक।", "हिन्दी ठीक", id="combining-marks-stay"),
        pytest.param("答案是：北京。", "答案是 北京", id="chinese"),
    ],
)
def test_folded(text: str, expected: str) -> None:
    assert folded(text) == expected


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(st.text())
def test_folding_leaves_no_blank_at_an_end(text: str) -> None:
    assert folded(text) == " ".join(folded(text).split())


@pytest.mark.parametrize(
    ("answer", "accepted", "expected"),
    [
        pytest.param("Paris.", ["paris"], True, id="folded"),
        pytest.param("Paris", ["Rome", "PARIS"], True, id="any-accepted"),
        pytest.param("Paris, France", ["paris"], False, id="more-than-it"),
        pytest.param("-5", ["5"], False, id="sign-counts"),
        pytest.param("", ["paris"], False, id="empty-answer"),
        pytest.param("?", ["!"], False, id="punctuation-alone-is-compared"),
    ],
)
def test_is_exact(answer: str, accepted: list[str], expected: bool) -> None:
    assert is_exact(answer, accepted) is expected


@pytest.mark.parametrize(
    ("answer", "accepted", "expected"),
    [
        pytest.param("I think it is Paris!", ["paris"], True, id="word-within"),
        pytest.param("the Parisian", ["paris"], False, id="part-of-a-word"),
        pytest.param("it is 3.14", ["3"], False, id="part-of-a-number"),
        pytest.param("it is 3, surely", ["4", "3"], True, id="any-accepted"),
        pytest.param("new york city", ["New York"], True, id="two-words"),
        pytest.param("我觉得是北京。", ["北京"], True, id="chinese-needs-no-border"),
        pytest.param("是第3名", ["3"], True, id="digit-among-chinese"),
        pytest.param("是第13名", ["3"], False, id="part-of-a-number-among-chinese"),
        pytest.param("le café noir", ["café"], True, id="accents"),
        pytest.param("les cafés", ["café"], False, id="accents-part-of-a-word"),
        pytest.param("", ["x"], False, id="empty-answer"),
        pytest.param("", [""], False, id="empty-is-never-contained"),
    ],
)
def test_is_contained(answer: str, accepted: list[str], expected: bool) -> None:
    assert is_contained(answer, accepted) is expected


@given(st.text(alphabet=st.characters(categories=("L", "N")), min_size=1))
def test_a_word_is_exact_alone_and_contained_in_a_sentence(word: str) -> None:
    assert is_exact(f" {word}!", [word])
    assert is_contained(f"Well, {word}, surely.", [word])


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        # A letter and nothing else.
        ("B", "B"),
        ("b", "B"),
        ("(b)", "B"),
        ("**B.**", "B"),
        (" Ｂ． ", "B"),
        ("E", None),
        # One choice's text.
        ("Paris.", "B"),
        ("PARIS", "B"),
        # A stated letter.
        ("The answer is B", "B"),
        ("the answer is b.", "B"),
        ("Answer: C", "C"),
        ("The correct answer must be option (C), I believe.", "C"),
        ("London comes to mind, but the answer is D.", "D"),
        ("A. London is wrong.\nFinal answer: **C) Rome**", "C"),
        ("$\\boxed{\\text{B}}$", "B"),
        ("答案是B", "B"),
        ("我选B。", "B"),
        ("The answer is B, not C.", "B"),
        ("The answer is B. No, the answer is C.", None),
        ("The answer is a cat", None),
        ("The answer is not A", None),
        ("The answer cannot be A", None),
        # A label.
        ("B. Paris", "B"),
        ("B) it is on the Seine", "B"),
        ("B: Paris", "B"),
        ("B, Paris", "B"),
        ("B - Paris", "B"),
        ("Option B: Paris, of course", "B"),
        ("b) Paris\nbecause it is.", "B"),
        ("I thought about it.\n\nB.Paris", "B"),
        ("A) London\nB) Paris\nC) Rome", None),
        ("A. London B. Paris", None),
        ("A.I. is great", None),
        # A mention, or a choice's text.
        ("I would pick C", "C"),
        ("I'd say B", "B"),
        ("It is surely (d)", "D"),
        ("B is right", "B"),
        ("A is right", "A"),
        ("A and B", None),
        ("A dog is a dog", None),
        ("It isn't B", None),
        ("Not B.", None),
        ("I would not pick (B)", None),
        ("It is not option A, it is B", "B"),
        ("I think it is Paris, on the Seine.", "B"),
        ("Paris or Rome", None),
        ("Option A says London, but Paris it is", None),
        # Nothing.
        ("", None),
        ("I do not know.", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_chosen_letter(answer: str, letter: str | None) -> None:
    assert chosen_letter(answer, CITIES) == letter


@pytest.mark.parametrize(
    ("answer", "choices", "letter"),
    [
        pytest.param("It is Paris, Texas", ["Paris", "Paris, Texas"], "B", id="longer-text-wins"),
        pytest.param("It is vitamin C", ["vitamin A", "vitamin C", "vitamin B"], "B", id="letter-in-a-text"),
        pytest.param("x", ["x", "y"], "A", id="single-letter-text"),
        pytest.param("B", ["B", "A"], "B", id="letter-before-text"),
        pytest.param("this is a test", ["A", "B"], None, id="article-is-no-choice"),
        pytest.param("4", ["3", "4"], "B", id="number"),
        pytest.param("it is 4.5", ["4", "5"], None, id="number-within-number"),
        pytest.param("E, I guess", ["1", "2", "3", "4", "5"], "E", id="fifth-letter"),
        pytest.param("It costs $5.", ["$50", "$5"], "B", id="currency"),
        pytest.param("it is snake_case", ["camelCase", "snake_case"], "B", id="underscore"),
        pytest.param("C++", ["C", "C++", "Java"], "B", id="symbols-after-a-letter"),
        pytest.param("C#", ["C", "C#", "Java"], "B", id="text-as-it-stands"),
        pytest.param("it is bc", ["ab", "bc", "cd"], "B", id="text-of-known-letters"),
        pytest.param("是北京", ["上海", "北京"], "B", id="chinese-text"),
        pytest.param("A. Lincoln", ["Washington", "A. Lincoln"], "B", id="text-that-looks-like-a-label"),
    ],
)
def test_chosen_letter_depends_on_the_choices(answer: str, choices: list[str], letter: str) -> None:
    assert chosen_letter(answer, choices) == letter


PHRASINGS = [
    *(
        "{}",
        "({})",
        "{}.",
        "**{}**",
        "Answer: {}",
        "The answer is {}.",
        "The correct answer is ({}).",
        "{}. {text}",
    ),
    *("({}) {text}", "{}) {text}", "I would choose {}.", "Option {}", "\\boxed{{{}}}", "答案：{}", "{text}"),
    *("I believe that it is {text}.", "The answer is {}: {text}", "It must be {text} ({})."),
]


@given(st.sampled_from(PHRASINGS), st.integers(0, 3))
def test_every_phrasing_reads_as_every_letter(phrasing: str, place: int) -> None:
    letter = letters(CITIES)[place]
    assert chosen_letter(phrasing.format(letter, text=CITIES[place]), CITIES) == letter


PIECES = st.sampled_from(
    ["answer", " is ", ":", "A", "b", "(", ")", ".", "\n", "not ", "Paris", "选", "$", "\\boxed{"]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=12).map("".join))
def test_a_letter_is_one_of_the_choices_or_none(answer: str) -> None:
    assert chosen_letter(answer, CITIES) in {None, "A", "B", "C", "D"}


def test_a_very_long_answer_is_read_in_linear_steps() -> None:
    assert chosen_letter("the answer " * 20_000 + "is B", CITIES) == "B"


@pytest.mark.parametrize(
    ("reference", "choices", "letter"),
    [
        pytest.param("B", CITIES, "B", id="letter"),
        pytest.param(" b ", CITIES, "B", id="small-letter"),
        pytest.param("Rome", CITIES, "C", id="text"),
        pytest.param("rome", CITIES, None, id="text-is-exact"),
        pytest.param("E", CITIES, None, id="beyond-the-choices"),
        pytest.param("4", ["3", "4"], "B", id="number"),
        pytest.param("A", ["A", "B"], "A", id="choices-are-letters"),
    ],
)
def test_letter_of(reference: str, choices: list[str], letter: str | None) -> None:
    assert letter_of(reference, choices) == letter


def test_letter_of_refuses_what_has_two_readings() -> None:
    with pytest.raises(DataError, match="letter of one choice and the text of another"):
        letter_of("A", ["B", "A"])


@pytest.mark.parametrize(
    ("answer", "accepted", "expected"),
    [
        pytest.param("The cat sat.", ["the cat sat"], WordErrors(0, 3), id="folded"),
        pytest.param("the bat sat", ["the cat sat"], WordErrors(1, 3), id="substitution"),
        pytest.param("cat sat", ["the cat sat"], WordErrors(1, 3), id="deletion"),
        pytest.param("the big cat sat", ["the cat sat"], WordErrors(1, 3), id="insertion"),
        pytest.param("", ["the cat sat"], WordErrors(3, 3), id="nothing-said"),
        pytest.param("a b c d", ["x y", "a b c e"], WordErrors(1, 4), id="best-reference"),
        pytest.param("a b", ["a c d e", "a c"], WordErrors(1, 2), id="rate-not-count"),
    ],
)
def test_word_errors(answer: str, accepted: list[str], expected: WordErrors) -> None:
    assert word_errors(answer, accepted) == expected


@pytest.mark.parametrize("accepted", [[], [""], ["fine", " "]], ids=["none", "empty", "blank"])
def test_word_errors_need_words(accepted: list[str]) -> None:
    with pytest.raises(DataError):
        word_errors("anything", accepted)


def plain_distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for count, item in enumerate(first, 1):
        above, row = row, [count]
        for place, other in enumerate(second):
            row.append(min(above[place + 1] + 1, row[-1] + 1, above[place] + (item != other)))
    return row[-1]


@given(st.text("abc", max_size=90), st.text("abcd", max_size=90))
def test_edit_distance_agrees_with_the_table(first: str, second: str) -> None:
    assert edit_distance(first, second) == plain_distance(first, second)
