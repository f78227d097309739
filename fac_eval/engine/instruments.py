"""The stages that work on this machine, in batches: transcripts, speech quality, likeness of texts."""

from __future__ import annotations

import asyncio
import dataclasses
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from fac_eval.audio import Audio
from fac_eval.codec import content_key, encode
from fac_eval.engine.evidence import Asked, EvidenceStage
from fac_eval.engine.flow import Belt, Chunk
from fac_eval.engine.items import Item, describe_error
from fac_eval.engine.progress import Progress
from fac_eval.errors import AudioError, DataError, FacEvalError
from fac_eval.interfaces import Embedder, Instrument, QualityMeter, Transcriber
from fac_eval.task import Need
from fac_eval.vocabulary import Failure, FailureKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]

Keep = Callable[[bytes, Any], Awaitable[None]]

KEPT_CANDIDATES = 2048
"""Vectors of candidate texts that are kept in memory: the same options come again and again."""


class Loaded:
    """The instruments of a run that hold weights: each is loaded once, and all are given back at the end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._loaded: list[Instrument] = []

    def load(self, instrument: Instrument) -> None:
        """Load an instrument unless it is loaded."""
        if all(instrument is not other for other in self._loaded):
            self._progress.say(f"loading {instrument.name}")
            instrument.load()
            self._loaded.append(instrument)

    def close(self) -> None:
        """Give everything back."""
        while self._loaded:
            self._loaded.pop().close()


class InstrumentStage(EvidenceStage):
    """What these stages share: a chunk at a time, of which only what is new reaches the instrument."""

    kind: FailureKind

    def __init__(
        self, instrument: Instrument, loaded: Loaded, executor: ThreadPoolExecutor, *shared: Any
    ) -> None:
        super().__init__(*shared)
        self._instrument = instrument
        self._loaded = loaded
        self._executor = executor

    @abstractmethod
    async def compute(self, wanted: Asked, keep: Keep) -> None:
        """Find out what is not known, handing each result to `keep` as soon as it is there."""

    async def run(self, source: Belt, sink: Belt) -> None:
        """Work on everything that comes along the belt."""
        async for chunk in source.chunks():
            await sink.put(item for item in chunk if not self._concerns(item))
            done = await self._resolve([item for item in chunk if self._concerns(item)])
            await self._pass_on(done, sink)
        await sink.end()

    async def _resolve(self, items: Chunk) -> Chunk:
        asked = self._asked(items)
        units = {key: unit for _, inputs in asked for key, unit in inputs}
        found = await self._known(list(units))
        missing = [(key, unit) for key, unit in units.items() if key not in found]

        async def keep(key: bytes, result: Any) -> None:
            found[key] = result
            if not isinstance(result, Failure):
                await self._writer.work(self.stage, [(key, encode(result))])

        if missing and not self._stop.requested and await self._ready():
            await self.compute(missing, keep)
        done = [item for item in items if not item.open]
        for item, inputs in asked:
            keys = [key for key, _ in inputs]
            if all(key in found for key in keys):  # else stopped before: the next run goes on here
                self._settle(item, keys, found)
                done.append(item)
        return done

    async def _ready(self) -> bool:
        """Load the instrument if need be; one that cannot be loaded ends the run."""
        try:
            await self._in_thread(self._loaded.load, self._instrument)
        except FacEvalError as error:
            self._stop.request(error)
        except Exception as error:  # noqa: BLE001 - a library may fail in any way; without weights no sample can succeed
            cause = f"{self._instrument.name} cannot be loaded: {describe_error(error)}"
            self._stop.request(FacEvalError(cause))
        return not self._stop.requested

    async def _work(self, batch: Sequence[Any], work: Callable[[Sequence[Any]], Sequence[Any]]) -> list[Any]:
        """The instrument's results for a batch, or a failure in the place of each one that it fails at.

        Fewer come back where a failure shows that no other can succeed: then the run is being stopped.
        """
        try:
            results = list(await self._in_thread(work, batch))
            if len(results) != len(batch):
                raise FacEvalError(
                    f"{self._instrument.name} gave {len(results)} results for a batch of {len(batch)}",
                    remedy="This is a defect of its adapter: it must return one result a clip or text.",
                )
        except Exception as error:  # noqa: BLE001 - one bad clip must not fail its neighbours
            if isinstance(error, FacEvalError) and not isinstance(error, AudioError | DataError):
                self._stop.request(error)
                return []
            if len(batch) == 1:
                told = error.message if isinstance(error, FacEvalError) else describe_error(error)
                return [Failure(self.kind, told)]
            each = [await self._work([unit], work) for unit in batch]
            return [result for results in each for result in results]
        return results

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


class _SpeechStage(InstrumentStage):
    """Batches of clips in one language, the longest first."""

    def inputs(self, item: Item) -> Asked:
        """The answer's sound, with the language that the instrument goes by."""
        assert item.response is not None
        speech = item.response.speech
        if speech is None:
            return []
        language = self._language(item)
        return [
            (content_key(self.stage, self._instrument.fingerprint, speech.key, language), (language, speech))
        ]

    def _language(self, item: Item) -> str:
        """The language that makes a difference; empty where none does."""
        return ""

    @abstractmethod
    def work(self, clips: Sequence[Audio], language: str) -> Sequence[Any]:
        """The instrument's results for a batch."""

    async def compute(self, wanted: Asked, keep: Keep) -> None:
        """Work through what is wanted."""
        size = self._instrument.batch_size
        for language in sorted({language for _, (language, _) in wanted}):
            units = [(key, clip) for key, (spoken, clip) in wanted if spoken == language]
            units.sort(key=lambda unit: -_length(unit[1]))
            for start in range(0, len(units), size):
                if self._stop.requested:
                    return
                batch = units[start : start + size]
                results = await self._work([clip for _, clip in batch], partial(self.work, language=language))
                for (key, _), result in zip(batch, results, strict=False):
                    await keep(key, result)


