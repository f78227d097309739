from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.metrics.alignment import AlignedToken, EditCounts, align, edit_counts
from fac_eval.metrics.generic import edit_distance

TEXTS = st.lists(st.sampled_from("abc"), max_size=9)
LONG_TEXTS = st.lists(st.sampled_from("abcdefg"), max_size=150)

STEPS = {
    "match": "=",
    "substitution": "s",
    "deletion": "d",
    "insertion": "i",
}


def _steps(reference: str, hypothesis: str) -> str:
    return "".join(STEPS[step.operation] for step in align(reference.split(), hypothesis.split()))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "steps"),
    [
        ("", "", ""),
        ("a b", "a b", "=="),
        ("a b", "", "dd"),
        ("", "a b", "ii"),
        ("a", "b", "s"),
        ("a b c", "a x c", "=s="),
        ("a b", "a b c", "==i"),
        ("a b", "c a b", "i=="),
        ("a b b c", "a b c", "==d="),
        ("a b c", "a b b c", "==i="),
        ("a b c", "a c d", "=ss"),
        pytest.param("a b", "x", "sd", id="a deletion before a substitution, from the end"),
        pytest.param("x", "a b", "is", id="a substitution before an insertion, from the end"),
        pytest.param("a b c", "x a y", "i=sd", id="several ways with three errors"),
        pytest.param("b a", "a c", "ss", id="two substitutions or a match between two errors"),
    ],
)
def test_the_alignment_is_the_documented_one(reference: str, hypothesis: str, steps: str) -> None:
    assert _steps(reference, hypothesis) == steps


def _documented(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> str:
    """The module's rule, written down without any speed."""
    begin = 0
    while begin < min(len(reference), len(hypothesis)) and reference[begin] == hypothesis[begin]:
        begin += 1
    left, right = reference[begin:], hypothesis[begin:]
    end = 0
    while end < min(len(left), len(right)) and left[-1 - end] == right[-1 - end]:
        end += 1
    left, right = left[: len(left) - end], right[: len(right) - end]

    @cache
    def errors(rows: int, columns: int) -> int:
        if not rows or not columns:
            return rows + columns
        return min(
            errors(rows - 1, columns) + 1,
            errors(rows, columns - 1) + 1,
            errors(rows - 1, columns - 1) + (left[rows - 1] != right[columns - 1]),
        )

    steps, rows, columns = "", len(left), len(right)
    while rows or columns:
        least = errors(rows, columns)
        is_same = rows > 0 and columns > 0 and left[rows - 1] == right[columns - 1]
        if rows and errors(rows - 1, columns) + 1 == least:
            steps, rows = "d" + steps, rows - 1
        elif rows and columns and not is_same and errors(rows - 1, columns - 1) + 1 == least:
            steps, rows, columns = "s" + steps, rows - 1, columns - 1
        elif columns and errors(rows, columns - 1) + 1 == least:
            steps, columns = "i" + steps, columns - 1
        else:
            steps, rows, columns = "=" + steps, rows - 1, columns - 1
    return "=" * begin + steps + "=" * end


@given(TEXTS, TEXTS)
def test_ties_are_broken_as_documented(reference: list[str], hypothesis: list[str]) -> None:
    assert _steps(" ".join(reference), " ".join(hypothesis)) == _documented(
        tuple(reference), tuple(hypothesis)
    )


@given(LONG_TEXTS, LONG_TEXTS)
def test_errors_are_as_few_as_can_be(reference: list[str], hypothesis: list[str]) -> None:
    counts = edit_counts(reference, hypothesis)
    assert counts.errors == edit_distance(reference, hypothesis)
    assert counts.reference_tokens == len(reference)
    assert counts.hypothesis_tokens == len(hypothesis)


@given(LONG_TEXTS, LONG_TEXTS)
def test_the_alignment_holds_both_texts_and_is_what_is_counted(
    reference: list[str], hypothesis: list[str]
) -> None:
    steps = align(reference, hypothesis)
    assert [step.reference for step in steps if step.operation != "insertion"] == reference
    assert [step.hypothesis for step in steps if step.operation != "deletion"] == hypothesis
    for operation, left, right in steps:
        assert (operation == "match") == (left == right)
        assert (operation == "insertion") == (left is None)
        assert (operation == "deletion") == (right is None)
    operations = [step.operation for step in steps]
    assert edit_counts(reference, hypothesis) == EditCounts(
        operations.count("match"),
        operations.count("substitution"),
        operations.count("deletion"),
        operations.count("insertion"),
    )


@given(LONG_TEXTS.filter(bool), LONG_TEXTS)
def test_counts_are_those_of_jiwer(reference: list[str], hypothesis: list[str]) -> None:
    jiwer = pytest.importorskip("jiwer")
    official = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    assert edit_counts(reference, hypothesis) == EditCounts(
        official.hits, official.substitutions, official.deletions, official.insertions
    )


def test_steps_carry_their_tokens() -> None:
    assert align(["the", "cat"], ["the", "dog", "ran"]) == [
        AlignedToken("match", "the", "the"),
        AlignedToken("insertion", None, "dog"),
        AlignedToken("substitution", "cat", "ran"),
    ]
