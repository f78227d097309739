"""Golden set `model`: the recorded processor, encoder, forward, generation and streamer values against ours.

Everything is read from the set: sizes, weights, waveforms, settings, tolerances.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError, Case, differences
from fac_eval.errors import DataError

from .cases import CaseChecks
from .golden import GoldenModel
from .tensors import Produced

_ABSOLUTE = re.compile(r"abs ([\d.e+-]+)")
_RELATIVE = re.compile(r"max abs diff ([\d.]+)")


def cases(path: Path, **options: Any) -> Iterator[Case]:
    """The cases of a golden folder, given as the folder or as the index in it; `options` as for `GoldenModel`."""
    golden = GoldenModel(_index_file(path), **options)
    checks, produced = CaseChecks(golden), Produced(golden)
    for name, entry in golden.index["waveforms"].items():
        yield Case(f"waveform.{name}", "waveform", partial(_check_waveform, golden, name, entry))
    for group, check in checks.groups().items():
        for case_id, entry in _entries(golden.index.get(group)):
            yield Case(f"{group}.{case_id}", group, partial(check, entry))
    for name in golden.tensors:
        if not name.startswith("wave."):
            yield Case(
                f"tensor.{name}", f"tensor: {_kind(name)}", partial(_check_tensor, golden, produced, name)
            )
    yield Case("tensors", "completeness", partial(_check_complete, golden, checks))


def _index_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*_index.json"))
    if len(found) != 1:
        raise DataError(f"{path}: expected one *_index.json, found {len(found)}")
    return found[0]


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
    return differences(dict(entry), found)


def _check_tensor(golden: GoldenModel, produced: Produced, name: str) -> list[str]:
    expected = golden.tensors[name]
    found = produced(name)
    if found.shape != expected.shape:
        return [f"{name}: shape {list(found.shape)}, expected {list(expected.shape)}"]
    if not expected.dtype.is_floating_point:
        wrong = int((found.to(expected.dtype) != expected).sum())
        return [f"{name}: {wrong} of {expected.numel()} values differ"] if wrong else []
    apart = float((found.float() - expected.float()).abs().max())
    limit = _tolerance(golden, name, expected)
    problems = [f"{name}: differs by up to {apart:.3g}, allowed {limit:.3g}"] if not apart <= limit else []
    if "argmax of the last position" in golden.index["tensors"][name]["what"]:
        problems += _check_last_argmax(name, found, expected)
    return problems


def _check_last_argmax(name: str, found: Tensor, expected: Tensor) -> list[str]:
    same = torch.equal(found[..., -1, :].argmax(-1), expected[..., -1, :].argmax(-1))
    return [] if same else [f"{name}: the argmax of the last position differs"]


def _tolerance(golden: GoldenModel, name: str, expected: Tensor) -> float:
    own = _RELATIVE.search(golden.index["tensors"][name]["what"])
    if own:
        return float(own[1]) * float(expected.abs().max())
    stated: Mapping[str, str] = golden.index["header"]["tolerance"]
    for kinds, text in stated.items():
        number = _ABSOLUTE.search(text)
        if number and _kind(name) in kinds:
            return float(number[1])
    raise CannotRunError(f"the header states no tolerance for {name}")


def _kind(name: str) -> str:
    """The word under which the header's tolerances speak of a tensor."""
    if name.startswith("mel."):
        return "mel"
    if "logits" in name or "lse" in name or "losses" in name:
        return "logits"
    return "hidden states" if "hidden" in name else "embeddings"


def _check_complete(golden: GoldenModel, checks: CaseChecks) -> list[str]:
    """Every group of the index has its check, and index and file name the same tensors."""
    known = {"header", "waveforms", "tensors", *checks.groups()}
    unknown = [name for name, group in golden.index.items() if name not in known and group]
    problems = [f"the index has a group {name!r} that nothing checks" for name in unknown]
    listed, held = set(golden.index["tensors"]), set(golden.tensors)
    problems += [f"{name} is in the index but not in the file" for name in sorted(listed - held)]
    problems += [f"{name} is in the file but not in the index" for name in sorted(held - listed)]
    return problems
