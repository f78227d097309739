"""The judge stage for judges that take questions in batches: hand over, wait, collect; a killed run waits on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fac_eval.codec import from_json, sample_from
from fac_eval.engine.flow import Belt
from fac_eval.engine.items import describe_error
from fac_eval.engine.judging import Case, JudgeStage
from fac_eval.errors import BatchFailed, FacEvalError
from fac_eval.interfaces import BatchJudge, Judge
from fac_eval.vocabulary import Failure, Question, Verdict


class BatchJudgeStage(JudgeStage):
    """Collects questions until a batch is full or no more come; several batches may be under way.

    A batch and its questions' keys are in the store before anything is waited for, so that a killed run asks for
    the replies and does not pay for them again.
    """

    def __init__(self, judge: Judge, workers: int | None, since: float, *shared: Any) -> None:
        super().__init__(judge, workers, since, *shared)
        assert isinstance(judge, BatchJudge)
        self._batches: BatchJudge = judge
        self._queue: list[tuple[bytes, Question]] = []
        self._handed_over: dict[bytes, str] = {}
        self._unasked: dict[str, list[bytes]] = {}

    async def _start(self, group: asyncio.TaskGroup, sink: Belt) -> None:
        """Recall the batches that earlier sessions handed over."""
        judge = self._judge.fingerprint
        for batch, keys in (await asyncio.to_thread(self._store.batches, judge)).items():
            if len(await self._known(keys, since=self._since)) == len(set(keys)):
                await self._writer.batch_done(judge, batch)  # killed between keeping the replies and this
                continue
            self._unasked[batch] = keys
            self._handed_over.update(dict.fromkeys(keys, batch))

    def _hold(self, case: Case) -> None:
        # Hours may pass: keep no sound in memory meanwhile. A score is made without it, as in a rescored run.
        case.item.request = None
        case.item.sample = sample_from(from_json(case.item.sample_body))

    async def _ask(self, key: bytes, question: Question, group: asyncio.TaskGroup, sink: Belt) -> None:
        batch = self._handed_over.get(key)
        if batch is None:
            self._queue.append((key, question))
            while len(self._queue) >= self._batches.max_questions:
                await self._hand_over(group, sink)
        elif batch in self._unasked:
            group.create_task(self._collect(batch, self._unasked.pop(batch), sink))

    async def _end(self, group: asyncio.TaskGroup, sink: Belt) -> None:
        while self._queue:
            await self._hand_over(group, sink)

    async def _hand_over(self, group: asyncio.TaskGroup, sink: Belt) -> None:
        """Submit the questions that have waited longest, and see to it that their replies are collected."""
        size = self._batches.max_questions
        questions, self._queue = self._queue[:size], self._queue[size:]
        if self._stop.requested:
            return
        keys = [key for key, _ in questions]
        try:
            batch = await self._batches.submit([(key.hex(), question) for key, question in questions])
        except FacEvalError as error:  # the budget is spent, or no batch can succeed
            self._stop.request(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a judge throws, only the questions at hand fail
            told = str(error) if isinstance(error, BatchFailed) else describe_error(error)
            await self._fail(keys, f"the batch was not taken: {told}", sink)
            return
        # At once and in this thread: nothing may come between the batch's existence and its being known.
        self._store.save_batch(self._judge.fingerprint, batch, keys)
        self._progress.say(f"{self._judge.name} has {len(questions):,} questions in batch {batch}")
        group.create_task(self._collect(batch, keys, sink))

    async def _collect(self, batch: str, keys: Sequence[bytes], sink: Belt) -> None:
        """Wait until a batch is done and keep its replies."""
        while not self._stop.requested:
            try:
                verdicts = await self._batches.collect(batch)
            except BatchFailed as error:
                await self._fail(keys, f"the batch {batch} failed: {error}", sink)
                break
            except FacEvalError as error:
                self._stop.request(error)
                return
            except Exception as error:  # noqa: BLE001 - the batch may well be paid for: it must not be given up
                self._stop.request(_unreachable(self._judge, batch, error))
                return
            if verdicts is not None:
                lost = Verdict(
                    error=Failure("judge_error", f"the batch {batch} came back without this reply")
                )
                await self._arrived({key: verdicts.get(key.hex(), lost) for key in keys}, sink)
                break
            await self._stop.wait(self._batches.poll_seconds)
        else:
            return
        await self._writer.batch_done(self._judge.fingerprint, batch)

    async def _fail(self, keys: Sequence[bytes], message: str, sink: Belt) -> None:
        failed = Verdict(error=Failure("judge_error", message))
        await self._arrived(dict.fromkeys(keys, failed), sink)


def _unreachable(judge: Judge, batch: str, error: Exception) -> FacEvalError:
    return FacEvalError(
        f"{judge.name} cannot be asked about its batch {batch}: {describe_error(error)}",
        remedy="The batch is not lost: the same command asks for it again.",
    )
