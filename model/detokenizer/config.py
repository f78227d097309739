"""Sizes and constants of the detokenizer; the defaults are those of Fun-CosyVoice3-0.5B-2512."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fac_eval.data.assets import Asset
from fac_eval.errors import DataError

_T = TypeVar("_T")

SPEAKERS = Asset(
    name="speaker vectors of Fun-Audio-Chat",
    url="https://raw.githubusercontent.com/FunAudioLLM/Fun-Audio-Chat/"
    "8ba984b64b4880918db2807e08d795475481200c/utils/new_spk2info.pt",
    sha256="c6ec1c7877542e90397de80c0915c98632a168aa717cae96b0e90ace3ab9d9ed",
    path_in_cache="fun-audio-chat/new_spk2info.pt",
)

# Constructor values of the published code that take no part in turning codes into sound.
_WITHOUT_EFFECT = {
    "cfm": {"sigma_min", "training_cfg_rate", "reg_loss_type", "in_channels", "n_spks", "spk_emb_dim"},
    "dit": {"out_channels", "num_decoding_left_chunks", "dropout"},
    "flow": {"output_type", "only_mask_loss"},
    "hift": set[str](),
}


@dataclass(frozen=True, slots=True)
class CFMConfig:
    """The sampler that integrates the flow from noise to mel."""

    solver: str = "euler"
    t_scheduler: str = "cosine"
    inference_cfg_rate: float = 0.7
    n_timesteps: int = 10
    """Steps from noise to mel; the published configuration does not hold them, its code does."""

    def __post_init__(self) -> None:
        _expect(self.solver == "euler", f"flow.cfm.solver {self.solver!r}: only 'euler' is known")
        _expect(
            self.t_scheduler == "cosine", f"flow.cfm.t_scheduler {self.t_scheduler!r}: only 'cosine' is known"
        )


@dataclass(frozen=True, slots=True)
class DiTConfig:
    """The diffusion transformer that estimates the flow's velocity."""

    dim: int = 1024
    depth: int = 22
    heads: int = 16
    dim_head: int = 64
    ff_mult: int | float = 2
    mel_dim: int = 80
    mu_dim: int = 80
    spk_dim: int = 80
    static_chunk_size: int = 50
    """Mel frames per attention chunk where the chunk mask is asked for."""
    long_skip_connection: bool = False

    def __post_init__(self) -> None:
        _expect(not self.long_skip_connection, "flow.dit.long_skip_connection: only false is known")
        _expect(self.dim % 16 == 0, f"flow.dit.dim {self.dim} is no multiple of 16")
        _expect(self.dim_head % 2 == 0, f"flow.dit.dim_head {self.dim_head} is odd")


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """Speech codes to mel."""

    input_size: int = 80
    output_size: int = 80
    spk_embed_dim: int = 192
    vocab_size: int = 6561
    input_frame_rate: int = 25
    token_mel_ratio: int = 2
    pre_lookahead_len: int = 3
    pre_lookahead_channels: int = 1024
    cfm: CFMConfig = field(default_factory=CFMConfig)
    dit: DiTConfig = field(default_factory=DiTConfig)


@dataclass(frozen=True, slots=True)
class ISTFTConfig:
    """The vocoder's short-time Fourier transform, of the source and of the output alike."""

    n_fft: int = 16
    hop_len: int = 4

    def __post_init__(self) -> None:
        good = self.hop_len > 0 and self.n_fft > 0 and self.n_fft % self.hop_len == 0 == self.n_fft % 2
        _expect(good, f"hift.istft_params: {self.n_fft} is no even multiple of the hop {self.hop_len}")


