"""The stages between generation and scoring: transcripts, speech quality, verdicts; each kept by content."""

from __future__ import annotations

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fac_eval.audio import Audio
from fac_eval.codec import content_key, encode, from_json, plain, verdict_from
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.engine.progress import Progress
from fac_eval.engine.stop import Stop
from fac_eval.errors import FacEvalError
from fac_eval.interfaces import Judge, QualityMeter, Transcriber
from fac_eval.store import Store, Writer
from fac_eval.task import Need
from fac_eval.vocabulary import Failure, FailureKind, Question, Verdict

Found = Mapping[bytes, Any]
"""Results by key: plain data, or the `Failure` that stands in its place."""


class EvidenceStage(ABC):
    """Finds something out about responses, once for equal inputs, and keeps it in the store."""

    need: Need
    stage: str

    def __init__(self, store: Store, writer: Writer, progress: Progress, stop: Stop) -> None:
        self._store = store
        self._writer = writer
        self._progress = progress
        self._stop = stop

    @abstractmethod
    def inputs(self, item: Item) -> list[tuple[bytes, Any]]:
        """What has to be found out about an item: content keys and what they stand for."""

    @abstractmethod
    def attach(self, item: Item, results: Sequence[Any]) -> None:
        """Put the results (in the order of `inputs`) into the item's evidence."""

    @abstractmethod
    async def compute(self, wanted: Sequence[tuple[bytes, Any]], keep: Keep) -> None:
        """Find out what is not known, handing each result to `keep` as soon as it is there."""

    async def run(self, source: Belt, sink: Belt) -> None:
        """Work on everything that comes along the belt."""
        async for chunk in source.chunks():
            concerned = [item for item in chunk if self._concerns(item)]
            await sink.put(item for item in chunk if not self._concerns(item))
            done = await self._resolve(concerned)
            self._progress.advance(self.stage, len(done), failed=sum(not item.open for item in done))
            await sink.put(done)
        await sink.end()

    def _concerns(self, item: Item) -> bool:
        return item.open and item.response is not None and self.need in item.cell.planned.task.needs

    async def _resolve(self, items: Chunk) -> Chunk:
        asked: list[tuple[Item, list[tuple[bytes, Any]]]] = []
        for item in items:
            try:
                asked.append((item, self.inputs(item)))
            except Exception as error:  # noqa: BLE001 - a task that cannot form its question fails this sample, not the run
                item.fail("score_error", f"the {self.need} input cannot be made: {describe_error(error)}")
        units = {key: unit for _, inputs in asked for key, unit in inputs}
        found: dict[bytes, Any] = await asyncio.to_thread(self._known, list(units))
        missing = [(key, unit) for key, unit in units.items() if key not in found]

        async def keep(key: bytes, result: Any) -> None:
            found[key] = result
            if not isinstance(result, Failure):
                await self._writer.work(self.stage, [(key, encode(result))])

        if missing and not self._stop.requested:
            await self.compute(missing, keep)
        done = [item for item in items if not item.open]
        for item, inputs in asked:
            if any(key not in found for key, _ in inputs):
                continue  # stopped before it was asked: the next run goes on here
            failures = [found[key] for key, _ in inputs if isinstance(found[key], Failure)]
            if failures:
                item.fail_with(failures[0])
            else:
                self.attach(item, [found[key] for key, _ in inputs])
            done.append(item)
        return done

    def _known(self, keys: list[bytes]) -> dict[bytes, Any]:
        held = self._store.works(keys)
        for key in keys:
            if key not in held and (body := self._writer.pending(key)) is not None:
                held[key] = body
        return {key: from_json(body) for key, body in held.items()}


Keep = Callable[[bytes, Any], Awaitable[None]]


