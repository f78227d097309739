"""The HiFT vocoder: mel to waveform by a harmonic source and an inverse Fourier transform head.

Parameter names are those of the published `hift.pt`, with weight norm folded away; tensors `[rows, channels, time]`.
Everything is causal but for a fixed look-ahead, so that a piece of a waveform can be made from a piece of its mel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that everybody knows it by

from fac_eval.errors import DataError, UsageError

from .config import HiFTConfig

_F0_KERNEL = 4
_F0_LAYERS = 5

F0_LOOK_AHEAD = _F0_KERNEL - 1
F0_LOOK_BACK = 2 * (_F0_LAYERS - 1)
"""Mel frames after and before a frame that its f0 depends on."""

_LAST_SLOPE = 0.01
_MAGNITUDE_LIMIT = 100.0


class Speech(NamedTuple):
    """A waveform with what it was made from: `[rows, samples]`, `[rows, frames]` in Hz, `[rows, 1, samples]`."""

    wave: Tensor
    f0: Tensor
    source: Tensor


class CausalConv(nn.Conv1d):
    """A convolution that looks back only; as long out as in."""

    def forward(self, input: Tensor) -> Tensor:
        reach = (self.kernel_size[0] - 1) * self.dilation[0]
        if reach == 0:
            return super().forward(input)
        return super().forward(F.pad(input, (reach, 0)))


class AheadConv(nn.Conv1d):
    """A convolution that looks ahead only: into zeros, or at the cost of as many last outputs."""

    def forward(self, input: Tensor, finalize: bool = True) -> Tensor:
        return super().forward(F.pad(input, (0, self.kernel_size[0] - 1)) if finalize else input)


class UpsampleConv(nn.Conv1d):
    """Repeats every column `rate` times, then a causal convolution; both at once.

    Between repeats of one column the taps of the kernel can be added up beforehand. What is left is one short
    kernel for each of the `rate` phases, and a fraction of the multiplications.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, rate: int) -> None:
        super().__init__(inputs, outputs, kernel)
        self.rate = rate

    def forward(self, input: Tensor) -> Tensor:
        kernel = self.kernel_size[0]
        back = -(-(kernel - 1) // self.rate)
        taps = _phase_taps(kernel, self.rate).to(self.weight)
        phases = torch.einsum("oik,pkq->opiq", self.weight, taps).flatten(0, 1)
        bias = None if self.bias is None else self.bias.repeat_interleave(self.rate)
        out = F.conv1d(F.pad(input, (back, 0)), phases, bias)
        return out.view(len(out), -1, self.rate, out.shape[-1]).transpose(2, 3).flatten(2)


class DownsampleConv(nn.Conv1d):
    """A causal convolution that keeps every `rate`-th column."""

    def __init__(self, inputs: int, outputs: int, rate: int) -> None:
        super().__init__(inputs, outputs, 1 if rate == 1 else 2 * rate, stride=rate)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (self.stride[0] - 1, 0)))


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha, with an alpha for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha[:, None]
        waves = torch.mul(x, alpha).sin_()
        return torch.addcmul(x, waves.mul_(waves), 1.0 / (alpha + 1e-9))


