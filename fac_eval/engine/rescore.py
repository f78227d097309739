"""Scoring stored answers again under other options, without data set or model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fac_eval.codec import (
    digest,
    evidence_from,
    from_json,
    plain,
    response_from,
    sample_from,
    to_json,
)
from fac_eval.engine.aggregate import cell_figures, totals
from fac_eval.engine.environment import environment
from fac_eval.engine.items import Cell, Item
from fac_eval.engine.plan import RUN_ID_LENGTH, PlannedTask, protocol_id
from fac_eval.engine.result import RunResult
from fac_eval.engine.scoring import score_chunk
from fac_eval.errors import StoreError, UnknownName, UsageError
from fac_eval.resolve import rebuild_task
from fac_eval.store import CellRow, ItemRow, Store
from fac_eval.task import Task

CHUNK = 512


@dataclass(frozen=True, slots=True)
class _Pair:
    """A stored cell with its task as it was and as it is to be."""

    cell: CellRow
    before: Task
    after: Task

    @property
    def protocol(self) -> dict[str, Any]:
        """The cell's protocol with the task's part replaced; transcriber and judge stay as they were."""
        tools = {key: value for key, value in self.cell.protocol.items() if key not in self.before.protocol()}
        return {**plain(dict(self.after.protocol())), **tools}


def rescore_run(name: str, *, options: Mapping[str, Any], folder: str | Path) -> RunResult:
    """Score a run's stored answers with other options; the result is a run of its own beside the first."""
    Store.reader(folder).close()  # a store that is not there must not be made here
    with Store.writer(folder) as store:
        parent = store.run(name)
        pairs = _pairs(store.cells(parent.id), options)
        identity = [parent.id, [[pair.cell.task, protocol_id(pair.protocol)] for pair in pairs]]
        run_id = digest(b"rescore", to_json(identity)).hex()[:RUN_ID_LENGTH]
        changed = {**parent.config, "set": {**parent.config.get("set", {}), **options}}
        store.save_run(run_id, changed, parent.id)
        session = store.start_session(run_id, environment())
        outcome = "failed"
        try:
            for position, pair in enumerate(pairs):
                asyncio.run(_rescore_cell(store, run_id, position, pair))
            store.save_totals(run_id, [plain(total) for total in totals(store.cells(run_id))])
            outcome = "finished"
        finally:
            store.end_session(session, outcome)
        return RunResult.load(store, run_id)


def _pairs(cells: Sequence[CellRow], options: Mapping[str, Any]) -> list[_Pair]:
    used: set[str] = set()
    pairs = []
    for cell in cells:
        name, held = cell.task_spec["name"], cell.task_spec["options"]
        before = rebuild_task(name, held, {}, set())
        after = rebuild_task(name, held, options, used)
        missing = after.needs - before.needs
        if missing:
            raise UsageError(
                f"{cell.task} with these options needs a {min(missing)} stage, which the stored run did not have",
                remedy="Run it instead: the stored answers are used again, nothing is generated twice.",
            )
        pairs.append(_Pair(cell, before, after))
    unused = sorted(set(options) - used)
    if unused:
        known = [
            f"{pair.cell.task_spec['name']}.{option}"
            for pair in pairs
            for option in pair.cell.task_spec["options"]
        ]
        raise UnknownName("option", unused[0], known, where="the tasks of this run")
    return pairs


async def _rescore_cell(store: Store, run_id: str, position: int, pair: _Pair) -> None:
    cell, task = pair.cell, pair.after
    planned = PlannedTask(task, pair.protocol, protocol_id(pair.protocol), cell.data, cell.total, None)
    cell_id = store.save_cell(
        run_id,
        position,
        model=cell.model,
        model_info=cell.model_info,
        task=task.name,
        task_spec=task.spec,
        variant=task.variant,
        protocol_id=planned.protocol_id,
        protocol=planned.protocol,
        data=cell.data,
    )
    target = Cell(cell_id, planned, settled=False, resumed=False)
    total = 0
    async with store.results_writer() as writer:
        for rows in _chunks(store.items(cell.id)):
            items = [_item(store, target, row, pair) for row in rows]
            for rescored, samples in score_chunk(items).values():
                await writer.items(cell_id, rescored, samples)
            total += len(items)
    store.finish_cell(cell_id, total, cell_figures(store, cell_id, task))


def _item(store: Store, target: Cell, row: ItemRow, pair: _Pair) -> Item:
    body = None if row.sample is None else store.sample(row.sample)
    if body is None:
        raise StoreError(f"the stored sample {row.sample_id!r} of {pair.cell.task} is missing")
    sample = sample_from(body)
    item = Item(target, row.position, sample, row.sample or b"")
    item.evidence = evidence_from(row.evidence)
    reason = pair.after.skip(sample)
    if reason is not None:
        item.outcome, item.reason = "skipped", reason
    elif row.work is not None:
        _check_request(pair, sample)
        answer = store.works([row.work]).get(row.work)
        if answer is None:
            raise StoreError(f"the stored answer to {row.sample_id!r} of {pair.cell.task} is missing")
        item.key = row.work
        item.response = response_from(from_json(answer), store.audio.load)
        if row.outcome == "failed" and row.reason != "score_error":
            item.outcome, item.reason, item.detail = row.outcome, row.reason, row.detail
    elif row.outcome == "skipped":
        item.fail("missing_prediction", f"the stored run skipped this sample: {row.reason}")
    else:
        item.outcome, item.reason, item.detail = row.outcome, row.reason, row.detail
    return item


def _check_request(pair: _Pair, sample: Any) -> None:
    if pair.before.options == pair.after.options:
        return
    if plain(pair.before.request(sample)) != plain(pair.after.request(sample)):
        raise UsageError(
            f"these options change what {pair.cell.task} asks the model, so its stored answers do not fit",
            remedy="Run it with these options instead.",
        )


def _chunks(rows: Iterator[ItemRow]) -> Iterator[list[ItemRow]]:
    chunk: list[ItemRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