class _SpeechStage(EvidenceStage):
    """What transcribing and measuring share: batches of clips in one thread."""

    kind: FailureKind

    def __init__(self, tool: Transcriber | QualityMeter, executor: ThreadPoolExecutor, *shared: Any) -> None:
        super().__init__(*shared)
        self._tool = tool
        self._executor = executor

    def inputs(self, item: Item) -> list[tuple[bytes, Audio]]:
        assert item.response is not None
        speech = item.response.speech
        if speech is None:
            return []
        return [(content_key(self.stage, self._tool.fingerprint, speech.key), speech)]

    @abstractmethod
    def work(self, clips: Sequence[Audio]) -> list[Any]:
        """The tool's results for a batch."""

    async def compute(self, wanted: Sequence[tuple[bytes, Audio]], keep: Keep) -> None:
        size = self._tool.batch_size
        by_length = sorted(wanted, key=lambda unit: -unit[1].seconds)
        for start in range(0, len(by_length), size):
            if self._stop.requested:
                return
            await self._batch(by_length[start : start + size], keep)

    async def _batch(self, batch: Sequence[tuple[bytes, Audio]], keep: Keep) -> None:
        clips = [clip for _, clip in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self.work, clips)
        except Exception as error:  # noqa: BLE001 - one bad clip must not fail its neighbours
            if isinstance(error, FacEvalError) and len(batch) == 1:
                await keep(batch[0][0], Failure(self.kind, error.message))
            elif len(batch) == 1:
                await keep(batch[0][0], Failure(self.kind, describe_error(error)))
            else:
                for unit in batch:
                    await self._batch([unit], keep)
            return
        for (key, _), result in zip(batch, results, strict=True):
            await keep(key, result)


class TranscribeStage(_SpeechStage):
    """Writes down what was said."""

    need: Need = "transcript"
    stage = "transcribe"
    kind: FailureKind = "transcribe_error"

    def work(self, clips: Sequence[Audio]) -> list[Any]:
        assert isinstance(self._tool, Transcriber)
        return list(self._tool.transcribe(clips))

    def attach(self, item: Item, results: Sequence[Any]) -> None:
        if results:
            item.evidence = dataclasses.replace(item.evidence, transcript=results[0])


class QualityStage(_SpeechStage):
    """Measures how it sounds."""

    need: Need = "quality"
    stage = "quality"
    kind: FailureKind = "quality_error"

    def work(self, clips: Sequence[Audio]) -> list[Any]:
        assert isinstance(self._tool, QualityMeter)
        return list(self._tool.measure(clips))

    def attach(self, item: Item, results: Sequence[Any]) -> None:
        if results:
            item.evidence = dataclasses.replace(item.evidence, quality=results[0])


class JudgeStage(EvidenceStage):
    """Puts questions to the judge, many at once."""

    need: Need = "judge"
    stage = "judge"

    def __init__(self, judge: Judge, workers: int | None, *shared: Any) -> None:
        super().__init__(*shared)
        self._judge = judge
        self._slots = asyncio.Semaphore(workers or judge.concurrency)

    def inputs(self, item: Item) -> list[tuple[bytes, Question]]:
        assert item.response is not None
        questions = item.cell.planned.task.questions(item.sample, item.response, item.evidence)
        return [
            (content_key(self.stage, self._judge.fingerprint, plain(question)), question)
            for question in questions
        ]

    def attach(self, item: Item, results: Sequence[Any]) -> None:
        verdicts = tuple(
            result if isinstance(result, Verdict) else verdict_from(result) for result in results
        )
        item.evidence = dataclasses.replace(item.evidence, verdicts=verdicts)

    async def compute(self, wanted: Sequence[tuple[bytes, Question]], keep: Keep) -> None:
        async with asyncio.TaskGroup() as group:
            for key, question in wanted:
                await self._slots.acquire()
                group.create_task(self._ask(key, question, keep))

    async def _ask(self, key: bytes, question: Question, keep: Keep) -> None:
        try:
            if self._stop.requested:
                return
            verdict = await self._judge.judge(question)
            await keep(key, verdict.error if verdict.error is not None else verdict)
        except FacEvalError as error:  # the budget is spent, or no question can succeed
            self._stop.request(error)
        except Exception as error:  # noqa: BLE001 - whatever a judge throws, only the question at fault fails
            await keep(key, Failure("judge_error", describe_error(error)))
        finally:
            self._slots.release()
