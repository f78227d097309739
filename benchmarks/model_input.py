"""Audio in: the processor on a 10 s clip, and how the encoder's cost grows with the length of the audio.

python benchmarks/model_input.py [--device cuda] [--threads 1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LENGTHS = (10, 30, 100, 300)


def main() -> None:
    """Print the processor's milliseconds, and the encoder's for each second of audio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="of the encoder")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()

    import numpy as np
    import torch

    torch.set_num_threads(given.threads)
    from fac_eval.model import FunAudioChatProcessor
    from fac_eval.model.prompts import AUDIO_TEMPLATE
    from fac_eval.model.tiny import write_tiny

    with tempfile.TemporaryDirectory() as folder:
        write_tiny(Path(folder))
        processor = FunAudioChatProcessor.from_pretrained(folder)
    wave = (0.1 * np.random.default_rng(0).standard_normal(160000)).astype(np.float32)
    turns = [{"role": "user", "content": AUDIO_TEMPLATE}]
    text = processor.apply_chat_template(turns, add_generation_prompt=True)
    print(f"window of the extractor: {processor.mel.n_samples / 16000:.0f} s, clip: 10 s")
    print(f"  log-mel alone            {1e3 * best(lambda: processor.clips([wave])):7.1f} ms")
    padded = best(lambda: processor(text=text, audio=[wave]))
    print(f"  processor, padded inputs {1e3 * padded:7.1f} ms")
    encoder(given.device)


def encoder(device: str) -> None:
    """Time the encoder at the width of the medium model; the last column should not grow."""
    import torch

    from fac_eval.model.config import FunAudioChatAudioEncoderConfig
    from fac_eval.model.encoder import ContinuousAudioTower

    sizes: dict[str, Any] = {
        "d_model": 256,
        "encoder_layers": 4,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 1024,
    }
    tower = ContinuousAudioTower(FunAudioChatAudioEncoderConfig(**sizes, output_dim=768)).to(device).eval()
    print(f"encoder on {device}:")
    for seconds in LENGTHS:
        mel = torch.randn(128, 100 * seconds, device=device)

        def run(mel: Any = mel, seconds: int = seconds) -> None:
            with torch.inference_mode():
                tower(mel, [mel.shape[1]], 25 * seconds).sum().item()

        took = best(run)
        print(f"  {seconds:4d} s of audio: {1e3 * took:8.1f} ms, {1e3 * took / seconds:6.2f} ms a second")


def best(way: Callable[[], object], rounds: int = 5) -> float:
    """The shortest of a few runs, in seconds."""
    way()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        way()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
