"""Recorded steps, replayed on the CPU from a tape that works as a CUDA graph does: the operations alone, on the
tensors of the recording, with every number that Python had then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .test_decoding import prompts, run, settings

if TYPE_CHECKING:
    from torch import Tensor

    from fac_eval.model.conformance.golden import GoldenModel
    from fac_eval.model.step_graphs import StepGraphs

PARTS = ("text", "speech")


class Tape:
    """A recording of the operations that some work consists of."""

    made = 0

    def __init__(self, work: Callable[[], tuple[Tensor, ...]]) -> None:
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode

        operations: list[tuple[Any, Any, Any, Any]] = []

        class Listening(TorchDispatchMode):
            def __torch_dispatch__(
                self, function: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                if function is torch.ops.aten._local_scalar_dense.default:
                    raise RuntimeError("a recording cannot wait for a number")
                result = function(*args, **(kwargs or {}))
                operations.append((function, args, kwargs or {}, result))
                return result

        with Listening():
            self.outputs = work()
        self._operations = operations
        Tape.made += 1

    def replay(self) -> None:
        """Do the operations again, into the tensors of the first time."""
        from torch.utils._pytree import tree_leaves

        for function, args, kwargs, result in self._operations:
            fresh = function(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(fresh), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


@contextmanager
def recorded(golden: GoldenModel, recorders: Mapping[str, Any] | None = None) -> Iterator[StepGraphs]:
    """The model with its steps on tapes."""
    from fac_eval.model.step_graphs import StepGraphs

    model = golden.model()
    model._step_graphs = StepGraphs(dict.fromkeys(PARTS, Tape) if recorders is None else recorders)
    Tape.made = 0
    try:
        yield model._step_graphs
    finally:
        model.forget_steps()


@pytest.mark.parametrize(
    "changes",
    [
        {"text_greedy": True},
        {"bad_words_ids": ((416, 419), (5,))},
        {"only_crq_sampling": False},
        {"disable_speech": True},
        {"do_sample": False, "top_p": 1.0},
        {"repetition_penalty": 1.0, "top_k": 20},
    ],
    ids=["example", "demo", "drawn again", "text only", "greedy", "no history"],
)
def test_recorded_steps_give_what_plain_ones_do(golden: GoldenModel, changes: dict[str, Any]) -> None:
    chosen = settings(**changes)
    plain = run(golden, chosen, prompts(golden), 1)
    with recorded(golden):
        for batch_size in (1, 7, 3):
            assert run(golden, chosen, prompts(golden), batch_size) == plain
        made = Tape.made
        assert made
        assert run(golden, chosen, prompts(golden), 7) == plain
        assert Tape.made == made  # what was recorded for one decoder serves the next


def test_recorded_steps_with_eager_attention(golden: GoldenModel) -> None:
    chosen = settings(text_greedy=True)
    plain = run(golden, chosen, prompts(golden), 3)
    with attention(golden, "eager"), recorded(golden):
        assert run(golden, chosen, prompts(golden), 3) == plain
        assert Tape.made


@contextmanager
def attention(golden: GoldenModel, kind: str) -> Iterator[None]:
    model = golden.model()
    assert model.audio_invert_tower is not None
    configs = [model.language_model.config, model.audio_invert_tower.crq_transformer.config]
    before = [config._attn_implementation for config in configs]
    for config in configs:
        config._attn_implementation = kind
    yield
    for config, old in zip(configs, before, strict=True):
        config._attn_implementation = old


def test_a_row_that_joins_or_is_cancelled_is_no_trouble_to_recorded_steps(golden: GoldenModel) -> None:
    from fac_eval.model.decoding import Decoder

    chosen = settings(text_greedy=True)
    plain = run(golden, chosen, prompts(golden), 1)
    given = prompts(golden)
    with recorded(golden):
        decoder = Decoder(golden.model(), chosen, given[:3], batch_size=4)
        rows = {}
        for passes, steps in enumerate(decoder):
            rows.update({row.number: row for row, _ in steps})
            if passes == 3:
                decoder.cancel(0)
                decoder.add(given[3])
    assert [(rows[number].ids, rows[number].speech) for number in range(1, 4)] == plain[1:4]


def test_a_second_decoder_runs_plainly_until_the_first_is_gone(golden: GoldenModel) -> None:
    from fac_eval.model.decoding import Decoder

    chosen = settings(text_greedy=True)
    plain = run(golden, chosen, prompts(golden), 1)
    model, given = golden.model(), prompts(golden)
    with recorded(golden) as graphs:
        decoders = [Decoder(model, chosen, [given[number]]) for number in (0, 1)]
        turns = zip(*decoders, strict=False)
        longer, shorter = [row for both in turns for steps in both for row, _ in steps][-2:]
        assert (shorter.ids, shorter.speech) == plain[1]
        assert longer.ids == plain[0][0][: len(longer.ids)]
        assert model.steps_for(object()) is not graphs
        decoders.clear()
        del turns
        assert model.steps_for(graphs) is graphs


@pytest.mark.parametrize("fault", ["cannot", "differs"])
def test_a_part_that_cannot_be_recorded_runs_plainly(
    golden: GoldenModel, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    class Wrong(Tape):
        def replay(self) -> None:
            super().replay()
            self.outputs[-1].add_(1)

    def cannot(work: object) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    chosen = settings(text_greedy=True)
    plain = run(golden, chosen, prompts(golden), 3)
    faulty = cannot if fault == "cannot" else Wrong
    with recorded(golden, {"text": Tape, "speech": faulty}), caplog.at_level(logging.WARNING):
        assert run(golden, chosen, prompts(golden), 3) == plain
        assert run(golden, chosen, prompts(golden), 3) == plain
    (told,) = [record.getMessage() for record in caplog.records]
    assert "speech" in told
    assert ("capturing" if fault == "cannot" else "other numbers") in told


def test_out_of_memory_while_recording_is_out_of_memory(golden: GoldenModel) -> None:
    import torch

    def full(work: object) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with recorded(golden, {"text": full}), pytest.raises(torch.OutOfMemoryError):
        run(golden, settings(), prompts(golden), 3)


def test_moving_the_model_forgets_what_was_recorded(golden: GoldenModel) -> None:
    model = golden.model()
    with recorded(golden) as graphs:
        run(golden, settings(), prompts(golden)[:1], 1)
        model.to("cpu")
        assert model.steps_for(graphs) is not graphs


def test_nothing_is_recorded_on_a_cpu_or_on_request(golden: GoldenModel) -> None:
    from fac_eval.model.step_graphs import PlainSteps

    model = golden.model()
    assert type(model.steps_for(model)) is PlainSteps
    with recorded(golden):
        model.graphs = False
        try:
            assert type(model.steps_for(model)) is PlainSteps
        finally:
            model.graphs = True


def test_what_waits_for_the_gpu_is_not_recorded() -> None:
    import torch

    from fac_eval.model.step_graphs import graphs_for

    class OnGpu(torch.nn.Module):
        """All that is asked of a module before anything runs."""

        def __init__(self, devices: list[str], experts: int = 0) -> None:
            super().__init__()
            self.config = type("Config", (), {"num_experts": experts})()
            self.devices = devices

        def parameters(self, recurse: bool = True) -> Any:
            return [type("Weight", (), {"device": torch.device(name)})() for name in self.devices]

    def parts(module: OnGpu, attention: str = "sdpa") -> list[str]:
        return sorted(graphs_for({"text": [module], "speech": [OnGpu(["cuda:1"])]}, attention)._recorders)

    assert parts(OnGpu(["cuda:0"])) == ["speech", "text"]
    assert parts(OnGpu(["cuda:0"], experts=128)) == ["speech"]
    assert parts(OnGpu(["cuda:0", "cuda:1"])) == ["speech"]
    assert parts(OnGpu(["cpu"])) == ["speech"]
    assert parts(OnGpu(["cuda:0"]), "flash_attention_2") == []


def test_a_row_of_nonsense_leaves_none_to_those_after_it(golden: GoldenModel) -> None:
    chosen = settings(text_greedy=True)
    plain = run(golden, chosen, prompts(golden), 1)
    with recorded(golden):
        given = prompts(golden)
        broken = replace(given[0], embeds=given[0].embeds * float("nan"), max_new_tokens=4)
        found = run(golden, chosen, [broken, *given[1:]], 2)
        assert found[1:] == plain[1:]


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="needs a GPU")
def test_graphs_of_a_gpu_give_what_its_plain_steps_do(golden_folder: Path) -> None:
    from fac_eval.model.conformance.golden import GoldenModel
    from fac_eval.model.step_graphs import CudaGraph, StepGraphs

    golden = GoldenModel(golden_folder / "tiny_index.json", device_map="cuda")
    model = golden.model()
    for chosen in (settings(text_greedy=True), settings(only_crq_sampling=False)):
        model.graphs = False
        plain = run(golden, chosen, prompts(golden), 3)
        model.graphs = True
        assert run(golden, chosen, prompts(golden), 3) == plain
    graphs = model.steps_for(golden)
    assert isinstance(graphs, StepGraphs)
    assert {type(taped.recording) for taped in graphs._taped.values()} == {CudaGraph}
