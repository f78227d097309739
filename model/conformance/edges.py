"""The odd inputs of a recorded set: rebuilt from a case's description and from what it gave."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fac_eval.conformance import CannotRunError, differences

from ..mel import Samples
from ..prompts import AUDIO_TEMPLATE, DEFAULT_S2T_PROMPT
from .golden import GoldenModel

Entry = Mapping[str, Any]

_SAMPLES = re.compile(r"audio of (\d+) samples")


def check_edge(golden: GoldenModel, case: Entry) -> list[str]:
    """Compare the output or the error.

    A case does not say which of the set's clips and prompts it took: one that fits is looked for.
    """
    first: list[str] = []
    for text in _texts(golden, case):
        for clip in _clips(golden, case):
            problems = _check(golden, case, text, clip)
            if not problems:
                return []
            first = first or problems
    return first


def _check(golden: GoldenModel, case: Entry, text: str, clip: Samples) -> list[str]:
    try:
        found = _shapes_of_large(_run(golden, case, text, clip))
    except (TypeError, ValueError) as error:
        if "error" not in case:
            return [f"raised {type(error).__name__}: {error}"]
        wrong_text = isinstance(error, ValueError) and str(error) != case.get("text", str(error))
        wrong_type = type(error).__name__ != case["error"]
        return [f"raised {type(error).__name__}: {error}"] if wrong_type or wrong_text else []
    if "error" in case:
        return [f"expected {case['error']}, got {sorted(found)}"]
    return differences({"output": case["output"]}, {"output": found})


def _run(golden: GoldenModel, case: Entry, text: str, clip: Samples) -> Mapping[str, Tensor]:
    processor, name = golden.processor, case["case"]
    audio, begin, end = processor.audio_token, processor.audio_bos_token, processor.audio_eos_token
    samples = _SAMPLES.match(name)
    if samples:
        return processor(text=text, audio=[np.full(int(samples[1]), 0.1, np.float32)])
    if "JSON audio" in name:
        rows = [case["output"][key][0] for key in ("speech_ids", "speech_attention_mask")]
        ids = [number for number, real in zip(*rows, strict=True) if real]
        tokens = "".join(processor.speech_tokenizer.convert_ids_to_tokens(ids))
        return processor(text=f"a{audio}b", audio=[json.dumps({"path": "", "token": tokens})])
    bare: Any = clip
    made: dict[str, Callable[[], Mapping[str, Tensor]]] = {
        "two audios, one placeholder": lambda: processor(text=text, audio=[clip, clip]),
        "placeholder without audio": lambda: processor(text=text),
        "bare ndarray instead of list": lambda: processor(text=text, audio=bare),
        f"only {begin} wraps the placeholder": lambda: processor(text=f"a{begin}{audio}b", audio=[clip]),
        f"only {end} wraps the placeholder": lambda: processor(text=f"a{audio}{end}b", audio=[clip]),
        "no wrapping at all": lambda: processor(text=f"a{audio}b", audio=[clip]),
    }
    if name not in made:
        raise CannotRunError(f"no rule for the edge case {name!r}")
    return made[name]()


def _texts(golden: GoldenModel, case: Entry) -> Iterator[str]:
    """The prompt that the known set took, then those of this one with a single clip."""
    turns = [{"role": "system", "content": DEFAULT_S2T_PROMPT}, {"role": "user", "content": AUDIO_TEMPLATE}]
    yield golden.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    if "input_ids" in case.get("output", ()):
        for prompt in golden.index["processor_cases"]:
            if len(prompt["audio"]) == 1:
                yield prompt["templated_text"]


def _clips(golden: GoldenModel, case: Entry) -> Iterator[Samples]:
    """The waveforms as long as the clip was, by the frames that it gave; else the shortest."""
    clips = sorted((golden.wave(name) for name in golden.index["waveforms"]), key=len)
    yield clips[0]
    heard = case.get("output", {}).get("speech_attention_mask", [[]])
    for clip in clips[1:]:
        if golden.processor.frames(len(clip)) == sum(heard[0]):
            yield clip


def _shapes_of_large(found: Mapping[str, Tensor]) -> dict[str, Any]:
    """As the record has it: features by shape, their mask by shape and sum, the rest in full."""
    result: dict[str, Any] = {name: value.tolist() for name, value in found.items()}
    if "input_features" in found:
        mask = found["feature_attention_mask"]
        result["input_features"] = list(found["input_features"].shape)
        result["feature_attention_mask"] = [list(mask.shape), int(mask.sum())]
    return result
