"""The continuous encoder: log-mel at 100 Hz to one row of the backbone's width at 25 Hz.

A Whisper encoder that hears each chunk of `2 * n_window` mel frames (2 s) by itself, so its cost grows with
the length of the audio and not with its square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN

from .config import FunAudioChatAudioEncoderConfig

CHUNKS_PER_PASS = 256
"""Chunks that go through the layers together: a bound on memory, without effect on the numbers."""


class ContinuousAudioTower(nn.Module):
    """The encoder with the checkpoint's names for its parts."""

    positions: Tensor

    def __init__(self, config: FunAudioChatAudioEncoderConfig, attention: str = "sdpa") -> None:
        super().__init__()
        width = config.d_model
        self.chunk_frames = 2 * config.n_window
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(EncoderLayer(config, attention) for _ in range(config.encoder_layers))
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Linear(width, config.output_dim)
        self.audio_bos_eos_token = nn.Embedding(2, config.output_dim)  # in every checkpoint, used by none
        # Only the first rows of Whisper's table are used: positions start again in every chunk.
        self.register_buffer("positions", sinusoids(config.n_window, width), persistent=False)

    def forward(self, features: Tensor, lengths: Sequence[int], width: int) -> Tensor:
        """Encode clips that stand one after another in `features`.

        Args:
            features: Packed log-mel, [mel, sum of lengths].
            lengths: Mel frames of each clip; 0 gives zero rows.
            width: Rows of the result; surplus rows are cut, missing ones are zero.

        Returns:
            [clips, width, output_dim]
        """
        items = torch.split(features, list(lengths), dim=1)
        result = features.new_zeros((len(items), width, self.proj.out_features), dtype=self.proj.weight.dtype)
        chunks = [
            chunk for item in items if item.shape[1] for chunk in torch.split(item, self.chunk_frames, dim=1)
        ]
        if not chunks or not width:
            return result.to(self.proj.weight.device)
        rows = torch.cat(
            [
                self.encode_chunks(chunks[start : start + CHUNKS_PER_PASS])
                for start in range(0, len(chunks), CHUNKS_PER_PASS)
            ]
        )
        heard = [index for index, item in enumerate(items) if item.shape[1]]
        result = result.to(rows.device)
        sizes = [conv_length(items[index].shape[1], self.chunk_frames) for index in heard]
        pieces = torch.split(rows, sizes)
        pooled = [pool_pairs(piece) for piece in pieces]
        out = self.proj(self.ln_post(torch.cat(pooled)))
        for index, piece in zip(heard, torch.split(out, [len(piece) for piece in pooled]), strict=True):
            kept = min(width, len(piece))
            result[index, :kept] = piece[:kept]
        return result

    def encode_chunks(self, chunks: Sequence[Tensor]) -> Tensor:
        """The 50 Hz rows of all chunks, packed: [sum of valid rows, d_model]."""
        frames = torch.tensor([chunk.shape[1] for chunk in chunks])
        longest = int(frames.max())
        weight = self.conv1.weight
        batch = weight.new_zeros((len(chunks), chunks[0].shape[0], longest))
        for row, chunk in enumerate(chunks):
            batch[row, :, : chunk.shape[1]] = chunk
        ragged = bool((frames != longest).any())
        hidden = functional.gelu(self.conv1(batch))
        if ragged:
            # What the convolution smears into the padding must not reach the next one.
            hidden = hidden * (torch.arange(longest) < frames[:, None]).to(hidden)[:, None]
        hidden = functional.gelu(self.conv2(hidden)).transpose(1, 2)
        hidden = hidden + self.positions[: hidden.shape[1]].to(hidden.dtype)
        valid = torch.arange(hidden.shape[1]) < ((frames - 1) // 2 + 1)[:, None]
        mask = valid[:, None, None].to(hidden.device) if ragged else None
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden[valid.to(hidden.device)]


class EncoderLayer(nn.Module):
    """A pre-norm Transformer layer whose attention stays within each chunk."""

    def __init__(self, config: FunAudioChatAudioEncoderConfig, attention: str) -> None:
        super().__init__()
        self.self_attn = ChunkAttention(config.d_model, config.encoder_attention_heads, attention)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)
        self.activation = ACT2FN[config.activation_function]

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """[chunks, rows, d_model]; `mask` is true where a row may be attended to."""
        hidden = hidden + self.self_attn(self.self_attn_layer_norm(hidden), mask)
        hidden = hidden + self.fc2(self.activation(self.fc1(self.final_layer_norm(hidden))))
        if hidden.dtype == torch.float16:
            limit = torch.finfo(hidden.dtype).max - 1000
            hidden = hidden.clamp(-limit, limit)
        return hidden


class ChunkAttention(nn.Module):
    """Full attention among the rows of a chunk. The key projection has no bias."""

    def __init__(self, width: int, heads: int, attention: str) -> None:
        super().__init__()
        self.heads = heads
        self.eager = attention == "eager"
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """[chunks, rows, width] to the same."""
        query, key, value = (
            project(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.eager:
            scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
            if mask is not None:
                scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
            out = scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value
        else:
            out = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        projected: Tensor = self.out_proj(out.transpose(1, 2).flatten(-2))
        return projected


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's position table: sines in the first half of a row, cosines in the second."""
    step = math.log(10000) / (width // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def conv_length(frames: int, chunk: int) -> int:
    """50 Hz rows of a clip of `frames` mel frames."""
    full, rest = divmod(frames, chunk)
    return full * ((chunk - 1) // 2 + 1) + ((rest - 1) // 2 + 1 if rest else 0)


def pool_pairs(rows: Tensor) -> Tensor:
    """50 Hz to 25 Hz: the mean of each pair; an odd last row is dropped, a single row is kept as it is."""
    if len(rows) == 1:
        return rows
    even = len(rows) // 2 * 2
    return rows[:even].reshape(even // 2, 2, -1).mean(1)
