"""Makes the Auto classes of transformers find Fun-Audio-Chat; nothing happens before the call."""

from __future__ import annotations

from typing import Any


def register_auto_classes() -> None:
    """Register configuration, processor and model with the Auto classes. Calling it again does no harm."""
    from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, AutoProcessor

    from .config import FunAudioChatAudioEncoderConfig, FunAudioChatConfig
    from .modeling import FunAudioChatForConditionalGeneration
    from .processor import FunAudioChatProcessor

    for kind in (FunAudioChatConfig, FunAudioChatAudioEncoderConfig):
        AutoConfig.register(kind.model_type, kind, exist_ok=True)
    processors: Any = AutoProcessor
    processors.register(FunAudioChatConfig, FunAudioChatProcessor, exist_ok=True)
    models: tuple[Any, ...] = (AutoModel, AutoModelForSeq2SeqLM)
    for auto in models:
        auto.register(FunAudioChatConfig, FunAudioChatForConditionalGeneration, exist_ok=True)