class ResBlock(nn.Module):
    """Pairs of convolutions with Snake before each, the first of a pair dilated."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(CausalConv(channels, channels, kernel, dilation=d) for d in dilations)
        self.convs2 = nn.ModuleList(CausalConv(channels, channels, kernel) for _ in dilations)
        self.activations1 = nn.ModuleList(Snake(channels) for _ in dilations)
        self.activations2 = nn.ModuleList(Snake(channels) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for snake1, conv1, snake2, conv2 in zip(
            self.activations1, self.convs1, self.activations2, self.convs2, strict=True
        ):
            x = conv2(snake2(conv1(snake1(x)))).add_(x)
        return x


class F0Predictor(nn.Module):
    """Mel to the fundamental frequency of each frame, in the precision of its own weights."""

    def __init__(self, config: HiFTConfig) -> None:
        super().__init__()
        width = config.f0_cond_channels
        layers: list[nn.Module] = [AheadConv(config.in_channels, width, _F0_KERNEL), nn.ELU()]
        for _ in range(_F0_LAYERS - 1):
            layers += [CausalConv(width, width, 3), nn.ELU()]
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, 1)

    def forward(self, mel: Tensor, finalize: bool = True) -> Tensor:
        first, *others = self.condnet
        hidden = first(mel.to(self.classifier.weight.dtype), finalize)
        for layer in others:
            hidden = layer(hidden)
        return cast(Tensor, self.classifier(hidden.mT).squeeze(-1).abs())


class Source(nn.Module):
    """The harmonic excitation: sines that stand still within a frame, and noise."""

    def __init__(self, config: HiFTConfig) -> None:
        super().__init__()
        self.config = config
        self.l_linear = nn.Linear(config.nb_harmonics + 1, 1)

    def turns(self, f0: Tensor) -> Tensor:
        """Turns of each harmonic in one sample of each frame, without whole ones, `[rows, frames, harmonics]`."""
        harmonics = torch.arange(1, self.config.nb_harmonics + 2, device=f0.device, dtype=f0.dtype)
        return (f0[..., None] * harmonics / self.config.sampling_rate) % 1

    def forward(self, f0: Tensor, noise: Tensor, turns_before: Tensor | None = None) -> Tensor:
        """The excitation `[rows, 1, samples]`.

        Args:
            f0: Hz for each frame, `[rows, frames]`.
            noise: Uniform values, `[samples, harmonics]`, the same for all rows.
            turns_before: The sum of `turns` over the frames before these, float64 `[rows, harmonics]`.
        """
        config = self.config
        hop = config.samples_per_frame
        # Summed up in double precision and rounded after each frame, as torch does on the CPU. The rounded phase
        # is large, its error is audible: the order of these operations is part of the result.
        total = self.turns(f0).double().cumsum(1)
        if turns_before is not None:
            total = total + turns_before[:, None]
        phase = total.float() * (2 * math.pi) * hop
        voiced = (f0 > config.nsf_voiced_threshold).float()[..., None]
        sines = config.nsf_alpha * phase.sin() * voiced
        level = voiced * config.nsf_sigma + (1 - voiced) * (config.nsf_alpha / 3)
        # The mix is linear: its two halves are mixed where they are small, per frame and once for all rows.
        weight, bias = self.l_linear.weight, self.l_linear.bias
        mixed = F.linear(sines, weight, bias)
        hiss = F.linear(noise.to(weight), weight).view(1, -1, hop)
        return torch.addcmul(mixed, level, hiss).tanh_().flatten(1)[:, None]


class HiFT(nn.Module):
    """The vocoder: f0, source, and the network that shapes the source with the mel."""

    def __init__(self, config: HiFTConfig) -> None:
        super().__init__()
        self.config = config
        channels = [config.base_channels >> stage for stage in range(len(config.upsample_rates) + 1)]
        bins = config.istft_params.n_fft + 2
        self.m_source = Source(config)
        self.conv_pre = AheadConv(config.in_channels, channels[0], config.conv_pre_look_right + 1)
        self.ups = nn.ModuleList(
            UpsampleConv(inputs, outputs, kernel, rate)
            for inputs, outputs, kernel, rate in zip(
                channels, channels[1:], config.upsample_kernel_sizes, config.upsample_rates, strict=False
            )
        )
        rates = [math.prod(config.upsample_rates[stage + 1 :]) for stage in range(len(config.upsample_rates))]
        self.source_downs = nn.ModuleList(
            DownsampleConv(bins, width, rate) for width, rate in zip(channels[1:], rates, strict=True)
        )
        self.source_resblocks = nn.ModuleList(
            ResBlock(width, kernel, dilations)
            for width, kernel, dilations in zip(
                channels[1:],
                config.source_resblock_kernel_sizes,
                config.source_resblock_dilation_sizes,
                strict=False,
            )
        )
        self.resblocks = nn.ModuleList(
            ResBlock(width, kernel, dilations)
            for width in channels[1:]
            for kernel, dilations in zip(
                config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
            )
        )
        self.conv_post = CausalConv(channels[-1], bins, 7)
        self.f0_predictor = F0Predictor(config)

    def forward(
        self, mel: Tensor, noise: Tensor, *, finalize: bool = True, frames: Sequence[int] | None = None
    ) -> Speech:
        """The waveform of mels that begin at the start of an utterance.

        Args:
            mel: `[rows, mel bins, frames]` in float32.
            noise: `[samples, harmonics]`, at least as many samples as `mel` lasts.
            finalize: Whether the mel is complete. If not, its last eight frames only serve as look-ahead.
            frames: Frames of each row where rows differ in length; `mel` is zero after them. Needs `finalize`.

        Raises:
            DataError: Fewer frames than are needed.
        """
        f0 = self.predict_f0(mel, finalize=finalize)
        source = self.m_source(f0, noise[: f0.shape[1] * self.config.samples_per_frame].to(mel.device))
        return Speech(self.decode(mel, source, finalize=finalize, frames=frames), f0, source)

    def predict_f0(self, mel: Tensor, *, finalize: bool = True) -> Tensor:
        """Hz for each frame in float32; without `finalize` for all but the last three."""
        needed = 1 if finalize else F0_LOOK_AHEAD + 1
        if mel.shape[-1] < needed:
            raise DataError(f"{mel.shape[-1]} mel frames are too few: at least {needed} are needed here")
        return cast(Tensor, self.f0_predictor(mel, finalize)).float()

    def decode(
        self, mel: Tensor, source: Tensor, *, finalize: bool = True, frames: Sequence[int] | None = None
    ) -> Tensor:
        """The waveform in float32, zero after the end of rows that are shorter than others."""
        config = self.config
        if not finalize:
            if frames is not None:
                raise UsageError("rows of different lengths can only be decoded when they are complete")
            if mel.shape[-1] < look_ahead(config):
                raise DataError(
                    f"{mel.shape[-1]} mel frames are too few: the vocoder looks {look_ahead(config)} frames ahead"
                )
            mel = mel[..., :-F0_LOOK_AHEAD]
        dtype = self.conv_pre.weight.dtype
        ends = None if frames is None else [count * config.columns_per_frame + 1 for count in frames]
        spectrum = _stft(source, config, frames).to(dtype)
        x = self.conv_pre(mel.to(dtype), finalize)
        if not finalize:
            spectrum = spectrum[..., : x.shape[-1] * config.columns_per_frame + 1]
        x = self._shape(x, spectrum)
        head = self.conv_post(F.leaky_relu_(x, _LAST_SLOPE).to(self.conv_post.weight.dtype))
        wave = _istft(head, config, ends)
        if not finalize:
            wave = wave[:, : -config.samples_per_frame]
        return wave.clamp_(-config.audio_limit, config.audio_limit)

    def _shape(self, x: Tensor, spectrum: Tensor) -> Tensor:
        """The stages: upsample, add the source, and average over kernels of several sizes."""
        kernels = len(self.config.resblock_kernel_sizes)
        last = len(self.ups) - 1
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu_(x, self.config.lrelu_slope))
            if stage == last:
                x = torch.cat([x[..., 1:2], x], dim=-1)
            x = x.add_(self.source_resblocks[stage](self.source_downs[stage](spectrum)))
            blocks = self.resblocks[stage * kernels : (stage + 1) * kernels]
            total = blocks[0](x)
            for block in blocks[1:]:
                total = total.add_(block(x))
            x = total.div_(kernels)
        return x


def look_ahead(config: HiFTConfig) -> int:
    """Mel frames after a sample that it depends on: those of f0, of the first convolution, and one of the head."""
    return F0_LOOK_AHEAD + config.conv_pre_look_right + 1


def look_back(config: HiFTConfig) -> int:
    """Mel frames before a sample that it depends on, f0 and the phase being given; rounded up."""

    def reach(kernel: int, dilations: Sequence[int]) -> int:
        return (kernel - 1) * (sum(dilations) + len(dilations))

    blocks = max(map(reach, config.resblock_kernel_sizes, config.resblock_dilation_sizes))
    sources = map(reach, config.source_resblock_kernel_sizes, config.source_resblock_dilation_sizes)
    columns, frames = 1, 0.0
    for stage, (rate, kernel, source) in enumerate(
        zip(config.upsample_rates, config.upsample_kernel_sizes, sources, strict=False)
    ):
        columns *= rate
        down = 2.0 / columns if stage < len(config.upsample_rates) - 1 else 0.0
        frames += max(kernel - 1, source) / columns + blocks / columns + down
    # The last convolution, the columns that overlap in a sample, and those that the edge of a piece changes.
    return math.ceil(frames + (6 + 3 * config.istft_params.n_fft / config.istft_params.hop_len) / columns)


@lru_cache(maxsize=32)
def _phase_taps(kernel: int, rate: int) -> Tensor:
    """Which taps of a kernel fall on which column: 1 at `[phase, tap, column]`, else 0."""
    back = -(-(kernel - 1) // rate)
    with torch.inference_mode(False):
        taps = torch.zeros(rate, kernel, back + 1)
        for phase in range(rate):
            for tap in range(kernel):
                taps[phase, tap, back + (phase + tap - kernel + 1) // rate] = 1.0
        return taps


def _stft(source: Tensor, config: HiFTConfig, frames: Sequence[int] | None) -> Tensor:
    """Real parts, then imaginary ones, `[rows, n_fft + 2, columns]`; each row is mirrored at its own end."""
    n_fft, hop = config.istft_params.n_fft, config.istft_params.hop_len
    half = n_fft // 2
    padded = F.pad(source, (half, half), mode="reflect")[:, 0]
    for row, count in enumerate(frames or ()):
        end = half + count * config.samples_per_frame
        padded[row, end : end + half] = padded[row, end - 1 - half : end - 1].flip(-1)
    window = torch.hann_window(n_fft, device=source.device)
    bins = torch.fft.rfft(padded.unfold(-1, n_fft, hop) * window)
    return torch.cat([bins.real, bins.imag], dim=-1).mT


def _istft(head: Tensor, config: HiFTConfig, columns: Sequence[int] | None) -> Tensor:
    """The waveform of log magnitudes and phase angles, `[rows, (columns - 1) * hop]`; each row ends at its own end."""
    n_fft, hop = config.istft_params.n_fft, config.istft_params.hop_len
    bins = n_fft // 2 + 1
    magnitude = head[:, :bins].exp().clamp_(max=_MAGNITUDE_LIMIT)
    angle = head[:, bins:].sin()
    window = torch.hann_window(n_fft, device=head.device)
    pieces = (
        torch.fft.irfft(torch.complex(magnitude * angle.cos(), magnitude * angle.sin()).mT, n_fft) * window
    )
    weights = (window**2).expand(1, head.shape[-1], -1)
    if columns is not None:
        ends = torch.tensor(columns, device=head.device)
        there = (torch.arange(head.shape[-1], device=head.device) < ends[:, None])[..., None]
        pieces, weights = pieces * there, weights * there
    # What no piece covers weighs nothing and stays silent.
    wave = _overlapped(pieces, hop) / _overlapped(weights, hop).clamp_min(1e-11)
    return wave[:, n_fft // 2 : n_fft // 2 + (head.shape[-1] - 1) * hop]


def _overlapped(pieces: Tensor, hop: int) -> Tensor:
    """Add up pieces `[rows, pieces, length]`, each `hop` later than the one before."""
    rows, count, length = pieces.shape
    shifts = length // hop
    parts = pieces.view(rows, count, shifts, hop)
    total = pieces.new_zeros(rows, count + shifts - 1, hop)
    for shift in range(shifts):
        total[:, shift : shift + count] += parts[:, :, shift]
    return total.flatten(1)
