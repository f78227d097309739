"""The speech detokenizer: speech codes (25 per second) to a 24 kHz waveform, whole, batched or as they come.

    from fac_eval.model.detokenizer import SpeechDetokenizer

    detokenizer = SpeechDetokenizer.from_pretrained("pretrained_models/Fun-CosyVoice3-0.5B-2512")
    waveform = detokenizer.decode(codes)

The names load on first use: importing the package does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import DetokenizerConfig
    from .detokenizer import SpeechDetokenizer
    from .loading import inspect_folder
    from .stream import DEMO, SpeechStream, StreamSettings
    from .tiny import write_random_vocoder
    from .worker import SpeechWorker

_HOMES = {
    "DEMO": "stream",
    "DetokenizerConfig": "config",
    "SpeechDetokenizer": "detokenizer",
    "SpeechStream": "stream",
    "SpeechWorker": "worker",
    "StreamSettings": "stream",
    "inspect_folder": "loading",
    "write_random_vocoder": "tiny",
}

__all__ = [
    "DEMO",
    "DetokenizerConfig",
    "SpeechDetokenizer",
    "SpeechStream",
    "SpeechWorker",
    "StreamSettings",
    "inspect_folder",
    "write_random_vocoder",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
