"""Writes vocoders with random weights, in the layout of the published checkpoint: for tests, demos and timing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from .config import DetokenizerConfig, DiTConfig, FlowConfig, HiFTConfig
from .flow import Flow
from .hift import DownsampleConv, HiFT

TINY = DetokenizerConfig(
    flow=FlowConfig(pre_lookahead_channels=48, dit=DiTConfig(dim=64, depth=2, heads=4, dim_head=16)),
    hift=HiFTConfig(base_channels=32, f0_cond_channels=24),
)
"""Sizes for which a second of speech costs a fraction of one, with the real vocabulary."""

_SPEAKERS = ("中文女", "中文男")
_PITCH = 160.0


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


def _flow_state(config: DetokenizerConfig, seed: int) -> dict[str, Tensor]:
    with torch.device("meta"):
        flow = Flow(config.flow)
    state = _random_state(flow, seed)
    width = config.flow.dit.dim_head
    state["decoder.estimator.rotary_embed.inv_freq"] = 10000.0 ** -(torch.arange(0, width, 2) / width)
    return state


def _hift_state(config: DetokenizerConfig, seed: int) -> dict[str, Tensor]:
    with torch.device("meta"):
        hift = HiFT(config.hift)
    state = _random_state(hift, seed)
    for key in state:
        if key.endswith("alpha"):
            state[key] = state[key].abs() + 0.5
    # A voice's pitch, so that the source is voiced.
    state["f0_predictor.classifier.bias"].fill_(_PITCH)
    state["f0_predictor.classifier.weight"] *= _PITCH / 16
    # Magnitudes far below the limiter, so that differences are heard.
    state["conv_post.weight"] *= 0.2
    state["conv_post.bias"][: len(state["conv_post.bias"]) // 2] -= 2.0
    return _with_weight_norm(hift, state)


def _random_state(module: nn.Module, seed: int) -> dict[str, Tensor]:
    """Normal values that keep the size of what passes through; biases are small."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, value in module.state_dict().items():
        scale = value[0].numel() ** -0.5 if value.dim() > 1 and "embedding" not in key else 1.0
        scale = 0.05 if key.endswith("bias") else scale
        state[key] = torch.randn(value.shape, generator=generator) * scale
    return state


def _with_weight_norm(hift: HiFT, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of all convolutions but those of the source, as gain and direction."""
    result = dict(state)
    for name, module in hift.named_modules():
        if isinstance(module, nn.Conv1d) and not isinstance(module, DownsampleConv):
            weight = result.pop(f"{name}.weight")
            result[f"{name}.parametrizations.weight.original0"] = weight.flatten(1).norm(dim=1)[:, None, None]
            result[f"{name}.parametrizations.weight.original1"] = weight
    return result


def _speakers(config: DetokenizerConfig, seed: int) -> dict[str, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    mel_bins, ratio = config.flow.input_size, config.flow.token_mel_ratio
    return {
        name: {
            "embedding": torch.randn(1, config.flow.spk_embed_dim, generator=generator),
            "speech_token": torch.randint(0, config.flow.vocab_size, (1, 8), generator=generator),
            "speech_feat": torch.randn(1, 8 * ratio, mel_bins, generator=generator),
        }
        for name in _SPEAKERS
    }
