"""What a model, a judge or a speech stage must offer for the engine to drive it.

Constructing one of these is cheap and loads nothing: the engine asks for `fingerprint` and `capabilities`
to plan, and a finished run is resumed without weights ever being read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from fac_eval.vocabulary import Failure, Question, Request, Response, Sample, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from fac_eval.audio import Audio
    from fac_eval.data.assets import Asset
    from fac_eval.data.weights import HubWeights
    from fac_eval.remote.budget import Budget
    from fac_eval.rubric import Rubric
    from fac_eval.task import Task


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can take and give; checked before any work starts."""

    inputs: frozenset[Literal["text", "audio"]] = frozenset({"text", "audio"})
    outputs: frozenset[Literal["text", "speech"]] = frozenset({"text"})
    tools: bool = False
    batch_size: int = 1
    """The batch that suits the model when the user says `auto`."""
    concurrency: int = 8
    """Requests in flight that suit a remote model when the user does not say."""


class _Described(ABC):
    """Things that are named in results and hashed into keys."""

    name: str

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Everything that can change an answer: weights' hash or model id and revision, never a secret."""

    def describe(self) -> Mapping[str, object]:
        """What `fac-eval show` and the run's provenance print about it; no secrets."""
        return {"name": self.name, "fingerprint": self.fingerprint}

    def assets(self) -> tuple[Asset, ...]:
        """Pinned files of others that `fac-eval prepare` fetches; a class method where they go by no argument."""
        return ()

    def weights(self) -> tuple[HubWeights, ...]:
        """Weights on the hub that `fac-eval prepare` downloads into the hub's cache."""
        return ()


class Model(_Described):
    """A local model, called with batches from one thread."""

    capabilities: Capabilities = Capabilities()

    def load(self) -> None:
        """Read weights; called once, before the first batch, only if there is work to do."""

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer each request, in order; an answer must not depend on its neighbours in the batch.

        Raise `fac_eval.errors.ModelOutOfMemory` when the batch does not fit: the engine halves it.
        """

    def close(self) -> None:
        """Give back devices and memory."""


class ContinuousModel(Model):
    """A local model that fills each place of its batch as soon as it is free."""

    @abstractmethod
    def answers(self, requests: Iterable[Request], batch_size: int) -> Iterator[tuple[int, Response]]:
        """Answer requests, each taken when one of `batch_size` places is free for it.

        Answers come as they are finished, each once and with its request's number, counted from 0. An answer must not
        depend on its neighbours. `ModelOutOfMemory` and other errors end it: what has no answer yet is asked again,
        by `generate` where the error was no lack of memory.
        """


class AsyncModel(_Described):
    """A remote model: many requests in flight, each awaited on its own.

    The instance owns its client, its rate limits and its retries. Raise `ModelUnavailable` when no request can
    succeed, `BudgetReached` when the next one would cost too much; anything else is a failed `Response`.
    """

    capabilities: Capabilities = Capabilities()

    @abstractmethod
    async def generate(self, request: Request) -> Response:
        """Answer one request."""

    async def aclose(self) -> None:
        """Close the client."""


class SampleModel(_Described):
    """A stand-in that sees the sample itself: the sanity models and replayed predictions.

    Its answers are keyed by the sample's content as well as by the request.
    """

    capabilities: Capabilities = Capabilities(outputs=frozenset({"text", "speech"}), tools=True)

    @abstractmethod
    def respond(
        self, task: Task, samples: Sequence[Sample], requests: Sequence[Request], positions: Sequence[int]
    ) -> list[Response]:
        """Answer each sample of `task`, in order; `positions` are the samples' places in the data set."""

    def close(self) -> None:
        """Give back what it holds, once, at the end of the run's work."""

    @property
    def items_file(self) -> Path | None:
        """A file that may hold the items themselves beside the answers, for tasks that can read them there."""
        return None

    def finish(self, task: Task) -> list[str]:
        """Remarks for the user once `task` is through, e.g. predictions that no sample asked for."""
        return []


AnyModel = Model | AsyncModel | SampleModel


class Judge(_Described):
    """Answers questions about responses. Its failures are verdicts with an error, never numbers."""

    concurrency: int = 8

    def check(self, rubric: Rubric) -> None:
        """Raise `UsageError` or `AssetError` now if this judge cannot be asked by a rubric."""

    def identity(self, rubric: Rubric) -> Mapping[str, object]:
        """Everything that can change a reply under a rubric: the judge, and whose prompt (`prompt`) with what text."""
        return {"judge": self.fingerprint}

    @abstractmethod
    async def judge(self, question: Question) -> Verdict:
        """Decide one question."""

    async def aclose(self) -> None:
        """Give back what it holds, once, at the end of the run's work."""


@runtime_checkable
class BatchJudge(Protocol):
    """What a judge has besides when it can be handed many questions at once and asked for the replies later."""

    max_questions: int = 10_000
    """The most that one batch may hold."""
    poll_seconds: float = 30.0
    """How long to wait before asking again whether a batch is done."""

    async def submit(self, questions: Sequence[tuple[str, Question]]) -> str:
        """Hand over questions, each under a key of its own, and return the batch's id; nothing is waited for."""

    async def collect(self, batch: str) -> Mapping[str, Verdict] | None:
        """The verdicts by key, those with an error included; None while the batch is still being worked on.

        Raise `fac_eval.errors.BatchFailed` for a batch that will never be done. It is asked again by a later
        process, too, so it goes by the id alone.
        """


@runtime_checkable
class Spender(Protocol):
    """A model or judge whose calls cost money; the engine gives all of a run's spenders one budget."""

    budget: Budget | None

    def remarks(self) -> list[str]:
        """What the user should know about the cost once the work is over."""


class Instrument(_Described):
    """What works on answers in batches, on this machine and from one thread."""

    batch_size: int = 8

    def load(self) -> None:
        """Read weights; called once a run, before the first batch, only if there is work to do."""

    def close(self) -> None:
        """Give back devices and memory; called at the end of the run, if it was loaded."""


class Transcriber(Instrument):
    """Speech to text."""

    @abstractmethod
    def transcribe(self, clips: Sequence[Audio], language: str | None = None) -> list[str]:
        """One transcript a clip, of speech in `language` (`en`, `zh`), or in whatever is found there without one."""


class QualityMeter(Instrument):
    """Speech quality figures (e.g. a predicted MOS)."""

    @abstractmethod
    def measure(self, clips: Sequence[Audio]) -> list[Mapping[str, float]]:
        """The named figures of each clip."""


class Embedder(Instrument):
    """Texts to vectors of one length."""

    batch_size: int = 32

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row a text."""


class Synthesizer(Instrument):
    """Text to speech."""

    @abstractmethod
    def speak(self, texts: Sequence[str]) -> list[Audio | Failure]:
        """One clip a text, or why there is none."""
