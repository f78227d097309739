"""UTMOS of many clips of mixed lengths in batches against the same clips one by one, with random weights.

Both take turns in this process. The scores must be the same: the largest difference is printed beside the ratio.

    python benchmarks/utmos.py                              # 200 clips, a small network
    python benchmarks/utmos.py --size published --device cuda
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from fac_eval.speech.utmos import UtmosNetwork
from fac_eval.speech.utmos_meter import Utmos
from fac_eval.speech.utmos_sizes import PUBLISHED, UtmosSizes
from fac_eval.speech.utmos_weights import name_in_file

RATE = 24_000
SIZES = {
    "small": dataclasses.replace(
        PUBLISHED, conv_dim=64, hidden=96, ffn=384, heads=4, layers=4, pos_kernel=32, rnn=64, proj=128
    ),
    "published": PUBLISHED,
}


def write_random_weights(folder: str, sizes: UtmosSizes) -> Path:
    """A file in the layout of SpeechMOS, with its sizes beside it."""
    torch.manual_seed(0)
    network = UtmosNetwork(sizes)
    for table in (network.domain_emb, network.judge_emb):
        torch.nn.init.normal_(table)
    path = Path(folder) / "weights.safetensors"
    save_file({name_in_file(name, "speechmos"): t for name, t in network.state_dict().items()}, path)
    (Path(folder) / "config.json").write_text(json.dumps(dataclasses.asdict(sizes)))
    return path


def clips(count: int, longest: float) -> list[tuple[NDArray[np.float32], int]]:
    """Noise of 0.5 s to `longest` seconds, the lengths as skewed as those of spoken answers."""
    draw = np.random.default_rng(0)
    seconds = 0.5 + (longest - 0.5) * draw.beta(2, 4, size=count)
    return [(draw.normal(0, 0.1, round(length * RATE)).astype(np.float32), RATE) for length in seconds]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="small", help="published is 103 million parameters")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--longest", type=float, default=15.0, help="seconds of the longest possible clip")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of the CPU")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sounds = clips(given.clips, given.longest)
    with tempfile.TemporaryDirectory() as folder:
        meter = Utmos(str(write_random_weights(folder, SIZES[given.size])), device=given.device)
        meter.measure_samples(sounds[:2])
        compare(meter, sounds, given)


def compare(meter: Utmos, sounds: list[tuple[NDArray[np.float32], int]], given: argparse.Namespace) -> None:
    """Time both ways in turns and print their ratio."""
    alone, together, apart = [], [], 0.0
    for _ in range(given.repeats):
        began = time.perf_counter()
        singly = [meter.measure_samples([sound])[0]["utmos"] for sound in sounds]
        between = time.perf_counter()
        batched = [figures["utmos"] for figures in meter.measure_samples(sounds)]
        together.append(time.perf_counter() - between)
        alone.append(between - began)
        apart = max(apart, *(abs(one - other) for one, other in zip(singly, batched, strict=True)))
    length = sum(len(samples) for samples, _ in sounds) / RATE
    print(f"{given.clips} clips, {length:.0f} s in all, {given.size} network on {given.device}")
    for label, times in (("one by one", alone), ("in batches", together)):
        taken = statistics.median(times)
        print(f"{label}: {taken:8.2f} s, {length / taken:8.0f} times real time")
    print(
        f"throughput of batches: {statistics.median(alone) / statistics.median(together):.2f} times one by one"
    )
    print(f"largest difference of a score: {apart:.1e}")


if __name__ == "__main__":
    main()
