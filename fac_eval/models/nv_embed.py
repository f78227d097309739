"""NV-Embed-v2 in PyTorch: Mistral layers that look both ways, and a latent attention that pools their output.

The checkpoint's own modelling code does not run with current versions of transformers, and would have to be trusted, so
its arithmetic is written out here (nvidia/NV-Embed-v2 modeling_nvembed.py names the tensors).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fac_eval.errors import AssetError

MAX_TOKENS = 4096
"""What the MMAU-Pro script asks for; longer texts are cut."""
_TEXT_FIELDS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_theta"),
)
_EXPANSION = 4


@dataclass(frozen=True, slots=True)
class LatentConfig:
    """The pooling layer's sizes, as `latent_attention_config` has them; what it leaves out is published so."""

    num_latents_value: int = 512
    num_cross_heads: int = 8
    cross_dim_head: int = 4096
    hidden_dim: int = 4096
    latent_dim: int = 4096
    output_normalize: bool = True


class _CrossAttention(nn.Module):
    def __init__(self, config: LatentConfig) -> None:
        super().__init__()
        inner = config.num_cross_heads * config.cross_dim_head
        self._heads = config.num_cross_heads
        self.to_q = nn.Linear(config.latent_dim, inner, bias=False)
        self.to_kv = nn.Linear(config.hidden_dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, config.latent_dim, bias=False)

    def forward(self, hidden: Tensor, latents: Tensor) -> Tensor:
        key, value = self.to_kv(latents)[None].expand(len(hidden), -1, -1).chunk(2, dim=-1)
        attended = functional.scaled_dot_product_attention(
            self._split(self.to_q(hidden)), self._split(key), self._split(value)
        )
        joined: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return joined

    def _split(self, rows: Tensor) -> Tensor:
        return rows.view(*rows.shape[:-1], self._heads, -1).transpose(1, 2)


class _GatedLinear(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        values, gates = rows.chunk(2, dim=-1)
        return values * functional.gelu(gates)


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width * _EXPANSION
        self.net = nn.Sequential(nn.Linear(width, 2 * inner), _GatedLinear(), nn.Linear(inner, width))

    def forward(self, rows: Tensor) -> Tensor:
        transformed: Tensor = self.net(rows)
        return transformed


class _Normed(nn.Module):
    """A layer with the norms of what goes into it, under the names of the checkpoint."""

    def __init__(self, layer: nn.Module, width: int, context: int | None = None) -> None:
        super().__init__()
        self.fn = layer
        self.norm = nn.LayerNorm(width)
        self.norm_context = None if context is None else nn.LayerNorm(context)

    def forward(self, rows: Tensor, *context: Tensor) -> Tensor:
        normed = [self.norm_context(tensor) for tensor in context] if self.norm_context is not None else []
        transformed: Tensor = self.fn(self.norm(rows), *normed)
        return transformed


class LatentAttention(nn.Module):
    """Each token's output asks a learned array; the mean over the tokens is the text's vector."""

    def __init__(self, config: LatentConfig) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(config.num_latents_value, config.latent_dim))
        attention = _Normed(_CrossAttention(config), config.latent_dim, config.hidden_dim)
        feed_forward = _Normed(_FeedForward(config.latent_dim), config.latent_dim)
        self.cross_attend_blocks = nn.ModuleList([attention, feed_forward])
        self._normalize = config.output_normalize

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        attend, transform = self.cross_attend_blocks
        hidden = hidden + attend(hidden, self.latents)
        hidden = hidden + transform(hidden)
        weights = mask[..., None].float()
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return functional.normalize(mean, dim=-1) if self._normalize else mean


class NvEmbedModel(nn.Module):
    """Token ids to one vector a text."""

    def __init__(self, text: Mapping[str, Any], latent: LatentConfig) -> None:
        from transformers import MistralConfig, MistralModel

        super().__init__()
        config = MistralConfig(
            **{name: text[name] for name in _TEXT_FIELDS if name in text}, sliding_window=None
        )
        config._attn_implementation = "sdpa"
        self.eos_token_id = int(text.get("eos_token_id", 2))
        self.embedding_model = MistralModel(config)
        self.latent_attention_model = LatentAttention(latent)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        # A mask of four dimensions is taken as it is: every token sees all that are no padding.
        outputs = self.embedding_model(
            input_ids=ids, attention_mask=mask[:, None, None].bool(), use_cache=False
        )
        vectors: Tensor = self.latent_attention_model(outputs.last_hidden_state, mask)
        return vectors


def load(folder: Path, *, dtype: torch.dtype, device: torch.device) -> NvEmbedModel:
    """The model with the weights of a folder. Raises AssetError where they do not fit `config.json`."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        known = LatentConfig.__dataclass_fields__
        held = config.get("latent_attention_config", {})
        latent = LatentConfig(**{name: value for name, value in held.items() if name in known})
        text = config["text_config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"{folder}: config.json is not NV-Embed's: {type(error).__name__}: {error}"
        ) from error
    with torch.device("meta"):
        model = NvEmbedModel(text, latent)
    _fill(model, folder, dtype, device)
    # What is computed and not stored has to be made again where the weights are.
    rotary = model.embedding_model.rotary_emb
    model.embedding_model.rotary_emb = type(rotary)(model.embedding_model.config).to(device)
    return model.eval().requires_grad_(False)


def _fill(model: nn.Module, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            held = load_file(file, device=str(device))
        except (OSError, SafetensorError) as error:
            raise AssetError(f"{file}: cannot be read: {error}", remedy="Fetch it again.") from error
        tensors |= {name: tensor.to(dtype) for name, tensor in held.items()}
    try:
        missing, unexpected = model.load_state_dict(tensors, strict=False, assign=True)
    except RuntimeError as error:
        raise AssetError(f"{folder}: the weights do not fit config.json: {error}") from error
    unexpected = [name for name in unexpected if "rotary_emb" not in name]
    if missing or unexpected:
        raise AssetError(
            f"{folder}: these are not the weights of NV-Embed-v2: "
            f"{len(missing)} missing{_first(missing)}, {len(unexpected)} unknown{_first(unexpected)}"
        )


def _first(names: Sequence[str]) -> str:
    return f" (e.g. {names[0]})" if names else ""
