"""The stages together: every sample ends in one outcome, whatever the batch, the order or the workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Audio, Request, Response, Sample, SampleModel, Score, Task
from fac_eval.engine.result import RunResult
from fac_eval.errors import BudgetReached, DataError, FacEvalError, ModelUnavailable, UsageError
from fac_eval.store import Store
from fac_eval.vocabulary import Evidence, user
from tests.support.toys import AsyncEcho, Echo, ToyOptions, ToyTask


def toy(**options: Any) -> ToyTask:
    return ToyTask(ToyOptions(**options))


def run(model: Any, *tasks: Any, store: Path, **options: Any) -> RunResult:
    return fac_eval.run(model, list(tasks) or [toy()], store=str(store), progress=False, **options)


def outcomes(result: RunResult, cell: int = 0) -> dict[str, tuple[str, str | None]]:
    with Store.reader(result.store) as store:
        return {row.sample_id: (row.outcome, row.reason) for row in store.items(result.cells[cell].id)}


def scores(result: RunResult) -> list[dict[str, Any]]:
    with Store.reader(result.store) as store:
        return [dict(row) for cell in result.cells for row in store.scores(cell.id)]


def test_every_sample_is_scored_and_the_figures_carry_intervals(tmp_path: Path) -> None:
    result = run(Echo(), toy(n=30), store=tmp_path)
    accuracy = result.cells[0].figures[0]
    assert (accuracy.value, accuracy.n, accuracy.main) == (100.0, 30, True)
    assert accuracy.low is not None
    assert 80 < accuracy.low < 100
    assert result.finished
    assert result.counts.scored == 30


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("workers", [1, 8])
def test_scores_do_not_depend_on_batch_size_or_workers(batch: int, workers: int, tmp_path: Path) -> None:
    model = Echo()
    result = run(model, toy(n=50), store=tmp_path, batch_size=batch, workers=workers)
    assert max(len(asked) for asked in model.batches) <= batch
    reference_model = Echo()
    reference = run(reference_model, toy(n=50), store=tmp_path / "reference")
    assert scores(result) == scores(reference)
    assert model.seeds == reference_model.seeds
    assert result.id == reference.id


@pytest.mark.parametrize("workers", [1, 8])
def test_a_remote_model_has_as_many_requests_in_flight_as_workers(workers: int, tmp_path: Path) -> None:
    model = AsyncEcho()
    result = run(model, toy(n=50), store=tmp_path, workers=workers)
    assert model.most == workers
    assert result.counts.scored == 50
    assert model.closed == 1


def test_a_sample_seed_depends_on_the_run_seed_and_the_id_alone(tmp_path: Path) -> None:
    first, second, other = Echo(), Echo(), Echo()
    run(first, toy(n=5), store=tmp_path / "a", seed=3)
    run(second, toy(n=9), store=tmp_path / "b", seed=3)
    run(other, toy(n=5), store=tmp_path / "c", seed=4)
    assert first.seeds == {text: second.seeds[text] for text in first.seeds}
    assert len(set(first.seeds.values())) == 5
    assert set(first.seeds.values()).isdisjoint(other.seeds.values())


def test_a_finished_run_asks_nothing_and_does_not_load_the_model(tmp_path: Path) -> None:
    first = run(Echo(), store=tmp_path)
    again = Echo()
    second = run(again, store=tmp_path)
    assert (again.batches, again.loads) == ([], 0)
    assert second.id == first.id
    assert [session.outcome for session in second.sessions] == ["finished", "finished"]
    assert list(second.rows()) == list(first.rows())


def test_a_longer_run_asks_only_what_is_new(tmp_path: Path) -> None:
    run(Echo(), toy(n=20), store=tmp_path, limit=5)
    model = Echo()
    run(model, toy(n=20), store=tmp_path, limit=8)
    assert sorted(model.asked, key=int) == ["5", "6", "7"]


def test_two_variants_of_a_task_share_one_generation(tmp_path: Path) -> None:
    model = Echo()
    result = run(model, toy(mode="plain"), toy(mode="strict"), store=tmp_path)
    assert sorted(model.asked, key=int) == [str(i) for i in range(20)]
    assert [cell.variant for cell in result.cells] == ["mode=plain", "mode=strict"]
    assert result.cells[0].protocol_id != result.cells[1].protocol_id


def test_a_stand_in_model_is_asked_again_where_its_place_or_the_options_differ(tmp_path: Path) -> None:
    class ByPlace(SampleModel):
        name = "by-place"
        fingerprint = "by-place/1"

        def respond(
            self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
        ) -> list[Response]:
            return [Response(text=str(position)) for position in positions]

    class Backwards(ToyTask):
        def samples(self, data: object) -> Iterator[Sample]:
            yield from reversed(list(super().samples(data)))

        def data_fingerprint(self, data: object) -> str:
            return "backwards"

    assert run(ByPlace(), toy(n=6), store=tmp_path).cells[0].figures[0].value == 100.0
    assert run(ByPlace(), Backwards(ToyOptions(n=6)), store=tmp_path).cells[0].figures[0].value == 0.0


def test_out_of_memory_halves_the_batch_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Echo(fits=3, batch_size=16)
    result = run(model, toy(n=40), store=tmp_path)
    assert result.counts.scored == 40
    assert max(map(len, model.batches)) <= 3
    assert capsys.readouterr().err.count("out of memory") <= 4


def test_a_sample_that_fits_no_batch_fails_alone(tmp_path: Path) -> None:
    result = run(Echo(fits=0), toy(n=3), store=tmp_path)
    assert result.counts.failed == {"out_of_memory": 3}
    assert result.cells[0].figures == ()


def test_one_poisoned_request_fails_alone_and_is_retried(tmp_path: Path) -> None:
    def poison(request: Request) -> None:
        if " 7 " in request.messages[0].text:
            raise ValueError("cannot pronounce 7 with key sk-abcdefghijklmnop")

    model = Echo()
    model.on_request = poison
    result = run(model, toy(n=20), store=tmp_path)
    assert result.counts.failed == {"model_error": 1}
    assert result.counts.scored == 19
    assert outcomes(result)["s7"] == ("failed", "model_error")
    with Store.reader(tmp_path) as store:
        (row,) = [row for row in store.items(result.cells[0].id) if row.outcome == "failed"]
    assert row.detail is not None
    assert "cannot pronounce 7" in row.detail
    assert "sk-abc" not in row.detail

    mended = Echo()
    again = run(mended, toy(n=20), store=tmp_path)
    assert mended.asked == ["7"]
    assert again.counts.scored == 20
    assert again.cells[0].figures[0].value == 100.0


def test_a_model_that_miscounts_is_told_so(tmp_path: Path) -> None:
    class Short(Echo):
        def generate(self, requests: Sequence[Request]) -> list[Response]:
            return super().generate(requests)[:-1]

    with pytest.raises(FacEvalError, match="7 answers to a batch of 8"):
        run(Short(), store=tmp_path)


def test_a_scorer_that_raises_is_a_counted_failure(tmp_path: Path) -> None:
    class Odd(ToyTask):
        def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
            if sample.id == "s3":
                raise KeyError("three")
            return Score(float("nan") if sample.id == "s4" else 1.0)

    result = run(Echo(), Odd(), store=tmp_path)
    assert result.counts.failed == {"score_error": 2}
    assert result.counts.scored == 18


def test_duplicate_ids_are_refused_by_name(tmp_path: Path) -> None:
    class Twice(ToyTask):
        def samples(self, data: object) -> Iterator[Sample]:
            yield from super().samples(data)
            yield Sample(id="s3", messages=(user("say 3"),))

    with pytest.raises(DataError, match=r"'s3' occurs twice \(again at position 20\)"):
        run(Echo(), Twice(), store=tmp_path)


def test_skipped_samples_carry_their_reason_and_leave_the_figures(tmp_path: Path) -> None:
    class Skips(ToyTask):
        def skip(self, sample: Sample) -> str | None:
            return "odd one out" if sample.id == "s5" else None

    model = Echo()
    result = run(model, Skips(), store=tmp_path)
    assert result.counts.skipped == {"odd one out": 1}
    assert "5" not in model.asked
    assert result.cells[0].figures[0].n == 19


def test_corrupt_audio_fails_its_sample_only(tmp_path: Path) -> None:
    class Heard(ToyTask):
        def samples(self, data: object) -> Iterator[Sample]:
            yield from super().samples(data)
            broken = Audio.from_bytes(b"RIFF not a wave at all", name="broken.wav")
            yield Sample(id="broken", messages=(user("say 99", broken),))
            yield Sample(id="nothing", messages=(user("say 98", Audio.from_bytes(b"", name="empty.wav")),))

    result = run(Echo(), Heard(), store=tmp_path)
    assert result.counts.failed == {"bad_input": 2}
    assert result.counts.scored == 20
    with Store.reader(tmp_path) as store:
        details = [row.detail or "" for row in store.items(result.cells[0].id) if row.outcome == "failed"]
    assert "broken.wav" in details[0]
    assert "empty.wav" in details[1]


def test_a_dead_endpoint_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    model = AsyncEcho(concurrency=1)

    def die(request: Request) -> Response | None:
        if len(model.asked) > 10:
            raise ModelUnavailable("the endpoint is down", remedy="Start it.")
        return None

    model.on_request = die
    with pytest.raises(ModelUnavailable, match="10 samples are done and kept"):
        run(model, toy(n=20), store=tmp_path)
    healthy = AsyncEcho()
    result = run(healthy, toy(n=20), store=tmp_path)
    assert len(healthy.asked) == 10
    assert result.counts.scored == 20
    assert [session.outcome for session in result.sessions] == ["failed", "finished"]


def test_a_spent_budget_stops_the_run_but_not_what_is_in_flight(tmp_path: Path) -> None:
    model = AsyncEcho(concurrency=4)

    def charge(request: Request) -> Response | None:
        if len(model.asked) > 9:
            raise BudgetReached("the next call could exceed 1 USD")
        return None

    model.on_request = charge
    with pytest.raises(BudgetReached):
        run(model, toy(n=20), store=tmp_path)
    with Store.reader(tmp_path) as store:
        (cell,) = store.cells(store.run("latest").id)
    assert cell.counts.n_failed == 0
    assert 1 <= cell.counts.scored <= 9


def test_spoken_answers_are_kept_by_content(tmp_path: Path) -> None:
    result = run(Echo(speech=True), toy(n=3, speech=True), store=tmp_path)
    files = sorted((tmp_path / "audio").rglob("*.flac"))
    assert len(files) == 3
    for file in files:
        assert Audio.from_file(file).key == file.stem
    assert result.counts.scored == 3


def test_a_model_without_speech_is_refused_for_a_spoken_task(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="asks for speech"):
        run(Echo(), toy(speech=True), store=tmp_path)


def test_a_notebook_that_runs_a_loop_can_call_it(tmp_path: Path) -> None:
    import asyncio

    async def cell() -> RunResult:
        return run(Echo(), store=tmp_path)

    assert asyncio.run(cell()).finished
