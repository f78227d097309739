"""A recogniser, a text model and a voice, joined: the yardstick that every end-to-end speech model is compared with."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fac_eval.audio import Audio
from fac_eval.errors import UsageError
from fac_eval.interfaces import (
    AnyModel,
    AsyncModel,
    Capabilities,
    Model,
    SampleModel,
    Spender,
    Synthesizer,
    Transcriber,
)
from fac_eval.resolve import resolve_model, resolve_synthesizer, resolve_transcriber
from fac_eval.vocabulary import Failure, Message, Request, Response, Sample, Text, Timings

if TYPE_CHECKING:
    from fac_eval.data.assets import Asset
    from fac_eval.data.weights import HubWeights
    from fac_eval.remote.budget import Budget
    from fac_eval.task import Task

Result = TypeVar("Result")


class Cascade(SampleModel):
    """Hears the question, has a text model answer it, and says the answer.

    Without a text model it repeats what it heard: so a recogniser alone is put to the test.
    """

    name = "cascade"

    def __init__(self, asr: str, llm: str | None = None, tts: str | None = None, batch_size: int = 8) -> None:
        """`asr` is a transcriber, `llm` any model, `tts` a synthesizer; each a spec, quoted where it has commas.

        Without a voice the cascade answers in text.
        """
        self._ears = resolve_transcriber(asr)
        self._mind = None if llm is None else resolve_model(llm)
        self._voice = None if tts is None else resolve_synthesizer(tts)
        if self._mind is not None and "text" not in self._mind.capabilities.inputs:
            raise UsageError(f"the model {self._mind.name} of the cascade takes no text")
        self.name = f"cascade({'+'.join(part.name for part in self._parts)})"
        self.capabilities = Capabilities(
            outputs=frozenset({"text", "speech"} if self._voice else {"text"}),
            tools=self._mind is not None and self._mind.capabilities.tools,
            batch_size=batch_size,
        )
        self._loaded = False

    @property
    def fingerprint(self) -> str:
        """Those of its parts."""
        prints = [None if part is None else part.fingerprint for part in self._roles.values()]
        return f"cascade/{json.dumps(prints, separators=(',', ':'))}"

    def describe(self) -> Mapping[str, object]:
        """With what its parts say about themselves."""
        parts = {role: dict(part.describe()) for role, part in self._roles.items() if part is not None}
        return {**super().describe(), **parts}

    def assets(self) -> tuple[Asset, ...]:
        """Those of its parts."""
        return tuple(asset for part in self._parts for asset in part.assets())

    def weights(self) -> tuple[HubWeights, ...]:
        """Those of its parts."""
        return tuple(weights for part in self._parts for weights in part.weights())

    @property
    def _roles(self) -> dict[str, Transcriber | AnyModel | Synthesizer | None]:
        return {"asr": self._ears, "llm": self._mind, "tts": self._voice}

    @property
    def _parts(self) -> list[Transcriber | AnyModel | Synthesizer]:
        return [part for part in self._roles.values() if part is not None]

    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        """Each request's answer; what was heard of the question stands in the details."""
        began = time.perf_counter()
        self._load()
        heard = self._hear(requests, task.language)
        if self._mind is None:
            answers = [_repeated(request, heard) for request in requests]
        else:
            asked = [
                dataclasses.replace(request, messages=_in_words(request.messages, heard), output="text")
                for request in requests
            ]
            answers = self._think(self._mind, task, samples, asked, positions)
        spoken = self._say([answer.text or "" for answer in answers], requests, answers)
        total = time.perf_counter() - began
        return [
            _joined(
                answer, clip, [heard[key] for key in _clips(request)], Timings(total, batch=len(requests))
            )
            for answer, clip, request in zip(answers, spoken, requests, strict=True)
        ]

    @property
    def items_file(self) -> Path | None:
        """That of the text model, where it replays a file."""
        return self._mind.items_file if isinstance(self._mind, SampleModel) else None

    def finish(self, task: Task) -> list[str]:
        """The text model's remarks."""
        return self._mind.finish(task) if isinstance(self._mind, SampleModel) else []

    def close(self) -> None:
        """Close all parts."""
        if isinstance(self._mind, AsyncModel):
            if "_loop" in self.__dict__:
                self._wait(self._mind.aclose())
                self._loop.call_soon_threadsafe(self._loop.stop)
                del self.__dict__["_loop"]
        elif self._mind is not None:
            self._mind.close()
        if self._loaded:
            self._ears.close()
            if self._voice is not None:
                self._voice.close()
            self._loaded = False

    @property
    def budget(self) -> Budget | None:
        """What the text model may spend."""
        return self._mind.budget if isinstance(self._mind, Spender) else None

    @budget.setter
    def budget(self, budget: Budget | None) -> None:
        if isinstance(self._mind, Spender):
            self._mind.budget = budget

    def remarks(self) -> list[str]:
        """What the text model says about its cost."""
        return self._mind.remarks() if isinstance(self._mind, Spender) else []

    def _load(self) -> None:
        if self._loaded:
            return
        self._ears.load()
        if isinstance(self._mind, Model):
            self._mind.load()
        if self._voice is not None:
            self._voice.load()
        self._loaded = True

    def _hear(self, requests: Sequence[Request], language: str | None) -> dict[str, str]:
        """What was heard in each clip of the requests, by the clip's key."""
        clips = {key: clip for request in requests for key, clip in _clips(request).items()}
        texts = self._ears.transcribe(list(clips.values()), language)
        return {key: text.strip() for key, text in zip(clips, texts, strict=True)}

    def _think(
        self,
        mind: AnyModel,
        task: Task,
        samples: Sequence[Sample],
        asked: Sequence[Request],
        positions: Sequence[int],
    ) -> list[Response]:
        if isinstance(mind, SampleModel):
            return mind.respond(task, samples, asked, positions)
        if isinstance(mind, AsyncModel):
            return self._wait(_all(mind, asked))
        return mind.generate(asked)

    def _say(
        self, texts: Sequence[str], requests: Sequence[Request], answers: Sequence[Response]
    ) -> list[Audio | Failure | None]:
        wanted = [
            index
            for index, request in enumerate(requests)
            if request.output == "speech" and answers[index].error is None
        ]
        clips: list[Audio | Failure | None] = [None] * len(texts)
        if self._voice is not None and wanted:
            for index, clip in zip(wanted, self._voice.speak([texts[i] for i in wanted]), strict=True):
                clips[index] = clip
        return clips

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """A loop of its own: the client of a remote model keeps its connections from batch to batch."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="cascade", daemon=True).start()
        return loop


async def _all(model: AsyncModel, requests: Sequence[Request]) -> list[Response]:
    return list(await asyncio.gather(*(model.generate(request) for request in requests)))


def _clips(request: Request) -> dict[str, Audio]:
    return {
        part.key: part for message in request.messages for part in message.parts if isinstance(part, Audio)
    }


def _repeated(request: Request, heard: Mapping[str, str]) -> Response:
    return Response(text=" ".join(heard[key] for key in _clips(request)), finish_reason="stop")


def _in_words(messages: Sequence[Message], heard: Mapping[str, str]) -> tuple[Message, ...]:
    """The messages with each clip replaced by what was heard in it."""
    return tuple(
        dataclasses.replace(
            message,
            parts=tuple(Text(heard[part.key]) if isinstance(part, Audio) else part for part in message.parts),
        )
        for message in messages
    )


def _joined(
    answer: Response, clip: Audio | Failure | None, heard: Sequence[str], timings: Timings
) -> Response:
    details = {**answer.details, "heard": list(heard)}
    if isinstance(clip, Failure):
        return dataclasses.replace(answer, details=details, timings=timings, error=clip)
    return dataclasses.replace(answer, speech=clip, details=details, timings=timings)
