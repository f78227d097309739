"""`fac-eval model check`: what only a checkpoint's files can tell, and whether they will load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fac_eval.errors import FacEvalError

from .answers import special_ids
from .checkpoint import TensorEntry, entries, hub_entries, locate, weight_files
from .config import FunAudioChatConfig, refined_head_config
from .loading import KeyReport, empty_model, match_keys, read_config, read_generation_config
from .processor import FunAudioChatProcessor
from .prompts import (
    AUDIO,
    AUDIO_BOS,
    AUDIO_EOS,
    CHATML,
    END_OF_TEXT,
    IM_END,
    IM_START,
    SILENCE,
    speech_code,
)

CODEBOOK = 6565
REQUIRED = (IM_START, IM_END, END_OF_TEXT, AUDIO, AUDIO_BOS, AUDIO_EOS, SILENCE)
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_SAMPLE = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


@dataclass(slots=True)
class CheckReport:
    """What was read off the files; it loads if there is no problem."""

    path: str
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def loads(self) -> bool:
        """The verdict."""
        return not self.problems


def check(path: str | os.PathLike[str], *, revision: str | None = None) -> CheckReport:
    """Inspect a checkpoint without reading or fetching its weights: their names, shapes and types suffice."""
    here = Path(path).expanduser().is_dir()
    folder = locate(path, revision=revision, weights=False)
    report = CheckReport(str(path))
    report.facts["files"] = {"folder": folder.name if folder != Path(path) else str(path)}
    config = _attempt(report, lambda: read_config(folder))
    if config is not None:
        _configuration(report, config)
        report.facts["generation defaults"] = read_generation_config(folder) or {
            "": "no generation_config.json"
        }
    processor = _attempt(report, lambda: FunAudioChatProcessor.from_pretrained(folder))
    if processor is not None:
        _processor(report, processor, config)
    found = _attempt(
        report,
        lambda: list(
            entries(weight_files(folder)) if here else hub_entries(os.fspath(path), revision=revision)
        ),
    )
    if found is not None:
        _weights(report, found, config)
    return report


def report_text(report: CheckReport) -> str:
    """The report for reading, the verdict last."""
    lines = []
    for title, facts in report.facts.items():
        lines.append(f"{title}:")
        lines += [f"  {name}: {value}" if name else f"  {value}" for name, value in facts.items()]
    lines += [f"remark: {remark}" for remark in report.remarks]
    lines += [f"problem: {problem}" for problem in report.problems]
    memory = report.facts.get("memory", {}).get("weights in bfloat16")
    needs = f", and will need {memory} in bfloat16 besides its caches" if memory else ""
    lines.append(
        f"verdict: this checkpoint loads{needs}" if report.loads else "verdict: this checkpoint does not load"
    )
    return "\n".join(lines)


def _attempt(report: CheckReport, read: Any) -> Any:
    try:
        return read()
    except FacEvalError as error:
        report.problems.append(str(error))
        return None


def _configuration(report: CheckReport, config: FunAudioChatConfig) -> None:
    audio, text = config.audio_config, config.text_config
    head = refined_head_config(audio)
    report.facts["shapes"] = {
        "backbone": f"{text.model_type}, hidden {text.hidden_size}, {text.num_hidden_layers} layers, "
        f"{text.num_attention_heads}/{text.num_key_value_heads} heads, vocabulary {text.vocab_size}",
        "encoder": f"d_model {audio.d_model}, {audio.encoder_layers} layers, chunks of "
        f"{2 * audio.n_window / 100:g} s, output {audio.output_dim}",
        "speech head": f"hidden {head.hidden_size}, {head.num_hidden_layers} layers, codebook {audio.codebook_size}"
        if audio.enable_audio_invert_tower
        else "none: this checkpoint answers in text only",
        "grouping": f"{audio.group_size} codes a step, continuous features {audio.continuous_features_mode}",
    }
    if audio.codebook_size != CODEBOOK:
        report.problems.append(f"codebook_size is {audio.codebook_size}: the vocoder's codes need {CODEBOOK}")


def _processor(
    report: CheckReport, processor: FunAudioChatProcessor, config: FunAudioChatConfig | None
) -> None:
    tokenizer, mel = processor.tokenizer, processor.mel
    report.facts["audio in"] = {
        "window": f"{mel.n_samples / mel.sampling_rate:g} s (chunk_length)",
        "mel": f"{mel.feature_size} bins, hop {mel.hop_length} at {mel.sampling_rate} Hz",
    }
    known = tokenizer.get_vocab()
    missing = [token for token in REQUIRED if token not in known]
    if missing:
        report.problems.append(f"the tokenizer lacks {', '.join(missing)}")
    special = special_ids(tokenizer)
    report.facts["special tokens"] = {
        token: f"{known[token]}{'' if known[token] in special else ' (not flagged special)'}"
        for token in (*REQUIRED, processor.audio_pad_token)
        if token in known
    }
    speech = {value: key for key, value in processor.speech_tokenizer.get_vocab().items()}
    report.facts["speech tokenizer"] = {
        "ids": len(speech),
        **{str(number): speech.get(number, "missing") for number in range(6561, CODEBOOK)},
    }
    if len(speech) != CODEBOOK:
        report.remarks.append(f"the speech tokenizer has {len(speech)} ids, not {CODEBOOK}")
    if config is not None:
        _speech_ids_agree(report, processor, config, speech)
    ours, theirs = (
        tokenizer.apply_chat_template(
            _SAMPLE, chat_template=template, tokenize=False, add_generation_prompt=True
        )
        for template in (CHATML, None)
    )
    report.facts["chat template"] = {"": "plain ChatML" if ours == theirs else f"differs: {theirs!r}"}
    if config is not None and not missing:
        _ids_agree(report, config, known)


def _ids_agree(report: CheckReport, config: FunAudioChatConfig, known: Mapping[str, int]) -> None:
    text = config.text_config
    pairs = {
        "audio_token_index": (config.audio_token_index, AUDIO),
        "text_config.audio_bos_index": (text.audio_bos_index, AUDIO_BOS),
        "text_config.audio_eos_index": (text.audio_eos_index, AUDIO_EOS),
        "text_config.sil_index": (text.sil_index, SILENCE),
    }
    for name, (number, token) in pairs.items():
        if known[token] != number:
            report.problems.append(f"{name} is {number} but the tokenizer's {token} is {known[token]}")


def _speech_ids_agree(
    report: CheckReport,
    processor: FunAudioChatProcessor,
    config: FunAudioChatConfig,
    known: Mapping[int, str],
) -> None:
    audio = config.audio_config
    wanted = {
        0: speech_code(0),
        audio.bos_token_id - 1: speech_code(audio.bos_token_id - 1),
        audio.bos_token_id: processor.audio_bos_token,
        audio.eos_token_id: processor.audio_eos_token,
        audio.pad_token_id: processor.audio_pad_token,
    }
    for number, token in wanted.items():
        if known.get(number) != token:
            report.problems.append(
                f"speech id {number} is {known.get(number)!r} in the tokenizer, not {token!r}"
            )


def _weights(report: CheckReport, found: list[TensorEntry], config: FunAudioChatConfig | None) -> None:
    files = sorted({entry.file for entry in found})
    kinds = sorted({entry.dtype for entry in found})
    report.facts["weights"] = {
        "files": f"{len(files)} ({', '.join(path.name for path in files[:3])}{', ...' if len(files) > 3 else ''})",
        "tensors": f"{len(found)}, {', '.join(kinds)}",
    }
    if config is None:
        return
    model = empty_model(config, torch.float32, speech=True, attn_implementation="sdpa")
    _, keys = match_keys(model, found)
    report.facts["keys"] = _key_facts(keys)
    if not keys.fits:
        report.problems.append(f"the weights do not fit config.json\n{keys}")
    count = sum(parameter.numel() for parameter in model.parameters())
    head = 0
    if model.audio_invert_tower is not None:
        head = sum(
            p.numel() for n, p in model.audio_invert_tower.named_parameters() if not n.startswith("lm_head")
        )
    cache = _cache_values(config.text_config) + 5 * _cache_values(refined_head_config(config.audio_config))
    report.facts["memory"] = {
        "parameters": f"{count:,}, of which {head:,} in the speech head (not loaded for text only)",
        **{f"weights in {kind}": _size(count * size) for kind, size in _BYTES.items()},
        "caches of one row, 1000 steps, bfloat16": _size(1000 * cache * 2),
    }


def _key_facts(keys: KeyReport) -> dict[str, Any]:
    return {
        "missing": len(keys.missing),
        "unexpected": len(keys.unexpected),
        "of a wrong shape": len(keys.wrong_shape),
    }


def _cache_values(config: Any) -> int:
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * int(config.num_hidden_layers) * int(config.num_key_value_heads) * int(size)


def _size(count: int) -> str:
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 2**10:.1f} KiB"
