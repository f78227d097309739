"""25 Hz to 5 Hz: the adapter (`audio_tower`) that groups rows by five, and their merge into the prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import FunAudioChatAudioEncoderConfig


class AudioTower(nn.Module):
    """Speech codes and continuous rows, averaged by groups and matched to the backbone.

    The paper draws the grouping as a concatenation and a projection; the checkpoint is trained with a mean.
    """

    def __init__(self, config: FunAudioChatAudioEncoderConfig) -> None:
        super().__init__()
        self.group_size = config.group_size
        self.adds = config.continuous_features_mode == "add"
        self.embed_tokens = nn.Embedding(config.codebook_size, config.output_dim)
        self.output_matching = nn.Linear(config.output_dim, config.output_dim, bias=False)
        self.continual_output_matching = nn.Linear(config.output_dim, config.output_dim, bias=False)

    def forward(self, ids: Tensor, continuous: Tensor | None = None, exists: Tensor | None = None) -> Tensor:
        """[items, 5n] speech ids and [items with a waveform, 5n, D] rows to [items, n, D].

        Args:
            ids: Speech ids; pads where only the waveform is known.
            continuous: Encoder rows of the items that `exists` is true for.
            exists: [items]; all where it is not given.
        """
        if continuous is None:
            return self.groups(ids)
        # The mean is always over five, also where a clip's last group is partly filled with zero rows.
        heard: Tensor = self.continual_output_matching(self._means(continuous))
        if exists is None:
            exists = torch.ones(len(ids), dtype=torch.bool, device=ids.device)
        if bool(exists.all()) and not self.adds:
            return heard
        rows = self.groups(ids).clone()
        exists = exists.to(rows.device)
        rows[exists] = rows[exists] + heard if self.adds else heard
        return rows

    def groups(self, ids: Tensor) -> Tensor:
        """The rows of speech ids alone: [items, 5n] to [items, n, D]."""
        matched: Tensor = self.output_matching(self._means(self.embed_tokens(ids)))
        return matched

    def _means(self, rows: Tensor) -> Tensor:
        return rows.reshape(len(rows), -1, self.group_size, rows.shape[2]).mean(2) if rows.shape[1] else rows


def spoken_text(text_ids: Tensor, width: int, *, pad: int, end: Sequence[int], silence: int) -> Tensor:
    """The text that runs along with speech in training: cut or padded to `width`, fillers made silence."""
    items, length = text_ids.shape
    if length < width:
        filler = text_ids.new_full((items, width - length), pad)
        text_ids = torch.cat([text_ids, filler], dim=1)
    text_ids = text_ids[:, :width]
    fillers = torch.tensor([pad, *end], device=text_ids.device)
    return torch.where(torch.isin(text_ids, fillers), silence, text_ids)


def used_rows(mask: Tensor, group_size: int, width: int) -> Tensor:
    """[items, width], true for the groups that an item fills at least in part."""
    counts = (mask.sum(1) + group_size - 1) // group_size
    return torch.arange(width, device=mask.device) < counts[:, None]


def merge(embeds: Tensor, is_audio: Tensor, rows: Tensor) -> Tensor:
    """Put the audio's rows where the prompt has its placeholders, in order."""
    places = int(is_audio.sum())
    if places != len(rows):
        raise ValueError(f"the prompt has {places} audio positions but the clips fill {len(rows)}")
    return embeds.masked_scatter(is_audio[..., None].to(embeds.device), rows.to(embeds))
