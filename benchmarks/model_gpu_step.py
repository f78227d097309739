"""Time of a 5 Hz step with the shapes of the 8B checkpoint against what the memory's bandwidth allows.

Weights are random and made on the GPU; nothing is downloaded. A step reads the backbone once and the speech head
five times: bytes over bandwidth is the floor, and the fraction of it that is reached is what counts. Steps are run op
by op and as CUDA graphs. The first sound is there when the steps of its 18 codes are made and the vocoder, of the
published size as well, has spoken them.

    python benchmarks/model_gpu_step.py [--batches 1 8 32] [--steps 30] [--bandwidth 3350]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import pairwise
from typing import Any

PROMPT = 200
_STREAM_BYTES = 2**31


def main() -> None:
    """Print a line for each batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--bandwidth", type=float, help="GB/s of the memory; measured with a copy if not given"
    )
    given = parser.parse_args()

    import torch

    if not torch.cuda.is_available():
        sys.exit("this benchmark needs a GPU; model_decoding.py runs on a CPU, too")
    from fac_eval.model.tiny import random_model

    model = random_model(config_8b(), dtype=torch.bfloat16, device="cuda")
    bandwidth = given.bandwidth * 1e9 if given.bandwidth else copy_bandwidth()
    floor = step_bytes(model) / bandwidth
    print(f"{torch.cuda.get_device_name()}, {bandwidth / 1e9:.0f} GB/s, floor of a step {1e3 * floor:.1f} ms")
    for batch in given.batches:
        for graphs in (False, True):
            model.forget_steps()
            model.graphs = graphs
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            first, step = time_steps(model, batch, given.steps)
            peak = torch.cuda.max_memory_allocated() / 2**30
            print(
                f"batch {batch:3d}, {'graphs  ' if graphs else 'op by op'}: {1e3 * step:7.1f} ms a step, "
                f"{100 * floor / step:5.1f} % of the floor, {batch / step / 5:6.1f} x real time, "
                f"first group after {1e3 * first:7.1f} ms, peak {peak:.1f} GiB"
            )
            if batch == 1:
                sound = time_first_chunk()
                # One silent step opens the answer; four groups hold the 18 codes that the first chunk needs.
                print(
                    f"first sound after {1e3 * (first + 4 * step + sound):.0f} ms, {1e3 * sound:.0f} in the vocoder"
                )


def time_first_chunk() -> float:
    """Seconds that the vocoder takes for its first chunk of a stream."""
    import torch

    from fac_eval.model.detokenizer import DetokenizerConfig, SpeechDetokenizer, write_random_vocoder

    with tempfile.TemporaryDirectory() as folder:
        write_random_vocoder(folder, 0, DetokenizerConfig())
        detokenizer = SpeechDetokenizer.from_pretrained(folder, device="cuda")
    times = []
    for _ in range(4):
        stream = detokenizer.open_stream()
        start = time.perf_counter()
        chunks = stream.push(range(18))
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        assert len(chunks) == 1, "18 codes make the first chunk"
    return min(times)


def time_steps(model: Any, batch: int, steps: int) -> tuple[float, float]:
    """Seconds until the first group, and the median of a later step."""
    import torch

    from fac_eval.model.decoding import Decoder, Prompt
    from fac_eval.model.drop_in import seeded
    from fac_eval.model.sampling import GenerationSettings

    settings = GenerationSettings(
        do_sample=True,
        temperature=0.8,
        top_p=0.9,
        repetition_penalty=1.2,
        text_greedy=True,
        force_text_abos=True,
        max_new_tokens=steps,
    )
    for _ in range(2):  # the first time warms up
        prompts = []
        for row in range(batch):
            ids = torch.arange(PROMPT, device="cuda") % 1000
            with torch.inference_mode():
                prompts.append(Prompt(tuple(ids.tolist()), model.embed_text(ids), seeded(row, model.device)))
        torch.cuda.synchronize()
        start = time.perf_counter()
        times = [time.perf_counter() for _ in Decoder(model, settings, prompts, batch_size=batch)]
    laps = sorted(later - earlier for earlier, later in pairwise(times[1:]))
    return times[1] - start, laps[len(laps) // 2]


def step_bytes(model: Any) -> int:
    """Bytes of weights that one step reads: the embeddings are only looked up."""

    def size(module: Any, without: tuple[str, ...] = ()) -> int:
        parameters = dict(module.named_parameters()).items()
        return sum(p.numel() * p.element_size() for n, p in parameters if not n.startswith(without or ("-",)))

    head = model.audio_invert_tower
    once = size(model.language_model, ("model.embed_tokens",)) + size(head.pre_matching)
    each = size(head, ("pre_matching",))
    return once + 5 * each


def copy_bandwidth() -> float:
    """Bytes a second that a large copy reads and writes."""
    import torch

    source = torch.empty(_STREAM_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    times = []
    for _ in range(10):
        torch.cuda.synchronize()
        start = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * _STREAM_BYTES / min(times)


def config_8b() -> Any:
    """The shapes of the published 8B checkpoint."""
    from fac_eval.model import FunAudioChatConfig

    return FunAudioChatConfig(
        audio_config={},
        text_config={
            "model_type": "qwen3",
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "rope_theta": 5e6,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": False,
            "pad_token_id": 151643,
            "eos_token_id": 151645,
            "audio_bos_index": 151670,
            "audio_eos_index": 151671,
            "sil_index": 151673,
        },
    )


if __name__ == "__main__":
    main()
