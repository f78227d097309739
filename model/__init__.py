"""Fun-Audio-Chat itself: processor, encoders, backbone, speech head, detokenizer, and its adapter.

    from fac_eval.model import FunAudioChat

    model = FunAudioChat.from_pretrained(checkpoint, vocoder=vocoder)
    answers = model.generate([conversation, ...], speech=True, seeds=[...])

Importing this package loads neither torch nor transformers: each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers import Answer, StreamStep
    from .chat import Ask, FunAudioChat
    from .config import FunAudioChatAudioEncoderConfig, FunAudioChatConfig
    from .demo_streamer import DemoStreamer
    from .detokenizer import SpeechDetokenizer
    from .modeling import FunAudioChatForConditionalGeneration
    from .processor import FunAudioChatProcessor
    from .profiles import PROFILES, Profile
    from .register import register_auto_classes
    from .sampling import GenerationSettings

_HOMES = {
    "PROFILES": "profiles",
    "Answer": "answers",
    "Ask": "chat",
    "DemoStreamer": "demo_streamer",
    "FunAudioChat": "chat",
    "FunAudioChatAudioEncoderConfig": "config",
    "FunAudioChatConfig": "config",
    "FunAudioChatForConditionalGeneration": "modeling",
    "FunAudioChatProcessor": "processor",
    "GenerationSettings": "sampling",
    "Profile": "profiles",
    "SpeechDetokenizer": "detokenizer",
    "StreamStep": "answers",
    "register_auto_classes": "register",
}

__all__ = [
    "PROFILES",
    "Answer",
    "Ask",
    "DemoStreamer",
    "FunAudioChat",
    "FunAudioChatAudioEncoderConfig",
    "FunAudioChatConfig",
    "FunAudioChatForConditionalGeneration",
    "FunAudioChatProcessor",
    "GenerationSettings",
    "Profile",
    "SpeechDetokenizer",
    "StreamStep",
    "register_auto_classes",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
