"""Weights into the model: each tensor once, straight to its device and dtype, every name accounted for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fac_eval.errors import AssetError, UsageError

from .checkpoint import TensorEntry, entries, locate, weight_files
from .config import FunAudioChatConfig
from .devices import DeviceMap, device_of, follow_devices, resolve_devices
from .modeling import FunAudioChatForConditionalGeneration

SPEECH_HEAD_WEIGHT = "audio_invert_tower.lm_head.weight"
SPEECH_EMBEDDING = "audio_tower.embed_tokens.weight"
_UNUSED = re.compile(r"audio_invert_tower\.crq_transformer\.embed_tokens\.")
_EXPERT = re.compile(
    r"(?P<layer>.*\.mlp\.experts)\.(?P<expert>\d+)\.(?P<part>gate_proj|up_proj|down_proj)\.weight\Z"
)
_SHOWN = 12
_WITHOUT_EFFECT = {
    *("trust_remote_code", "low_cpu_mem_usage", "use_safetensors", "cache_dir", "local_files_only"),
    *("_from_auto", "_commit_hash", "adapter_kwargs", "code_revision"),  # what the Auto classes pass on
}


@dataclass(slots=True)
class KeyReport:
    """How a checkpoint's names and shapes fit the model's."""

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    wrong_shape: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether every tensor has its place and every place its tensor."""
        return not (self.missing or self.unexpected or self.wrong_shape)

    def __str__(self) -> str:
        lines = []
        for title, names in (
            ("missing from the files", self.missing),
            ("not known to the model", self.unexpected),
            ("of a wrong shape", self.wrong_shape),
        ):
            if names:
                more = f"\n  ... and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                lines.append(
                    f"{len(names)} {title}:\n" + "\n".join(f"  {name}" for name in names[:_SHOWN]) + more
                )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one tensor of the files goes: a parameter, or a slice of a fused one."""

    target: str
    index: tuple[Any, ...] = ()


def load_model(
    path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    torch_dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    device_map: DeviceMap = None,
    attn_implementation: str = "sdpa",
    config: FunAudioChatConfig | None = None,
    speech: bool = True,
    **ignored: Any,
) -> FunAudioChatForConditionalGeneration:
    """Load a checkpoint for inference.

    Args:
        path: A folder, or a hub id with an optional `@revision`.
        revision: The pinned revision of a hub id.
        dtype: Of all weights; `auto` or None is the checkpoint's own. `torch_dtype` is its older name.
        device: One device for everything (default: CPU); `auto` is a GPU where there is one.
        device_map: Parts to devices by name prefix, or `auto`.
        attn_implementation: `sdpa`, `eager` or `flash_attention_2`.
        config: Instead of the folder's `config.json`.
        speech: False leaves out the speech head.

    Raises:
        AssetError: A file is missing, damaged, holds code, or does not fit the configuration.
    """
    unknown = set(ignored) - _WITHOUT_EFFECT
    if unknown:
        raise TypeError(f"from_pretrained takes no {', '.join(sorted(unknown))}")
    folder = locate(path, revision=revision)
    config = config or read_config(folder)
    found = list(entries(weight_files(folder)))
    kind = resolve_dtype(dtype or torch_dtype, found)
    model = empty_model(config, kind, speech=speech, attn_implementation=attn_implementation)
    places, report = match_keys(model, found)
    if not report.fits:
        raise AssetError(
            f"{folder}: the weights do not fit config.json\n{report}",
            remedy="`fac-eval model check` prints all of it.",
        )
    devices = resolve_devices(model, device, device_map)
    _fill(model, found, places, devices, kind)
    model.tie_weights()
    model.eval().requires_grad_(False)
    model.generation_config = read_generation_config(folder)
    follow_devices(model, devices)
    return model


def read_config(folder: Path) -> FunAudioChatConfig:
    """The folder's `config.json`, checked."""
    path = folder / "config.json"
    if not path.is_file():
        raise AssetError(f"{path}: the file is missing", remedy="Give the folder of a complete checkpoint.")
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise AssetError(f"{path}: is no JSON: {error}") from error
    if values.get("model_type") != FunAudioChatConfig.model_type:
        raise AssetError(
            f"{path}: model_type is {values.get('model_type')!r}, not {FunAudioChatConfig.model_type!r}"
        )
    config = FunAudioChatConfig.from_dict(values)
    config.check()
    return config


def read_generation_config(folder: Path) -> dict[str, Any]:
    """The folder's `generation_config.json`; empty where there is none."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return {}
    values: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return values


def empty_model(
    config: FunAudioChatConfig, dtype: torch.dtype, *, speech: bool, attn_implementation: str
) -> FunAudioChatForConditionalGeneration:
    """The model with weights that take no memory yet."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            return FunAudioChatForConditionalGeneration(
                config, speech=speech, attn_implementation=attn_implementation
            )
    finally:
        torch.set_default_dtype(default)


