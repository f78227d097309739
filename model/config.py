"""`FunAudioChatConfig`: everything that `config.json` of a checkpoint says, with the 8B values as defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import CONFIG_MAPPING, PreTrainedConfig, Qwen3Config

from fac_eval.errors import AssetError

REFINED_HEAD_DEFAULTS: dict[str, Any] = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
}
"""The shape of the speech head's own transformer where a checkpoint does not give one: that of Qwen3-0.6B."""


class FunAudioChatAudioEncoderConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """The audio side: the continuous encoder, the grouping of 25 Hz rows, and the speech vocabulary."""

    model_type = "funaudiochat_audio_encoder"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "encoder_layers"}

    num_mel_bins: int = 128
    d_model: int = 1280
    encoder_layers: int = 32
    encoder_attention_heads: int = 20
    encoder_ffn_dim: int = 5120
    n_window: int = 100
    max_source_positions: int = 1500
    output_dim: int = 4096
    activation_function: str = "gelu"
    dropout: float | int = 0.0
    attention_dropout: float | int = 0.0
    activation_dropout: float | int = 0.0
    scale_embedding: bool = False
    initializer_range: float = 0.02
    codebook_size: int = 6565
    bos_token_id: int | None = 6561
    eos_token_id: int | list[int] | None = 6562
    pad_token_id: int | None = 6563
    group_size: int = 5
    continuous_features_mode: str = "replace"
    enable_audio_invert_tower: bool = True
    crq_transformer_config: dict[str, Any] | None = None


class FunAudioChatConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """The whole model: an audio configuration, a text backbone's configuration and the ids that join them."""

    model_type = "funaudiochat"

    audio_config: Any = None
    text_config: Any = None
    audio_token_index: int = 151669
    ignore_index: int = -100
    hidden_size: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Turn the two inner dictionaries into configurations."""
        audio = self.audio_config
        if not isinstance(audio, PreTrainedConfig):
            self.audio_config = FunAudioChatAudioEncoderConfig(**_without_type(audio))
        text = self.text_config
        if not isinstance(text, PreTrainedConfig):
            self.text_config = text_config(text or {"model_type": "qwen3"})
        if self.hidden_size is None:
            self.hidden_size = self.text_config.hidden_size
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PreTrainedConfig:
        """The backbone's configuration."""
        text: PreTrainedConfig = self.text_config
        return text

    def check(self) -> None:
        """Raise AssetError for values that no loading could make sense of; each message names the field."""
        for problem in config_problems(self):
            raise AssetError(f"config.json: {problem}")


def text_config(values: dict[str, Any]) -> PreTrainedConfig:
    """The backbone's configuration of its own class; without a `model_type` it is qwen2, as in the reference."""
    kind = values.get("model_type", "qwen2")
    if kind not in CONFIG_MAPPING:
        raise AssetError(
            f"config.json: text_config.model_type {kind!r} is no backbone that transformers knows"
        )
    config = CONFIG_MAPPING[kind](**_without_type(values))
    if hasattr(config, "output_router_logits"):
        config.output_router_logits = False  # only of use in training
    return config


def refined_head_config(audio: FunAudioChatAudioEncoderConfig) -> PreTrainedConfig:
    """The configuration of the speech head's transformer (`crq_transformer_config`, a plain dictionary)."""
    values = dict(audio.crq_transformer_config or REFINED_HEAD_DEFAULTS)
    # A dtype of its own would mix precisions within one model: the whole model is cast to one.
    for name in ("torch_dtype", "dtype"):
        values.pop(name, None)
    kind = values.pop("model_type", "qwen3")
    if kind not in CONFIG_MAPPING:
        raise AssetError(
            f"config.json: crq_transformer_config.model_type {kind!r} is no transformer that transformers knows"
        )
    config: PreTrainedConfig = CONFIG_MAPPING[kind](**values) if kind != "qwen3" else Qwen3Config(**values)
    return config


def config_problems(config: FunAudioChatConfig) -> list[str]:
    """What in a configuration contradicts itself; empty if it can be built."""
    audio, text = config.audio_config, config.text_config
    problems = []
    if audio.output_dim != text.hidden_size:
        problems.append(
            f"audio_config.output_dim is {audio.output_dim} but text_config.hidden_size is {text.hidden_size}; "
            "they must be equal"
        )
    if audio.continuous_features_mode not in ("replace", "add"):
        problems.append(
            f"audio_config.continuous_features_mode is {audio.continuous_features_mode!r}, not 'replace' or 'add'"
        )
    if audio.n_window > audio.max_source_positions:
        problems.append(f"audio_config.n_window {audio.n_window} exceeds max_source_positions")
    head = refined_head_config(audio) if audio.enable_audio_invert_tower else text
    for name, part in (("text_config", text), ("audio_config.crq_transformer_config", head)):
        if _has_windows(part):
            problems.append(f"{name} restricts attention to sliding windows, which is not supported")
    missing = [
        name for name in ("audio_bos_index", "audio_eos_index", "sil_index") if not hasattr(text, name)
    ]
    problems += [f"text_config.{name} is missing" for name in missing]
    specials = {
        "bos_token_id": audio.bos_token_id,
        "eos_token_id": audio.eos_token_id,
        "pad_token_id": audio.pad_token_id,
    }
    problems += [
        f"audio_config.{name} {value} is not within codebook_size {audio.codebook_size}"
        for name, value in specials.items()
        if not isinstance(value, int) or not 0 <= value < audio.codebook_size
    ]
    return problems


def _has_windows(config: PreTrainedConfig) -> bool:
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return "sliding_attention" in kinds
    return getattr(config, "sliding_window", None) is not None


def _without_type(values: Any) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if key != "model_type"}
