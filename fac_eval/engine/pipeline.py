"""Wires the stages of one model together and drives them to the end, or to a clean stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from fac_eval.engine.evidence import EvidenceStage
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.generate import LocalGenerator, RemoteGenerator
from fac_eval.engine.instruments import Loaded, QualityStage, SimilarityStage, TranscribeStage
from fac_eval.engine.items import Cell
from fac_eval.engine.judging import JudgeStage
from fac_eval.engine.judging_batches import BatchJudgeStage
from fac_eval.engine.plan import Plan, PlannedModel
from fac_eval.engine.progress import Progress
from fac_eval.engine.scoring import ScoreStage
from fac_eval.engine.source import Source
from fac_eval.engine.stop import Stop
from fac_eval.errors import FacEvalError
from fac_eval.interfaces import AsyncModel, SampleModel
from fac_eval.store import Store, Writer


class Pipeline:
    """Runs the open cells of one model through the stages."""

    def __init__(
        self,
        plan: Plan,
        model: PlannedModel,
        cells: Sequence[Cell],
        store: Store,
        loaded: Loaded,
        progress: Progress,
        stop: Stop,
    ) -> None:
        self._plan = plan
        self._model = model
        self._cells = [cell for cell in cells if not cell.settled]
        self._store = store
        self._loaded = loaded
        self._progress = progress
        self._stop = stop
        self._threads = ExitStack()

    async def run(self) -> None:
        """Bring every sample to an outcome. Raises what stopped the run, after all that is finished is kept."""
        if not self._cells:
            return
        self._progress.start(self._model.label, self._stages(), self._total())
        try:
            with self._threads:
                await self._drive()
        finally:
            self._progress.finish()
        if self._stop.cause is not None:
            raise self._stop.cause

    async def _drive(self) -> None:
        try:
            async with self._store.results_writer(self._plan.run_id) as writer, asyncio.TaskGroup() as group:
                belts = [Belt()]
                group.create_task(self._read(belts[0]))
                belts.append(Belt())
                group.create_task(self._generator(writer).run(belts[0], belts[1]))
                for stage in self._evidence(writer):
                    belts.append(Belt())
                    group.create_task(stage.run(belts[-2], belts[-1]))
                group.create_task(self._scorer(writer).run(belts[-1]))
        except* FacEvalError as errors:
            raise _first(errors) from None

    async def _read(self, sink: Belt) -> None:
        """Read samples in a thread of their own, a few chunks ahead of the model."""
        source = Source(self._plan, self._model.model, self._cells, self._store, lambda: self._stop.requested)
        chunks: Iterator[Chunk] = source.chunks()
        executor = self._pool("source", 1)
        loop = asyncio.get_running_loop()
        while not self._stop.requested:
            chunk = await loop.run_in_executor(executor, next, chunks, None)
            if chunk is None:
                break
            await sink.put(chunk)
        await sink.end()

    def _generator(self, writer: Writer) -> LocalGenerator | RemoteGenerator:
        model, config = self._model.model, self._plan.config
        if isinstance(model, AsyncModel):
            return RemoteGenerator(model, config.workers, self._store, writer, self._progress, self._stop)
        size = None if config.batch_size == "auto" else config.batch_size
        return LocalGenerator(
            model, size, self._pool("model", 1), self._store, writer, self._progress, self._stop
        )

    def _evidence(self, writer: Writer) -> Iterator[EvidenceStage]:
        tools, needs = self._plan.tools, self._needs()
        shared = (self._store, writer, self._progress, self._stop)
        if "transcript" in needs and tools.transcriber is not None:
            stand_in = isinstance(self._model.model, SampleModel)
            thread = (self._loaded, self._pool("transcribe", 1))
            yield TranscribeStage(tools.transcriber, stand_in, *thread, *shared)
        if "quality" in needs and tools.meter is not None:
            yield QualityStage(tools.meter, self._loaded, self._pool("quality", 1), *shared)
        if "similarity" in needs and tools.embedder is not None:
            yield SimilarityStage(tools.embedder, self._loaded, self._pool("similarity", 1), *shared)
        if "judge" in needs and tools.judge is not None:
            stage = BatchJudgeStage if self._plan.config.judge_mode == "batch" else JudgeStage
            since = self._store.run(self._plan.run_id).judged_since
            yield stage(tools.judge, self._plan.config.workers, since, *shared)

    def _scorer(self, writer: Writer) -> ScoreStage:
        # Scorers are Python, of which one thread runs at a time: more than one is only for those that leave it.
        workers = min(self._plan.config.workers or 1, os.cpu_count() or 1)
        return ScoreStage(self._pool("score", workers), workers, writer, self._progress)

    def _needs(self) -> set[str]:
        return {need for cell in self._cells for need in cell.planned.needs}

    def _stages(self) -> tuple[str, ...]:
        stages = {
            "transcript": TranscribeStage.stage,
            "quality": QualityStage.stage,
            "similarity": SimilarityStage.stage,
            "judge": JudgeStage.stage,
        }
        needs = self._needs()
        return ("generate", *(stage for need, stage in stages.items() if need in needs), "score")

    def _total(self) -> int | None:
        sizes = [cell.planned.size for cell in self._cells]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def _pool(self, name: str, threads: int) -> ThreadPoolExecutor:
        return self._threads.enter_context(ThreadPoolExecutor(threads, thread_name_prefix=name))


def _first(errors: BaseExceptionGroup[FacEvalError]) -> FacEvalError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, FacEvalError)
    return error


def drive(main: Callable[[], object]) -> object:
    """Run an event loop to the end, also from inside another one (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return main()
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(main).result()
