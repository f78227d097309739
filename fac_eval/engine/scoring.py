"""The last stage of a sample: its score, and its row in the store."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor

from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.engine.progress import Progress
from fac_eval.engine.speech_metrics import PREFIX, speech_parts
from fac_eval.errors import UnreadableReply
from fac_eval.scores import VALUE
from fac_eval.store import ItemRow, Writer
from fac_eval.vocabulary import Failure

_ASK_AGAIN = "the stored reply is read again by the same command; --judge-refresh asks the judge again"

Rows = dict[int, tuple[list[ItemRow], list[tuple[bytes, bytes]]]]


class ScoreStage:
    """Scores chunks in a pool of threads and hands the rows to the writer."""

    def __init__(
        self, executor: ThreadPoolExecutor, workers: int, writer: Writer, progress: Progress
    ) -> None:
        self._executor = executor
        self._workers = workers
        self._writer = writer
        self._progress = progress

    async def run(self, source: Belt) -> None:
        """Score everything that comes along the belt."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._worker(source))

    async def _worker(self, source: Belt) -> None:
        loop = asyncio.get_running_loop()
        async for chunk in source.chunks():
            by_cell = await loop.run_in_executor(self._executor, score_chunk, chunk)
            for cell, (rows, samples) in by_cell.items():
                await self._writer.items(cell, rows, samples)
            self._progress.advance("score", len(chunk), failed=sum(i.outcome == "failed" for i in chunk))


def score_chunk(chunk: Chunk) -> Rows:
    """Score each open item and return the rows to be stored, by cell."""
    by_cell: Rows = {}
    for item in chunk:
        if item.open:
            score_item(item)
        rows, samples = by_cell.setdefault(item.cell.id, ([], []))
        rows.append(item.row())
        if item.sample_key:
            samples.append((item.sample_key, item.sample_body))
    return by_cell


def score_item(item: Item) -> None:
    """Score one answered item; a scorer that raises, or gives no number, is a counted failure."""
    assert item.response is not None
    planned = item.cell.planned
    try:
        score = planned.task.score(item.sample, item.response, item.evidence)
        beside = speech_parts(planned.speech_metrics, item.response, item.evidence, planned.task.language)
    except UnreadableReply as error:
        item.fail_with(Failure("judge_error", f"{error} ({_ASK_AGAIN})", error.reply))
        return
    except Exception as error:  # noqa: BLE001 - a scorer may fail in any way on what a model wrote; never a silent 0
        item.fail("score_error", describe_error(error))
        return
    if not math.isfinite(score.value):
        item.fail("score_error", f"the scorer gave {score.value}, which is no score")
        return
    for part in score.parts:
        if part == VALUE or part.startswith(PREFIX):
            item.fail("score_error", f"the scorer named a part {part!r}, which is a name of the engine's own")
            return
    item.outcome = "scored"
    item.score = dataclasses.replace(score, parts={**score.parts, **beside}) if beside else score
