"""The speech detokenizer on a batch of segments against the same segments one by one, with random weights.

Both take turns in this process. What one large matrix product reaches on the device is printed beside them: where
one segment alone comes close to it, as on a CPU, a batch has nothing to gain.

    python benchmarks/vocoder_batch.py --rows 8 --seconds 10 --threads 1
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from fac_eval.model.detokenizer import DetokenizerConfig, SpeechDetokenizer, write_random_vocoder
from fac_eval.model.detokenizer.config import DiTConfig, FlowConfig, HiFTConfig

CODES_PER_SECOND = 25
SIZES = {
    "small": DetokenizerConfig(
        FlowConfig(dit=DiTConfig(dim=256, depth=4, heads=4)),
        HiFTConfig(base_channels=128, f0_cond_channels=128),
    ),
    "medium": DetokenizerConfig(FlowConfig(dit=DiTConfig(dim=768, depth=12, heads=12))),
    "published": DetokenizerConfig(),
}


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long `work` takes, the device's queue included; one thread's own time where no other takes part."""
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of one large matrix product."""
    size = 8192 if device.type == "cuda" else 1024
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: one @ other, device) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="medium", help="medium is 117 million parameters")
    parser.add_argument("--rows", type=int, default=8, help="segments in the batch")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a segment")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_random_vocoder(folder, 0, SIZES[given.size])
        detokenizer = SpeechDetokenizer.from_pretrained(folder, device=given.device, dtype=given.dtype)
        compare(detokenizer, given)


def compare(detokenizer: SpeechDetokenizer, given: argparse.Namespace) -> None:
    """Time both ways in turns and print their ratio."""
    device = detokenizer.device
    count = round(given.seconds * CODES_PER_SECOND)
    draw = random.Random(0)
    segments = [draw.choices(range(6561), k=count) for _ in range(given.rows)]
    with FlopCounterMode(display=False) as counter:
        detokenizer.decode(segments[0])
    detokenizer.decode_batch(segments[:2])
    alone, together = [], []
    for _ in range(given.repeats):
        alone.append(seconds(lambda: [detokenizer.decode(segment) for segment in segments], device))
        together.append(seconds(lambda: detokenizer.decode_batch(segments), device))
    reachable = product_rate(device, getattr(torch, given.dtype))
    work = counter.get_total_flops() * given.rows
    print(f"{given.rows} segments of {given.seconds:g} s, {given.size} model, {given.dtype} on {device}")
    for label, times in (("one by one", alone), ("in a batch", together)):
        taken = statistics.median(times)
        speed = given.rows * given.seconds / taken
        print(
            f"{label}: {taken:8.2f} s, {speed:8.2f} times real time, {work / taken / 1e9:8.0f} GFLOP/s "
            f"({work / taken / reachable:.0%} of a large matrix product)"
        )
    print(
        f"throughput of the batch: {statistics.median(alone) / statistics.median(together):.2f} times one by one"
    )


if __name__ == "__main__":
    main()
