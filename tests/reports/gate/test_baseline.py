"""The baseline file: what it holds, that it is steady, and what is said about one that is no good."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.reports.compare.comparison import compare_sides
from fac_eval.reports.compare.sides import Side
from fac_eval.reports.gate.baseline import baseline_text, read_baseline
from fac_eval.scores import Metric
from fac_eval.vocabulary import Figure
from tests.reports._compared import WER, answered, bits, made_side, questions, scores, side

UNPARSED = Metric("unparsed", of="unparsed", higher_is_better=False)


def written(tmp_path: Path, made: Side, **metrics: list[str]) -> Path:
    path = tmp_path / "baseline.json"
    path.write_text(baseline_text(made, "content", metrics), "utf-8")
    return path


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    wer = {"errors": [0.0, 2.0, 1.0], "words": [5.0, 4.0, 3.0], "rest": [1.0, 1.0, 1.0]}
    columns = {"value": bits(3, [1]), "unparsed": [0.0, 1.0, 0.0]}
    made = made_side(
        scores(wer, task="wer", metric=WER, failed={"timeout": 2}),
        scores(columns, task="acc", extra=[UNPARSED]),
        name="model",
    )
    back = read_baseline(written(tmp_path, made, acc=["unparsed", "nonsense"]), "content")
    accuracy, words = back.tasks
    assert (back.name, back.run) == ("model (baseline.json)", "run")
    assert [one.label for one in back.tasks] == ["acc", "wer"]
    assert words.metrics == {"wer": (WER,)}
    assert sorted(words.columns) == ["errors", "value", "words"]
    assert words.columns["errors"].tolist() == [0, 2, 1]
    assert (words.counts.total, words.counts.failed) == (5, {"timeout": 2})
    assert sorted(accuracy.columns) == ["unparsed", "value"]
    assert set(accuracy.metrics) == {"accuracy", "unparsed"}
    assert (words.figures[0].value, words.figures[0].higher_is_better) == (25.0, False)
    assert words.protocol == {"version": "p1"}


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_scores_come_back_as_the_same_scores(values: list[float]) -> None:
    made = made_side(scores(values, metric=Metric("rating", scale=1.0, unit="", main=True)))
    path = Path("unused.json")
    text = baseline_text(made, "content")
    held = json.loads(text)["tasks"][0]["samples"]
    assert [held[f"k{row}"] for row in range(len(values))] == pytest.approx(values, rel=1e-11, abs=1e-300)
    assert path.name not in text


def test_the_order_of_samples_and_tasks_does_not_show() -> None:
    keys = [f"{row:04x}" for row in range(50)]
    values = bits(50, range(0, 50, 3))
    order = np.random.default_rng(0).permutation(50).tolist()
    one, other = scores(values, task="b", keys=keys), scores([1.0], task="a")
    turned = scores([values[row] for row in order], task="b", keys=[keys[row] for row in order])
    assert baseline_text(made_side(one, other), "content") == baseline_text(
        made_side(other, turned), "content"
    )


def test_a_changed_sample_is_one_changed_line() -> None:
    before, after = (
        baseline_text(
            made_side(scores(bits(200, wrong), figures=[Figure("f", 1.0, 1, main=True)])), "content"
        )
        for wrong in ([], [7])
    )
    changed = [
        pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]
    ]
    assert changed == [('"k7": 1,', '"k7": 0,')]


def test_a_sample_takes_little_room() -> None:
    keys = [f"{row:016x}" for row in range(3000)]
    text = baseline_text(made_side(scores(bits(3000), keys=keys)), "content")
    assert len(text) < 3000 * 24


def test_no_text_of_a_sample_is_in_it(tmp_path: Path) -> None:
    questions(tmp_path / "q.jsonl", ["the secret answer"])
    run = answered(tmp_path, "model", ["the secret answer"])
    text = baseline_text(side(tmp_path, run), "content")
    assert "secret" not in text
    assert "question 0" not in text
    assert "q0" not in text


def test_a_run_against_its_own_baseline_file(tmp_path: Path) -> None:
    questions(tmp_path / "q.jsonl", ["a b c"] * 5, cluster=["x", "x", "y", "y", "z"])
    run = answered(tmp_path, "model", ["a b c", "a b", None, "b c", "c"], set={"file.metric": "wer"})
    candidate = side(tmp_path, run)
    (comparison,) = compare_sides(read_baseline(written(tmp_path, candidate), "content"), [candidate])
    (one,) = comparison.differences
    assert (one.metric, one.n, one.same, one.estimate.value) == ("WER", 4, 4, 0.0)
    assert one.estimate.clusters == 3
    assert comparison.warnings == ()


def test_rounding_makes_no_difference(tmp_path: Path) -> None:
    values = (np.random.default_rng(3).random(40) / 3).tolist()
    candidate = made_side(scores(values, metric=Metric("rating", scale=1.0, unit="", main=True)))
    back = read_baseline(written(tmp_path, candidate), "content")
    assert back.tasks[0].columns["value"].tolist() != values
    (comparison,) = compare_sides(back, [candidate])
    (one,) = comparison.differences
    assert (one.estimate.value, one.estimate.se, one.same, one.effect) == (0.0, 0.0, 40, None)


def test_samples_may_be_named_by_id(tmp_path: Path) -> None:
    questions(tmp_path / "q.jsonl", ["a"])
    by_id = side(tmp_path, answered(tmp_path, "model", ["a"]), pair_by="id")
    path = tmp_path / "b.json"
    path.write_text(baseline_text(by_id, "id"), "utf-8")
    assert list(read_baseline(path, "id").tasks[0].keys) == list(by_id.tasks[0].keys)
    with pytest.raises(DataError, match="names samples by id, and the policy pairs them by content"):
        read_baseline(path, "content")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda text: text[:-4], "is no baseline of fac-eval", id="cut off"),
        pytest.param(lambda text: text.replace('"columns"', '"colums"'), "columns", id="a key missing"),
        pytest.param(lambda text: text.replace('"k1": 1', '"k1": "x"'), "samples", id="a score of text"),
        pytest.param(
            lambda text: text.replace('"k1": 1', '"k1": [1, 2]'),
            "task t, sample k1: expected 1",
            id="a score too many",
        ),
        pytest.param(
            lambda text: text.replace('"k1": 1', "<<<<<<< HEAD"),
            "is no baseline",
            id="a conflict that was left",
        ),
        pytest.param(lambda text: text.replace('"format": 1', '"format": 2'), "newer fac-eval", id="newer"),
        pytest.param(lambda text: "[]", "is no baseline", id="something else"),
    ],
)
def test_a_file_that_is_no_good(change: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, made_side(scores(bits(3))))
    path.write_text(change(path.read_text("utf-8")), "utf-8")  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        read_baseline(path, "content")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_baseline(tmp_path / "none.json", "content")
