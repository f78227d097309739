"""A Whisper of random weights in the published layout and of any size, for timing: it writes nonsense.

Every clip gets the same number of tokens in one window, so that batches and single clips do equal work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMESTAMPS = 1501
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Size:
    """The dimensions of a Whisper."""

    width: int
    layers: int
    heads: int
    mels: int = 80


SIZES = {
    "small": Size(128, 2, 4),
    "tiny": Size(384, 4, 6),
    "large-v3": Size(1280, 32, 20, 128),
}
"""`tiny` and `large-v3` are the published models of these names; `small` is for a slow machine."""


def write_random_whisper(folder: Path, size: Size, *, tokens: int, dtype: Any = None) -> Path:
    """Write model, tokenizer and preprocessor into `folder`; each clip will be `tokens` tokens long."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    vocabulary, special = _write_tokenizer(folder)
    ids = {token: len(vocabulary) + index for index, token in enumerate(special)}
    end = ids["<|endoftext|>"]
    common = {
        "decoder_start_token_id": ids["<|startoftranscript|>"],
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(vocabulary) + len(special),
            num_mel_bins=size.mels,
            d_model=size.width,
            encoder_layers=size.layers,
            decoder_layers=size.layers,
            encoder_attention_heads=size.heads,
            decoder_attention_heads=size.heads,
            encoder_ffn_dim=4 * size.width,
            decoder_ffn_dim=4 * size.width,
            max_source_positions=1500,
            max_target_positions=448,
            init_std=3.4 / size.width**0.5,  # wide enough for the text to depend on the sound
            **common,
        )
    )
    # No end and no timestamp but the first: one window, and as many tokens as there is room for.
    silent = [end, *(ids[f"<|{0.02 * step:.2f}|>"] for step in range(1, TIMESTAMPS))]
    model.generation_config = GenerationConfig(
        max_length=tokens + 4,
        is_multilingual=True,
        lang_to_id={f"<|{name}|>": ids[f"<|{name}|>"] for name in LANGUAGES},
        task_to_id={name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_initial_timestamp_index=50,
        prev_sot_token_id=ids["<|startofprev|>"],
        suppress_tokens=silent,
        begin_suppress_tokens=silent[:1],
        alignment_heads=[[0, 0]],
        **common,
    )
    model.to(dtype).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=size.mels).save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path) -> tuple[dict[str, int], list[str]]:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import WhisperTokenizer

    vocabulary = {char: index for index, char in enumerate(sorted(ByteLevel.alphabet()))}
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{name}|>" for name in LANGUAGES)]
    special += [f"<|{name}|>" for name in ("translate", "transcribe", "startoflm", "startofprev", "nospeech")]
    special += ["<|notimestamps|>", *(f"<|{0.02 * step:.2f}|>" for step in range(TIMESTAMPS))]
    arguments: dict[str, Any] = {"vocab": vocabulary, "merges": []}
    tokenizer = WhisperTokenizer(**arguments, unk_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    return vocabulary, special
