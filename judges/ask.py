"""Puts the items of a file to a judge, as often as replies are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fac_eval.audio import Audio
from fac_eval.errors import DataError, FacEvalError
from fac_eval.interfaces import Judge, Spender
from fac_eval.remote.budget import Budget
from fac_eval.resolve import find_rubric, resolve_judge
from fac_eval.vocabulary import Question

from .items import Item, write_items


def ask(
    judge: str | Judge,
    items: Sequence[Item],
    *,
    folder: Path,
    repeat: int = 1,
    max_cost: float | None = None,
    out: Path | None = None,
) -> tuple[list[Item], list[str]]:
    """The items with `repeat` replies each, and what the user should know; with `out`, whatever came is kept.

    Replies that an item has already count, failed ones are asked for again. Audio paths start at `folder`.
    """
    asked = resolve_judge(judge)
    for name in sorted({_rubric(item) for item in items}):
        asked.check(find_rubric(name, where="the file of items"))
    if isinstance(asked, Spender) and max_cost is not None:
        asked.budget = Budget(max_cost)
    replies: list[list[str | None]] = [
        [*item.replies, *[None] * (repeat - len(item.replies))] for item in items
    ]
    failures: list[str] = []
    try:
        asyncio.run(_ask_all(asked, items, replies, failures, folder))
    finally:
        found = [replace(item, replies=tuple(held)) for item, held in zip(items, replies, strict=True)]
        if out is not None:
            write_items(out, found)
    remarks = [f"{len(failures)} calls failed, the first one with: {failures[0]}"] if failures else []
    return found, remarks + (asked.remarks() if isinstance(asked, Spender) else [])


async def _ask_all(
    judge: Judge,
    items: Sequence[Item],
    replies: list[list[str | None]],
    failures: list[str],
    folder: Path,
) -> None:
    from tqdm import tqdm

    slots = asyncio.Semaphore(judge.concurrency)
    missing = [
        (index, draw)
        for index, held in enumerate(replies)
        for draw, reply in enumerate(held)
        if reply is None
    ]
    with tqdm(total=len(missing), desc="judge", unit="call", disable=None) as bar:

        async def one(index: int, draw: int) -> None:
            async with slots:
                verdict = await judge.judge(_question(items[index], draw, folder))
            if verdict.error is None:
                replies[index][draw] = verdict.reply
            else:
                failures.append(verdict.error.message)
            bar.update()

        try:
            async with asyncio.TaskGroup() as group:
                for index, draw in missing:
                    group.create_task(one(index, draw))
        except* FacEvalError as errors:
            # Of several that stopped together, the first says it all.
            raise errors.exceptions[0] from None
        finally:
            await judge.aclose()


def _question(item: Item, draw: int, folder: Path) -> Question:
    clips = tuple(Audio.from_file(folder / path) for path in item.audio)
    return Question(_rubric(item), item.inputs, clips, draw)


def _rubric(item: Item) -> str:
    if item.rubric is None:
        raise DataError(
            f"item {item.id!r} names no rubric, so no judge can be asked about it",
            remedy='Give the item "rubric" and "inputs", and "audio" where the judge is to hear something.',
        )
    return item.rubric
