"""Attention masks in the form that each attention implementation takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def causal_mask(model: Any, attention_mask: Tensor) -> Any:
    """The mask of whole sequences [B, L] that may be padded, as a backbone's `attention_mask`.

    It is added to the scores and not boolean: a padding row, which may attend to nothing, then sees equal
    scores everywhere and its numbers are those of the reference.
    """
    if model.config._attn_implementation.startswith("flash"):
        return attention_mask
    if model.config._attn_implementation == "sdpa" and bool(attention_mask.all()):
        return for_layers(model, None)
    length = attention_mask.shape[1]
    order = torch.ones(length, length, dtype=torch.bool, device=attention_mask.device).tril()
    return for_layers(model, _added(model, (order & attention_mask.bool()[:, None, :])[:, None]))


def first_mask(model: Any, embeds: Tensor) -> Any:
    """The mask of a first pass over rows [B, L, H]: plain causal, for padding lies behind every row's end."""
    if model.config._attn_implementation == "eager":
        return causal_mask(model, torch.ones(embeds.shape[:2], dtype=torch.int64, device=embeds.device))
    return for_layers(model, None)


def step_mask(model: Any, lengths: Tensor, keys: int) -> Any:
    """The mask of one new row each over a cache of `keys` rows of which `lengths` [B] are real."""
    valid = torch.arange(keys, device=lengths.device) < lengths[:, None]
    if model.config._attn_implementation.startswith("flash"):
        return valid.to(torch.int64)
    allowed = valid[:, None, None]
    return for_layers(
        model, _added(model, allowed) if model.config._attn_implementation == "eager" else allowed
    )


def for_layers(model: Any, mask: Tensor | None) -> Any:
    """A finished mask in the form in which the backbone takes it without building one of its own."""
    if model.config.model_type in ("qwen2", "qwen3"):
        return dict.fromkeys(set(model.config.layer_types), mask)
    return mask


def _added(model: Any, allowed: Tensor) -> Tensor:
    kind = next(model.parameters()).dtype
    return torch.where(allowed, 0.0, torch.finfo(kind).min).to(kind)
