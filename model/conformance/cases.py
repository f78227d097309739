"""How each recorded case of the golden set is run with our processor and decode loop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError, differences

from ..answers import cleaned, speech_string, vocoder_codes
from ..demo_streamer import DemoStreamer
from ..prompts import AUDIO, AUDIO_BOS, AUDIO_TEMPLATE, DEFAULT_S2T_PROMPT
from .golden import GoldenModel

Entry = Mapping[str, Any]
Check = Callable[[Any], Sequence[str]]

_SAMPLES = re.compile(r"audio of (\d+) samples")
_MEL_TOLERANCE = 2e-5


class Puts:
    """A streamer that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.ended = False

    def put(self, value: Tensor) -> None:
        """Keep a payload."""
        self.values.append(value.tolist())

    def end(self) -> None:
        """Note the end."""
        self.ended = True


class CaseChecks:
    """A check for each group of cases in the index; it returns the differences found."""

    def __init__(self, golden: GoldenModel) -> None:
        self._golden = golden

    def groups(self) -> dict[str, Check]:
        """The checks by the group's name in the index."""
        return {
            "processor_cases": self.processor,
            "processor_edge_cases": self.processor_edge,
            "mel_stats": self.mel_stats,
            "chunk_variant": self.window,
            "generate_cases": self.generated,
            "streamer_cases": self.streamed,
            "batch2_s2s_inputs": self.batch_inputs,
            "bf16_vs_fp32_maxdiff": self.bfloat16,
            "train_case": self.train,
        }

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
        expected = {key: value for key, value in case.items() if key not in ("id", "conversation", "audio")}
        return differences(expected, found)

    def processor_edge(self, case: Entry) -> list[str]:
        """Odd inputs, rebuilt from the case's description and its recorded output."""
        try:
            found: dict[str, Any] = _shapes_of_large(dict(self._edge(case)))
        except (TypeError, ValueError) as error:
            if "error" not in case:
                return [f"raised {type(error).__name__}: {error}"]
            wrong_text = isinstance(error, ValueError) and str(error) != case["text"]
            wrong_type = type(error).__name__ != case["error"]
            return [f"raised {type(error).__name__}: {error}"] if wrong_type or wrong_text else []
        if "error" in case:
            return [f"expected {case['error']}, got {sorted(found)}"]
        return differences({"output": case["output"]}, {"output": found})

    def _edge(self, case: Entry) -> Mapping[str, Tensor]:
        processor, name = self._golden.processor, case["case"]
        turns = [
            {"role": "system", "content": DEFAULT_S2T_PROMPT},
            {"role": "user", "content": AUDIO_TEMPLATE},
        ]
        asked = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        short = self._golden.wave(
            min(self._golden.index["waveforms"], key=lambda w: len(self._golden.wave(w)))
        )
        bare: Any = short
        samples = _SAMPLES.match(name)
        if samples:
            return processor(text=asked, audio=[np.full(int(samples[1]), 0.1, np.float32)])
        if "JSON audio" in name:
            rows = [case["output"][key][0] for key in ("speech_ids", "speech_attention_mask")]
            ids = [number for number, real in zip(*rows, strict=True) if real]
            tokens = "".join(processor.speech_tokenizer.convert_ids_to_tokens(ids))
            return processor(text=f"a{AUDIO}b", audio=[json.dumps({"path": "", "token": tokens})])
        made: dict[str, Callable[[], Mapping[str, Tensor]]] = {
            "two audios, one placeholder": lambda: processor(text=asked, audio=[short, short]),
            "placeholder without audio": lambda: processor(text=asked),
            "bare ndarray instead of list": lambda: processor(text=asked, audio=bare),
            "only <|audio_bos|> wraps the placeholder": lambda: processor(
                text=f"a{AUDIO_BOS}{AUDIO}b", audio=[short]
            ),
            "no wrapping at all": lambda: processor(text=f"a{AUDIO}b", audio=[short]),
        }
        if name not in made:
            raise CannotRunError(f"no rule for the edge case {name!r}")
        return made[name]()

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
        return differences({key: value for key, value in case.items() if key != "id"}, found, _MEL_TOLERANCE)

    def window(self, case: Entry) -> list[str]:
        """The same clip under another window of the extractor."""
        inputs = self._golden.inputs(case["id"], processor=self._golden.processor_for(case["chunk_length"]))
        found = {
            "feature_lens": inputs["feature_attention_mask"].sum(1).tolist(),
            "input_features_shape": list(inputs["input_features"].shape),
        }
        return differences({key: value for key, value in case.items() if key in found}, found)

    def generated(self, case: Entry) -> list[str]:
        """A run of `generate`, text and codes and all that was streamed."""
        found = generation(self._golden, case)
        if "+" in case["prompt"] and not case["sp_gen_kwargs"].get("disable_speech"):
            return self._spoken_batch(case, found)
        return differences({key: value for key, value in case.items() if key in found}, found)

    def _spoken_batch(self, case: Entry, found: Entry) -> list[str]:
        """The reference's spoken batches are broken: a row must equal its run alone, the longest also the record."""
        prompts = case["prompt"].split("+")
        problems: list[str] = []
        for row, prompt in enumerate(prompts):
            alone = generation(self._golden, {**case, "prompt": prompt})
            ours = {"text": found["new_text_ids"][row], "speech": found["speech_ids"][row]}
            problems += differences(
                {"text": alone["new_text_ids"][0], "speech": alone["speech_ids"][0]}, ours
            )
        longest = max(range(len(prompts)), key=lambda n: len(self._golden.prompt(prompts[n])["input_ids"]))
        kept = {"text": found["new_text_ids"][longest], "speech": found["speech_ids"][longest]}
        return problems + differences(
            {"text": case["new_text_ids"][longest], "speech": case["speech_ids"][longest]}, kept
        )

    def streamed(self, case: Entry) -> list[str]:
        """The step records of the demo's streamer over a recorded run."""
        golden = self._golden
        group, wanted = case["same_run_as"].split(" ")[0], (case["torch_seed"], case["prompt"])
        runs = [run for run in golden.index["generate_cases"] if run["id"].startswith(group)]
        same = next(run for run in runs if (run["torch_seed"], run["prompt"]) == wanted)
        streamer = DemoStreamer(golden.processor.tokenizer)
        generation(golden, same, streamer=streamer)
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
        return differences({key: value for key, value in case.items() if key in found}, found)

    def batch_inputs(self, entry: Any) -> list[str]:
        """The inputs of the recorded spoken batch."""
        run = next(c for c in self._golden.index["generate_cases"] if c["id"] == "batch2_s2s")
        inputs = self._golden.inputs(*run["prompt"].split("+"))
        return differences(entry, {name: inputs[name].tolist() for name in entry})

    def bfloat16(self, recorded: float) -> list[str]:
        """How far bfloat16 is from float32, which depends on the machine's kernels: near the recorded distance."""
        inputs = self._golden.inputs("p_chirp")
        exact, coarse = (
            self._golden.forward(inputs, kind).logits.float() for kind in ("float32", "bfloat16")
        )
        apart = float((exact - coarse).abs().max())
        return (
            []
            if recorded / 2 <= apart <= recorded * 2
            else [f"bfloat16 is {apart} off, the record {recorded}"]
        )

    def train(self, case: Entry) -> list[str]:
        """The templated text of the teacher-forced sample; its tensors are checked as such."""
        text = self._golden.processor.apply_chat_template(case["conversation"])
        return differences({"templated_text": case["templated_text"]}, {"templated_text": text})


