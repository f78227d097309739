"""Fun-Audio-Chat itself: processor, encoders, backbone, speech head, detokenizer, and its adapter.

Importing this package loads neither torch nor transformers: each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import FunAudioChatAudioEncoderConfig, FunAudioChatConfig

_HOMES = {
    "FunAudioChatAudioEncoderConfig": "config",
    "FunAudioChatConfig": "config",
}

__all__ = ["FunAudioChatAudioEncoderConfig", "FunAudioChatConfig"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
