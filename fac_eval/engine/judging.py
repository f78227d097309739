"""The stage that puts questions to the judge: many at once, each paid for once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fac_eval.codec import content_key, encode, plain, verdict_from
from fac_eval.engine.evidence import Asked, EvidenceStage
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.errors import AudioError, DataError, FacEvalError, UsageError
from fac_eval.interfaces import Judge
from fac_eval.task import Need
from fac_eval.vocabulary import Failure, Question, Verdict

STAGE = "judge"


def verdict_key(identity: Mapping[str, Any], question: Question) -> bytes:
    """The key of a verdict: the judge, how it asks by the question's rubric, and the question."""
    return content_key(STAGE, identity, plain(question))


@dataclass(slots=True, eq=False)
class Case:
    """An item with its questions, until all of them have a verdict."""

    item: Item
    keys: list[bytes]
    rubrics: list[str]
    found: dict[bytes, Any] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)


class JudgeStage(EvidenceStage):
    """Asks as soon as a response is there, as many questions at once as the judge takes.

    An item goes on when its own verdicts are there, whatever its neighbours still wait for.
    """

    need: Need = "judge"
    stage = STAGE

    def __init__(self, judge: Judge, workers: int | None, since: float, *shared: Any) -> None:
        super().__init__(*shared)
        self._judge = judge
        self._since = since
        self._slots = asyncio.Semaphore(workers or judge.concurrency)
        self._waiting: dict[bytes, list[Case]] = {}
        self._found: dict[bytes, Any] = {}
        self._cost = 0.0

    def inputs(self, item: Item) -> Asked:
        """The questions about an item."""
        assert item.response is not None
        planned = item.cell.planned
        asked = []
        for question in planned.task.questions(item.sample, item.response, item.evidence):
            identity = planned.protocol["judge"].get(question.rubric)
            if identity is None:
                raise UsageError(f"the task asks by {question.rubric!r}, which its `rubrics` do not name")
            asked.append((verdict_key(identity, question), question))
        return asked

    def attach(self, item: Item, results: Sequence[Verdict]) -> None:
        """Put the verdicts where the task finds them."""
        item.evidence = dataclasses.replace(item.evidence, verdicts=tuple(results))

    async def run(self, source: Belt, sink: Belt) -> None:
        """Work on everything that comes along the belt."""
        async with asyncio.TaskGroup() as group:
            await self._start(group, sink)
            async for chunk in source.chunks():
                await sink.put(item for item in chunk if not self._concerns(item))
                await self._take([item for item in chunk if self._concerns(item)], group, sink)
            await self._end(group, sink)
        await sink.end()

    async def _start(self, group: asyncio.TaskGroup, sink: Belt) -> None:
        """What has to happen before the first item."""

    async def _end(self, group: asyncio.TaskGroup, sink: Belt) -> None:
        """What has to happen after the last item, before the group is waited for."""

    async def _take(self, chunk: Chunk, group: asyncio.TaskGroup, sink: Belt) -> None:
        asked = self._asked(chunk)
        self._found = await self._known([key for _, inputs in asked for key, _ in inputs], since=self._since)
        done = [item for item in chunk if not item.open]
        fresh: Asked = []
        for item, inputs in asked:
            case = Case(item, [key for key, _ in inputs], [question.rubric for _, question in inputs])
            for key, question in inputs:
                if key in self._found:
                    case.found[key] = self._found[key]
                elif key not in case.missing:
                    case.missing.add(key)
                    if key not in self._waiting:
                        self._waiting[key] = []
                        fresh.append((key, question))
                    self._waiting[key].append(case)
            if case.missing:
                self._hold(case)
            else:
                done.append(self._closed(case))
        await self._pass_on(done, sink)
        for key, question in fresh:
            await self._ask(key, question, group, sink)

    def _hold(self, case: Case) -> None:
        """A case has to wait for verdicts."""

    async def _ask(self, key: bytes, question: Question, group: asyncio.TaskGroup, sink: Belt) -> None:
        """See to it that a question is asked, unless the run is being stopped: the next one goes on here."""
        await self._slots.acquire()
        if self._stop.requested:
            self._slots.release()
        else:
            group.create_task(self._decide(key, question, sink))

    async def _decide(self, key: bytes, question: Question, sink: Belt) -> None:
        try:
            verdict = await self._verdict(question)
            if verdict is not None:
                await self._arrived({key: verdict}, sink)
        finally:
            self._slots.release()

    async def _verdict(self, question: Question) -> Verdict | None:
        try:
            return await self._judge.judge(question)
        except (AudioError, DataError) as error:
            return Verdict(error=Failure("judge_error", error.message))
        except FacEvalError as error:  # the budget is spent, or no question can succeed
            self._stop.request(error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a judge throws, only the question at fault fails
            return Verdict(error=Failure("judge_error", describe_error(error)))

    async def _arrived(self, verdicts: Mapping[bytes, Verdict], sink: Belt) -> None:
        """Keep verdicts, and pass on the items that waited for nothing else."""
        cost = sum(verdict.usage.cost or 0.0 for verdict in verdicts.values())
        rows = [(key, encode(verdict)) for key, verdict in verdicts.items() if verdict.error is None]
        await self._writer.work(self.stage, rows, cost)
        done = []
        for key, verdict in verdicts.items():
            result = verdict if verdict.error is None else _judge_error(verdict.error)
            self._found[key] = result
            for case in self._waiting.pop(key, ()):
                case.found[key] = result
                case.missing.discard(key)
                if not case.missing:
                    done.append(self._closed(case))
        self._cost += cost
        if done:
            cost, self._cost = self._cost, 0.0
            await self._pass_on(done, sink, cost=cost)

    def _closed(self, case: Case) -> Item:
        """The item of a case that has all its verdicts, with the verdicts in place."""
        identities = case.item.cell.planned.protocol["judge"]
        found: dict[bytes, Verdict | Failure] = {}
        for key, rubric in zip(case.keys, case.rubrics, strict=True):
            result = case.found[key]
            if isinstance(result, Failure):
                found[key] = result
                continue
            verdict = result if isinstance(result, Verdict) else verdict_from(result)
            prompt = verdict.prompt or str(identities[rubric].get("prompt", ""))
            found[key] = dataclasses.replace(verdict, rubric=rubric, prompt=prompt, key=key.hex())
        self._settle(case.item, case.keys, found)
        return case.item


def _judge_error(failure: Failure) -> Failure:
    """A failure of the judge under one name, so that it is not taken for one of the model."""
    if failure.kind == "judge_error":
        return failure
    return Failure("judge_error", f"{failure.kind}: {failure.message}", failure.raw)
