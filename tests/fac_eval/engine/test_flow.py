"""What is under way at once stays bounded, and what is asked once is not asked again while it is under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fac_eval
from fac_eval import Audio, Request, Response, Sample
from fac_eval.engine import source
from fac_eval.engine.flow import CHUNK, CHUNK_SECONDS, Belt, Chunk
from fac_eval.engine.generate import WINDOW_SECONDS
from fac_eval.engine.items import Item
from fac_eval.vocabulary import user
from tests.support.toys import AsyncEcho, Echo, ToyOptions, ToyTask

CLIP_SECONDS = 10.0
MOST_AHEAD = (7 * CHUNK_SECONDS + 2 * WINDOW_SECONDS) / CLIP_SECONDS
"""What the reader gathers and what it hands on, the belt's four chunks and those taken from it, and the window."""


class Clips(ToyTask):
    """Many samples of ten seconds; notices when too many have been read before the first is answered."""

    def __init__(self, options: ToyOptions) -> None:
        super().__init__(options)
        self.read = 0
        self.too_many = threading.Event()

    def samples(self, data: object) -> Iterator[Sample]:
        for sample in super().samples(data):
            self.read += 1
            if self.read > MOST_AHEAD:
                self.too_many.set()
            clip = Audio.reference(sample.id, seconds=CLIP_SECONDS)
            yield Sample(sample.id, (user(sample.messages[0].text, clip),), sample.reference)


def test_only_so_much_audio_is_read_ahead_of_the_model(tmp_path: Path) -> None:
    task = Clips(ToyOptions(n=1000))
    ahead = []

    class Slow(Echo):
        def generate(self, requests: Sequence[Request]) -> list[Response]:
            if not ahead:
                assert not task.too_many.wait(
                    0.3
                )  # long enough for the reader to run ahead if nothing held it
            ahead.append(task.read - len(self.asked))
            return super().generate(requests)

    result = fac_eval.run(Slow(batch_size=8), task, store=str(tmp_path), progress=False)
    assert result.counts.scored == 1000
    assert WINDOW_SECONDS / CLIP_SECONDS <= max(ahead) <= MOST_AHEAD


def chunk_of(n: int, seconds: float = 0.0) -> Chunk:
    return [Item(None, i, Sample(str(i), ()), seconds=seconds) for i in range(n)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "seconds", "expected"),
    [
        ([1, 2, 3], 0.0, [6]),
        ([CHUNK, CHUNK], 0.0, [CHUNK, CHUNK]),
        ([CHUNK - 1, 2, 1], 0.0, [CHUNK + 1, 1]),
        ([1, 1, 1], CHUNK_SECONDS, [1, 1, 1]),
        ([1, 1, 1], CHUNK_SECONDS / 2, [2, 1]),
    ],
    ids=["small ones", "full ones", "to the brim", "full of audio", "half full of audio"],
)
def test_chunks_that_wait_together_are_merged_until_they_are_full(
    sizes: list[int], seconds: float, expected: list[int]
) -> None:
    async def main() -> list[int]:
        belt = Belt()
        for size in sizes:
            await belt.put(chunk_of(size, seconds))
        await belt.end()
        return [len(chunk) async for chunk in belt.chunks()]

    assert asyncio.run(main()) == expected


@pytest.mark.parametrize("n", [20, 300, 1000])
@pytest.mark.parametrize("make", [Echo, AsyncEcho])
def test_variants_share_answers_whichever_way_their_samples_follow_each_other(
    make: Any, n: int, tmp_path: Path
) -> None:
    # With some hundred samples the second variant is read, but not claimed yet, while the first is being asked.
    model = make()
    tasks = [ToyTask(ToyOptions(n=n, mode=mode)) for mode in ("plain", "strict")]
    result = fac_eval.run(model, tasks, store=str(tmp_path), progress=False)
    assert result.counts.scored == 2 * n
    assert sorted(model.asked, key=int) == [str(i) for i in range(n)]


def test_a_resumed_cell_goes_by_what_is_settled_across_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "CHUNK", 4)

    def refuse(request: Request) -> None:
        if int(request.messages[0].text.split()[1]) in {0, 3, 4, 18, 19}:
            raise ValueError("not this one")

    model = Echo()
    model.on_request = refuse
    first = fac_eval.run(model, ToyTask(), store=str(tmp_path), progress=False)
    assert first.counts.failed == {"model_error": 5}
    again = Echo()
    second = fac_eval.run(again, ToyTask(), store=str(tmp_path), progress=False)
    assert sorted(again.asked, key=int) == ["0", "3", "4", "18", "19"]
    assert second.counts.scored == 20


@given(st.lists(st.text(max_size=3), max_size=200), st.integers(1, 20))
def test_ids_are_known_as_in_a_set(given_ids: list[str], recent: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_RECENT_IDS", recent)
        ids, known = source._Ids(), set[str]()
        for sample_id in given_ids:
            assert ids.add(sample_id) == (sample_id not in known)
            known.add(sample_id)
