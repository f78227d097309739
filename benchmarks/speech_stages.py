"""What spoken answers cost after generation: transcripts and UTMOS of 200 clips, in batches against one by one.

Both ways take turns in this process, over the same clips. The texts and scores must be the same: the share of equal
texts and the largest difference of a score are printed beside the ratios. Without --whisper and --utmos the weights
are random, which changes the time of neither way.

    python benchmarks/speech_stages.py                                        # small networks, for a slow machine
    python benchmarks/speech_stages.py --size large-v3 --device cuda          # the published sizes
    python benchmarks/speech_stages.py --whisper FOLDER --utmos FILE --device cuda
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measure import machine, print_table
from _random_whisper import SIZES, write_random_whisper
from transformers.utils import logging

from fac_eval.audio import Audio
from fac_eval.interfaces import QualityMeter, Transcriber
from fac_eval.speech.utmos_meter import Utmos
from fac_eval.speech.whisper import Whisper

RATE = 24_000


def clips(count: int, longest: float) -> list[Audio]:
    """Noise of 0.5 s to `longest` seconds, the lengths as skewed as those of spoken answers."""
    draw = np.random.default_rng(0)
    seconds = 0.5 + (longest - 0.5) * draw.beta(2, 4, size=count)
    return [
        Audio.from_samples(draw.normal(0, 0.1, round(length * RATE)).astype(np.float32), RATE)
        for length in seconds
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--whisper", metavar="FOLDER", help="weights of a Whisper")
    parser.add_argument("--utmos", metavar="FILE", help="weights of UTMOS")
    parser.add_argument("--random", action="store_true", help="random weights, which is the default")
    parser.add_argument("--size", choices=SIZES, default="small", help="of the random weights")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--longest", type=float, default=15.0, help="seconds of the longest possible clip")
    parser.add_argument("--tokens", type=int, default=32, help="that a random Whisper writes for each clip")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", help="of Whisper: auto, float32, float16")
    given = parser.parse_args()
    if given.random and (given.whisper or given.utmos):
        parser.error("--random goes without --whisper and --utmos")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    sounds = clips(given.clips, given.longest)
    seconds = sum(clip.seconds for clip in sounds)
    with tempfile.TemporaryDirectory(prefix="fac-eval-bench-") as folder:
        recogniser, meter = tools(given, Path(folder))
        print(f"{given.clips} clips, {seconds:.0f} s in all; {where(given.device)}")
        stages: dict[str, Callable[[Sequence[Audio]], Sequence[Any]]] = {
            "transcribe": lambda batch: recogniser.transcribe(batch, "en"),
            "UTMOS": lambda batch: [figures["utmos"] for figures in meter.measure(batch)],
        }
        rows, sums = [], [0.0, 0.0]
        for name, tool in (("transcribe", recogniser), ("UTMOS", meter)):
            alone, together, agreement = compare(stages[name], tool.batch_size, sounds, given.repeats)
            sums = [sums[0] + alone, sums[1] + together]
            rows.append((name, *cells(alone, together, seconds), agreement))
        rows.append(("both", *cells(*sums, seconds), ""))
        recogniser.close()
        meter.close()
    print_table(("stage", "one by one, s", "in batches, s", "ratio", "times real time", "agreement"), rows)


def tools(given: argparse.Namespace, folder: Path) -> tuple[Transcriber, QualityMeter]:
    """Whisper and UTMOS, loaded, with the weights that were asked for."""
    from utmos import SIZES as NETWORKS
    from utmos import write_random_weights

    whisper, utmos = given.whisper, given.utmos
    if whisper is None:
        (folder / "whisper").mkdir()
        whisper = write_random_whisper(folder / "whisper", SIZES[given.size], tokens=given.tokens)
    if utmos is None:
        network = NETWORKS["published" if given.size == "large-v3" else "small"]
        utmos = write_random_weights(str(folder), network)
    recogniser = Whisper(str(whisper), device=given.device, dtype=given.dtype)
    meter = Utmos(str(utmos), device=given.device)
    recogniser.load()
    meter.load()
    return recogniser, meter


def where(device: str) -> str:
    """The machine, and the GPU where one is used."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else machine()


def compare(
    work: Callable[[Sequence[Audio]], Sequence[Any]], size: int, sounds: Sequence[Audio], repeats: int
) -> tuple[float, float, str]:
    """Median seconds one by one and in batches, and how well the results agree."""
    # The longest first, as the engine takes them.
    ordered = sorted(sounds, key=lambda clip: -clip.seconds)
    for clip in ordered:
        clip.samples()
    work(ordered[:2])
    alone, together = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        singly = [work([clip])[0] for clip in ordered]
        between = time.perf_counter()
        batched = [
            one for start in range(0, len(ordered), size) for one in work(ordered[start : start + size])
        ]
        together.append(time.perf_counter() - between)
        alone.append(between - began)
    return statistics.median(alone), statistics.median(together), agreement(singly, batched)


def agreement(singly: Sequence[Any], batched: Sequence[Any]) -> str:
    """How many texts are equal, or how far the scores lie apart."""
    if isinstance(singly[0], str):
        return f"{sum(map(str.__eq__, singly, batched))} of {len(singly)} texts"
    return f"{max(abs(one - other) for one, other in zip(singly, batched, strict=True)):.1e} at most"


def cells(alone: float, together: float, seconds: float) -> tuple[str, ...]:
    """Two times as a row of the table shows them."""
    return f"{alone:.2f}", f"{together:.2f}", f"{alone / together:.2f}", f"{seconds / together:.0f}"


if __name__ == "__main__":
    main()