def match_keys(
    model: FunAudioChatForConditionalGeneration, found: Iterable[TensorEntry]
) -> tuple[dict[str, Placement], KeyReport]:
    """Where each tensor of the files goes, and whatever does not fit."""
    # remove_duplicate=False: a tied head is a name that files may hold too.
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters(remove_duplicate=False)}
    tied = _tied(model)
    report, places, filled = KeyReport(), {}, dict.fromkeys(shapes, 0)
    given = {entry.name: entry for entry in found}
    skipped = _without_speech if model.audio_invert_tower is None else _never
    for name, entry in given.items():
        if _UNUSED.match(name) or skipped(name) or (name in tied and tied[name] in given):
            continue
        place, shape = _place(tied.get(name, name), shapes)
        if place is None:
            report.unexpected.append(name)
        elif shape != entry.shape:
            report.wrong_shape.append(
                f"{name}: {list(entry.shape)} in {entry.file.name}, the model has {list(shape)}"
            )
            filled[place.target] += 1
        else:
            places[name] = place
            filled[place.target] += 1 if place.index else _pieces(place.target, shape)
    for name, count in filled.items():
        wanted = _pieces(name, shapes[name])
        if name not in tied and count < wanted:
            report.missing.append(
                name if wanted == 1 else f"{name}: {wanted - count} of {wanted} expert matrices"
            )
    return places, report


def resolve_dtype(dtype: str | torch.dtype | None, found: Iterable[TensorEntry]) -> torch.dtype:
    """The dtype to load in; `auto` and None take that of the text embeddings in the files."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype in (None, "auto"):
        own = next((e.dtype for e in found if e.name.startswith("language_model.")), "float32")
        dtype = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}.get(own, own)
    kind = getattr(torch, str(dtype), None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise UsageError(f"unknown dtype {dtype!r}", remedy="Known: bfloat16, float16, float32, auto.")
    return kind


def _fill(
    model: nn.Module,
    found: Iterable[TensorEntry],
    places: Mapping[str, Placement],
    devices: Mapping[str, torch.device],
    dtype: torch.dtype,
) -> None:
    materialise_buffers(model, devices)
    for entry in found:
        place = places.get(entry.name)
        if place is None:
            continue
        owner, leaf = _owner(model, place.target)
        device = device_of(place.target, devices)
        parameter = getattr(owner, leaf)
        if parameter.is_meta and not place.index:
            value = entry.read().to(device=device, dtype=dtype)
            setattr(owner, leaf, nn.Parameter(value.contiguous(), requires_grad=False))
            continue
        if parameter.is_meta:
            parameter = nn.Parameter(
                torch.empty(parameter.shape, dtype=dtype, device=device), requires_grad=False
            )
            setattr(owner, leaf, parameter)
        parameter.data[place.index].copy_(entry.read())


def materialise_buffers(model: nn.Module, devices: Mapping[str, torch.device]) -> None:
    """Rotary and sinusoid tables are in no file: build them as the modules that own them do."""
    from .encoder import ContinuousAudioTower, sinusoids

    for name, module in model.named_modules():
        if not any(True for _ in module.buffers(recurse=False)):
            continue
        device = device_of(name, devices)
        if isinstance(module, ContinuousAudioTower):
            length, width = module.positions.shape
            module.register_buffer("positions", sinusoids(length, width).to(device), persistent=False)
        elif hasattr(module, "inv_freq"):
            default = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
            try:
                fresh = type(module)(config=module.config)
            finally:
                torch.set_default_dtype(default)
            for buffer, value in fresh.named_buffers():
                module.register_buffer(buffer, value.to(device), persistent=False)
            module.original_inv_freq = module.inv_freq


def _place(name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Placement | None, tuple[int, ...]]:
    """The parameter for a name of the files and the shape that its tensor must have."""
    if name in shapes:
        return Placement(name), shapes[name]
    expert = _EXPERT.match(name)
    if expert is None:
        return None, ()
    part = expert["part"]
    target = f"{expert['layer']}.{'down_proj' if part == 'down_proj' else 'gate_up_proj'}"
    if target not in shapes or int(expert["expert"]) >= shapes[target][0]:
        return None, ()
    _, rows, columns = shapes[target]
    number = int(expert["expert"])
    if part == "down_proj":
        return Placement(target, (number,)), (rows, columns)
    half = rows // 2
    cut = slice(0, half) if part == "gate_proj" else slice(half, rows)
    return Placement(target, (number, cut)), (half, columns)


def _pieces(name: str, shape: tuple[int, ...]) -> int:
    """How many tensors of the files make up one parameter."""
    if name.endswith(".mlp.experts.gate_up_proj"):
        return 2 * shape[0]
    return shape[0] if name.endswith(".mlp.experts.down_proj") else 1


def _tied(model: FunAudioChatForConditionalGeneration) -> dict[str, str]:
    tied = {SPEECH_HEAD_WEIGHT: SPEECH_EMBEDDING}
    if model.config.text_config.tie_word_embeddings:
        tied["language_model.lm_head.weight"] = "language_model.model.embed_tokens.weight"
    return tied


def _without_speech(name: str) -> bool:
    return name.startswith("audio_invert_tower.") and name != SPEECH_HEAD_WEIGHT


def _never(name: str) -> bool:
    return False


def _owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, leaf = name.rpartition(".")
    return model.get_submodule(path), leaf