def generation(
    golden: GoldenModel, case: Entry, *, streamer: Any = None, max_new_tokens: int | None = None
) -> dict[str, Any]:
    """Run a generation case through the drop-in `generate`; the keys are those of the record."""
    prompts = case["prompt"].split("+")
    inputs, model = golden.inputs(*prompts), golden.model()
    model.sp_gen_kwargs = {**case["sp_gen_kwargs"]}
    options = dict(case["generate_kwargs"])
    if max_new_tokens is not None:
        options["max_new_tokens"] = max_new_tokens
    if case["torch_seed"] is not None:
        torch.manual_seed(case["torch_seed"])
    puts = Puts()
    alone = len(prompts) == 1
    ids, speech = model.generate(**inputs, **options, streamer=streamer or (puts if alone else None))
    new = ids[:, inputs["input_ids"].shape[1] :].tolist()
    codes = speech.tolist()
    tokenizer = golden.processor.tokenizer
    found: dict[str, Any] = {
        "new_text_ids": new,
        "speech_ids": codes,
        "text_skip_special": [tokenizer.decode(row, skip_special_tokens=True) for row in new],
        "text_raw": [tokenizer.decode(row, skip_special_tokens=False) for row in new],
        "text_cleaned": [cleaned(str(tokenizer.decode(row, skip_special_tokens=False))) for row in new],
        "speech_str": [speech_string(golden.processor.speech_tokenizer, row) for row in codes],
        "codes_for_vocoder": [vocoder_codes(row) for row in codes],
    }
    if alone and streamer is None:
        found |= {"streamer_puts": puts.values, "streamer_ended": puts.ended}
    return found


def train_audio(golden: GoldenModel) -> list[Any]:
    """The clips of the teacher-forced sample: the waveforms that its description names, and the spoken turn."""
    case = golden.index["train_case"]
    spoken = json.dumps({"path": "", "token": case["assistant_speech_string"]})
    names = [text.split(" ", 1)[0] for text in case["audio"]]
    return [golden.wave(name) if name in golden.index["waveforms"] else spoken for name in names]


def _shapes_of_large(found: Mapping[str, Tensor]) -> dict[str, Any]:
    """As the record has it: features by shape, their mask by shape and sum, the rest in full."""
    result: dict[str, Any] = {name: value.tolist() for name, value in found.items()}
    if "input_features" in found:
        mask = found["feature_attention_mask"]
        result["input_features"] = list(found["input_features"].shape)
        result["feature_attention_mask"] = [list(mask.shape), int(mask.sum())]
    return result
