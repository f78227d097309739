"""What a pass through the flow computes on its way, under the names that recorded traces give it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..detokenizer.flow import Flow, schedule

_STEP = re.compile(r"step(\d+)/(\w+)")
_BLOCK = re.compile(r"block(\d+)(_attn)?")


@contextmanager
def traced(flow: Flow, names: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Record `mu`, `spk` and those of `names` that are known; filled when the block is left.

    Known are `token_embedding`, `t_steps`, `x_steps`, and for any step k `step{k}/` followed by `time_embed`,
    `input_embed`, `block{i}`, `block{i}_attn`, `norm_out` or `velocity`.
    """
    trace: dict[str, Tensor] = {}
    calls: list[tuple[Any, ...]] = []
    estimator = flow.decoder.estimator
    with ExitStack() as stack:
        stack.callback(estimator.register_forward_pre_hook(lambda _, args: calls.append(args)).remove)
        handle = flow.input_embedding.register_forward_hook(
            lambda *call: trace.update(token_embedding=call[2])
        )
        stack.callback(handle.remove)
        outputs: dict[str, list[Tensor]] = {}
        for part in {match[2] for match in map(_STEP.fullmatch, names) if match}:
            module = _module(estimator, part)
            if module is not None:
                outputs[part] = []
                hook = _recorder(outputs[part])
                stack.callback(module.register_forward_hook(hook).remove)
        yield trace
    _, _, _, mu, speaker, *_ = calls[0]
    rows = len(mu) // 2
    times, _ = schedule(len(calls))
    trace |= {"mu": mu[:rows].mT, "spk": speaker[:rows], "t_steps": times[:, None].expand(-1, 2 * rows)}
    trace["x_steps"] = torch.cat([args[0][:rows].mT for args in calls])
    embedded = estimator.time_embed(times)
    for step in range(len(calls)):
        trace[f"step{step}/time_embed"] = embedded[step].expand(2 * rows, -1)
        for part, made in outputs.items():
            trace[f"step{step}/{part}"] = made[step].mT if part == "velocity" else made[step]


def _module(estimator: nn.Module, part: str) -> nn.Module | None:
    if part == "velocity":
        return estimator
    if part in ("input_embed", "norm_out"):
        return estimator.get_submodule(part)
    block = _BLOCK.fullmatch(part)
    if block is None:
        return None
    return estimator.get_submodule(f"transformer_blocks.{block[1]}" + (".attn" if block[2] else ""))


def _recorder(made: list[Tensor]) -> Any:
    return lambda _module, _args, output: made.append(output)
