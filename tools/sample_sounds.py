"""Sounds for the sample sets: tones, chords, noise and clicks made by formula, with speech between them.

A clip is a list of parts, each a table with one of these keys:

    say = "words"                    speech; `voice` is Flite's
    tone = 440                       a sine, in Hz; `to` makes it glide
    chord = [262, 330, 392]          several sines at once
    noise = 1                        white noise from this seed
    click = 2000                     a burst of a few milliseconds, in Hz
    rest = 0.5                       silence, in seconds

`seconds` says how long tones, chords and noise last, `times` and `gap` repeat a part with silence between,
and `volume` is a factor or, as [from, to], a ramp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.sample_speech import SAMPLE_RATE, SampleDataError, Speaker

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float64]

KINDS = ("say", "tone", "chord", "noise", "click", "rest")
OPTIONS = frozenset({"voice", "to", "seconds", "times", "gap", "volume"})
_LEVEL = 0.3
_EDGE_SECONDS = 0.01
_CLICK_SECONDS = 0.006


def render(parts: Sequence[Mapping[str, Any]], speaker: Speaker) -> npt.NDArray[np.int16]:
    """The 16-bit samples, at SAMPLE_RATE, of a clip's parts one after another."""
    import numpy as np

    pieces = [_repeated(part, _shaped(part, _sound(part, speaker))) for part in parts]
    samples: npt.NDArray[np.int16] = np.rint(np.clip(np.concatenate(pieces), -1, 1) * 32767).astype(np.int16)
    return samples


def _sound(part: Mapping[str, Any], speaker: Speaker) -> Samples:
    import numpy as np

    kinds = [kind for kind in KINDS if kind in part]
    unknown = part.keys() - OPTIONS - set(KINDS)
    if len(kinds) != 1 or unknown:
        raise SampleDataError(f"{dict(part)!r} has to have one of {', '.join(KINDS)}, and known options")
    match kinds[0], part[kinds[0]]:
        case "say", text:
            speech: Samples = speaker.speak(text, part["voice"]).astype(np.float64)
            return speech / 32768
        case "rest", seconds:
            return np.zeros(round(seconds * SAMPLE_RATE))
        case "noise", seed:
            noise = np.random.default_rng(seed).uniform(-1, 1, round(part["seconds"] * SAMPLE_RATE))
            return _with_edges(_LEVEL * noise)
        case "click", hertz:
            times = np.arange(round(_CLICK_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
            click: Samples = np.sin(2 * np.pi * hertz * times) * np.exp(-times * 5 / _CLICK_SECONDS)
            return 2 * _LEVEL * click
        case kind, hertz:
            pitches = hertz if kind == "chord" else [hertz]
            return _with_edges(np.mean([_sine(pitch, part) for pitch in pitches], axis=0))


def _sine(hertz: float, part: Mapping[str, Any]) -> Samples:
    import numpy as np

    frequencies = np.linspace(hertz, part.get("to", hertz), round(part["seconds"] * SAMPLE_RATE))
    sine: Samples = _LEVEL * np.sin(2 * np.pi * np.cumsum(frequencies) / SAMPLE_RATE)
    return sine


def _with_edges(sound: Samples) -> Samples:
    """Fade in and out for a moment, so that a sound does not begin or end with a click."""
    import numpy as np

    length = min(round(_EDGE_SECONDS * SAMPLE_RATE), len(sound) // 2)
    edge = np.sin(np.linspace(0, np.pi / 2, length)) ** 2
    sound[:length] *= edge
    sound[len(sound) - length :] *= edge[::-1]
    return sound


def _shaped(part: Mapping[str, Any], sound: Samples) -> Samples:
    import numpy as np

    volume = part.get("volume", 1.0)
    first, last = volume if isinstance(volume, list) else (volume, volume)
    shaped: Samples = sound * np.linspace(first, last, len(sound))
    return shaped


def _repeated(part: Mapping[str, Any], sound: Samples) -> Samples:
    import numpy as np

    gap = np.zeros(round(part.get("gap", 0.0) * SAMPLE_RATE))
    return np.concatenate([sound, *[np.concatenate([gap, sound])] * (part.get("times", 1) - 1)])
