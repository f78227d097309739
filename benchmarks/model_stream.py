"""Streaming: when the first text and the first sound come, and how fast sound comes after that.

    python benchmarks/model_stream.py [--path CHECKPOINT --vocoder VOCODER] [--device cuda] [--steps 60]

Without a checkpoint a tiny random one is written; its times show the overhead of the loop, not a model's speed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Print the latencies of one streamed answer, the best of a few."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", help="a checkpoint (default: a tiny random one)")
    parser.add_argument("--vocoder")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from fac_eval.model import FunAudioChat
    from fac_eval.model.tiny import write_tiny

    with tempfile.TemporaryDirectory() as folder:
        if given.path is None:
            write_tiny(Path(folder))
            given.path, given.vocoder = folder, f"{folder}/vocoder"
        chat = FunAudioChat.from_pretrained(
            given.path, vocoder=given.vocoder, device=given.device, dtype=given.dtype
        )
        runs = [measure(chat, given.steps) for _ in range(given.rounds + 1)][1:]
    for name in runs[0]:
        values = [run[name] for run in runs]
        print(f"{name:28s} {min(values) if 'after' in name else max(values):9.3f}")


def measure(chat: Any, steps: int) -> dict[str, float]:
    """One answer that does not end before its limit."""
    import numpy as np

    wave = (0.1 * np.sin(np.arange(48000) / 9)).astype(np.float32)
    start = time.perf_counter()
    first_text = first_audio = None
    sound = 0
    turns = [{"role": "user", "content": [wave]}]
    for step in chat.stream(turns, seed=0, max_new_tokens=steps, eos_token_ids=(-1,)):
        now = time.perf_counter() - start
        if step.text and first_text is None:
            first_text = now
        if step.audio is not None:
            first_audio = first_audio or now
            sound += len(step.audio)
    took = time.perf_counter() - start
    later = took - (first_audio or 0.0)
    return {
        "first text after (s)": first_text or float("nan"),
        "first sound after (s)": first_audio or float("nan"),
        "seconds of sound": sound / 24000,
        "then seconds of sound a s": sound / 24000 / later if later > 0 else float("nan"),
    }


if __name__ == "__main__":
    main()
