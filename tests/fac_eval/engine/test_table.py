"""The printed table: values, intervals on both sides, coverage, and what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import fac_eval
from fac_eval import Response
from fac_eval.engine.table import numbers, text_table
from fac_eval.vocabulary import Figure
from tests.support.toys import AsyncEcho, Echo, ToyOptions, ToyTask


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure("a", 75.0, 4, low=30.0, high=95.0), ("75.00 %", "+20.00 / -45.00")),
        (Figure("a", 50.0, 4, low=40.0, high=60.0), ("50.00 %", "± 10.00")),
        (Figure("a", 4.2, 9, unit="1-5", low=4.0, high=4.4), ("4.20", "± 0.20")),
        (Figure("a", 4.2, 1, unit="1-5"), ("4.20", "")),
        (Figure("a", None, 0), ("-", "")),
    ],
    ids=["lopsided", "even", "rating", "no interval", "no value"],
)
def test_a_figure_in_two_cells(figure: Figure, shown: tuple[str, str]) -> None:
    assert numbers(figure) == shown


def test_columns_are_as_wide_as_they_must_be_and_empty_ones_are_left_out() -> None:
    text = text_table(["name", "nothing", "n"], [["a", "", "10"], ["long name", "", "9"]], right=[2])
    assert text.splitlines() == ["name        n", "---------  --", "a          10", "long name   9"]


def test_failures_skips_and_where_to_go_are_told(tmp_path: Path) -> None:
    model = AsyncEcho()
    model.on_request = lambda request: (
        Response.failed("timeout", "no answer in 5 s")
        if request.messages[0].text.startswith("say 3")
        else None
    )
    result = fac_eval.run(model, ToyTask(ToyOptions(n=9)), store=str(tmp_path), progress=False)
    text = str(result)
    assert "async-echo on toy: 1 failed: timeout" in text
    assert f"run {result.id}, stored in {tmp_path}" in text
    assert "retries the sample that failed" in text
    assert repr(result).startswith(f"<RunResult {result.id}")


def test_a_task_without_figures_still_has_a_row(tmp_path: Path) -> None:
    result = fac_eval.run(Echo(fits=0), ToyTask(ToyOptions(n=2)), store=str(tmp_path), progress=False)
    assert "toy" in str(result)
    assert "2 failed: out_of_memory" in str(result)


def test_scores_and_samples_as_data_frames(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    result = fac_eval.run(Echo(), ToyTask(ToyOptions(n=4)), store=str(tmp_path), progress=False)
    assert list(result.scores["metric"]) == ["accuracy", "length"]
    assert result.scores.loc[0, "value"] == 100.0
    assert list(result.samples["sample_id"]) == ["s0", "s1", "s2", "s3"]
