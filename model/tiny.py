"""Writes complete checkpoints with random weights from a seed: for demos, tests and timing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .config import FunAudioChatConfig
from .loading import SPEECH_HEAD_WEIGHT, empty_model, materialise_buffers
from .modeling import FunAudioChatForConditionalGeneration
from .prompts import (
    AUDIO,
    AUDIO_BOS,
    AUDIO_EOS,
    AUDIO_PAD,
    CHATML,
    DEFAULT_S2M_PROMPT,
    DEFAULT_S2T_PROMPT,
    END_OF_TEXT,
    IM_END,
    IM_START,
    SILENCE,
    speech_code,
)

VOCODER_FOLDER = "vocoder"
_SPECIALS = (END_OF_TEXT, IM_START, IM_END, AUDIO, AUDIO_BOS, AUDIO_EOS, AUDIO_PAD, SILENCE)
_ADDED = ("<tool_call>", "</tool_call>")
_SENTENCES = (
    DEFAULT_S2T_PROMPT,
    DEFAULT_S2M_PROMPT,
    "user assistant system",
    "The answer is a letter: A, B, C or D. Yes, no, maybe. What would you like to know?",
)
_MERGES = 120
_ENDING = 0.4
"""How strongly the random backbone leans towards ending its answer: it does so after a dozen steps or so."""


def write_tiny(folder: Path, seed: int = 0) -> None:
    """Write model, processor, tokenizers and vocoder; equal seeds write equal files."""
    from .detokenizer import write_random_vocoder

    folder.mkdir(parents=True, exist_ok=True)
    ids = _write_tokenizer(folder)
    config = tiny_config(ids)
    _write_json(folder / "config.json", _config_file(config))
    _write_processor(folder)
    ends = {"eos_token_id": ids[IM_END], "pad_token_id": ids[END_OF_TEXT], "max_new_tokens": 256}
    _write_json(folder / "generation_config.json", ends)
    model = random_model(config, seed)
    _lean_towards(model, ids[IM_END], seed)
    save_weights(model, folder / "model.safetensors")
    write_random_vocoder(folder / VOCODER_FOLDER, seed)


def tiny_config(ids: Mapping[str, int]) -> FunAudioChatConfig:
    """Sizes for which a step costs a few milliseconds, with the real speech vocabulary."""
    refined = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 32}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "model_type": "qwen3"}
    return FunAudioChatConfig(
        audio_token_index=ids[AUDIO],
        audio_config={
            "d_model": 64,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 128,
            "output_dim": 64,
            "crq_transformer_config": {**heads, **refined, "max_position_embeddings": 32768},
        },
        text_config={
            **heads,
            "hidden_size": 64,
            "intermediate_size": 160,
            "num_hidden_layers": 2,
            "vocab_size": -(-len(ids) // 16) * 16,
            "max_position_embeddings": 32768,
            "rope_theta": 5e6,
            "tie_word_embeddings": False,
            "pad_token_id": ids[END_OF_TEXT],
            "eos_token_id": ids[IM_END],
            "audio_bos_index": ids[AUDIO_BOS],
            "audio_eos_index": ids[AUDIO_EOS],
            "sil_index": ids[SILENCE],
        },
    )


def random_model(
    config: FunAudioChatConfig,
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    speech: bool = True,
    attn_implementation: str = "sdpa",
) -> FunAudioChatForConditionalGeneration:
    """A model whose weights keep the size of what passes through; made on the device itself."""
    model = empty_model(config, dtype, speech=speech, attn_implementation=attn_implementation)
    place = torch.device(device)
    generator = torch.Generator(device=place).manual_seed(seed)
    materialise_buffers(model, {"": place})
    for name, parameter in list(model.named_parameters()):
        owner, leaf = model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
        value = _random(name, tuple(parameter.shape), generator, dtype, place)
        setattr(owner, leaf, torch.nn.Parameter(value, requires_grad=False))
    model.tie_weights()
    return model.eval()


def save_weights(model: FunAudioChatForConditionalGeneration, path: Path) -> None:
    """Write the weights under the published names, which do not hold tied heads."""
    from safetensors.torch import save_file

    tied = {SPEECH_HEAD_WEIGHT}
    if model.config.text_config.tie_word_embeddings:
        tied.add("language_model.lm_head.weight")
    state = {name: value.contiguous() for name, value in model.state_dict().items() if name not in tied}
    save_file(state, path, metadata={"format": "pt"})


def _random(
    name: str, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype, device: torch.device
) -> Tensor:
    if len(shape) == 1 and name.endswith("weight"):
        return torch.ones(shape, dtype=dtype, device=device)
    fan_in = 1 if "embed_tokens" in name else int(torch.tensor(shape[1:]).prod()) if len(shape) > 1 else 400
    value = torch.empty(shape, dtype=dtype, device=device).normal_(generator=generator)
    return value.mul_(fan_in**-0.5)


def _lean_towards(model: FunAudioChatForConditionalGeneration, text_id: int, seed: int) -> None:
    """Give every embedding a common part that the row of one id answers to: it becomes likelier, not certain."""
    generator = torch.Generator().manual_seed(seed + 1)
    embeddings = model.language_model.model.embed_tokens.weight
    common = torch.randn(embeddings.shape[1], generator=generator)
    embeddings.data += common
    model.language_model.lm_head.weight.data[text_id] += _ENDING * common / common.norm()


def _config_file(config: FunAudioChatConfig) -> dict[str, Any]:
    values = {
        **config.to_dict(),
        "architectures": ["FunAudioChatForConditionalGeneration"],
        "dtype": "float32",
    }
    values.pop("transformers_version", None)
    return values


def _write_tokenizer(folder: Path) -> dict[str, int]:
    """A byte-level text tokenizer and the speech tokenizer; returns the text tokenizer's ids."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    text = Tokenizer(models.BPE())
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + _MERGES, initial_alphabet=sorted(alphabet), show_progress=False
    )
    text.train_from_iterator(_SENTENCES, trainer)
    text.add_special_tokens(list(_SPECIALS))
    text.add_tokens(list(_ADDED))
    _save_tokenizer(text, folder, {"eos_token": IM_END, "pad_token": END_OF_TEXT, "padding_side": "left"})
    (folder / "chat_template.jinja").write_text(CHATML, "utf-8")
    codes = {speech_code(code): code for code in range(6561)}
    marks = (AUDIO_BOS, AUDIO_EOS, AUDIO_PAD, "<|audio_unk|>")
    codes.update({mark: 6561 + number for number, mark in enumerate(marks)})
    speech = Tokenizer(models.WordLevel(codes, unk_token=marks[3]))
    from tokenizers import Regex

    speech.pre_tokenizer = pre_tokenizers.Split(Regex(r"\[AU\d{4}\]"), "isolated")
    speech.decoder = decoders.Fuse()
    speech.add_special_tokens(list(marks))
    names = dict(zip(("bos_token", "eos_token", "pad_token", "unk_token"), marks, strict=True))
    _save_tokenizer(speech, folder / "speech_tokenizer", {**names, "audio_group_size": 5})
    ids: dict[str, int] = text.get_vocab()
    return ids


def _save_tokenizer(tokenizer: Any, folder: Path, settings: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    _write_json(folder / "tokenizer_config.json", {**settings, **kind})


def _write_processor(folder: Path) -> None:
    extractor = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": 128,
        "sampling_rate": 16000,
        "n_fft": 400,
        "hop_length": 160,
        "chunk_length": 300,
        "n_samples": 4800000,
        "nb_max_frames": 30000,
        "padding_value": 0.0,
        "return_attention_mask": True,
    }
    _write_json(folder / "preprocessor_config.json", extractor)
    tokens = {"audio_token": AUDIO, "audio_bos_token": AUDIO_BOS, "audio_eos_token": AUDIO_EOS}
    group = {"audio_pad_token": AUDIO_PAD, "audio_group_size": 5, "processor_class": "FunAudioChatProcessor"}
    _write_json(folder / "processor_config.json", {**tokens, **group})


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")
