"""A Whisper of a few thousand random weights in the published layout: it writes nonsense, always the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh", "de")
TIMESTAMPS = 1501


def write_tiny_whisper(folder: Path, *, window: int = 2, seed: int = 0) -> Path:
    """Write model, tokenizer and preprocessor into `folder`; `window` is in seconds, 30 in the published ones."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    vocabulary, special = _tokenizer(folder)
    ids = {token: len(vocabulary) + index for index, token in enumerate(special)}
    size = len(vocabulary) + len(special)
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=size,
        num_mel_bins=8,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=50 * window,
        max_target_positions=448,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        init_std=1.0,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        max_length=24,
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        is_multilingual=True,
        lang_to_id={f"<|{name}|>": ids[f"<|{name}|>"] for name in LANGUAGES},
        task_to_id={name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_initial_timestamp_index=50,
        prev_sot_token_id=ids["<|startofprev|>"],
        suppress_tokens=[1, 2, 3],
        begin_suppress_tokens=[0, ids["<|endoftext|>"]],
        alignment_heads=[[0, 0]],
    )
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=8, chunk_length=window).save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> tuple[dict[str, int], list[str]]:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import WhisperTokenizer

    vocabulary = {char: index for index, char in enumerate(sorted(ByteLevel.alphabet()))}
    special = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{name}|>" for name in LANGUAGES),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *(f"<|{0.02 * step:.2f}|>" for step in range(TIMESTAMPS)),
    ]
    arguments: dict[str, Any] = {"vocab": vocabulary, "merges": []}
    tokenizer = WhisperTokenizer(**arguments, unk_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    return vocabulary, special
