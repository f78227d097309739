"""What a plan would take: samples, audio, answers that are already there, judge calls, money. Nothing is asked."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fac_eval.audio import Audio
from fac_eval.engine.items import Cell
from fac_eval.engine.judge_estimate import JudgeEstimate
from fac_eval.engine.source import Source
from fac_eval.engine.table import text_table
from fac_eval.interfaces import AsyncModel
from fac_eval.remote.estimate import Estimator, Size
from fac_eval.remote.prices import Price
from fac_eval.store import Store
from fac_eval.store.database import FILE_NAME
from fac_eval.vocabulary import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fac_eval.engine.plan import Plan, PlannedModel, PlannedTask
    from fac_eval.engine.progress import Progress
    from fac_eval.interfaces import AnyModel
    from fac_eval.vocabulary import Request

_STAGE = "read"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one model on one task would take."""

    model: str
    task: str
    variant: str
    items: int
    """Samples after `limit`, whatever becomes of them."""
    skipped: int
    """Those that the protocol leaves out."""
    unreadable: int
    """Those that would fail as `bad_input`."""
    audio_seconds: float
    """Sound that the model would hear, in what is left to ask."""
    known: int
    """Answers that the store already holds."""
    judge_calls: int
    """Calls to the judge that the store cannot answer."""
    judge_cost: float | None
    """US dollars that these cost, about; None where the judge's price is not known."""
    cost: float | None
    """US dollars that what is left to ask costs at most; None where no price is known."""

    @property
    def to_ask(self) -> int:
        """Samples that the model would be asked."""
        return self.items - self.skipped - self.unreadable - self.known


def estimates(plan: Plan, progress: Progress) -> list[Estimate]:
    """Read every sample as a run would, and say what the run would take, a line a model and task."""
    found = []
    sizes = [task.size for task in plan.tasks]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    with _store_to_read(plan) as store:
        for model in plan.models:
            progress.start(model.label, (_STAGE,), total)
            try:
                found += [_estimate(plan, model, task, store, progress) for task in plan.tasks]
            finally:
                progress.finish()
    return found


@contextmanager
def _store_to_read(plan: Plan) -> Iterator[Store]:
    """The plan's store; where there is none yet, an empty one for the moment, and none is begun in its place."""
    if (Path(plan.config.store) / FILE_NAME).exists():
        with Store.reader(plan.config.store) as store:
            yield store
        return
    with tempfile.TemporaryDirectory() as folder, Store.writer(folder) as store:
        yield store


def _estimate(
    plan: Plan, model: PlannedModel, planned: PlannedTask, store: Store, progress: Progress
) -> Estimate:
    # As if for the first time: whether this run has already settled a sample shows in its answer being known.
    cell = Cell(0, planned, settled=False, resumed=False)
    source = Source(plan, model.model, [cell], store, lambda: False)
    price = _price(model.model)
    estimator = Estimator(price)
    judging = JudgeEstimate(plan, planned, store)
    items = skipped = unreadable = known = 0
    seconds = cost = 0.0
    for chunk in source.chunks():
        stored = store.works([item.key for item in chunk if item.key is not None])
        for item in chunk:
            items += 1
            skipped += item.outcome == "skipped"
            unreadable += item.outcome == "failed"
            known += item.key in stored
            if item.request is not None and item.key not in stored:
                size = _size(item.request)
                seconds += size.audio_seconds
                cost += estimator.cost_bound(size)
        judging.add(chunk, stored)
        progress.advance(_STAGE, len(chunk))
    answers = items - skipped - unreadable
    free = not isinstance(model.model, AsyncModel) or answers == known
    return Estimate(
        model=model.label,
        task=planned.task.name,
        variant=planned.variant,
        items=items,
        skipped=skipped,
        unreadable=unreadable,
        audio_seconds=seconds,
        known=known,
        judge_calls=judging.calls,
        judge_cost=judging.cost,
        cost=0.0 if free else None if price is None else cost,
    )


def _price(model: AnyModel) -> Price | None:
    """What a model's tokens cost, where it says so."""
    price = getattr(model, "price", None)
    return price if isinstance(price, Price) else None


def _size(request: Request) -> Size:
    text, seconds = 0, 0.0
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Text):
                text += len(part.text.encode())
            elif isinstance(part, Audio):
                seconds += part.seconds
    return Size(text, seconds, request.settings.max_tokens, request.output == "speech")


def estimate_text(plan: Plan, found: list[Estimate]) -> str:
    """The estimates as a table, with what a reader needs to know about them."""
    header = (
        "model",
        "task",
        "variant",
        "samples",
        "skipped",
        "unreadable",
        "known",
        "to ask",
        "audio",
        "judge calls",
        "cost at most",
        "judge, about",
    )
    rows = [
        (
            one.model,
            one.task,
            one.variant,
            f"{one.items:,}",
            f"{one.skipped:,}" if one.skipped else "",
            f"{one.unreadable:,}" if one.unreadable else "",
            f"{one.known:,}",
            f"{one.to_ask:,}",
            _clock(one.audio_seconds),
            f"{one.judge_calls:,}" if one.judge_calls else "",
            _dollars(one.cost),
            _dollars(one.judge_cost) if one.judge_calls else "",
        )
        for one in found
    ]
    lines = [text_table(header, rows, range(3, len(header))), "", _total(found)]
    if any(one.unreadable for one in found):
        lines.append("unreadable samples would fail as bad_input")
    if any(one.judge_calls and one.judge_cost != 0 for one in found):
        lines.append(
            "what a judge call costs depends on answers that are not there yet: it is taken to be long"
        )
    begun = (Path(plan.config.store) / FILE_NAME).exists()
    lines.append(f"run {plan.run_id}, store {plan.config.store}{'' if begun else ' (not made yet)'}")
    lines.append("nothing was asked, nothing was written")
    return "\n".join(lines)


def _total(found: list[Estimate]) -> str:
    seconds = sum(one.audio_seconds for one in found)
    to_ask = sum(one.to_ask for one in found)
    known = sum(one.known for one in found)
    cost = f"cost at most {_dollars(_sum(one.cost for one in found))}"
    if any(one.judge_calls for one in found):
        cost += f", the judge about {_dollars(_sum(one.judge_cost for one in found))}"
    return f"in all: {to_ask:,} to ask ({known:,} known), {_clock(seconds)} of audio, {cost}"


def _sum(costs: Iterable[float | None]) -> float | None:
    """The total; None where a part of it is not known."""
    listed = list(costs)
    return None if None in listed else sum(cost or 0.0 for cost in listed)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _dollars(cost: float | None) -> str:
    return "unknown" if cost is None else f"${cost:.2f}" if cost >= 1 or not cost else f"${cost:.4f}"
