"""Writes vocoders with random weights, in the layout of the published checkpoint: for tests, demos and timing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from .config import DetokenizerConfig, DiTConfig, FlowConfig, HiFTConfig
from .flow import Flow
from .hift import CausalConv, AheadConv, HiFT, UpsampleConv, Snake
from .loading import DEFAULT_SPEAKER

TINY = DetokenizerConfig(
    flow=FlowConfig(pre_lookahead_channels=48, dit=DiTConfig(dim=64, depth=2, heads=4, dim_head=16)),
    hift=HiFTConfig(base_channels=32, f0_cond_channels=24),
)
"""Sizes for which a second of speech costs a fraction of one, with the real vocabulary."""

_PITCH = 160.0
_LOUDNESS = -1.0


def write_random_vocoder(
    folder: str | Path,
    seed: int = 0,
    config: DetokenizerConfig = TINY,
    *,
    layout: Literal["torch", "safetensors"] = "torch",
) -> None:
    """Write `flow`, `hift`, `config.json` and `new_spk2info.pt`; equal seeds write equal weights."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part, state in (("flow", _flow_state(config, seed)), ("hift", _hift_state(config, seed + 1))):
        if layout == "torch":
            torch.save(state, folder / f"{part}.pt")
        else:
            from safetensors.torch import save_file

            save_file(state, folder / f"{part}.safetensors")
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1) + "\n", encoding="utf-8")
    torch.save(_speakers(config, seed + 2), folder / "new_spk2info.pt")
