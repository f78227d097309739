"""From scores to figures: a task's own, and the totals over a benchmark's tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fac_eval.codec import sample_from
from fac_eval.config import SpeechMetric
from fac_eval.engine.speech_metrics import speech_figures
from fac_eval.resolve import benchmarks, short_name
from fac_eval.scores import ScoreTable
from fac_eval.store import CellRow, Store
from fac_eval.task import Benchmark, Task
from fac_eval.vocabulary import Figure, Total


def cell_figures(
    store: Store, cell: int, task: Task, speech_metrics: Sequence[SpeechMetric] = ()
) -> list[Figure]:
    """A task's figures over the samples of a cell, then the speech metrics that are not among them by name.

    Where nothing was scored, only failures that count can make a main figure; there are no figures without it.
    """
    failed = store.counts(cell).failed
    forgone = (task.forgone(sample_from(body)) for body in store.failed_samples(cell)) if failed else ()
    table = ScoreTable(store.scores(cell), failed=failed, forgone=[parts for parts in forgone if parts])
    if not table.n and not table.n_forgone:
        return []
    figures = task.figures(table)
    if not table.n:
        valued = [figure for figure in figures if figure.value is not None]
        return valued if any(figure.main for figure in valued) else []
    own = {figure.name for figure in figures}
    return [*figures, *(one for one in speech_figures(speech_metrics, table) if one.name not in own)]


def totals(cells: Sequence[CellRow]) -> list[Total]:
    """The totals of every benchmark of which a model ran more than one task."""
    found: list[Total] = []
    for benchmark in benchmarks():
        names = {task.name: short_name(task, benchmark) for task in benchmark.tasks}
        for model in dict.fromkeys(cell.model for cell in cells):
            ran = [cell for cell in cells if cell.model == model and cell.task in names]
            if len({cell.task for cell in ran}) > 1:
                found.extend(_benchmark_totals(benchmark, model, ran, names))
    return found


def _benchmark_totals(
    benchmark: Benchmark, model: str, cells: Sequence[CellRow], names: dict[str, str]
) -> Iterable[Total]:
    by_task: dict[str, list[CellRow]] = {}
    for cell in cells:
        by_task.setdefault(cell.task, []).append(cell)
    repeated = [task for task, ran in by_task.items() if len(ran) > 1]
    for overall in benchmark.overall:
        if repeated:
            reason = f"{repeated[0]} ran under several variants"
            yield Total(model, benchmark.name, None, f"no {overall.name}: {reason}")
            continue
        figures = {
            names[cell.task]: figure
            for cell in cells
            for figure in cell.figures
            if cell.done and (figure.main if overall.of is None else figure.name == overall.of)
        }
        outcome = overall.compute(figures)
        if isinstance(outcome, Figure):
            yield Total(model, benchmark.name, outcome)
        else:
            yield Total(model, benchmark.name, None, f"no {overall.name}: {outcome}")
