"""Which part of the model lies on which device, and how its inputs get there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fac_eval.errors import UsageError

DeviceMap = Mapping[str, Any] | str | None

_TOGETHER = ("audio_tower", "audio_invert_tower")
"""The head's output is the embedding of the speech codes: one device holds both."""


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_devices(
    model: nn.Module, device: str | torch.device | None, device_map: DeviceMap
) -> dict[str, torch.device]:
    """A device for each prefix of names; "" stands for all.

    `device_map` maps prefixes to devices, names one device, or is `auto`: all GPUs, filled in the order of the
    layers by equal shares of the weights.
    """
    if device_map is None:
        return {"": best_device() if device == "auto" else torch.device(device or "cpu")}
    if isinstance(device_map, str):
        if device_map != "auto":
            return {"": torch.device(device_map)}
        count = torch.cuda.device_count()
        return (
            {"": best_device()}
            if count < 2
            else balanced(model, [torch.device("cuda", n) for n in range(count)])
        )
    devices = {name: torch.device(value) for name, value in device_map.items()}
    speech, head = (devices.get(name) for name in _TOGETHER)
    if speech != head and speech is not None and head is not None:
        raise UsageError(
            f"device_map: audio_tower is on {speech} and audio_invert_tower on {head}",
            remedy="Give both one device: they share a matrix.",
        )
    return devices


def balanced(model: nn.Module, devices: list[torch.device]) -> dict[str, torch.device]:
    """Equal shares of the weights for each device, cut between whole layers."""
    units = _units(model)
    sizes = {name: sum(p.numel() for p in model.get_submodule(name).parameters()) for name in units}
    share = sum(sizes.values()) / len(devices)
    result, before = {}, 0.0
    for name in units:
        place = min(int((before + sizes[name] / 2) / share), len(devices) - 1)
        result[name] = devices[place]
        before += sizes[name]
    result[_TOGETHER[1]] = result[_TOGETHER[0]]
    return result


def device_of(name: str, devices: Mapping[str, torch.device]) -> torch.device:
    """The device of a parameter or module by its longest prefix."""
    prefixes = [prefix for prefix in devices if not prefix or name == prefix or name.startswith(prefix + ".")]
    if not prefixes:
        raise UsageError(f"device_map has no device for {name!r}")
    return devices[max(prefixes, key=len)]


def follow_devices(model: nn.Module, devices: Mapping[str, torch.device]) -> None:
    """Let every unit fetch its inputs to its own device."""
    if len(devices) < 2:
        return
    for name, module in model.named_modules():
        if _is_unit(name):
            module.register_forward_pre_hook(_fetching(device_of(name, devices)), with_kwargs=True)


def _units(model: nn.Module) -> list[str]:
    """What the balanced split may not cut, in the order in which data flows."""
    stack = model.get_submodule("language_model.model.layers")
    layers = [f"language_model.model.layers.{name}" for name, _ in stack.named_children()]
    towers = ["continuous_audio_tower", *(name for name in _TOGETHER if hasattr(model, name))]
    towers = [name for name in towers if getattr(model, name) is not None]
    ends = ["language_model.model.norm", "language_model.model.rotary_emb", "language_model.lm_head"]
    return [*towers, "language_model.model.embed_tokens", *layers, *ends]


def _is_unit(name: str) -> bool:
    head, _, last = name.rpartition(".")
    if head == "language_model.model.layers":
        return True
    if head in ("language_model.model", "language_model"):
        return last not in ("layers", "model")
    return name in (
        "continuous_audio_tower",
        "audio_tower",
        "audio_tower.embed_tokens",
        "audio_invert_tower.pre_matching",
        "audio_invert_tower.input_matching",
        "audio_invert_tower.lm_head",
    )


def _fetching(device: torch.device) -> Any:
    def fetch(_: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        return _moved(args, device), _moved(kwargs, device)

    return fetch


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple | list):
        return type(value)(_moved(part, device) for part in value)
    if isinstance(value, dict):
        return {key: _moved(part, device) for key, part in value.items()}
    return value
