"""How quickly answers came: sums where ratios are pooled, and nothing where nothing was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fac_eval
from fac_eval import Audio, Request, Response, RunResult
from fac_eval.engine.efficiency import MEASURES
from fac_eval.vocabulary import Timings, Usage
from tests.support.toys import Echo, ToyOptions, ToyTask


class Timed(Echo):
    """Sample i takes i + 1 seconds for half a second of sound and ten tokens; odd ones say nothing of memory."""

    def _answer(self, request: Request) -> Response:
        i = int(super()._answer(request).text or 0)
        tone = np.sin(np.arange(8000) * (0.01 + 0.001 * i)).astype(np.float32) / 2
        return Response(
            text=str(i),
            speech=Audio.from_samples(tone, 16000) if request.output == "speech" else None,
            usage=Usage(output_tokens=10),
            timings=Timings(total=i + 1.0, first_token=0.1 * (i + 1), batch=1 + i % 4),
            details={} if i % 2 else {"peak_memory": 1000 * i},
        )


def rows_of(result: RunResult) -> dict[str, dict[str, Any]]:
    return {row["measure"]: row for row in result.efficiency()}


def run(model: Echo, store: Path, **options: Any) -> RunResult:
    return fac_eval.run(model, ToyTask(ToyOptions(**options)), store=str(store), progress=False)


def test_the_measures_of_spoken_answers(tmp_path: Path) -> None:
    rows = rows_of(run(Timed(speech=True), tmp_path, n=24, speech=True))
    assert list(rows) == list(MEASURES)
    first = rows["first_token"]
    assert (first["n"], first["mean"], first["max"]) == (24, pytest.approx(1.25), pytest.approx(2.4))
    assert first["p50"] == pytest.approx(1.25)
    assert first["p99"] == pytest.approx(2.377)
    assert first["batch"] == 4
    assert rows["generation_rtf"]["pooled"] == pytest.approx(300 / 12)
    assert rows["generation_rtf"]["mean"] == pytest.approx(25.0)
    assert rows["tokens_per_second"]["pooled"] == pytest.approx(240 / 300)
    assert rows["tokens_per_second"]["max"] == pytest.approx(10.0)
    assert rows["audio_seconds_per_second"]["pooled"] == pytest.approx(12 / 300)
    assert (rows["peak_memory"]["n"], rows["peak_memory"]["max"]) == (12, 22_000)
    assert rows["peak_memory"]["pooled"] is None


def test_what_was_not_recorded_is_none(tmp_path: Path) -> None:
    rows = rows_of(run(Timed(), tmp_path, n=3))
    assert (rows["first_audio"]["n"], rows["first_audio"]["p50"]) == (0, None)
    assert (rows["generation_rtf"]["n"], rows["generation_rtf"]["pooled"]) == (0, None)
    assert rows["total"]["p99"] is None  # too few to say
    silent = rows_of(run(Echo(), tmp_path / "other", n=3))
    assert all(row["n"] == 0 for row in silent.values())


def test_many_answers_are_read_in_parts(tmp_path: Path) -> None:
    rows = rows_of(run(Timed(batch_size=64), tmp_path, n=1100))
    assert rows["total"]["n"] == 1100
    assert rows["total"]["p50"] == pytest.approx(550.5)
