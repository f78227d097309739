"""The diffusion transformer: noisy mel, mean, speaker and time to the velocity of the flow.

Parameter names are those of the published checkpoint. Tensors are `[rows, frames, channels]`.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that everybody knows it by

from .config import DiTConfig

_TIME_FEATURES = 256
_TIME_SCALE = 1000.0
_POSITION_KERNEL = 31
_POSITION_GROUPS = 16
_NORM_EPS = 1e-6


class Modulation(NamedTuple):
    """What a time step does to one branch of a block, each `[dim]`: norm, scale and shift, branch, gate."""

    scale: Tensor
    shift: Tensor
    gate: Tensor


class TimeStep(NamedTuple):
    """All modulations of one time step; every row of a batch is at the same one."""

    attention: tuple[Modulation, ...]
    feed_forward: tuple[Modulation, ...]
    out_scale: Tensor
    out_shift: Tensor


class TimeEmbedding(nn.Module):
    """Sinusoids of the time, through a small network."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(_TIME_FEATURES, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, times: Tensor) -> Tensor:
        half = _TIME_FEATURES // 2
        rates = torch.exp(torch.arange(half, device=times.device).float() * (-math.log(10000) / (half - 1)))
        angles = _TIME_SCALE * times[:, None].float() * rates
        features = torch.cat([angles.sin(), angles.cos()], dim=-1)
        weight = cast(nn.Linear, self.time_mlp[0]).weight
        return cast(Tensor, self.time_mlp(features.to(weight.dtype)))


class ConvPosition(nn.Module):
    """Two causal grouped convolutions that tell a frame where it is."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(self._conv(dim), nn.Mish())
        self.conv2 = nn.Sequential(self._conv(dim), nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        x = x.mT
        for layer in (self.conv1, self.conv2):
            x = layer(F.pad(x, (_POSITION_KERNEL - 1, 0)))
        return x.mT

    @staticmethod
    def _conv(dim: int) -> nn.Conv1d:
        return nn.Conv1d(dim, dim, _POSITION_KERNEL, groups=_POSITION_GROUPS)


class InputEmbedding(nn.Module):
    """Noisy mel, prompt mel, mean and speaker, joined and projected."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = 2 * config.mel_dim + config.mu_dim + config.spk_dim
        self.proj = nn.Linear(width, config.dim)
        self.conv_pos_embed = ConvPosition(config.dim)

    def forward(self, x: Tensor, cond: Tensor, mu: Tensor, speaker: Tensor) -> Tensor:
        speaker = speaker[:, None].expand(-1, x.shape[1], -1)
        hidden = self.proj(torch.cat([x, cond, mu, speaker], dim=-1))
        return cast(Tensor, self.conv_pos_embed(hidden) + hidden)


class Rotary(nn.Module):
    """Rotation angles; the frequencies are part of the checkpoint."""

    inv_freq: Tensor

    def __init__(self, dim_head: int) -> None:
        super().__init__()
        exponents = torch.arange(0, dim_head, 2).float() / dim_head
        self.register_buffer("inv_freq", 1.0 / 10000.0**exponents)

    def forward(self, frames: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines, `[frames, dim_head / 2]`."""
        positions = torch.arange(frames, device=self.inv_freq.device).float()
        angles = positions[:, None] * self.inv_freq.float()
        return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate_first_head(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring channel pairs of the first head, and of no other.

    The published code (FunAudioLLM/CosyVoice, cosyvoice/flow/DiT/modules.py) rotates queries and keys before it
    splits them into heads, with angles for one head's width: the others never get a position.
    """
    width = 2 * cos.shape[-1]
    even, odd = x[..., 0:width:2], x[..., 1:width:2]
    turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1)
    return torch.cat([turned.flatten(-2), x[..., width:]], dim=-1)


class Attention(nn.Module):
    """Self-attention over frames."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.to_q = nn.Linear(config.dim, inner)
        self.to_k = nn.Linear(config.dim, inner)
        self.to_v = nn.Linear(config.dim, inner)
        self.to_out = nn.ModuleList([nn.Linear(inner, config.dim)])

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        query = rotate_first_head(self.to_q(x), *rotary)
        key = rotate_first_head(self.to_k(x), *rotary)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, self.to_v(x))
        )
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return cast(Tensor, self.to_out[0](seen.transpose(1, 2).flatten(-2)))


class FeedForward(nn.Module):
    """Two linear layers with a GELU (tanh form) between them."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        inner = int(config.dim * config.ff_mult)
        entry = nn.Sequential(nn.Linear(config.dim, inner), nn.GELU(approximate="tanh"))
        self.ff = nn.Sequential(entry, nn.Identity(), nn.Linear(inner, config.dim))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.ff(x))


