"""Decoding speed: our loop at batch 1 and in batches against a plain loop, on a random checkpoint of ~150 M parameters.

The plain loop is what the published inference script does: one conversation at a time, transformers' growing
cache, one call after another. Everything is a ratio within one run, so that a busy machine tells the truth, too.

Then spoken answers of mixed lengths, four batches of them: batch after batch, each as long as its longest answer,
and with rows that take the next question as soon as they are free, which is what a run does.

On a GPU our steps are CUDA graphs. `--compile` also times steps that torch.compile has fused, which takes minutes to
begin with and is no part of fac-eval: on a CPU it gains nothing.

    python benchmarks/model_decoding.py [--device cuda] [--batch 8] [--steps 100] [--threads 1] [--compile]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

PROMPT = 60
Way = Callable[[], int]


def main() -> None:
    """Print the frames per second of each way, and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--steps", type=int, default=100, help="5 Hz steps of each answer; 100 are 20 s of speech"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed; the best counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="also time steps that are compiled")
    given = parser.parse_args()

    import torch

    torch.set_num_threads(given.threads)
    device = given.device if given.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    from fac_eval.model.tiny import random_model

    model = random_model(medium_config(), dtype=dtype, device=device)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{count / 1e6:.0f} M parameters, {dtype}, {device}, {given.threads} threads, {given.steps} steps")
    for speech in (True, False):
        ways: dict[str, Way] = {
            "plain loop": lambda speech=speech: plain_loop(model, given.steps, speech=speech),
        }
        for batch in (1, given.batch):
            ways[f"ours, batch {batch}"] = partial(ours, model, given.steps, batch, speech=speech)
        if given.compile:
            for batch in (1, given.batch):
                ways[f"compiled, {batch}"] = partial(compiled, model, given.steps, batch, speech=speech)
        report("speech" if speech else "text", ways, given.rounds, device)
    lengths = [given.steps * (1 + row * 7 % 16) // 16 for row in range(4 * given.batch)]
    report(
        f"speech, {len(lengths)} answers of {min(lengths)} to {max(lengths)} steps, batch {given.batch}",
        {
            "batch by batch": partial(mixed, model, lengths, given.batch, given.batch),
            "rows refilled": partial(mixed, model, lengths, given.batch, len(lengths)),
        },
        given.rounds,
        device,
    )


def report(title: str, ways: dict[str, Way], rounds: int, device: str) -> None:
    """Time the ways in turn and print steps a second, also relative to the first."""
    # On one thread of a CPU the thread's own time counts: what other programs do meanwhile does not.
    clock = time.process_time if device == "cpu" else time.perf_counter
    best = dict.fromkeys(ways, 0.0)
    for _ in range(rounds + 1):  # the first round warms up and may be the best of a machine that tires
        for name, way in ways.items():
            start = clock()
            steps = way()
            synchronise(device)
            best[name] = max(best[name], steps / (clock() - start))
    base, *_ = best.values()
    single = best.get("ours, batch 1")
    print(f"{title}:")
    for name, rate in best.items():
        beside = "" if single is None else f"   {rate / single:5.2f} x batch 1"
        print(f"  {name:16s} {rate:8.1f} steps/s   {rate / base:5.2f} x {next(iter(best))}{beside}")


def ours(model: Any, steps: int, batch: int, *, speech: bool) -> int:
    """Decode `batch` answers of `steps` steps; returns the steps made."""
    return decode(model, [steps] * batch, batch, speech=speech)


def mixed(model: Any, lengths: list[int], batch: int, at_once: int) -> int:
    """Decode spoken answers of these lengths, handed over so many at once; returns the steps made."""
    parts = [lengths[start : start + at_once] for start in range(0, len(lengths), at_once)]
    return sum(decode(model, part, batch, speech=True) for part in parts)


def decode(model: Any, lengths: list[int], batch: int, *, speech: bool) -> int:
    """Decode answers of these lengths; returns the steps made."""
    import torch

    from fac_eval.model.decoding import Decoder, Prompt
    from fac_eval.model.drop_in import seeded
    from fac_eval.model.sampling import GenerationSettings

    settings = GenerationSettings(
        do_sample=speech,
        temperature=0.8,
        top_p=0.9 if speech else 1.0,
        repetition_penalty=1.2,
        text_greedy=True,
        disable_speech=not speech,
        force_text_abos=speech,
    )
    prompts = []
    for row, length in enumerate(lengths):
        ids = torch.arange(PROMPT + row, device=model.device) % 1000
        with torch.inference_mode():
            embeds = model.embed_text(ids)
        prompts.append(Prompt(tuple(ids.tolist()), embeds, seeded(row, model.device), length))
    return sum(len(passed) for passed in Decoder(model, settings, prompts, batch_size=batch))


def compiled(model: Any, steps: int, batch: int, *, speech: bool) -> int:
    """The same with every step compiled as a whole, and recorded after that on a GPU."""
    import torch

    from fac_eval.model.step_graphs import CudaRecorder, StepGraphs

    class Compiled:
        def __init__(self, work: Callable[[], tuple[Any, ...]]) -> None:
            self._work = torch.compile(work, fullgraph=True, dynamic=False)
            self.outputs = self._work()

        def replay(self) -> None:
            self.outputs = self._work()

    def record(work: Callable[[], tuple[Any, ...]]) -> Any:
        if model.device.type != "cuda":
            return Compiled(work)
        return CudaRecorder(model.device)(torch.compile(work, fullgraph=True, dynamic=False))

    before = model._step_graphs
    if batch not in _COMPILED:
        _COMPILED[batch] = StepGraphs({"text": record, "speech": record})
    model._step_graphs = _COMPILED[batch]
    try:
        return ours(model, steps, batch, speech=speech)
    finally:
        model._step_graphs = before


_COMPILED: dict[int, Any] = {}


def plain_loop(model: Any, steps: int, *, speech: bool) -> int:
    """One answer by the rules of the protocol, with nothing that is clever."""
    import torch
    from transformers import DynamicCache

    head, tower, backbone = model.audio_invert_tower, model.audio_tower, model.language_model.model
    with torch.inference_mode():
        ids = (torch.arange(PROMPT, device=model.device) % 1000)[None]
        text_cache, speech_cache = DynamicCache(), DynamicCache()
        spoken: list[int] = []
        previous = tower.embed_tokens(torch.tensor([[6561]], device=model.device))
        embeds = model.embed_text(ids)
        for step in range(steps):
            passed = backbone(
                inputs_embeds=embeds, past_key_values=text_cache, use_cache=True
            ).last_hidden_state
            if speech:
                pre = head.spread(passed + model.embed_text(ids[:, -passed.shape[1] :]))
                inputs, rest = (pre[:, :-4], pre[:, -4:]) if step == 0 else (pre[:, :1], pre[:, 1:])
                group: list[int] = []
                for part in (inputs, *rest.split(1, dim=1)):
                    rows = head(part + previous, past_key_values=speech_cache, use_cache=True)
                    code = pick(head.lm_head(rows[:, -1]).float(), spoken + group)
                    group.append(int(code))
                    previous = tower.embed_tokens(code)
                spoken += group if step else []
            chosen = model.language_model.lm_head(passed[:, -1]).float().argmax(-1, keepdim=True)
            ids = torch.cat([ids, chosen], dim=1)
            embeds = model.embed_text(chosen)
            if speech and step:
                embeds = (embeds + tower.groups(torch.tensor([spoken[-5:]], device=model.device))) / 2
    return steps


def pick(scores: Any, history: list[int]) -> Any:
    """A speech code as the published settings draw it, [1, 1]."""
    import torch

    if history:
        index = torch.tensor([history], device=scores.device)
        found = scores.gather(1, index)
        scores = scores.scatter(1, index, torch.where(found < 0, found * 1.2, found / 1.2))
    scores = scores / 0.8
    ascending, order = scores.sort()
    removed = ascending.softmax(-1).cumsum(-1) <= 0.1
    removed[:, -1] = False
    scores = scores.masked_fill(removed.scatter(1, order, removed), float("-inf"))
    return torch.multinomial(scores.softmax(-1), 1)


def synchronise(device: str) -> None:
    """Wait for the device."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def medium_config() -> Any:
    """About 150 M parameters in the proportions of the real model."""
    from fac_eval.model import FunAudioChatConfig

    shape = {"head_dim": 64, "num_key_value_heads": 4, "model_type": "qwen3", "max_position_embeddings": 8192}
    refined = {
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
    }
    return FunAudioChatConfig(
        audio_token_index=8000,
        audio_config={
            "d_model": 256,
            "encoder_layers": 4,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 1024,
            "output_dim": 768,
            "crq_transformer_config": {**shape, **refined, "vocab_size": 32},
        },
        text_config={
            **shape,
            "hidden_size": 768,
            "intermediate_size": 2304,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "vocab_size": 8192,
            "tie_word_embeddings": False,
            "audio_bos_index": 8001,
            "audio_eos_index": 8002,
            "sil_index": 8003,
            "pad_token_id": 8004,
            "eos_token_id": 8005,
        },
    )


if __name__ == "__main__":
    main()
