"""The UTMOS22 strong learner on transformers' wav2vec 2.0: mean opinion scores of speech at 16 kHz.

A batch scores as its members do alone: padding begins behind the convolutions with their group norm, which runs over
time, and is kept out of the positional convolution and the attention, out of the LSTM, and out of the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from transformers import Wav2Vec2Config, Wav2Vec2Model

from .utmos_sizes import UtmosSizes


class UtmosNetwork(nn.Module):
    """From waveforms to scores. Parameters but those of `wav2vec2` have the names of SpeechMOS."""

    def __init__(self, sizes: UtmosSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.wav2vec2: Any = Wav2Vec2Model(_config(sizes))
        self.domain_emb = nn.Parameter(torch.empty(1, sizes.domain_dim))
        self.judge_emb = nn.Parameter(torch.empty(1, sizes.judge_dim))
        self.blstm = nn.LSTM(
            sizes.hidden + sizes.domain_dim + sizes.judge_dim, sizes.rnn, batch_first=True, bidirectional=True
        )
        self.projection = nn.Sequential(
            nn.Linear(2 * sizes.rnn, sizes.proj), nn.ReLU(), nn.Linear(sizes.proj, 1)
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.domain_emb.device

    def score(self, waves: Sequence[NDArray[np.float32]]) -> list[float]:
        """A score for each wave of 16 kHz samples, none of them shorter than `sizes.shortest`, as one batch."""
        with torch.inference_mode(), full_precision(self.device):
            scores: list[float] = self([torch.tensor(wave, device=self.device) for wave in waves]).tolist()
        return scores

    def forward(self, waves: Sequence[Tensor]) -> Tensor:
        """The scores `[batch]` of waves of any lengths."""
        features = [self._features(wave) for wave in waves]
        counts = [len(rows) for rows in features]
        frames = torch.tensor(counts)
        hidden = self.wav2vec2.feature_projection(pad_sequence(features, batch_first=True))[0]
        valid = torch.arange(hidden.shape[1]) < frames[:, None]
        mask = None if bool(valid.all()) else valid.to(hidden.device)
        hidden = self.wav2vec2.encoder(hidden, attention_mask=mask).last_hidden_state
        given = torch.cat((self.domain_emb, self.judge_emb), dim=1).expand(*hidden.shape[:2], -1)
        packed = pack_padded_sequence(
            torch.cat((hidden, given), dim=2), frames, batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(self.blstm(packed)[0], batch_first=True)
        opinions = self.projection(hidden).squeeze(2)
        means = [row[:count].mean() for row, count in zip(opinions, counts, strict=True)]
        return torch.stack(means) * 2 + 3

    def _features(self, wave: Tensor) -> Tensor:
        """The convolutions' frames `[frames, width]` of one wave.

        Each wave goes alone: one already fills a convolution, padding is not worked on, and the group norm, which of
        a pure tone or of silence makes rounding larger, sees the same numbers in any company.
        """
        hidden = wave[None, None]
        for layer in self.wav2vec2.feature_extractor.conv_layers:
            hidden = layer(hidden)
        frames: Tensor = hidden[0].T
        return frames


def _config(sizes: UtmosSizes) -> Wav2Vec2Config:
    options: dict[str, Any] = {
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.ffn,
        "conv_dim": [sizes.conv_dim] * len(sizes.conv_kernel),
        "conv_kernel": list(sizes.conv_kernel),
        "conv_stride": list(sizes.conv_stride),
        "conv_bias": False,
        "feat_extract_norm": "group",
        "feat_extract_activation": "gelu",
        "hidden_act": "gelu",
        "num_conv_pos_embeddings": sizes.pos_kernel,
        "num_conv_pos_embedding_groups": sizes.pos_groups,
        "do_stable_layer_norm": False,
        "layer_norm_eps": 1e-5,
        "mask_time_prob": 0.0,  # with both of these at 0 there is no embedding of masked frames
        "mask_feature_prob": 0.0,
        "attn_implementation": "sdpa",
    }
    return Wav2Vec2Config(**options)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep a GPU from rounding float32 factors to TF32, which torch allows in convolutions and LSTMs by default."""
    if device.type != "cuda":
        yield
        return
    undo = _without_tf32()
    try:
        yield
    finally:
        undo()


def _without_tf32() -> Callable[[], None]:
    """Switch TF32 off; what comes back puts things as they were."""
    cudnn: Any = torch.backends.cudnn
    try:
        held, products = bool(cudnn.allow_tf32), torch.get_float32_matmul_precision()
    except RuntimeError:
        # The program uses the switches of each operation instead, and torch refuses to mix the two kinds.
        return _without_tf32_each((cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul))
    cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")

    def undo() -> None:
        cudnn.allow_tf32 = held
        torch.set_float32_matmul_precision(products)

    return undo


def _without_tf32_each(operations: Sequence[Any]) -> Callable[[], None]:
    held = [operation.fp32_precision for operation in operations]
    for operation in operations:
        operation.fp32_precision = "ieee"

    def undo() -> None:
        for operation, precision in zip(operations, held, strict=True):
            operation.fp32_precision = precision

    return undo
