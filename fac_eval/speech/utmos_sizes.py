"""The sizes of a UTMOS22 strong learner: those of the published weights, or what stands beside others."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from fac_eval.errors import AssetError


@dataclass(frozen=True, slots=True, kw_only=True)
class UtmosSizes:
    """What the shapes of the weights do not tell, or have to agree with."""

    conv_dim: int
    hidden: int
    ffn: int
    heads: int
    layers: int
    pos_kernel: int
    pos_groups: int
    domain_dim: int
    judge_dim: int
    rnn: int
    proj: int
    domain_id: int = 0
    """The row of a whole table of domains to take: the main track of the challenge."""
    judge_id: int = 288
    """The row of a whole table of listeners to take: the mean listener."""
    conv_kernel: tuple[int, ...] = field(default=(10, 3, 3, 3, 3, 2, 2))
    conv_stride: tuple[int, ...] = field(default=(5, 2, 2, 2, 2, 2, 2))

    @property
    def shortest(self) -> int:
        """The fewest samples that give a frame."""
        samples = 1
        for kernel, stride in zip(reversed(self.conv_kernel), reversed(self.conv_stride), strict=True):
            samples = (samples - 1) * stride + kernel
        return samples

    def frames(self, samples: int) -> int:
        """How many frames the convolutions make of that many samples."""
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            samples = max(0, (samples - kernel) // stride + 1)
        return samples


PUBLISHED = UtmosSizes(
    conv_dim=512,
    hidden=768,
    ffn=3072,
    heads=12,
    layers=12,
    pos_kernel=128,
    pos_groups=16,
    domain_dim=128,
    judge_dim=128,
    rnn=512,
    proj=2048,
)


def sizes_beside(weights: Path) -> UtmosSizes:
    """The sizes in a `config.json` beside a file of weights, the published ones where there is none of that kind."""
    path = weights.parent / "config.json"
    if not path.is_file():
        return PUBLISHED
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AssetError(f"{path}: cannot be read: {error}") from error
    return read_sizes(values, str(path)) if isinstance(values, dict) and "judge_dim" in values else PUBLISHED


def read_sizes(values: dict[str, Any], where: str) -> UtmosSizes:
    """The sizes in a JSON object, which may hold more."""
    import msgspec

    required = {known.name for known in fields(UtmosSizes) if known.default is MISSING}
    if missing := sorted(required - values.keys()):
        raise AssetError(f"{where}: these sizes are missing: {', '.join(missing)}")
    try:
        sizes = msgspec.convert(values, UtmosSizes)
    except msgspec.ValidationError as error:
        raise AssetError(f"{where}: {error}") from error
    if len(sizes.conv_kernel) != len(sizes.conv_stride):
        raise AssetError(f"{where}: conv_kernel and conv_stride have different lengths")
    return sizes
