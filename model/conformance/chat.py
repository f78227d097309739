"""Golden set `model`: the recorded processor, encoder, forward, generation and streamer values against ours.

Everything is read from the set: sizes, weights, waveforms, settings, tolerances.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fac_eval.conformance import Case

from .cases import CaseChecks
from .generation import compared
from .golden import GoldenModel
from .recorded import MODEL, joined
from .tensors import Produced, is_given
from .tolerance import kind_of

_REMARKS = ("notes",)


def cases(path: Path, **options: Any) -> Iterator[Case]:
    """The cases of a set, given as its index, or of all sets in a folder; `options` as for `GoldenModel`."""
    return joined({index: _cases_of(GoldenModel(index, **options)) for index in MODEL.indexes(path)})


def _cases_of(golden: GoldenModel) -> Iterator[Case]:
    checks, produced = CaseChecks(golden), Produced(golden)
    for name, entry in golden.index["waveforms"].items():
        yield Case(f"waveform.{name}", "waveform", partial(_check_waveform, golden, name, entry))
    for group, check in checks.groups().items():
        for case_id, entry in _entries(golden.index.get(group)):
            yield Case(f"{group}.{case_id}", group, partial(check, entry))
    for name in golden.tensors:
        if is_given(name):
            yield Case(f"tensor.{name}", "given tensor", partial(_check_given, golden, name))
        elif not name.startswith("wave."):
            check_tensor = partial(_check_tensor, golden, produced, name)
            yield Case(f"tensor.{name}", f"tensor: {kind_of(name)}", check_tensor)
    yield Case("tensors", "completeness", partial(_check_complete, golden, checks))


def _entries(group: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(group, list):
        for number, entry in enumerate(group):
            yield str(entry.get("id") or entry.get("case") or f"{entry.get('prompt', '')}#{number}"), entry
    elif isinstance(group, dict) and all(isinstance(entry, dict) for entry in group.values()):
        for name, entry in group.items():
            yield name, {"id": name, **entry}
    elif group is not None:
        yield "all", group


def _check_waveform(golden: GoldenModel, name: str, entry: Mapping[str, Any]) -> list[str]:
    samples = golden.wave(name)
    found = {
        "samples": len(samples),
        "sha256_float32_le": hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest(),
    }
    return _unlike_described(golden, f"wave.{name}") or compared(entry, found)


def _check_given(golden: GoldenModel, name: str) -> list[str]:
    """An input of other tensors: there is nothing of ours to compare but what the index says of it."""
    return _unlike_described(golden, name)


def _check_tensor(golden: GoldenModel, produced: Produced, name: str) -> list[str]:
    expected = golden.tensors[name]
    problems = _unlike_described(golden, name)
    found = produced(name)
    if found.shape != expected.shape:
        return [*problems, f"{name}: shape {list(found.shape)}, expected {list(expected.shape)}"]
    if not expected.numel():
        return problems
    if not expected.dtype.is_floating_point:
        wrong = int((found.to(expected.dtype) != expected).sum())
        return problems + ([f"{name}: {wrong} of {expected.numel()} values differ"] if wrong else [])
    found, expected = found.float(), expected.float()
    apart = float(torch.where(found == expected, 0.0, (found - expected).abs()).max())
    limit = golden.tolerances.of(name, golden.what(name), float(expected.abs().max()))
    if not apart <= limit:
        problems.append(f"{name}: differs by up to {apart:.3g}, allowed {limit:.3g}")
    if "argmax of the last position" in golden.what(name):
        problems += _check_last_argmax(name, found, expected)
    return problems


def _check_last_argmax(name: str, found: Tensor, expected: Tensor) -> list[str]:
    same = torch.equal(found[..., -1, :].argmax(-1), expected[..., -1, :].argmax(-1))
    return [] if same else [f"{name}: the argmax of the last position differs"]


def _unlike_described(golden: GoldenModel, name: str) -> list[str]:
    """Where the shape or the type of a tensor in the file is not what the index says."""
    told, value = golden.index["tensors"].get(name), golden.tensors[name]
    if not isinstance(told, Mapping):
        return []
    held = {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
    return [
        f"{name}: {what} {held[what]} in the file, {told[what]} in the index"
        for what in held
        if told.get(what, held[what]) != held[what]
    ]


def _check_complete(golden: GoldenModel, checks: CaseChecks) -> list[str]:
    """Every group of the index has its check, and index and file name the same tensors."""
    known = {"header", "waveforms", "tensors", *_REMARKS, *checks.groups()}
    unknown = [name for name, group in golden.index.items() if name not in known and group]
    problems = [f"the index has a group {name!r} that nothing checks" for name in unknown]
    listed, held = set(golden.index["tensors"]), set(golden.tensors)
    problems += [f"{name} is in the index but not in the file" for name in sorted(listed - held)]
    problems += [f"{name} is in the file but not in the index" for name in sorted(held - listed)]
    clips = {name.removeprefix("wave.") for name in held if name.startswith("wave.")}
    unknown_clips = sorted(clips - set(golden.index["waveforms"]))
    return problems + [f"wave.{name} is none of the index's waveforms" for name in unknown_clips]
