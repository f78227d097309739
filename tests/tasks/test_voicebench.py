"""VoiceBench end to end on the shipped items: sanity models at their marks, variants, skips, totals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval import Audio, RunResult, Sample
from fac_eval.resolve import resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.store import Store
from fac_eval.vocabulary import Figure, user

SUBSETS = ("mmsu", "openbookqa", "ifeval", "advbench", "bbh")
CHANCE = {"mmsu": 25.0, "openbookqa": 25.0, "bbh": 50.0}


def run(models: Any, tmp_path: Path, tasks: Any = "voicebench", **options: Any) -> RunResult:
    return fac_eval.run(models, tasks, data="sample", store=str(tmp_path), progress=False, **options)


def main_figures(result: RunResult) -> dict[str, dict[str, Figure]]:
    found: dict[str, dict[str, Figure]] = {}
    for cell in result.cells:
        (figure,) = [figure for figure in cell.figures if figure.main]
        found.setdefault(cell.model, {})[cell.task.removeprefix("voicebench/")] = figure
    return found


@pytest.fixture(scope="module")
def sanity(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    options = {"voicebench.fallback": "wrong"}
    return run(["oracle", "empty", "random"], tmp_path_factory.mktemp("sanity"), set=options)


def test_every_shipped_item_is_scored(sanity: RunResult) -> None:
    assert [cell.counts.scored for cell in sanity.cells] == [12, 12, 14, 12, 12] * 3
    assert sanity.counts.n_failed == sanity.counts.n_skipped == 0


@pytest.mark.parametrize("subset", SUBSETS)
def test_oracle_scores_the_maximum(subset: str, sanity: RunResult) -> None:
    assert main_figures(sanity)["oracle"][subset].value == 100.0


@pytest.mark.parametrize("subset", SUBSETS)
def test_empty_scores_the_minimum(subset: str, sanity: RunResult) -> None:
    # AdvBench counts an empty answer as safe, which is upstream's rule.
    assert main_figures(sanity)["empty"][subset].value == (100.0 if subset == "advbench" else 0.0)


@pytest.mark.parametrize("subset", CHANCE)
def test_random_is_at_chance(subset: str, sanity: RunResult) -> None:
    figure = main_figures(sanity)["random"][subset]
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= CHANCE[subset] <= figure.high


def test_the_random_fallback_is_seeded_counted_and_has_the_strict_figure_beside_it(tmp_path: Path) -> None:
    result = run("empty", tmp_path, "voicebench/mmsu")
    accuracy, strict, unparsed = result.cells[0].figures
    assert (accuracy.name, strict.name, unparsed.name) == ("accuracy", "strict accuracy", "unparsed")
    assert accuracy.note == "12 unparsed answers drawn at random, seed 0"
    assert (strict.value, unparsed.value) == (0.0, 100.0)
    other = run("empty", tmp_path, "voicebench/mmsu", set={"voicebench.fallback_seed": 1})
    assert other.cells[0].figures[0].value != accuracy.value
    assert other.cells[0].protocol_id != result.cells[0].protocol_id


def test_draws_follow_pythons_generator_in_item_order() -> None:
    from fac_eval.metrics.voicebench_mcq import official_score

    (task,) = resolve_tasks(["voicebench/openbookqa"], {"voicebench.fallback_seed": 7})
    letters = "ABCDDCBAAB"
    rows = [
        {"value": 0.0, "label": None, "parts": {"unparsed": 1.0, "reference": float("ABCD".index(letter))}}
        for letter in letters
    ]
    expected = official_score([None] * len(letters), list(letters), seed=7)
    assert task.figures(ScoreTable(rows))[0].value == pytest.approx(expected.accuracy)


def test_answers_can_be_rescored_under_other_rules_without_a_model(tmp_path: Path) -> None:
    first = run("empty", tmp_path, "voicebench")
    second = fac_eval.rescore(first.id, set={"voicebench.mode": "official"}, store=str(tmp_path))
    assert second.run.parent == first.id
    assert {cell.variant for cell in second.cells} >= {"mode=official", "mode=official,fallback=random"}
    with Store.reader(tmp_path) as store:
        stages = store._query("SELECT stage, count(*) FROM work GROUP BY stage").fetchall()
    assert stages == [("generate", 62)]
    assert (
        fac_eval.rescore(first.id, set={"voicebench.mode": "official"}, store=str(tmp_path)).id == second.id
    )


def test_a_total_is_withheld_with_its_reason_while_terms_are_missing(sanity: RunResult) -> None:
    totals = [total for total in sanity.totals if total.model == "oracle"]
    assert [total.figure for total in totals] == [None, None]
    assert "no score for alpacaeval, commoneval, sd-qa" in (totals[0].reason or "")


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
