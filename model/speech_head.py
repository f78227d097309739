"""The speech refined head (`audio_invert_tower`): one 5 Hz state of the backbone to five 25 Hz speech codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from .config import FunAudioChatAudioEncoderConfig, refined_head_config


class AudioInvertTower(nn.Module):
    """A small autoregressive transformer that makes the five codes of a group one after another.

    `lm_head` has no weight of its own: it is tied to the embedding of the speech codes, always.
    """

    def __init__(self, config: FunAudioChatAudioEncoderConfig, attention: str = "sdpa") -> None:
        super().__init__()
        inner = refined_head_config(config)
        inner._attn_implementation = attention
        self.group_size = config.group_size
        self.pre_matching = nn.Linear(config.output_dim, config.output_dim * config.group_size)
        self.input_matching = nn.Linear(config.output_dim, inner.hidden_size, bias=False)
        auto: Any = AutoModel
        self.crq_transformer: Any = auto.from_config(inner)
        self.crq_transformer.embed_tokens = None
        self.output_matching = nn.Linear(inner.hidden_size, config.output_dim, bias=False)
        self.lm_head = nn.Linear(config.output_dim, config.codebook_size, bias=False)

    def spread(self, states: Tensor) -> Tensor:
        """Backbone states [B, L, D] to the inputs of their sub-positions [B, 5L, D]."""
        spread: Tensor = self.pre_matching(states)
        return spread.reshape(len(states), states.shape[1] * self.group_size, -1)

    def forward(self, inputs: Tensor, **options: Any) -> Tensor:
        """Hidden rows [B, n, D] of sub-positions whose previous code is already added in `inputs`."""
        hidden = self.crq_transformer(inputs_embeds=self.input_matching(inputs), **options).last_hidden_state
        matched: Tensor = self.output_matching(hidden)
        return matched


def previous_codes(labels: Tensor, pad: int, ignore: int, group_size: int) -> Tensor:
    """The code before each sub-position in teacher forcing: labels rolled left by all but one of a group."""
    return labels.masked_fill(labels == ignore, pad).roll(-(group_size - 1), dims=1)


def sub_positions(position_ids: Tensor, group_size: int) -> Tensor:
    """Positions [B, 5L] of the head for given positions [B, L]; those after the last non-zero one become 0."""
    steps = torch.arange(group_size, device=position_ids.device)
    spread = (position_ids[..., None] * group_size + steps).flatten(1)
    used = (position_ids != 0).flip(1).cumsum(1).flip(1) > 0
    return spread.masked_fill(~used.repeat_interleave(group_size, dim=1), 0)
