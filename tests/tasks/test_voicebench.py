"""VoiceBench end to end on the shipped items: sanity models at their marks, variants, skips, totals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval import Audio, RunResult, Sample
from fac_eval.errors import UsageError
from fac_eval.resolve import resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.store import Store
from fac_eval.vocabulary import Figure, Question, user
from tests.support.judges import Critic
from tests.support.verdicts import fair

RATED = ("alpacaeval", "commoneval", "wildvoice")
SUBSETS = (*RATED, "sd-qa", "mmsu", "openbookqa", "ifeval", "advbench", "bbh")
CHANCE = {"mmsu": 25.0, "openbookqa": 25.0, "bbh": 50.0}
BY_RULE = [
    "voicebench/mmsu",
    "voicebench/openbookqa",
    "voicebench/ifeval",
    "voicebench/advbench",
    "voicebench/bbh",
]


def run(models: Any, tmp_path: Path, tasks: Any = "voicebench", **options: Any) -> RunResult:
    return fac_eval.run(models, tasks, data="sample", store=str(tmp_path), progress=False, **options)


def main_figures(result: RunResult) -> dict[str, dict[str, Figure]]:
    found: dict[str, dict[str, Figure]] = {}
    for cell in result.cells:
        (figure,) = [figure for figure in cell.figures if figure.main]
        found.setdefault(cell.model, {})[cell.task.removeprefix("voicebench/")] = figure
    return found


@pytest.fixture(scope="module", params=["kimi", "official", "count_wrong"])
def sanity(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    options = {"voicebench.fallback": "wrong"}
    if request.param == "count_wrong":
        options["voicebench.invalid"] = "count_wrong"
    else:
        options["voicebench.mode"] = request.param
    folder = tmp_path_factory.mktemp("sanity")
    return run(["oracle", "empty", "random"], folder, judge=Critic(fair), set=options)


def sizes(result: RunResult) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for cell in result.cells:
        found.setdefault(cell.task.removeprefix("voicebench/"), []).append(cell.counts.scored)
    return found


def test_every_shipped_item_is_scored(sanity: RunResult) -> None:
    assert sizes(sanity) == {subset: [14 if subset == "ifeval" else 12] * 3 for subset in SUBSETS}
    assert sanity.counts.n_failed == sanity.counts.n_skipped == 0


@pytest.mark.parametrize("subset", SUBSETS)
def test_oracle_scores_the_maximum(subset: str, sanity: RunResult) -> None:
    assert main_figures(sanity)["oracle"][subset].value == (5.0 if subset in RATED else 100.0)


@pytest.mark.parametrize("subset", SUBSETS)
def test_empty_scores_the_minimum(subset: str, sanity: RunResult) -> None:
    # AdvBench counts an empty answer as safe, which is upstream's rule; a rating of 1 is the lowest there is.
    lowest = {"advbench": 100.0, **dict.fromkeys(RATED, 1.0)}
    assert main_figures(sanity)["empty"][subset].value == lowest.get(subset, 0.0)


@pytest.mark.parametrize("subset", CHANCE)
def test_random_is_at_chance(subset: str, sanity: RunResult) -> None:
    figure = main_figures(sanity)["random"][subset]
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= CHANCE[subset] <= figure.high


def test_totals_are_there_where_all_terms_are(sanity: RunResult) -> None:
    totals = [total for total in sanity.totals if total.model == "oracle"]
    official = any(cell.variant.startswith("mode=official,region") for cell in sanity.cells)
    if official:
        assert {total.figure for total in totals} == {None}
        assert "no score for sd-qa (sd-qa's official figure needs panda, too)" in (totals[0].reason or "")
    else:
        assert [total.figure and round(total.figure.value or 0, 9) for total in totals] == [100.0, 100.0]


def test_a_total_is_withheld_with_its_reason_while_terms_are_missing(tmp_path: Path) -> None:
    result = run("oracle", tmp_path, BY_RULE, set={"voicebench.mode": "official"})
    assert [total.figure for total in result.totals] == [None, None]
    assert "no score for alpacaeval, commoneval, sd-qa" in (result.totals[0].reason or "")


def test_the_random_fallback_is_seeded_counted_and_has_the_strict_figure_beside_it(tmp_path: Path) -> None:
    result = run("empty", tmp_path, "voicebench/mmsu:mode=official")
    accuracy, strict, unparsed = result.cells[0].figures
    assert (accuracy.name, strict.name, unparsed.name) == ("accuracy", "strict accuracy", "unparsed")
    assert accuracy.note == "12 unparsed answers drawn at random, seed 0"
    assert (strict.value, unparsed.value) == (0.0, 100.0)
    other = run("empty", tmp_path, "voicebench/mmsu:mode=official", set={"voicebench.fallback_seed": 1})
    assert other.cells[0].figures[0].value != accuracy.value
    assert other.cells[0].protocol_id != result.cells[0].protocol_id


def test_draws_follow_pythons_generator_in_item_order() -> None:
    from fac_eval.metrics.voicebench_mcq import official_score

    (task,) = resolve_tasks(["voicebench/openbookqa:mode=official"], {"voicebench.fallback_seed": 7})
    letters = "ABCDDCBAAB"
    rows = [
        {"value": 0.0, "label": None, "parts": {"unparsed": 1.0, "reference": float("ABCD".index(letter))}}
        for letter in letters
    ]
    expected = official_score([None] * len(letters), list(letters), seed=7)
    assert task.figures(ScoreTable(rows))[0].value == pytest.approx(expected.accuracy)


def test_answers_can_be_rescored_under_other_rules_without_a_model(tmp_path: Path) -> None:
    first = run("empty", tmp_path, BY_RULE, set={"voicebench.mode": "official"})
    second = fac_eval.rescore(first.id, set={"voicebench.fallback": "wrong"}, store=str(tmp_path))
    assert second.run.parent == first.id
    assert {cell.variant for cell in second.cells} >= {"mode=official", "mode=official,fallback=wrong"}
    with Store.reader(tmp_path) as store:
        stages = store._query("SELECT stage, count(*) FROM work GROUP BY stage").fetchall()
    assert stages == [("generate", 62)]
    again = fac_eval.rescore(first.id, set={"voicebench.fallback": "wrong"}, store=str(tmp_path))
    assert again.id == second.id


def muttering(question: Question) -> str:
    """A fair judge that says nothing readable where the answer is a B or the name of a planet."""
    return "hm" if question.inputs["answer"] in ("B", "Mercury") else fair(question)


def test_replies_are_read_again_without_asking_again(tmp_path: Path) -> None:
    tasks = ["voicebench/mmsu", "voicebench/sd-qa", "voicebench/alpacaeval"]
    judge = Critic(muttering)
    first = run("oracle", tmp_path, tasks, judge=judge)
    assert [dict(cell.counts.failed) for cell in first.cells] == [{"judge_error": 3}, {"judge_error": 1}, {}]
    assert [cell.figures[0].value for cell in first.cells] == [100.0, 100.0, 5.0]
    assert [cell.figures[1].value for cell in first.cells[:2]] == [75.0, pytest.approx(1100 / 12)]
    second = fac_eval.rescore(first.id, set={"voicebench.invalid": "count_wrong"}, store=str(tmp_path))
    assert second.counts.n_failed == 0
    assert [cell.figures[0].value for cell in second.cells] == [75.0, pytest.approx(1100 / 12), 5.0]
    assert len(judge.asked) == 36


def test_answers_that_were_judged_can_be_read_by_phrases(tmp_path: Path) -> None:
    first = run("oracle", tmp_path, "voicebench/mmsu", judge=Critic(muttering))
    second = fac_eval.rescore(first.id, set={"voicebench.mode": "official"}, store=str(tmp_path))
    assert second.cells[0].figures[0].value == 100.0
    assert second.counts.n_failed == 0


def test_without_a_judge_the_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="voicebench/mmsu needs a judge"):
        run("oracle", tmp_path, "voicebench/mmsu")


def clip(seconds: float) -> Audio:
    return Audio.from_samples(np.zeros(int(16000 * seconds), dtype=np.float32), 16000)


@pytest.mark.parametrize(
    ("seconds", "mode", "skipped"),
    [
        (0.05, "kimi", True),
        (0.1, "kimi", False),
        (60, "kimi", False),
        (61, "kimi", True),
        (61, "official", False),
    ],
)
def test_kimi_leaves_out_very_long_and_very_short_audio(seconds: float, mode: str, skipped: bool) -> None:
    (task,) = resolve_tasks([f"voicebench/advbench:mode={mode}"])
    assert (task.skip(Sample("x", (user(clip(seconds)),))) is not None) == skipped


def test_the_model_is_given_the_audio_alone(tmp_path: Path) -> None:
    from fac_eval.data.hub import DataFinder

    (task,) = resolve_tasks(["voicebench/bbh"])
    sample = next(task.samples(DataFinder("sample")))
    (message,) = task.request(sample).messages
    assert message.role == "user"
    assert [type(part) for part in message.parts] == [Audio]
    assert sample.metadata["upstream_id"]


def test_recorded_predictions_are_scored_by_replay(tmp_path: Path) -> None:
    answers = Path(__file__).parents[1] / "support" / "sample_answers.jsonl"
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    predictions = tmp_path / "pred.jsonl"
    predictions.write_text(
        "".join(
            json.dumps({"id": f"{row['config']}/{row['split']}/{row['index']}", "output": row["answer"]})
            + "\n"
            for row in rows
        ),
        "utf-8",
    )
    tasks = ["voicebench/ifeval", "voicebench/bbh", "voicebench/advbench"]
    result = run(f"replay:file={predictions}", tmp_path / "store", tasks)
    assert [cell.figures[0].value for cell in result.cells] == [100.0, 100.0, 100.0]
