"""The reference's `generate` call in front of our decode loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .decoding import Decoder, Prompt, Row
from .modeling import FunAudioChatForConditionalGeneration
from .sampling import GenerationSettings

_AUDIO_INPUTS = ("speech_ids", "input_features", "feature_attention_mask", "feature_exist_mask")
_SPOKEN = ("text_greedy", "only_crq_sampling", "disable_speech", "force_text_abos")
_SAMPLED = ("do_sample", "temperature", "top_p", "top_k", "repetition_penalty")
_WITHOUT_EFFECT = {"length_penalty", "return_dict_in_generate", "synced_gpus", "logits_to_keep"}
_FIXED = {"num_beams": 1, "num_return_sequences": 1, "use_cache": True}
_KNOWN = {
    *_SAMPLED,
    *_FIXED,
    *_WITHOUT_EFFECT,
    "bad_words_ids",
    "eos_token_id",
    "max_new_tokens",
    "max_length",
}
TRANSFORMERS_TOP_K = 50
"""What transformers samples with where neither caller nor checkpoint says anything."""
DEFAULT_MAX_NEW_TOKENS = 2048


def generate(
    model: FunAudioChatForConditionalGeneration,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    speech_attention_mask: Tensor | None = None,
    streamer: Any = None,
    pad_token_id: int | None = None,
    seeds: Sequence[int] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """See `FunAudioChatForConditionalGeneration.generate`.

    Without `seeds` a single row draws from the device's global generator, as in the reference, and the rows of
    a batch from generators seeded by it.
    """
    audio = {name: kwargs.pop(name, None) for name in _AUDIO_INPUTS}
    settings = settings_of(model, input_ids.shape[1], kwargs)
    if streamer is not None:
        if len(input_ids) > 1:
            raise ValueError("a streamer takes one row, not a batch")
        streamer.put(input_ids.cpu())
    prompts = row_prompts(model, input_ids, attention_mask, audio, speech_attention_mask, seeds)
    rows: dict[int, Row] = {}
    for steps in Decoder(model, settings, prompts, batch_size=len(prompts)):
        for row, step in steps:
            rows[row.number] = row
            if streamer is not None:
                streamer.put(torch.tensor([step.text_id]))
                if step.group is not None:
                    streamer.put(torch.tensor([step.group]))
    if streamer is not None:
        streamer.end()
    ordered = [rows[number] for number in range(len(prompts))]
    if pad_token_id is None:
        pad_token_id = model.generation_config.get("pad_token_id")
    filler = model.config.text_config.pad_token_id if pad_token_id is None else pad_token_id
    new = _padded([row.ids for row in ordered], 0 if filler is None else filler, input_ids.device)
    speech = _padded(
        [row.speech for row in ordered], model.config.audio_config.pad_token_id, input_ids.device
    )
    return torch.cat([input_ids, new], dim=1), speech


def settings_of(
    model: FunAudioChatForConditionalGeneration, prompt_length: int, given: dict[str, Any]
) -> GenerationSettings:
    """The caller's arguments over the checkpoint's `generation_config.json` over transformers' defaults."""
    unknown = set(given) - _KNOWN
    if unknown:
        raise TypeError(f"generate takes no {', '.join(sorted(unknown))}")
    for name, only in _FIXED.items():
        if given.get(name, only) not in (only, None):
            raise ValueError(f"generate supports {name}={only} only, got {given[name]!r}")
    values = {
        **model.generation_config,
        **{name: value for name, value in given.items() if value is not None},
    }
    limit = values.get("max_new_tokens")
    if limit is None and values.get("max_length") is not None:
        limit = values["max_length"] - prompt_length
    ends = values.get("eos_token_id")
    chosen = {name: values[name] for name in _SAMPLED if values.get(name) is not None}
    top_k = given["top_k"] if "top_k" in given else values.get("top_k", TRANSFORMERS_TOP_K)
    return GenerationSettings(
        **{**chosen, "top_k": top_k or 0},
        **{name: model.sp_gen_kwargs[name] for name in _SPOKEN if name in model.sp_gen_kwargs},
        bad_words_ids=tuple(tuple(word) for word in values.get("bad_words_ids") or ()),
        eos_token_ids=tuple(ends) if isinstance(ends, list | tuple) else () if ends is None else (int(ends),),
        max_new_tokens=DEFAULT_MAX_NEW_TOKENS if limit is None else limit,
    )


def row_prompts(
    model: FunAudioChatForConditionalGeneration,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    audio: dict[str, Tensor | None],
    speech_attention_mask: Tensor | None,
    seeds: Sequence[int] | None,
) -> list[Prompt]:
    """Each row of a padded batch as a prompt of its own, without its padding."""
    device = model.device
    moved = {name: value.to(device) for name, value in audio.items() if value is not None}
    rows = model.encode_audio(**moved) if "speech_ids" in moved else None
    mask = None if speech_attention_mask is None else speech_attention_mask.to(device)
    embeds = model.prompt_embeds(input_ids.to(device), rows, mask)
    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    if seeds is None and len(input_ids) > 1:
        seeds = torch.randint(2**62, (len(input_ids),)).tolist()
    generators = [None] * len(input_ids) if seeds is None else [seeded(seed, device) for seed in seeds]
    if len(generators) != len(input_ids):
        raise ValueError(f"{len(input_ids)} rows need as many seeds, got {len(generators)}")
    return [
        Prompt(tuple(ids[real].tolist()), row[real.to(row.device)], generator)
        for ids, real, row, generator in zip(
            input_ids, attention_mask.bool(), embeds, generators, strict=True
        )
    ]


def seeded(seed: int, device: torch.device) -> torch.Generator:
    """A generator whose stream is that of `torch.manual_seed(seed)` on the device."""
    return torch.Generator(device=device).manual_seed(seed)


def _padded(rows: Sequence[Sequence[int]], filler: int, device: torch.device) -> Tensor:
    width = max(map(len, rows), default=0)
    return torch.tensor(
        [[*row, *[filler] * (width - len(row))] for row in rows], device=device, dtype=torch.int64
    )