class AdaptiveNorm(nn.Module):
    """A layer norm whose scale and shift (and gates) come from the time, by one linear layer."""

    def __init__(self, dim: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(dim, parts * dim)

    def modulations(self, time: Tensor) -> tuple[Tensor, ...]:
        """The `parts` vectors of each time, from embeddings `[times, dim]`."""
        made: Tensor = self.linear(F.silu(time))
        return made.chunk(self.parts, dim=-1)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], scale, shift, _NORM_EPS)


class Block(nn.Module):
    """Attention and feed-forward network, both modulated by the time."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.attn_norm = AdaptiveNorm(config.dim, 6)
        self.attn = Attention(config)
        self.ff = FeedForward(config)

    def forward(
        self,
        x: Tensor,
        attention: Modulation,
        feed_forward: Modulation,
        rotary: tuple[Tensor, Tensor],
        mask: Tensor | None,
    ) -> Tensor:
        seen = self.attn(self.attn_norm(x, attention.scale, attention.shift), rotary, mask)
        x = torch.addcmul(x, attention.gate, seen)
        made = self.ff(self.attn_norm(x, feed_forward.scale, feed_forward.shift))
        return torch.addcmul(x, feed_forward.gate, made)


class DiT(nn.Module):
    """The estimator of the flow's velocity."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.time_embed = TimeEmbedding(config.dim)
        self.input_embed = InputEmbedding(config)
        self.rotary_embed = Rotary(config.dim_head)
        self.transformer_blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm_out = AdaptiveNorm(config.dim, 2)
        self.proj_out = nn.Linear(config.dim, config.mel_dim)

    def time_steps(self, times: Tensor) -> list[TimeStep]:
        """The modulations of each of `times`. They depend on nothing else, so they serve every call."""
        embedded = self.time_embed(times)
        blocks = [block.attn_norm.modulations(embedded) for block in self._blocks]
        out_scale, out_shift = self.norm_out.modulations(embedded)
        return [
            TimeStep(
                tuple(Modulation(1 + parts[1][k], parts[0][k], parts[2][k]) for parts in blocks),
                tuple(Modulation(1 + parts[4][k], parts[3][k], parts[5][k]) for parts in blocks),
                1 + out_scale[k],
                out_shift[k],
            )
            for k in range(len(times))
        ]

    def forward(
        self, x: Tensor, step: TimeStep, cond: Tensor, mu: Tensor, speaker: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The velocity at `x`, `[rows, frames, mel_dim]`; `mask` is true where a frame may see another."""
        hidden = self.input_embed(x, cond, mu, speaker)
        rotary = self.rotary_embed(x.shape[1], x.dtype)
        for block, attention, feed_forward in zip(
            self._blocks, step.attention, step.feed_forward, strict=True
        ):
            hidden = block(hidden, attention, feed_forward, rotary, mask)
        return cast(Tensor, self.proj_out(self.norm_out(hidden, step.out_scale, step.out_shift)))

    @property
    def _blocks(self) -> list[Block]:
        return cast(list[Block], list(self.transformer_blocks))


def attention_mask(
    frames: int, device: torch.device, *, lengths: Tensor | None = None, chunk: int | None = None
) -> Tensor | None:
    """Which frames see which, `[rows or 1, 1, frames or 1, frames]`; None where all see all.

    Args:
        lengths: Frames of each row; those after them are padding and are not seen.
        chunk: With it, a frame sees its own chunk of that many frames and all before.
    """
    positions = torch.arange(frames, device=device)
    mask: Tensor | None = None
    if lengths is not None:
        mask = (positions < lengths[:, None])[:, None, None]
    if chunk is not None:
        ends = (positions // chunk + 1) * chunk
        chunks = (positions < ends[:, None])[None, None]
        mask = chunks if mask is None else mask & chunks
    return mask
