"""MMAU end to end on the shipped items: sanity models, variants, rescoring, the judge's route, data that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Audio, RunResult
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UnreadableReply, UsageError
from fac_eval.metrics.mmau import MmauItem, mmau_score, string_match
from fac_eval.models.sanity import Random
from fac_eval.resolve import resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Question, Request, Response, Sample, Score, Text, Verdict, user
from tests.support import plugins
from tests.support.judges import Critic
from tests.support.sample_tables import Rows, changed_copy, figures_of, main_figure

WORD_RULES = ("official", "official_prefixed", "option_resolved")
RULES = (*WORD_RULES, "judge")


@pytest.fixture(autouse=True)
def rubrics(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins.install(monkeypatch, "rubric", {"mmau": "fac_eval.judges.rubrics.mmau:RUBRICS"})


def task_of(**options: Any) -> Task:
    (task,) = resolve_tasks(["mmau"], {f"mmau.{name}": value for name, value in options.items()})
    return task


def samples(task: Task, data: str | Path = "sample") -> list[Sample]:
    return list(task.samples(DataFinder(data)))


def verdict_on(question: Question) -> str:
    """A judge that finds right what is the reference."""
    return (
        f"Compared.\nResult: {'yes' if question.inputs['answer'] == question.inputs['reference'] else 'no'}"
    )


def run(models: Any, tmp_path: Path, **options: Any) -> RunResult:
    options = {"data": "sample", "judge": Critic(verdict_on), **options}
    return fac_eval.run(models, "mmau", store=str(tmp_path / "store"), progress=False, **options)


def score(said: str, *, options: tuple[str, ...], answer: str, **task_options: Any) -> Score:
    metadata = {"task": "sound", "difficulty": "easy", "sub_category": "Counting"}
    sample = Sample("x", (user("Which?"),), answer, options, metadata=metadata)
    return task_of(**task_options).score(sample, Response(text=said), Evidence())


# The sanity models.


@pytest.mark.parametrize("rule", RULES)
def test_oracle_is_at_the_maximum_and_empty_at_the_minimum(rule: str, tmp_path: Path) -> None:
    result = run(["oracle", "empty"], tmp_path, set={"mmau.match": rule})
    assert [cell.counts.scored for cell in result.cells] == [12, 12]
    assert main_figure(result, "oracle").value == 100.0
    assert main_figure(result, "empty").value == 0.0


@pytest.mark.parametrize("rule", WORD_RULES)
def test_random_is_at_chance(rule: str) -> None:
    task = task_of(match=rule)
    items = samples(task)
    right = [
        task.score(item, answer, Evidence()).value
        for seed in range(200)
        for item, answer in zip(items, guesses(task, items, seed), strict=True)
    ]
    chance = sum(1 / len(item.choices) for item in items) / len(items)
    assert sum(right) / len(right) == pytest.approx(chance, abs=0.04)  # four standard errors


def guesses(task: Task, items: list[Sample], seed: int) -> list[Response]:
    return Random().respond(task, items, [Request((), seed=seed)] * len(items), range(len(items)))


# What is asked.


def test_the_model_gets_the_clip_and_the_options_without_their_prefixes() -> None:
    task = task_of()
    beeps = samples(task)[0]
    (message,) = task.request(beeps).messages
    assert [type(part) for part in message.parts] == [Audio, Text]
    assert message.text == (
        "How many beeps are heard? Choose the correct option from the following options:"
        "\n(A)Two\n(B)Three\n(C)Four\n(D)Five"
    )
    assert (beeps.id, beeps.reference, beeps.choices) == (
        "item-beeps",
        "Four",
        ("Two", "Three", "Four", "Five"),
    )
    assert task.request(beeps).settings.temperature == 0.0


def test_the_other_instruction_has_the_options_on_one_line() -> None:
    task = task_of(instruction="evalkit")
    (message,) = task.request(samples(task)[0]).messages
    assert message.text == "How many beeps are heard?\n(A) Two (B) Three (C) Four (D) Five"


def test_columns_to_group_by_are_read_whatever_their_form() -> None:
    swell = samples(task_of())[1]
    assert swell.metadata["category"] == "Reasoning"  # a list of one name in the data
    assert (swell.metadata["task"], swell.metadata["difficulty"]) == ("sound", "easy")


# When an answer is right.

PAIR = ("one dog", "one cat")


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("one dog", {"official": 1, "official_prefixed": 0, "option_resolved": 1}),
        ("(A) one dog", {"official": 1, "official_prefixed": 1, "option_resolved": 1}),
        ("(B) one dog", {"official": 1, "official_prefixed": 0, "option_resolved": 0}),
        ("A", {"official": 0, "official_prefixed": 0, "option_resolved": 1}),
        ("(A)", {"official": 0, "official_prefixed": 0, "option_resolved": 1}),
        ("one dog, not one cat", {"official": 0, "official_prefixed": 0, "option_resolved": 0}),
        ("狗", {"official": 0, "official_prefixed": 0, "option_resolved": 0}),
        ("one dog " * 5000, {"official": 1, "official_prefixed": 0, "option_resolved": 1}),
    ],
    ids=["text", "letter and text", "wrong letter", "letter", "bracketed", "both", "Chinese", "very long"],
)
@pytest.mark.parametrize("rule", WORD_RULES)
def test_each_rule_reads_answers_in_its_own_way(rule: str, said: str, right: dict[str, int]) -> None:
    found = score(said, options=PAIR, answer="one dog", match=rule)
    assert found.value == right[rule]
    assert found.parts["official"] == right["official"]


@pytest.mark.parametrize(
    ("said", "label"), [("one cat", "B"), ("both one dog and one cat", None), ("", None)]
)
def test_the_label_is_the_letter_that_was_named(said: str, label: str | None) -> None:
    found = score(said, options=PAIR, answer="one dog")
    assert found.label == label
    assert found.parts["unnamed"] == (label is None)


def test_one_generation_serves_all_rules(tmp_path: Path) -> None:
    first = run("oracle", tmp_path)
    assert main_figure(first).value == 100.0
    store = str(tmp_path / "store")
    second = fac_eval.rescore(first.id, set={"mmau.match": "official_prefixed"}, store=store)
    assert second.cells[0].variant.startswith("match=official_prefixed")
    # Of these bare texts one holds its own letter: "A minor chord" is option A.
    assert main_figure(second).value == pytest.approx(100 / 12)
    assert figures_of(second)["official rule"].value == 100.0
    assert second.cells[0].protocol_id != first.cells[0].protocol_id


@pytest.mark.parametrize("change", [{"mmau.instruction": "evalkit"}, {"mmau.match": "judge"}])
def test_what_needs_a_run_is_not_rescored(change: dict[str, str], tmp_path: Path) -> None:
    first = run("oracle", tmp_path)
    with pytest.raises(UsageError):
        fac_eval.rescore(first.id, set=change, store=str(tmp_path / "store"))


# Figures.


def test_figures_are_those_of_the_official_script(tmp_path: Path) -> None:
    result = run("random", tmp_path)
    found = figures_of(result)
    task = task_of()
    items = samples(task)
    said = dict(zip(result.samples["sample_id"], result.samples["output"], strict=True))
    expected = mmau_score(
        MmauItem(
            item.metadata["task"],
            item.metadata["difficulty"],
            item.metadata["sub_category"],
            string_match(item.reference, said[item.id], item.choices),
        )
        for item in items
    )
    assert found["accuracy"].value == pytest.approx(expected.total.accuracy)
    assert found["mean of domains"].value == pytest.approx(expected.macro)
    for counts in (expected.task, expected.difficulty, expected.sub_category):
        for name, count in counts.items():
            assert (found[name].value, found[name].n) == (pytest.approx(count.accuracy), count.total), name


def table(scores: list[Score], **failed: int) -> ScoreTable:
    rows = [{"value": one.value, "label": one.label, "parts": one.parts} for one in scores]
    return ScoreTable(rows, failed=failed)


def test_failed_answers_leave_the_official_denominator_and_are_wrong_beside_it() -> None:
    scores = [
        score("one dog", options=PAIR, answer="one dog"),
        score("one cat", options=PAIR, answer="one dog"),
    ]
    figures = {figure.name: figure for figure in task_of().figures(table(scores, timeout=2))}
    assert (figures["accuracy"].value, figures["accuracy"].n) == (50.0, 2)
    assert (figures["strict accuracy"].value, figures["strict accuracy"].n) == (25.0, 4)
    assert [name for name in figures if figures[name].main] == ["accuracy"]
    assert figures["mean of domains"].value is None
    assert "no music item" in (figures["mean of domains"].note or "")


def test_what_the_data_calls_otherwise_is_counted_as_other() -> None:
    one = score("one dog", options=PAIR, answer="one dog")
    odd = Score(1.0, parts={**one.parts, "sub_category": -1.0})
    figures = {figure.name: figure for figure in task_of().figures(table([one, odd]))}
    assert (figures["other"].n, figures["Counting"].n) == (1, 1)


# The judge's route.


def test_the_judge_gets_the_question_with_its_options_and_the_bare_answer(tmp_path: Path) -> None:
    critic = Critic(verdict_on)
    run("oracle", tmp_path, judge=critic, set={"mmau.match": "judge"})
    assert {question.rubric for question in critic.asked} == {"mmau/judge"}
    inputs = next(question.inputs for question in critic.asked if "beeps" in question.inputs["question"])
    assert inputs == {
        "question": "How many beeps are heard?\n(A) Two (B) Three (C) Four (D) Five",
        "reference": "Four",
        "answer": "Four",
    }


def test_no_judge_is_asked_where_words_are_compared(tmp_path: Path) -> None:
    critic = Critic()
    run("oracle", tmp_path, judge=critic)
    assert critic.asked == []


@pytest.mark.parametrize(
    ("reply", "parser", "invalid", "expected"),
    [
        ("It fits.\nResult: yes", "official", "official", (1.0, "right")),
        ("Result: no", "official", "official", (0.0, "wrong")),
        ("I do not know", "official", "official", (0.0, "wrong")),  # "no" within words
        ("I do not know", "robust", "official", None),
        ("I do not know", "robust", "count_wrong", (0.0, "invalid")),
        ("", "official", "official", None),
        ("", "official", "count_wrong", (0.0, "invalid")),
    ],
)
def test_a_judges_reply_is_read_by_the_parser_that_is_named(
    reply: str, parser: str, invalid: str, expected: tuple[float, str] | None
) -> None:
    task = task_of(match="judge", parser=parser, invalid=invalid)
    sample = samples(task)[0]
    evidence = Evidence(verdicts=(Verdict(reply),))
    if expected is None:
        with pytest.raises(UnreadableReply) as raised:
            task.score(sample, Response(text="Four"), evidence)
        assert raised.value.reply == reply
    else:
        found = task.score(sample, Response(text="Four"), evidence)
        assert (found.value, found.label) == expected


def test_replies_without_a_verdict_are_counted(tmp_path: Path) -> None:
    critic = Critic(lambda question: "hmm" if "beeps" in question.inputs["question"] else "yes")
    result = run("empty", tmp_path, judge=critic, set={"mmau.match": "judge"})
    figures = figures_of(result)
    assert result.cells[0].counts.failed == {"judge_error": 1}
    assert (figures["accuracy"].value, figures["accuracy"].n) == (100.0, 11)
    assert figures["strict accuracy"].value == pytest.approx(100 * 11 / 12)
    assert figures["invalid"].value == 1
    assert figures["official rule"].value == 0.0
    wrong = run("empty", tmp_path, judge=critic, set={"mmau.match": "judge", "mmau.invalid": "count_wrong"})
    assert main_figure(wrong).value == pytest.approx(100 * 11 / 12)
    assert figures_of(wrong)["invalid"].value == 1


# Data that is wrong.


def copy(tmp_path: Path, change: Any) -> Path:
    return changed_copy("mmau", "test_mini.parquet", tmp_path / "data", change)


def with_attributes(row: dict[str, Any], **changes: Any) -> None:
    row["other_attributes"] = json.dumps(json.loads(row["other_attributes"]) | changes)


def set_cell(column: str, value: Any) -> Any:
    return lambda rows: rows[2].update({column: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_cell("answer", "(A) A whistle"), "the answer 'A whistle' is none of the options"),
        (set_cell("choices", ["(A) A tone"]), "1 options, expected 2 to 26"),
        (set_cell("choices", None), "column 'choices': expected a list of texts, found null"),
        (set_cell("other_attributes", "{"), "column 'other_attributes': no JSON"),
        (
            lambda rows: with_attributes(rows[2], task="noise"),
            "the task 'noise' is none of sound, music, speech",
        ),
        (lambda rows: with_attributes(rows[2], difficulty="hardest"), "the difficulty 'hardest'"),
        (lambda rows: with_attributes(rows[2], id=None), "column 'id': expected text, found null"),
    ],
    ids=["answer", "one option", "no options", "JSON", "task", "difficulty", "id"],
)
def test_a_wrong_row_is_named_before_anything_runs(change: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2") as raised:
        run("oracle", tmp_path, data=str(copy(tmp_path, change)))
    assert message in str(raised.value)


def test_a_row_without_sound_fails_alone(tmp_path: Path) -> None:
    result = run("oracle", tmp_path, data=str(copy(tmp_path, set_cell("context", None))))
    (cell,) = result.cells
    assert cell.counts.failed == {"bad_input": 1}
    assert "row 2: no sound" in cell.failures["bad_input"]
    assert figures_of(result)["strict accuracy"].value == pytest.approx(100 * 11 / 12)


def test_options_that_repeat_are_scored_by_their_text(tmp_path: Path) -> None:
    def repeat(rows: Rows) -> None:
        rows[0]["choices"] = ["(A) Four", "(B) Three", "(C) Four", "(D) Five"]

    for rule in WORD_RULES:
        result = run(
            "oracle", tmp_path / rule, data=str(copy(tmp_path / rule, repeat)), set={"mmau.match": rule}
        )
        assert main_figure(result).value == 100.0
