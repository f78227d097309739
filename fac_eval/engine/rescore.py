"""Scoring stored answers again under other options, without data set or model."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, get_args

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
from fac_eval.engine.items import Cell, Item, describe_error
from fac_eval.engine.judging import verdict_key
from fac_eval.engine.plan import RUN_ID_LENGTH, PlannedTask, full_variant, protocol_id
from fac_eval.engine.result import RunResult
from fac_eval.engine.scoring import score_chunk
from fac_eval.engine.speech_metrics import speech_needs
from fac_eval.engine.tools import labels_in
from fac_eval.errors import StoreError, UnknownName, UsageError
from fac_eval.resolve import rebuild_task
from fac_eval.store import CellRow, ItemRow, Store
from fac_eval.task import Need, Task

CHUNK = 512
PROBED = 16
"""Samples of each task that are looked at before anything is written."""
_SCORED_AGAIN = ("score_error", "judge_error")
"""Failures of samples whose answers are good, and perhaps also what was found out about them."""
_NEEDED: Mapping[Need, str] = {
    "transcript": "transcripts",
    "quality": "speech quality",
    "similarity": "an embedder",
    "judge": "a judge",
}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A stored cell with its task as it was and as it is to be."""

    cell: CellRow
    before: Task
    after: Task

    @property
    def planned(self) -> PlannedTask:
        """The task as it is to be, with the tools of the stored run as far as it still needs them."""
        metrics = tuple(self.cell.protocol.get("speech_metrics", ()))
        needs = self.after.needs | speech_needs(metrics)
        protocol = {**plain(dict(self.after.protocol())), **self._tools(needs)}
        labels = labels_in(self.cell.variant, self.before.variant, needs)
        return PlannedTask(
            task=self.after,
            protocol=protocol,
            protocol_id=protocol_id(protocol),
            data=self.cell.data,
            size=self.cell.total,
            limit=None,
            variant=full_variant(self.after.variant, labels),
            needs=needs,
            speech_metrics=metrics,
        )

    def _tools(self, needs: Collection[Need]) -> dict[str, Any]:
        """What the engine had added to the stored protocol; judge and the like only where they are still needed."""
        task_keys = self.before.protocol()
        held = {key: value for key, value in self.cell.protocol.items() if key not in task_keys}
        held = {key: value for key, value in held.items() if key in needs or key not in get_args(Need)}
        if "judge" in held:
            held["judge"] = {rubric: held["judge"][rubric] for rubric in self.after.rubrics}
        return held


def rescore_run(name: str, *, options: Mapping[str, Any], folder: str | Path) -> RunResult:
    """Score a run's stored answers with other options; the result is a run of its own beside the first."""
    with Store.writer(folder, create=False) as store:
        parent = store.run(name)
        pairs = _pairs(store.cells(parent.id), options)
        _probe(store, pairs)
        identity = [parent.id, [[pair.cell.task, pair.planned.protocol_id] for pair in pairs]]
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
        pair = _Pair(cell, before, after)
        _check_evidence(pair)
        pairs.append(pair)
    unused = sorted(set(options) - used)
    if unused:
        known = [
            f"{pair.cell.task_spec['name']}.{option}"
            for pair in pairs
            for option in pair.cell.task_spec["options"]
        ]
        raise UnknownName("option", unused[0], known, where="the tasks of this run")
    return pairs


def _probe(store: Store, pairs: Sequence[_Pair]) -> None:
    """Refuse options that do not fit the stored answers before a run is begun: the first samples tell."""
    for pair in pairs:
        target = Cell(0, pair.planned, settled=False, resumed=False)
        for row in islice(store.items(pair.cell.id), PROBED):
            _item(store, target, row, pair)


def _check_evidence(pair: _Pair) -> None:
    """Refuse options under which the task needs what the stored run did not find out."""
    stored = pair.cell.protocol
    for need in sorted(pair.after.needs - pair.before.needs):
        if need not in stored:
            raise UsageError(
                f"{pair.cell.task} with these options needs {_NEEDED[need]}, which the stored run did not have",
                remedy="Run it instead: the stored answers are used again, nothing is generated twice.",
            )
    for rubric in pair.after.rubrics if "judge" in pair.after.needs else ():
        if rubric not in stored["judge"]:
            raise _other_questions(pair, f"by {rubric}")


def _other_questions(pair: _Pair, what: str) -> UsageError:
    return UsageError(
        f"{pair.cell.task} with these options asks the judge {what}, which the stored run did not",
        remedy="Run it with a judge instead: the stored answers are used again, nothing is generated twice.",
    )


async def _rescore_cell(store: Store, run_id: str, position: int, pair: _Pair) -> None:
    cell, planned = pair.cell, pair.planned
    cell_id = store.save_cell(
        run_id,
        position,
        model=cell.model,
        model_info=cell.model_info,
        task=planned.task.name,
        task_spec=planned.task.spec,
        variant=planned.variant,
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
    store.finish_cell(cell_id, total, cell_figures(store, cell_id, planned.task, planned.speech_metrics))


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
        if row.outcome == "failed" and row.reason not in _SCORED_AGAIN:
            item.outcome, item.reason, item.detail = row.outcome, row.reason, row.detail
        else:
            _check_comparison(pair, item)
            _take_verdicts(pair, item, row)
    elif row.outcome == "skipped":
        item.fail("missing_prediction", f"the stored run skipped this sample: {row.reason}")
    else:
        item.outcome, item.reason, item.detail = row.outcome, row.reason, row.detail
    return item


def _take_verdicts(pair: _Pair, item: Item, row: ItemRow) -> None:
    """Give the item the stored verdicts on the questions that the task asks now.

    A failed sample that has none on some of them stays failed: the judge had failed there, or was not asked.
    """
    if "judge" not in pair.after.needs:
        return
    assert item.response is not None
    held = {verdict.key: verdict for verdict in item.evidence.verdicts}
    identities = item.cell.planned.protocol["judge"]
    try:
        questions = pair.after.questions(item.sample, item.response, item.evidence)
        keys = [verdict_key(identities[question.rubric], question).hex() for question in questions]
    except Exception as error:  # noqa: BLE001 - as in a run: a task that cannot form its question fails this sample
        item.fail("score_error", f"the judge input cannot be made: {describe_error(error)}")
        return
    if all(key in held for key in keys):
        item.evidence = dataclasses.replace(item.evidence, verdicts=tuple(held[key] for key in keys))
    elif row.outcome == "failed":
        item.outcome, item.reason, item.detail = row.outcome, row.reason, row.detail
    else:
        raise _other_questions(pair, "other questions")


def _check_comparison(pair: _Pair, item: Item) -> None:
    if "similarity" not in pair.after.needs or pair.before.options == pair.after.options:
        return
    assert item.response is not None
    before, after = (task.comparison(item.sample, item.response) for task in (pair.before, pair.after))
    if plain(before) != plain(after):
        raise UsageError(
            f"these options change what the answers to {pair.cell.task} are compared with",
            remedy="Run it with these options instead: the stored answers are used again.",
        )


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
