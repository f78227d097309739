"""MMAU-Pro end to end on the shipped items: routing, likeness, the judge's scores, figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval import Audio, RunResult
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UnreadableReply, UsageError
from fac_eval.interfaces import Embedder
from fac_eval.metrics.mmau_pro import CategoryScore, weighted_performance
from fac_eval.models.sanity import Random
from fac_eval.resolve import resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.task import Task
from fac_eval.vocabulary import Evidence, Question, Request, Response, Sample, Score, Verdict, user
from tests.support import plugins
from tests.support.judges import Critic
from tests.support.sample_tables import changed_copy, figures_of, main_figure

PERFECT = "CORRECTNESS: 5 - a\nRELEVANCE: 5 - b\nCOMPLETENESS: 5 - c\nCLARITY: 5 - d\nOVERALL: 5 - e"
MEDIOCRE = "CORRECTNESS: 5 - a\nRELEVANCE: 4 - b\nCOMPLETENESS: 4 - c\nCLARITY: 5 - d\nOVERALL: 3 - e"
DECORATED = PERFECT.replace(":", ":**").replace("5 -", "[5] -")
NO_JUDGE = {"mmau_pro.open": "skip"}
NO_WEIGHTS = {"mmau_pro.open": "skip", "mmau_pro.closed": "string_match"}


class Letters(Embedder):
    """Counts letters: equal texts are equal, and a text without letters is like nothing."""

    name = "letters"
    fingerprint = "letters/1"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.seen += texts
        rows = [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        return np.array(rows, dtype=np.float32)


@pytest.fixture(autouse=True)
def rubrics(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins.install(monkeypatch, "rubric", {"mmau_pro": "fac_eval.judges.rubrics.mmau_pro:RUBRICS"})


def task_of(**options: Any) -> Task:
    (task,) = resolve_tasks(["mmau_pro"], {f"mmau_pro.{name}": value for name, value in options.items()})
    return task


def samples(task: Task, data: str | Path = "sample") -> dict[str, Sample]:
    return {sample.id: sample for sample in task.samples(DataFinder(data))}


def run(models: Any, tmp_path: Path, **options: Any) -> RunResult:
    options = {"data": "sample", "judge": Critic(lambda _: PERFECT), "embedder": Letters(), **options}
    return fac_eval.run(models, "mmau_pro", store=str(tmp_path / "store"), progress=False, **options)


def item(category: str, **metadata: Any) -> Sample:
    return Sample(
        "x",
        (user("Which?"),),
        reference=None if category == "instruction following" else "one cat",
        choices=("one dog", "one cat") if category != "instruction following" else (),
        metadata={"category": category, "clips": 1, **metadata},
    )


def rated(reply: str, **options: Any) -> Score:
    return task_of(**options).score(item("open"), Response(text="x"), Evidence(verdicts=(Verdict(reply),)))


# The sanity models.


@pytest.mark.parametrize("audio", ["single", "all"])
@pytest.mark.parametrize("closed", ["embedding", "embedding_resolved", "string_match"])
def test_oracle_is_at_the_maximum(closed: str, audio: str, tmp_path: Path) -> None:
    chosen = {"mmau_pro.closed": closed, "mmau_pro.audio": audio}
    result = run("oracle", tmp_path, set=chosen)
    counts = result.cells[0].counts
    assert (counts.scored, counts.n_failed, counts.n_skipped) == (
        (17, 0, 1) if audio == "all" else (15, 0, 3)
    )
    assert main_figure(result).value == 100.0


def test_empty_is_at_the_minimum_but_for_what_every_answer_gets(tmp_path: Path) -> None:
    judge = Critic(lambda _: PERFECT.replace("5", "1"))
    string = run("empty", tmp_path, judge=judge, set={"mmau_pro.closed": "string_match"})
    found = figures_of(string)
    assert found["closed accuracy (string match)"].value == 0.0
    assert found["open"].value == pytest.approx(20.0)  # a fifth is the floor of a scale from 1 to 5
    assert found["instruction following"].value == pytest.approx(100 / 3)  # nothing holds no comma
    # By likeness an empty answer is some option, here the first of equals.
    likeness = figures_of(run("empty", tmp_path, judge=judge))
    first = [sample for sample in samples(task_of()).values() if len(sample.choices) > 1]
    first = [one for one in first if one.metadata["clips"] == 1 and one.metadata["category"] != "open"]
    expected = sum(one.reference == one.choices[0] for one in first) / len(first)
    assert likeness["closed accuracy"].value == pytest.approx(100 * expected)


def test_random_is_at_chance_on_closed_items() -> None:
    task = task_of(closed="string_match")
    items = [
        one for one in samples(task).values() if len(one.choices) > 1 and one.metadata["category"] != "open"
    ]
    right = []
    for seed in range(200):
        requests = [Request((), seed=seed)] * len(items)
        answers = Random().respond(task, items, requests, range(len(items)))
        right += [task.score(one, said, Evidence()).value for one, said in zip(items, answers, strict=True)]
    chance = sum(1 / len(one.choices) for one in items) / len(items)
    assert sum(right) / len(right) == pytest.approx(chance, abs=0.04)  # four standard errors


# Which items there are, and what is asked.


def test_single_leaves_out_by_the_number_of_clips_and_not_by_category(tmp_path: Path) -> None:
    result = run("oracle", tmp_path)
    assert result.cells[0].counts.skipped == {
        "more than one clip (audio=single)": 2,
        "a closed item with fewer than two options": 1,
    }
    assert samples(task_of())["item-speech-pair"].metadata["category"] == "speech"


def test_several_clips_go_into_one_message_in_order() -> None:
    task = task_of(audio="all")
    several = samples(task)["item-multi-pitch"]
    (message,) = task.request(several).messages
    assert [type(part) for part in message.parts[:2]] == [Audio, Audio]
    first, second = [part for part in message.parts if isinstance(part, Audio)]
    assert first.key != second.key
    assert message.text.endswith("options:\n(A)the first\n(B)the second")
    assert task.skip(several) is None


@pytest.mark.parametrize(
    ("name", "options", "shown"),
    [
        ("item-sound-beeps", {}, True),
        ("item-open-scene", {}, False),
        ("item-open-options", {}, False),
        ("item-open-options", {"open_choices": "shown"}, True),
        ("item-follow-commas", {}, False),
        ("item-follow-commas", {"open_choices": "shown"}, False),
    ],
)
def test_options_are_shown_by_category(name: str, options: dict[str, Any], shown: bool) -> None:
    task = task_of(**options)
    (message,) = task.request(samples(task)[name]).messages
    assert ("Choose the correct option" in message.text) == shown


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({}, {"judge", "similarity"}),
        ({"closed": "embedding_resolved"}, {"judge", "similarity"}),
        ({"closed": "string_match"}, {"judge"}),
        ({"open": "skip"}, {"similarity"}),
        ({"open": "skip", "closed": "string_match"}, set()),
    ],
)
def test_only_what_the_options_call_for_is_needed(options: dict[str, Any], needs: set[str]) -> None:
    task = task_of(**options)
    assert task.needs == needs
    assert bool(task.rubrics) == ("judge" in needs)


def test_a_run_without_judge_and_weights_has_a_main_figure_of_its_own_name(tmp_path: Path) -> None:
    result = run("oracle", tmp_path, judge=None, embedder=None, set=NO_WEIGHTS)
    assert main_figure(result).name == "closed accuracy (string match)"
    assert (main_figure(result).value, main_figure(result).n) == (100.0, 9)
    assert result.cells[0].counts.skipped["an open item (open=skip)"] == 3
    assert main_figure(run("oracle", tmp_path, judge=None, set=NO_JUDGE)).name == "closed accuracy"


# Stages see only what concerns them.


def test_only_closed_items_are_compared_and_only_open_ones_are_judged(tmp_path: Path) -> None:
    critic, letters = Critic(lambda _: PERFECT), Letters()
    run("oracle", tmp_path, judge=critic, embedder=letters)
    assert len(critic.asked) == 3
    assert {question.rubric for question in critic.asked} == {"mmau_pro/open"}
    task = task_of()
    closed = [
        one for one in samples(task).values() if task.skip(one) is None and task.comparison(one, SAID)[1]
    ]
    assert set(letters.seen) == {text for one in closed for text in (one.reference, *one.choices)}
    assert {one.metadata["category"] for one in closed}.isdisjoint({"open", "instruction following"})


SAID = Response(text="said")


@pytest.mark.parametrize("name", ["item-open-options", "item-follow-words"])
def test_what_is_not_closed_is_left_alone_by_the_comparison(name: str) -> None:
    task = task_of()
    assert task.comparison(samples(task)[name], SAID) == ("", ())


@pytest.mark.parametrize("name", ["item-sound-beeps", "item-follow-words"])
def test_what_is_not_open_is_left_alone_by_the_judge(name: str) -> None:
    task = task_of()
    assert task.questions(samples(task)[name], SAID, Evidence()) == ()


def test_by_words_nothing_is_compared() -> None:
    task = task_of(closed="string_match")
    assert task.comparison(samples(task)["item-sound-beeps"], SAID) == ("", ())


def test_the_judge_gets_question_reference_and_answer(tmp_path: Path) -> None:
    seen: list[Question] = []
    judge = Critic(lambda question: seen.append(question) or PERFECT)
    run("oracle", tmp_path, judge=judge)
    (inputs,) = [question.inputs for question in seen if "riddle" in question.inputs["question"]]
    assert inputs == {
        "question": "Which animal is the riddle about?",
        "reference": "a snail",
        "answer": "a snail",
    }


# Closed items.


def test_the_nearest_option_counts_and_the_first_of_equals() -> None:
    task = task_of()
    for likeness, value, label in (
        ((20.0, 80.0), 1.0, "B"),
        ((80.0, 20.0), 0.0, "A"),
        ((5.0, 5.0), 0.0, "A"),
    ):
        found = task.score(item("sound"), Response(text="?"), Evidence(similarities=likeness))
        assert (found.value, found.label) == (value, label)


def test_likeness_that_does_not_fit_the_options_is_an_error() -> None:
    with pytest.raises(DataError, match="1 likenesses for 2 options"):
        task_of().score(item("sound"), Response(text="?"), Evidence(similarities=(1.0,)))


@pytest.mark.parametrize(
    ("closed", "said", "label"),
    [
        ("embedding", "B", "A"),
        ("embedding", "(B) one cat", "A"),
        ("embedding_resolved", "B", "B"),
        ("embedding_resolved", "(B) one cat", "B"),
        ("embedding_resolved", "the cat", "A"),
        ("embedding_resolved", "(C)", "A"),
    ],
)
def test_a_letter_counts_only_where_it_is_asked_for(closed: str, said: str, label: str) -> None:
    task, evidence = task_of(closed=closed), Evidence(similarities=(60.0, 40.0))
    assert task.score(item("music"), Response(text=said), evidence).label == label
    text, candidates = task.comparison(item("music"), Response(text=said))
    # The same comparison for both, so that one run serves both.
    assert (text, tuple(candidates)) == (said, ("one dog", "one cat"))


def test_unknown_categories_are_closed_as_officially(tmp_path: Path) -> None:
    data = changed_copy(
        "mmau_pro", "test.parquet", tmp_path / "data", lambda rows: rows[0].update(category="new")
    )
    found = figures_of(run("oracle", tmp_path, data=str(data)))
    assert (found["other"].value, found["other"].n, found["closed accuracy"].n) == (100.0, 1, 9)


def test_an_answer_that_is_no_option_can_never_be_right_and_is_counted(tmp_path: Path) -> None:
    data = changed_copy(
        "mmau_pro", "test.parquet", tmp_path / "data", lambda rows: rows[0].update(answer="Two")
    )
    found = figures_of(run("oracle", tmp_path, data=str(data), set={"mmau_pro.closed": "embedding"}))
    assert found["answer not among the options"].value == pytest.approx(100 / 9)
    assert found["closed accuracy"].value == pytest.approx(100 * 8 / 9)


# Open items.


@pytest.mark.parametrize(
    ("reply", "parser", "value"),
    [
        (PERFECT, "official", 1.0),
        (MEDIOCRE, "official", 4.5 / 5),  # an overall score of 3 gives way to the mean
        ("nonsense", "official", 3 / 5),
        ("", "official", 3 / 5),
        ("", "strict", None),
        (PERFECT.replace("CLARITY", "LUCIDITY"), "strict", None),
        (PERFECT, "strict", 1.0),
        (DECORATED, "robust", 1.0),
        (PERFECT.replace(": ", "："), "robust", 1.0),
        ("nonsense", "robust", None),
    ],
    ids=[
        *(
            "perfect",
            "overall 3",
            "nonsense",
            "empty",
            "empty, strict",
            "one lacking, strict",
            "perfect, strict",
        ),
        *("bold and brackets, robust", "full-width colon, robust", "nonsense, robust"),
    ],
)
def test_scores_are_read_by_the_parser_that_is_named(reply: str, parser: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(UnreadableReply) as raised:
            rated(reply, parser=parser)
        assert raised.value.reply == reply
    else:
        assert rated(reply, parser=parser).value == pytest.approx(value)


def test_bold_scores_are_not_read_officially() -> None:
    found = rated(PERFECT.replace(":", ":**"))
    assert (found.value, found.parts["unread"]) == (pytest.approx(0.6), 1.0)


def test_a_reply_that_cannot_be_read_is_a_counted_judge_error(tmp_path: Path) -> None:
    critic = Critic(lambda question: "?" if "riddle" in question.inputs["question"] else PERFECT)
    official = run("oracle", tmp_path, judge=critic)
    assert figures_of(official)["open scores not read"].value == pytest.approx(100 / 3)
    store = str(tmp_path / "store")
    strict = fac_eval.rescore(official.id, set={"mmau_pro.parser": "strict"}, store=store)
    assert strict.cells[0].counts.failed == {"judge_error": 1}
    assert (main_figure(strict).value, main_figure(strict).n) == (100.0, 14)
    assert figures_of(strict)["strict overall"].value == pytest.approx(100 * 14 / 15)


# Instructions to follow.


@pytest.mark.parametrize(
    ("identifier", "kwargs", "said", "followed"),
    [
        ("No Commas", {}, "one two", True),
        ("No Commas", {}, "one, two", False),
        ("Number Words (at least)", {"N": 2}, "one two", True),
        ("Number Words (at least)", {"N": 3}, "one two", False),
        ("Something Else", {}, "one two", False),
    ],
)
def test_instructions_are_checked_by_rule(
    identifier: str, kwargs: dict[str, Any], said: str, followed: bool
) -> None:
    sample = item("instruction following", task_identifier=identifier, kwargs=kwargs)
    found = task_of().score(sample, Response(text=said), Evidence())
    assert (found.value, found.label) == (float(followed), "followed" if followed else "violated")


@pytest.mark.parametrize(
    ("identifier", "kwargs"),
    [
        ("Include Keywords", {"keywords": "frost, dew"}),
        ("Forbidden Words", {"forbidden_words": "ice, rain"}),
        ("Keyword Frequency", {"keyword": "sun", "N": 3}),
        ("Number Paragraphs", {"N": 3}),
        ("Number Words (at least)", {"N": 40}),
        ("Number Words (at most)", {"N": 5}),
        ("Number Words (range)", {"N1": 5, "N2": 8}),
        ("Postscript", {"postscript_marker": "P.S."}),
        ("Number Placeholder", {"N": 2}),
        ("Number Bullets", {"N": 4}),
        ("Title", {}),
        ("Minimum Number Highlighted Section", {"N": 3}),
        ("Multiple Sections", {"N": 3, "section_splitter": "SECTION"}),
        ("Repeat Prompt", {}),
        ("Two Responses", {}),
        ("All Uppercase", {}),
        ("All Lowercase", {}),
        ("All-capital Words (at least)", {"N": 3}),
        ("All-capital Words (at most)", {"N": 1}),
        ("All-capital Words (range)", {"N1": 2, "N2": 4}),
        ("Start Checker", {"start_phrase": "Well then"}),
        ("End Checker", {"end_phrase": "that is all"}),
        ("Quotation", {}),
        ("No Commas", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_ideal_answer_follows_its_instruction(identifier: str, kwargs: dict[str, Any]) -> None:
    task = task_of()
    sample = item("instruction following", task_identifier=identifier, kwargs=kwargs)
    said = task.ideal(sample)
    assert isinstance(said, str)
    assert task.score(sample, Response(text=said), Evidence()).value == 1.0


def test_no_ideal_answer_is_made_up_for_an_unknown_instruction() -> None:
    assert task_of().ideal(item("instruction following", task_identifier="Sing")) is None


# Figures.


def table(scores: Sequence[Score], failed: Sequence[Sample] = ()) -> ScoreTable:
    rows = [{"value": one.value, "label": one.label, "parts": one.parts} for one in scores]
    task = task_of()
    counts = {"timeout": len(failed)} if failed else {}
    return ScoreTable(rows, failed=counts, forgone=[task.forgone(one) for one in failed])


def test_the_overall_figure_weighs_categories_by_their_items() -> None:
    task = task_of()
    scores = [
        task.score(item("sound"), SAID, Evidence(similarities=likeness))
        for likeness in [(1.0, 2.0)] * 3 + [(2.0, 1.0)] * 3
    ]
    scores += [rated(PERFECT.replace("5", "4"))] * 4
    follow = item("instruction following", task_identifier="No Commas")
    scores += [task.score(follow, Response(text=said), Evidence()) for said in ("a", "a,", "a,b")]
    found = {figure.name: figure for figure in task.figures(table(scores))}
    expected = weighted_performance(
        {"sound": CategoryScore(0.5, 6), "open": CategoryScore(0.8, 4), "aif": CategoryScore(1 / 3, 3)}
    )
    assert expected is not None
    assert found["overall"].value == pytest.approx(100 * expected)
    assert (found["closed accuracy"].value, found["closed accuracy"].n) == (50.0, 6)
    assert found["open rating"].value == pytest.approx(4.0)
    assert found["open rating"].unit == ""
    assert (found["open good"].value, found["open poor"].value) == (100.0, 0.0)


def test_failed_items_earn_nothing_beside_the_official_figures() -> None:
    score = task_of().score(item("sound"), SAID, Evidence(similarities=(1.0, 2.0)))
    figures = task_of().figures(table([score] * 2, [item("sound"), item("open")]))
    found = {figure.name: figure for figure in figures}
    assert found["overall"].value == found["closed accuracy"].value == 100.0
    assert found["strict overall"].value == 50.0
    assert found["strict closed accuracy"].value == pytest.approx(200 / 3)


def test_each_choice_of_rules_is_a_protocol_of_its_own(tmp_path: Path) -> None:
    variants = [
        {},
        {"mmau_pro.audio": "all"},
        {"mmau_pro.closed": "string_match"},
        {"mmau_pro.parser": "strict"},
    ]
    ids = {run("oracle", tmp_path, limit=1, set=chosen).cells[0].protocol_id for chosen in variants}
    assert len(ids) == len(variants)


def test_likeness_is_not_made_up_when_rescoring(tmp_path: Path) -> None:
    first = run("oracle", tmp_path, set={"mmau_pro.closed": "string_match"})
    with pytest.raises(UsageError, match="embedder"):
        fac_eval.rescore(first.id, set={"mmau_pro.closed": "embedding"}, store=str(tmp_path / "store"))
