"""MMSU end to end on the shipped items: sanity models, the official rule's memory, variants, data that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fac_eval
from fac_eval import RunResult
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UsageError
from fac_eval.metrics.mmsu import MmsuItem, mmsu_score, mmsu_verdicts
from fac_eval.models.sanity import Random
from fac_eval.resolve import resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Figure, Request, Response, Sample, Score, user
from tests.support.sample_tables import changed_copy, figures_of, main_figure

RULES = ("option_resolved", "official", "official_fixed")
TABLE = "data/train-00000-of-00001.parquet"
OPTIONS = ["male", "female", "child", "robot"]


def task_of(**options: Any) -> Task:
    (task,) = resolve_tasks(["mmsu"], {f"mmsu.{name}": value for name, value in options.items()})
    return task


def samples(task: Task, data: str | Path = "sample") -> dict[str, Sample]:
    return {sample.id: sample for sample in task.samples(DataFinder(data))}


def run(models: Any, tmp_path: Path, **options: Any) -> RunResult:
    options = {"data": "sample", **options}
    return fac_eval.run(models, "mmsu", store=str(tmp_path / "store"), progress=False, **options)


def item(
    options: Sequence[str | None] = OPTIONS, answer: str = "male", category: str = "Perception"
) -> Sample:
    metadata = {"category": category, "sub-category": "Linguistics"}
    return Sample("x", (user("Who?"),), {"answer": answer, "options": list(options)}, metadata=metadata)


def score(said: str, sample: Sample | None = None, **options: Any) -> Score:
    return task_of(**options).score(sample or item(), Response(text=said), Evidence())


def figures(said: Sequence[str], *, failed: int = 0, **options: Any) -> dict[str, Figure]:
    """The figures of replies to one item after another."""
    scores = [score(text, **options) for text in said]
    rows = [{"value": one.value, "label": one.label, "parts": one.parts} for one in scores]
    table = ScoreTable(rows, failed={"timeout": failed} if failed else {})
    return {figure.name: figure for figure in task_of(**options).figures(table)}


# The sanity models.


@pytest.mark.parametrize("rule", RULES)
def test_oracle_is_at_the_maximum(rule: str, tmp_path: Path) -> None:
    result = run("oracle", tmp_path, set={"mmsu.match": rule})
    assert result.cells[0].counts.scored == 12
    assert (main_figure(result).value, main_figure(result).n) == (100.0, 12)


@pytest.mark.parametrize("rule", ["option_resolved", "official_fixed"])
def test_empty_is_at_the_minimum(rule: str, tmp_path: Path) -> None:
    assert main_figure(run("empty", tmp_path, set={"mmsu.match": rule})).value == 0.0


def test_the_official_rule_cannot_score_an_empty_answer_that_comes_first(tmp_path: Path) -> None:
    result = run("empty", tmp_path, set={"mmsu.match": "official"})
    figure = main_figure(result)
    assert figure.value is None
    assert "the official scorer stops" in (figure.note or "")
    assert result.cells[0].counts.scored == 12


@pytest.mark.parametrize("rule", RULES)
def test_random_is_at_chance(rule: str) -> None:
    task = task_of(match=rule)
    items = list(samples(task).values())
    right = []
    for seed in range(200):
        requests = [Request((), seed=seed)] * len(items)
        answers = Random().respond(task, items, requests, range(len(items)))
        right += [task.score(one, said, Evidence()).value for one, said in zip(items, answers, strict=True)]
    chance = sum(1 / len(one.choices) for one in items) / len(items)
    assert sum(right) / len(right) == pytest.approx(chance, abs=0.04)  # four standard errors


# What is asked.


def asked(name: str, **options: Any) -> str:
    task = task_of(**options)
    (message,) = task.request(samples(task)[name]).messages
    return message.text


def test_all_four_letters_are_shown_even_for_options_that_are_not_there() -> None:
    assert asked("item_question_1") == (
        "Is the second sentence an answer to the first? Choose the correct option from the following options:"
        "\n(A)None\n(B)None\n(C)yes\n(D)no"
    )


def test_options_that_are_not_there_can_be_left_out_and_the_others_keep_their_letters() -> None:
    text = asked("item_question_1", null_options="left_out")
    assert text.endswith("options:\n(C)yes\n(D)no")


def test_an_option_that_reads_none_is_an_option() -> None:
    assert asked("item_claim_1", null_options="left_out").count("(B)None") == 1
    assert samples(task_of())["item_claim_1"].reference["answer"] == "None"


def test_the_letter_alone_can_be_asked_for() -> None:
    text = asked("item_question_1", instruction="letter_only", null_options="left_out")
    assert "letter alone: C, D." in text
    assert text.endswith("\n\nC. yes\nD. no")
    assert "(C)" not in text


# When an answer is right.


@pytest.mark.parametrize(
    ("said", "label", "values"),
    [
        ("A", "A", (1, 1)),
        ("(A) male", "A", (1, 0)),
        ("The speaker is a child.", "C", (0, 0)),
        ("It is a male voice", "A", (1, 0)),
        ("male or female", None, (0, 0)),
        ("because", None, (0, 0)),
        ("", None, (0, 0)),
        ("None", None, (0, 0)),
        ("男", None, (0, 0)),
    ],
    ids=[
        "letter",
        "letter and text",
        "text of another",
        "text within",
        "two texts",
        "no option",
        "empty",
        "None",
        "Chinese",
    ],
)
def test_replies_are_worth_what_the_rule_makes_of_them(
    said: str, label: str | None, values: tuple[int, int]
) -> None:
    resolved, fixed = (score(said, match=rule) for rule in ("option_resolved", "official_fixed"))
    assert (resolved.label, resolved.value) == (label, values[0])
    assert fixed.value == values[1]


def test_a_letter_of_an_option_that_is_not_there_is_wrong() -> None:
    sample = item([None, None, "yes", "no"], "no")
    assert [score(said, sample).value for said in ("A", "D", "no", "(B)None")] == [0, 1, 1, 0]


# The official rule over a run.


def test_the_specifications_example() -> None:
    found = figures(["A", "", "b", "The answer is B."], match="official")
    accuracy = found["accuracy"]
    assert (accuracy.value, accuracy.n, accuracy.main) == (pytest.approx(100 * 2 / 3), 3, True)
    assert accuracy.note == "leaves out 1 of 4 answers, gives 1 empty ones the letter of an earlier answer"
    assert (found["strict accuracy"].value, found["strict accuracy"].n) == (50.0, 4)
    assert found["left out officially"].value == 25.0
    assert (found["Perception"].value, found["Perception"].n) == (pytest.approx(100 * 2 / 3), 3)


def test_every_other_rule_says_what_the_official_one_leaves_out() -> None:
    found = figures(["(A) male", "(B) female", "A", "robot"], match="option_resolved")
    assert found["accuracy"].value == 50.0
    assert (found["official rule"].value, found["official rule"].n) == (100.0, 1)
    assert found["official rule"].note == "leaves out 3 of 4 answers"
    assert found["left out officially"].value == 75.0


def test_failed_answers_leave_the_denominator_and_are_wrong_beside_it() -> None:
    for rule in RULES:
        found = figures(["A", "A"], failed=2, match=rule)
        assert (found["accuracy"].value, found["accuracy"].n) == (100.0, 2)
        assert (found["strict accuracy"].value, found["strict accuracy"].n) == (50.0, 4)


REPLIES = st.sampled_from(["A", "B.", "(C)", "", "None", "b", "(D) robot", "Because", "x B.", "\n"])


@given(st.lists(st.tuples(REPLIES, st.sampled_from(OPTIONS)), min_size=1, max_size=12))
def test_figures_agree_with_the_scorer_of_whole_lists(pairs: list[tuple[str, str]]) -> None:
    items = [MmsuItem(said, OPTIONS, answer, "Perception", "Linguistics") for said, answer in pairs]
    task = task_of(match="official")
    scores = [task.score(item(answer=answer), Response(text=said), Evidence()) for said, answer in pairs]
    (accuracy, *_) = task.figures(ScoreTable([{"value": one.value, "parts": one.parts} for one in scores]))
    try:
        expected = mmsu_score(items, mmsu_verdicts(items, match="official"))
    except DataError:
        assert accuracy.value is None
        return
    assert accuracy.n == expected.counted.total
    assert accuracy.value == pytest.approx(expected.counted.accuracy)


def test_one_generation_serves_all_rules(tmp_path: Path) -> None:
    first = run("oracle", tmp_path)
    store = str(tmp_path / "store")
    second = fac_eval.rescore(first.id, set={"mmsu.match": "official"}, store=store)
    assert second.run.parent == first.id
    assert (main_figure(second).value, main_figure(second).n) == (
        None,
        0,
    )  # "(B) text" is what it cannot read
    assert figures_of(second)["left out officially"].value == 100.0
    with pytest.raises(UsageError):
        fac_eval.rescore(first.id, set={"mmsu.null_options": "left_out"}, store=store)


def test_recorded_predictions_are_scored_in_the_datas_order(tmp_path: Path) -> None:
    letters = {"item_speaker_1": "B", "item_loudness_1": "C", "item_speakers_1": "", "item_word_1": "sheep."}
    predictions = tmp_path / "pred.jsonl"
    lines = [json.dumps({"id": name, "output": said}) for name, said in reversed(letters.items())]
    predictions.write_text("\n".join(lines), "utf-8")
    result = run(f"replay:file={predictions}", tmp_path, set={"mmsu.match": "official"})
    # The empty third answer inherits C, which is wrong there; "sheep." holds no letter.
    assert (main_figure(result).value, main_figure(result).n) == (pytest.approx(100 * 2 / 3), 3)


# Data that is wrong.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer_gt": "a girl"}, "the answer 'a girl' is none of the options"),
        ({"answer_gt": None}, "column 'answer_gt': expected text, found null"),
        ({"choice_b": None, "answer_gt": "a man"}, "1 options"),
    ],
    ids=["answer", "no answer", "one option"],
)
def test_a_wrong_row_is_named_before_anything_runs(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = changed_copy("mmsu", TABLE, tmp_path / "data", lambda rows: rows[0].update(changes))
    with pytest.raises(DataError, match="row 0") as raised:
        run("oracle", tmp_path, data=str(data))
    assert message in str(raised.value)


@pytest.mark.parametrize("cell", [None, {"bytes": None, "path": "lost.wav"}], ids=["null", "no such file"])
def test_a_row_without_sound_fails_alone(cell: Any, tmp_path: Path) -> None:
    data = changed_copy("mmsu", TABLE, tmp_path / "data", lambda rows: rows[3].update(audio=cell))
    (found,) = run("oracle", tmp_path, data=str(data)).cells
    assert (found.counts.scored, found.counts.failed) == (11, {"bad_input": 1})
    assert "row 3: no sound" in found.failures["bad_input"]


def test_ids_must_not_repeat(tmp_path: Path) -> None:
    data = changed_copy("mmsu", TABLE, tmp_path / "data", lambda rows: rows[1].update(id=rows[0]["id"]))
    with pytest.raises(DataError, match="occurs twice"):
        run("oracle", tmp_path, data=str(data))


def test_categories_are_found_whatever_their_case_and_others_are_named_so(tmp_path: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["category"], rows[1]["category"] = "perception", "Somewhere else"

    data = changed_copy("mmsu", TABLE, tmp_path / "data", change)
    found = figures_of(run("oracle", tmp_path, data=str(data)))
    assert [found[name].n for name in ("Perception", "Reasoning", "other")] == [5, 6, 1]