def _length(clip: Audio) -> float:
    try:
        return clip.seconds
    except AudioError:
        return 0.0  # what is wrong with it will be told where it is needed


class TranscribeStage(_SpeechStage):
    """Writes down what was said."""

    need: Need = "transcript"
    stage = "transcribe"
    kind: FailureKind = "transcribe_error"
    cannot_ask: FailureKind = "transcribe_error"

    def __init__(self, instrument: Transcriber, stand_in: bool, *rest: Any) -> None:
        super().__init__(instrument, *rest)
        self._transcriber = instrument
        self._stand_in = stand_in

    def _language(self, item: Item) -> str:
        return item.cell.planned.task.language or ""

    def work(self, clips: Sequence[Audio], language: str) -> Sequence[str]:
        """The transcripts of a batch."""
        return self._transcriber.transcribe(clips, language or None)

    def attach(self, item: Item, results: Sequence[str]) -> None:
        """Put the transcript where the task finds it."""
        assert item.response is not None
        if results:
            item.evidence = dataclasses.replace(item.evidence, transcript=results[0])
        elif item.response.speech is None and self._stand_in:
            # Stand-ins such as `oracle` have no voice: what they would have said is what they wrote.
            item.evidence = dataclasses.replace(item.evidence, transcript=item.response.text)


class QualityStage(_SpeechStage):
    """Measures how it sounds."""

    need: Need = "quality"
    stage = "quality"
    kind: FailureKind = "quality_error"
    cannot_ask: FailureKind = "quality_error"

    def __init__(self, instrument: QualityMeter, *rest: Any) -> None:
        super().__init__(instrument, *rest)
        self._meter = instrument

    def work(self, clips: Sequence[Audio], language: str) -> Sequence[Any]:
        """The figures of a batch."""
        return self._meter.measure(clips)

    def attach(self, item: Item, results: Sequence[Any]) -> None:
        """Put the figures where the task finds them."""
        if results:
            item.evidence = dataclasses.replace(item.evidence, quality=results[0])


class SimilarityStage(InstrumentStage):
    """Measures how near an answer is to each of the texts that the task compares it with."""

    need: Need = "similarity"
    stage = "similarity"
    kind: FailureKind = "similarity_error"

    def __init__(self, instrument: Embedder, *rest: Any) -> None:
        super().__init__(instrument, *rest)
        self._embedder = instrument
        self._candidates: OrderedDict[str, Vector] = OrderedDict()

    def inputs(self, item: Item) -> Asked:
        """The text and its candidates, as one comparison."""
        assert item.response is not None
        text, candidates = item.cell.planned.task.comparison(item.sample, item.response)
        if not candidates:
            return []
        unit = (text, *candidates)
        return [(content_key(self.stage, self._instrument.fingerprint, list(unit)), unit)]

    def attach(self, item: Item, results: Sequence[Sequence[float]]) -> None:
        """Put the numbers where the task finds them."""
        if results:
            item.evidence = dataclasses.replace(item.evidence, similarities=tuple(results[0]))

    async def compute(self, wanted: Asked, keep: Keep) -> None:
        """Embed every text once, then compare."""
        texts = list(dict.fromkeys(text for _, unit in wanted for text in unit))
        vectors = await self._vectors(texts)
        for key, unit in wanted:
            if all(text in vectors for text in unit):
                await keep(key, self._compared([vectors[text] for text in unit]))
        for text in (text for _, unit in wanted for text in unit[1:]):
            vector = vectors.get(text)
            if vector is not None and not isinstance(vector, Failure):
                self._candidates[text] = vector
                self._candidates.move_to_end(text)
        while len(self._candidates) > KEPT_CANDIDATES:
            self._candidates.popitem(last=False)

    async def _vectors(self, texts: Sequence[str]) -> dict[str, Vector | Failure]:
        """Unit vectors, or failures in their place; some texts have neither if the run is stopped."""
        vectors: dict[str, Vector | Failure] = {
            text: self._candidates[text] for text in texts if text in self._candidates
        }
        new = sorted((text for text in texts if text not in vectors), key=len, reverse=True)
        size = self._instrument.batch_size
        for start in range(0, len(new), size):
            if self._stop.requested:
                break
            batch = new[start : start + size]
            vectors.update(zip(batch, await self._work(batch, self._embedded), strict=False))
        return vectors

    def _embedded(self, texts: Sequence[str]) -> Sequence[Vector]:
        from fac_eval.metrics.cosine import unit_rows

        return list(unit_rows(self._embedder.embed(texts)))

    def _compared(self, vectors: Sequence[Vector | Failure]) -> list[float] | Failure:
        import numpy as np

        from fac_eval.metrics.cosine import likeness

        found: list[Vector] = []
        for vector in vectors:
            if isinstance(vector, Failure):
                return vector
            found.append(vector)
        text, *candidates = found
        if len({len(vector) for vector in found}) > 1:
            return Failure(self.kind, f"{self._instrument.name} gave vectors of different lengths")
        return [float(number) for number in likeness(text, np.stack(candidates))]
