"""How the steps of a decode loop are run: op by op, or recorded once as a CUDA graph and replayed.

A step is a few thousand small kernels, and starting them one by one takes a GPU longer than the work itself. A
recording starts them all at once. It needs fixed shapes and addresses, so rows and columns are rounded up to a
short list of sizes, and the caches outlive the decoder that fills them.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .cache import FixedColumns, SlotCache

logger = logging.getLogger(__name__)

Cache = SlotCache | FixedColumns
Step = Callable[..., tuple[Tensor, ...]]
"""A step over all rows of a cache. Each of its inputs and outputs holds one row in its first dimension."""

_MOST = 128
"""Recordings that are kept; each takes some megabytes."""


class PlainSteps:
    """Runs every step op by op, with caches of its own."""

    def cache(self, part: str, columns: int) -> SlotCache:
        """The cache of a part of the model, whose steps add so many columns."""
        return SlotCache()

    def run(
        self, part: str, step: Step, cache: SlotCache, inputs: Mapping[str, Tensor], variant: Hashable = None
    ) -> tuple[Tensor, ...]:
        """Run a step; `variant` tells it from steps of its part that do something else."""
        return step(cache, **inputs)


class Recording(Protocol):
    """Work that was recorded: `replay` does it again, from and to the same tensors."""

    outputs: tuple[Tensor, ...]

    def replay(self) -> None:
        """Do the work again."""


Work = Callable[[], tuple[Tensor, ...]]
Recorder = Callable[[Work], Recording]
_Key = tuple[str, Hashable, int, int]


@dataclass(frozen=True, slots=True)
class _Taped:
    """A recorded step with the tensors that it reads."""

    recording: Recording
    inputs: Mapping[str, Tensor]
    first: Tensor


class StepGraphs(PlainSteps):
    """Records the steps of a model's parts and replays them, for one decoder at a time.

    Every recording is compared with the step itself before it is used. A part that cannot be recorded, or whose
    recording differs, is run op by op from then on; this is said once.
    """

    def __init__(self, recorders: Mapping[str, Recorder]) -> None:
        self._recorders = dict(recorders)
        self._caches: dict[str, SlotCache] = {}
        self._columns: dict[str, int] = {}
        self._moves: dict[str, int] = {}
        self._taped: dict[_Key, _Taped] = {}
        self._owner: weakref.ref[Any] | None = None

    def lent_to(self, owner: Any) -> PlainSteps:
        """These steps, for as long as `owner` lives; plain ones while another has them."""
        taken = self._owner is not None and self._owner() is not None
        if taken or not self._recorders:
            return PlainSteps()
        self._owner = weakref.ref(owner)
        return self

    def cache(self, part: str, columns: int) -> SlotCache:
        """The cache of a part of the model, whose steps add so many columns; it begins without rows."""
        self._columns[part] = columns
        cache = self._caches.setdefault(part, SlotCache())
        cache.keep([])
        return cache

    def run(
        self, part: str, step: Step, cache: SlotCache, inputs: Mapping[str, Tensor], variant: Hashable = None
    ) -> tuple[Tensor, ...]:
        """Replay a step, recorded first where its rows, columns or variant are new."""
        if part not in self._recorders:
            return step(cache, **inputs)
        rows, width = cache.make_room(self._columns[part])
        if self._moves.get(part) != cache.moves:  # what was recorded writes into tensors that are given up
            self._taped = {key: taped for key, taped in self._taped.items() if key[0] != part}
            self._moves[part] = cache.moves
        key = (part, variant, rows, width)
        taped = self._taped.get(key) or self._record(key, step, cache, inputs)
        if taped is None:
            return step(cache, **inputs)
        _fill(taped.inputs, taped.first, inputs, cache.lengths)
        taped.recording.replay()
        for _ in range(self._columns[part]):
            cache.step()
        return tuple(output[: len(cache.lengths)].clone() for output in taped.recording.outputs)

    def _record(self, key: _Key, step: Step, cache: SlotCache, inputs: Mapping[str, Tensor]) -> _Taped | None:
        """Record a step; None where that is not possible, and then it is not tried again."""
        part, _, rows, width = key
        given = next(iter(inputs.values()))
        first = torch.zeros(rows, dtype=torch.int64, device=given.device)
        fixed = {name: value.new_zeros((rows, *value.shape[1:])) for name, value in inputs.items()}
        _fill(fixed, first, inputs, cache.lengths)

        def work() -> tuple[Tensor, ...]:
            return step(cache.fixed(rows, width, first), **fixed)

        # Doing a step again changes nothing: it writes the same numbers into the same columns.
        try:
            expected = work()
            recording = self._recorders[part](work)
            recording.replay()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._give_up(part, str(error))
            return None
        if not all(map(_alike, recording.outputs, expected)):
            self._give_up(part, "the recording gave other numbers than the step itself")
            return None
        if len(self._taped) >= _MOST:
            self._taped.clear()
        self._taped[key] = _Taped(recording, fixed, first)
        return self._taped[key]

    def _give_up(self, part: str, reason: str) -> None:
        del self._recorders[part]
        logger.warning("the %s steps cannot be recorded, and run op by op: %s", part, reason)


class CudaRecorder:
    """Makes recordings on a GPU. They share their memory: what one leaves there the next may overwrite."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    @cached_property
    def _pool(self) -> Any:
        return torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Recording:
        """Record some work, which is done twice on the way."""
        return CudaGraph(work, self._device, self._pool)


class CudaGraph:
    """A recording on a GPU."""

    def __init__(self, work: Work, device: torch.device, pool: Any) -> None:
        with torch.cuda.device(device):
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                work()  # libraries set themselves up in a first run, which must not be recorded
            torch.cuda.current_stream().wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            # The vocoder may be at work in another thread: what it asks of the GPU meanwhile is its own affair.
            with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
                self.outputs = work()

    def replay(self) -> None:
        """Do the work again."""
        self._graph.replay()


def graphs_for(parts: Mapping[str, Sequence[nn.Module]], attention: str) -> StepGraphs:
    """Graphs of the parts that lie whole on one GPU and never ask it for a number on their way."""
    recorders = {}
    for part, modules in parts.items():
        devices = {weight.device for module in modules for weight in module.parameters()}
        device = next(iter(devices)) if len(devices) == 1 else None
        # Flash attention counts what is not padding, and experts are chosen by counts: both wait for the GPU.
        waits = attention.startswith("flash") or any(map(_has_experts, modules))
        if device is not None and device.type == "cuda" and not waits:
            recorders[part] = CudaRecorder(device)
    return StepGraphs(recorders)


def _has_experts(module: nn.Module) -> bool:
    return bool(getattr(getattr(module, "config", None), "num_experts", 0))


def _fill(
    fixed: Mapping[str, Tensor], first: Tensor, inputs: Mapping[str, Tensor], lengths: Sequence[int]
) -> None:
    """Put one step's inputs where the recording reads them; rows beyond them do idle work in their own places."""
    for name, value in inputs.items():
        fixed[name][: len(value)].copy_(value)
    first.copy_(torch.tensor([*lengths, *[0] * (len(first) - len(lengths))]))


def _alike(one: Tensor, other: Tensor) -> bool:
    if not one.is_floating_point():
        return torch.equal(one, other)
    return torch.allclose(one, other, rtol=1e-2, atol=1e-2, equal_nan=True)