@dataclass(frozen=True, slots=True)
class HiFTConfig:
    """Mel to waveform."""

    in_channels: int = 80
    base_channels: int = 512
    nb_harmonics: int = 8
    sampling_rate: int = 24000
    nsf_alpha: float = 0.1
    nsf_sigma: float = 0.003
    nsf_voiced_threshold: float = 10
    upsample_rates: tuple[int, ...] = (8, 5, 3)
    upsample_kernel_sizes: tuple[int, ...] = (16, 11, 7)
    istft_params: ISTFTConfig = field(default_factory=ISTFTConfig)
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    source_resblock_kernel_sizes: tuple[int, ...] = (7, 7, 11)
    source_resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    lrelu_slope: float = 0.1
    audio_limit: float = 0.99
    conv_pre_look_right: int = 4
    f0_cond_channels: int = 512

    def __post_init__(self) -> None:
        stages = len(self.upsample_rates)
        found = len(self.upsample_kernel_sizes)
        _expect(
            found == stages, f"hift.upsample_kernel_sizes has {found} entries for {stages} upsample_rates"
        )
        for name in ("source_resblock_kernel_sizes", "source_resblock_dilation_sizes"):
            found = len(getattr(self, name))  # the published code passes over what is too many
            _expect(found >= stages, f"hift.{name} has {found} entries for {stages} upsample_rates")
        kernels, dilations = len(self.resblock_kernel_sizes), len(self.resblock_dilation_sizes)
        _expect(
            kernels == dilations,
            f"hift: {kernels} resblock_kernel_sizes, {dilations} resblock_dilation_sizes",
        )

    @property
    def columns_per_frame(self) -> int:
        """Columns of the output's Fourier transform for one mel frame."""
        product = 1
        for rate in self.upsample_rates:
            product *= rate
        return product

    @property
    def samples_per_frame(self) -> int:
        """Samples of the waveform for one mel frame."""
        return self.columns_per_frame * self.istft_params.hop_len


@dataclass(frozen=True, slots=True)
class DetokenizerConfig:
    """The two halves of the detokenizer."""

    flow: FlowConfig = field(default_factory=FlowConfig)
    hift: HiFTConfig = field(default_factory=HiFTConfig)

    def __post_init__(self) -> None:
        mels = {"flow.input_size": self.flow.input_size, "flow.output_size": self.flow.output_size}
        mels |= {
            f"flow.dit.{name}": getattr(self.flow.dit, name) for name in ("mel_dim", "mu_dim", "spk_dim")
        }
        mels["hift.in_channels"] = self.hift.in_channels
        _expect(len(set(mels.values())) == 1, f"the numbers of mel bins differ: {mels}")

    def check_rates(self) -> None:
        """Raise DataError where sound would come out too fast or too slow; the networks themselves do not mind."""
        frame_rate = self.flow.input_frame_rate * self.flow.token_mel_ratio
        made = frame_rate * self.hift.samples_per_frame
        _expect(
            made == self.hift.sampling_rate,
            f"{frame_rate} mel frames per second of {self.hift.samples_per_frame} samples are {made} samples, "
            f"but hift.sampling_rate is {self.hift.sampling_rate}",
        )

    @property
    def samples_per_code(self) -> int:
        """Samples of the waveform for one speech code."""
        return self.flow.token_mel_ratio * self.hift.samples_per_frame

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DetokenizerConfig:
        """Build from `{"flow": {...}, "hift": {...}}`; what is not given keeps its published value."""
        content = dict(content)
        for section, parts in _NESTED.items():
            content[section] = _inner(content.get(section, {}), parts, section)
        return _build(cls, content, "")

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, ready for JSON."""
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return content


def read_config(folder: Path) -> DetokenizerConfig:
    """The sizes written in the folder's `config.json`; the published ones where it says nothing of them."""
    path = folder / "config.json"
    if not path.is_file():
        return DetokenizerConfig()
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    # Checkpoint folders on model hubs hold a `config.json` for other programs.
    if not isinstance(content, dict) or not {"flow", "hift"} <= content.keys():
        return DetokenizerConfig()
    try:
        config = DetokenizerConfig.from_dict(content)
        config.check_rates()
    except DataError as error:
        raise DataError(f"{path}: {error.message}") from error
    return config


def _inner(section: Any, parts: Mapping[str, type[Any]], name: str) -> Any:
    _expect(isinstance(section, Mapping), f"{name} is no object")
    built = dict(section)
    for part, kind in parts.items():
        if part in built:
            built[part] = _build(kind, built[part], f"{name}.{part}")
    return _build(_SECTIONS[name], built, name)


def _build(kind: type[_T], content: Any, where: str) -> _T:
    _expect(isinstance(content, Mapping), f"{where} is no object")
    known = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    ignored = _WITHOUT_EFFECT.get(where.rsplit(".", 1)[-1], set())
    unknown = sorted(set(content) - known - ignored)
    place = f" in {where}" if where else ""
    _expect(not unknown, f"unknown keys{place}: {', '.join(unknown)}")
    return kind(**{key: _frozen(value) for key, value in content.items() if key in known})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise DataError(f"detokenizer configuration: {message}")


_SECTIONS: Mapping[str, type[Any]] = {"flow": FlowConfig, "hift": HiFTConfig}
_NESTED: Mapping[str, Mapping[str, type[Any]]] = {
    "flow": {"cfm": CFMConfig, "dit": DiTConfig},
    "hift": {"istft_params": ISTFTConfig},
}
