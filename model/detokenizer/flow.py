"""Conditional flow matching: speech codes and a speaker vector to mel frames.

Parameter names are those of the published `flow.pt`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that everybody knows it by

from fac_eval.errors import DataError

from .config import FlowConfig
from .dit import DiT, TimeStep, attention_mask


class LookAhead(nn.Module):
    """Mixes a few codes to come into each code's vector."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.ahead = config.pre_lookahead_len
        self.conv1 = nn.Conv1d(config.input_size, config.pre_lookahead_channels, self.ahead + 1)
        self.conv2 = nn.Conv1d(config.pre_lookahead_channels, config.input_size, 3)

    def forward(self, x: Tensor) -> Tensor:
        """`[rows, codes, channels]`; what follows the last code counts as zeros."""
        hidden = F.leaky_relu(self.conv1(F.pad(x.mT, (0, self.ahead))), 0.01)
        return cast(Tensor, self.conv2(F.pad(hidden, (2, 0))).mT + x)


class Decoder(nn.Module):
    """Holds the estimator under its published name."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.estimator = DiT(config.dit)


class Flow(nn.Module):
    """Speech codes to mel: embedding, look-ahead, and a sampler around the diffusion transformer."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.input_embedding = nn.Embedding(config.vocab_size, config.input_size)
        self.spk_embed_affine_layer = nn.Linear(config.spk_embed_dim, config.output_size)
        self.pre_lookahead_layer = LookAhead(config)
        self.decoder = Decoder(config)
        self._schedule: tuple[torch.device, list[float], list[TimeStep]] | None = None

    def forward(
        self,
        codes: Sequence[Sequence[int]],
        embedding: Tensor,
        noise: Tensor,
        *,
        finalize: bool = True,
        chunk: int | None = None,
        prompt_codes: Sequence[int] = (),
        prompt_mel: Tensor | None = None,
    ) -> list[Tensor]:
        """The mel of each row, `[mel bins, frames]` in float32, two frames a code.

        Args:
            codes: Rows of codes, of any lengths. Negative ids count as 0.
            embedding: Speaker vectors, `[rows, 192]` or one for all.
            noise: The starting point, `[1, mel bins, frames]`, at least as many frames as the longest row has.
            finalize: Whether the codes are complete. If not, the last three only serve as look-ahead.
            chunk: Restricts attention to chunks of that many mel frames and all before them.
            prompt_codes: Codes that precede every row and are not spoken.
            prompt_mel: Their mel, `[1, frames, mel bins]`; as many frames are cut off the result.

        Raises:
            DataError: An id outside the vocabulary, too few codes, or more frames than there is noise.
        """
        rows = [[*prompt_codes, *row] for row in codes]
        frames = [self._frames(row, finalize) for row in rows]
        if max(frames) > noise.shape[-1]:
            raise DataError(
                f"{max(frames)} mel frames in one piece are more than the flow's noise lasts ({noise.shape[-1]})",
                remedy="Decode in segments, as SpeechDetokenizer does.",
            )
        mu = self.mean(rows, max(frames))
        speaker = self.speaker(embedding.to(mu.device)).expand(len(rows), -1)
        cond = torch.zeros_like(mu)
        skipped = 0
        if prompt_mel is not None:
            skipped = prompt_mel.shape[1]
            cond[:, :skipped] = prompt_mel.to(cond)
        mel = self._sample(mu, speaker, cond, noise.to(mu.device).mT, frames, chunk)
        return [row[skipped:count].mT for row, count in zip(mel, frames, strict=True)]

    def speaker(self, embedding: Tensor) -> Tensor:
        """The projected speaker vectors, `[rows, mel bins]`."""
        layer = self.spk_embed_affine_layer
        return cast(Tensor, layer(F.normalize(embedding.float(), dim=1, eps=1e-12).to(layer.weight.dtype)))

    def mean(self, rows: Sequence[Sequence[int]], frames: int) -> Tensor:
        """What the sampler is conditioned on: the codes' vectors, each repeated; cut to `frames`."""
        weight = self.input_embedding.weight
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row).clamp_min(0)
        vectors = self.input_embedding(ids.to(weight.device))
        if len(rows) > 1:
            # A row's last codes look ahead into zeros, also where longer neighbours go on.
            lengths = torch.tensor([len(row) for row in rows])
            padding = torch.arange(ids.shape[1]) >= lengths[:, None]
            vectors = vectors.masked_fill(padding.to(weight.device)[..., None], 0.0)
        mixed = self.pre_lookahead_layer(vectors)
        return cast(Tensor, mixed.repeat_interleave(self.config.token_mel_ratio, dim=1)[:, :frames])

    def _frames(self, row: Sequence[int], finalize: bool) -> int:
        """Mel frames of a row, the prompt included, after checking it."""
        ahead = 0 if finalize else self.config.pre_lookahead_len
        if len(row) <= ahead:
            raise DataError(f"{len(row)} codes are too few: at least {ahead + 1} are needed here")
        if max(row) >= self.config.vocab_size:
            raise DataError(
                f"the speech code {max(row)} is outside the vocabulary of {self.config.vocab_size}"
            )
        return (len(row) - ahead) * self.config.token_mel_ratio

    def _sample(
        self,
        mu: Tensor,
        speaker: Tensor,
        cond: Tensor,
        noise: Tensor,
        frames: Sequence[int],
        chunk: int | None,
    ) -> Tensor:
        """Integrate from noise to mel, `[rows, frames, mel bins]`, in float32 whatever the model's dtype."""
        rows, longest, _ = mu.shape
        lengths = None if min(frames) == longest else torch.tensor(frames, device=mu.device).repeat(2)
        mask = attention_mask(longest, mu.device, lengths=lengths, chunk=chunk)
        # Guidance: each row is there twice, the second time without anything that it is conditioned on.
        mu, speaker, cond = (torch.cat([given, torch.zeros_like(given)]) for given in (mu, speaker, cond))
        x = noise[:, :longest].float().expand(rows, -1, -1)
        guidance = self.config.cfm.inference_cfg_rate
        for length, step in zip(*self._steps(mu.device), strict=True):
            given = x.to(mu.dtype).repeat(2, 1, 1)
            velocity = self.decoder.estimator(given, step, cond, mu, speaker, mask)
            conditional, unconditional = velocity.float().chunk(2)
            x = x + length * ((1.0 + guidance) * conditional - guidance * unconditional)
        return x

    def prepare(self) -> None:
        """Compute ahead of the first call what all calls share."""
        self._steps(self.input_embedding.weight.device)

    def _steps(self, device: torch.device) -> tuple[list[float], list[TimeStep]]:
        """Lengths and modulations of the Euler steps: the same for every call, so computed once."""
        if self._schedule is None or self._schedule[0] != device:
            times, lengths = schedule(self.config.cfm.n_timesteps)
            self._schedule = (device, lengths, self.decoder.estimator.time_steps(times.to(device)))
        return self._schedule[1], self._schedule[2]


def schedule(steps: int) -> tuple[Tensor, list[float]]:
    """Times and lengths of the steps, denser at the start; summed up in float32 as the published code does."""
    ends = 1 - torch.cos(0.5 * math.pi * torch.linspace(0, 1, steps + 1))
    time, length = ends[0], ends[1] - ends[0]
    times, lengths = [], []
    for k in range(steps):
        times.append(time)
        lengths.append(float(length))
        time = time + length
        if k + 2 <= steps:
            length = ends[k + 2] - time
    return torch.stack(times), lengths
