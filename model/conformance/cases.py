"""How each recorded case of the golden set is run with our processor and decode loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from fac_eval.conformance import CannotRunError, differences

from ..demo_streamer import DemoStreamer
from .edges import check_edge
from .generation import check_generation, compared, generation
from .golden import GoldenModel

Entry = Mapping[str, Any]
Check = Callable[[Any], Sequence[str]]

_INPUTS = "_inputs"
_COARSE = "bf16."


class CaseChecks:
    """A check for each group of cases in the index; it returns the differences found."""

    def __init__(self, golden: GoldenModel) -> None:
        self._golden = golden

    def groups(self) -> dict[str, Check]:
        """The checks by the group's name in the index."""
        checks: dict[str, Check] = {
            "processor_cases": self.processor,
            "processor_edge_cases": partial(check_edge, self._golden),
            "mel_stats": self.mel_stats,
            "chunk_variant": self.window,
            "generate_cases": partial(check_generation, self._golden),
            "streamer_cases": self.streamed,
        }
        for name in self._golden.index:
            if name.endswith(_INPUTS):
                checks[name] = partial(self.batch_inputs, name.removesuffix(_INPUTS))
        return checks | {"bf16_vs_fp32_maxdiff": self.bfloat16, "train_case": self.train}

    def processor(self, case: Entry) -> list[str]:
        """Template, ids and lengths of a conversation."""
        golden, processor = self._golden, self._golden.processor
        text = processor.apply_chat_template(case["conversation"], add_generation_prompt=True, tokenize=False)
        inputs = golden.inputs(case["id"])
        found: dict[str, Any] = {
            "templated_text": text,
            "input_ids": inputs["input_ids"][0].tolist(),
            "output_keys": {name: [list(value.shape), str(value.dtype)] for name, value in inputs.items()},
        }
        if case["audio"]:
            found |= {
                "speech_lens": inputs["speech_attention_mask"].sum(1).tolist(),
                "speech_ids_shape": list(inputs["speech_ids"].shape),
                "speech_ids_unique": torch.unique(inputs["speech_ids"]).tolist(),
                "feature_lens": inputs["feature_attention_mask"].sum(1).tolist(),
                "placeholder_count": found["input_ids"].count(golden.model().config.audio_token_index),
            }
        return compared(_without(case, "id", "conversation", "audio"), found)

    def mel_stats(self, case: Entry) -> list[str]:
        """Figures of a whole log-mel, its padding included."""
        (clip,) = self._golden.processor.clips([self._golden.wave(case["id"])])
        assert clip.mel is not None
        valid, frames = clip.mel.columns, self._golden.processor.mel.frames
        padded = clip.mel.padded(frames)
        count = valid.shape[1]
        found = {
            "T": count,
            "mean": float(valid.double().mean()),
            "std": float(valid.double().std()),
            "min": float(valid.min()),
            "max": float(valid.max()),
            "padded_shape": [1, *padded.shape],
            "first_pad_col0": float(padded[0, count]) if count < frames else None,
        }
        return compared(_without(case, "id"), found, self._golden.tolerances.of(f"mel.{case['id']}"))

    def window(self, case: Entry) -> list[str]:
        """The same clip under another window of the extractor."""
        inputs = self._golden.inputs(case["id"], processor=self._golden.processor_for(case["chunk_length"]))
        found = {
            "feature_lens": inputs["feature_attention_mask"].sum(1).tolist(),
            "input_features_shape": list(inputs["input_features"].shape),
        }
        return compared(_without(case, "id", "chunk_length"), found)

    def streamed(self, case: Entry) -> list[str]:
        """The step records of the demo's streamer over a recorded run."""
        golden = self._golden
        streamer = DemoStreamer(golden.processor.tokenizer)
        generation(golden, self._same_run(case), streamer=streamer)
        prompt = [golden.prompt(case["prompt"])["input_ids"]]
        found = {
            "steps": [
                {
                    "step": step.step,
                    "text_ids": step.text_ids,
                    "audio_ids": "prompt ids" if step.audio_ids == prompt else step.audio_ids,
                    "text_str": step.text,
                }
                for step in streamer.steps
            ],
            "accumulated_text": streamer.text,
            "accumulated_text_ids": [streamer.text_ids],
            "accumulated_audio_len": len(streamer.audio_ids),
            "prompt_len": len(prompt[0]),
            "done": streamer.done,
        }
        return compared(_without(case, "id", "prompt", "torch_seed", "same_run_as"), found)

    def _same_run(self, case: Entry) -> Entry:
        """The run of the case's prompt and seed, of the group that the case names where several have both."""
        runs: list[Entry] = [
            run
            for run in self._golden.index.get("generate_cases", ())
            if all(run[name] == case[name] for name in ("prompt", "torch_seed"))
        ]
        words = case["same_run_as"].split()
        group = [run for run in runs if run["id"] in words or run["id"].rsplit(".", 1)[0] in words]
        if not group and len(runs) != 1:
            raise CannotRunError(
                f"none of {len(runs)} runs of {case['prompt']} with seed {case['torch_seed']} is "
                f"{case['same_run_as']!r}"
            )
        return (group or runs)[0]

    def batch_inputs(self, run_id: str, entry: Entry) -> list[str]:
        """The inputs of a recorded batch."""
        runs = [run for run in self._golden.index.get("generate_cases", ()) if run["id"] == run_id]
        if not runs:
            raise CannotRunError(f"there is no run {run_id!r}")
        inputs = self._golden.inputs(*self._golden.rows(runs[0]["prompt"]))
        return compared(entry, {name: value.tolist() for name, value in inputs.items()})

    def bfloat16(self, recorded: float) -> list[str]:
        """How far bfloat16 is from float32, which depends on the machine's kernels: near the recorded distance."""
        golden = self._golden
        names = [name for name in golden.tensors if name.startswith(_COARSE)]
        if not names:
            raise CannotRunError("no tensor tells which prompt was run in bfloat16")
        apart, allowed = 0.0, recorded
        for name in names:
            inputs = golden.inputs(name.split(".")[1])
            exact, coarse = (golden.forward(inputs, kind).logits.float() for kind in ("float32", "bfloat16"))
            apart = max(apart, float((exact - coarse).abs().max()))
            if getattr(golden.model().config.text_config, "num_experts", 0):
                # A close choice of an expert may fall otherwise with other kernels, and moves everything after it.
                size = float(golden.tensors[name].abs().max())
                allowed += golden.tolerances.of(name, golden.what(name), size)
        close = recorded / 2 <= apart <= recorded + allowed
        return [] if close else [f"bfloat16 is {apart} off, the record {recorded}"]

    def train(self, case: Entry) -> list[str]:
        """The templated text of the teacher-forced sample; its tensors are checked as such."""
        text = self._golden.processor.apply_chat_template(case["conversation"])
        return differences({"templated_text": case["templated_text"]}, {"templated_text": text})


def train_audio(golden: GoldenModel) -> list[Any]:
    """The clips of the teacher-forced sample: the waveforms that its description names, and the spoken turn."""
    case = golden.index["train_case"]
    spoken = json.dumps({"path": "", "token": case["assistant_speech_string"]})
    names = [text.split(" ", 1)[0] for text in case["audio"]]
    return [golden.wave(name) if name in golden.index["waveforms"] else spoken for name in names]


def _without(case: Entry, *names: str) -> dict[str, Any]:
    return {key: value for key, value in case.items() if key not in names}
