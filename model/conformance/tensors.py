"""How each recorded tensor of the golden set is made with our model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError

from ..encoder import conv_length
from .cases import train_audio
from .generation import generation, raw_scores
from .golden import GoldenModel

GIVEN = {
    "enc_direct": ("input", "lens"),
    "disc_direct": ("ids", "cont", "exist"),
}
"""Recorded tensors that others are made from."""

_RANGE = re.compile(r"(\d+)\.\.(\d+)|\blast (\d+)\b(?! (?:rows|positions))")
_LIST = re.compile(r"\s*\[([\d, ]+)\]")
_MODE = re.compile(r"continuous_features_mode=(\w+)")
_FLAGS = re.compile(r"text_attention_mask=\[([\w, ]+)\]")
_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


def is_given(name: str) -> bool:
    """Whether a recorded tensor is an input of others, and nothing of ours."""
    head, _, part = name.partition(".")
    return part in GIVEN.get(head, ())


class Produced:
    """Calling it with a recorded tensor's name gives ours, of the same shape."""

    def __init__(self, golden: GoldenModel) -> None:
        self._golden = golden
        self._makers: Mapping[str, Callable[[str, str, str], Tensor]] = {
            r"mel": self._mel,
            r"enc_direct": self._encoder_direct,
            r"disc_direct": self._discrete_direct,
            r"batch\d*": self._batch,
            r"train": self._train,
            r"bf16|fp16": self._coarse,
            r"trace": self._trace,
            r"chunk\d+": self._window,
        }
        self._forwards: dict[str, Any] = {}

    def __call__(self, name: str) -> Tensor:
        """Ours.

        Raises:
            CannotRunError: What the name stands for is unknown.
        """
        head, _, part = name.partition(".")
        if self._golden.prompts_in(head) == [head]:
            return self._prompt(name, head, part)
        for pattern, maker in self._makers.items():
            if re.fullmatch(pattern, head):
                return maker(name, head, part)
        raise _no_rule(name)

    def _mel(self, name: str, _: str, part: str) -> Tensor:
        wave = part.removesuffix(".frames_sel")
        mel = self._golden.processor.clips([self._golden.wave(wave)])[0].mel
        assert mel is not None
        return _columns(mel.columns, self._golden.what(name)) if wave != part else mel.columns

    def _prompt(self, name: str, prompt: str, part: str) -> Tensor:
        if part.startswith("enc."):
            return _one_of(self._encoder_parts(prompt), part.removeprefix("enc."), name)
        if part == "continuous":
            return self._continuous(self._golden.inputs(prompt))
        if part in ("audio_features", "merged_embeds"):
            return self._merged(prompt)[part]
        return self._of_forward(name, self._forward(prompt), part)

    def _of_forward(self, name: str, output: Any, part: str) -> Tensor:
        """A part of a plain forward, cut to the rows and columns that were recorded."""
        recorded = self._golden.tensors[name]
        speech = output.speech_logits
        parts: dict[str, Callable[[], Any]] = {
            "text_logits": lambda: output.logits,
            "last_hidden": lambda: output.last_hidden_state,
            "speech_logits": lambda: speech,
            "speech_logits_cols": lambda: _columns(speech, self._golden.what(name)),
            "speech_logits_lse": lambda: speech.logsumexp(-1),
            "speech_lse": lambda: speech.logsumexp(-1),
            "speech_logits_argmax": lambda: self._best(speech, recorded),
            "speech_argmax": lambda: self._best(speech, recorded),
            "losses": lambda: torch.stack([output.loss, output.text_loss, output.speech_loss]),
        }
        if part not in parts:
            raise _no_rule(name)
        if speech is None and part not in ("text_logits", "last_hidden"):
            raise CannotRunError(f"{name}: the checkpoint has no speech head")
        value: Any = parts[part]()
        cut: Tensor = value[:, -recorded.shape[1] :] if value.dim() > 1 else value
        return cut

    def _best(self, logits: Tensor, recorded: Tensor) -> Tensor:
        """The best ids; the recorded one where ours is no better than rounding could make it."""
        logits = logits[:, -recorded.shape[1] :]
        best = logits.max(-1)
        if recorded.shape != best.indices.shape:
            return best.indices
        allowed = 2 * self._golden.tolerances.of("logits")
        behind = best.values - logits.gather(-1, recorded.clamp(0, logits.shape[-1] - 1)[..., None])[..., 0]
        return torch.where(behind <= allowed, recorded, best.indices)

    def _forward(self, prompt: str) -> Any:
        if prompt not in self._forwards:
            self._forwards[prompt] = self._golden.forward(self._golden.inputs(prompt))
        return self._forwards[prompt]

    @torch.inference_mode()
    def _continuous(self, inputs: Mapping[str, Tensor]) -> Tensor:
        lengths = inputs["feature_attention_mask"].sum(1).tolist()
        packed = torch.cat(
            [mel[:, :n] for mel, n in zip(inputs["input_features"], lengths, strict=True)], dim=1
        )
        rows: Tensor = self._golden.model().continuous_audio_tower(
            packed, lengths, inputs["speech_ids"].shape[1]
        )
        return rows

    @torch.inference_mode()
    def _merged(self, prompt: str) -> dict[str, Tensor]:
        inputs, model = self._golden.inputs(prompt), self._golden.model()
        names = ("speech_ids", "input_features", "feature_attention_mask", "feature_exist_mask")
        audio = model.encode_audio(**{name: inputs[name] for name in names})
        merged = model.prompt_embeds(inputs["input_ids"], audio, inputs["speech_attention_mask"])
        return {"audio_features": audio, "merged_embeds": merged}

    def _encoder_parts(self, prompt: str) -> dict[str, Tensor]:
        """What passes through the encoder, without padding, the chunks of all clips one after another."""
        tower = self._golden.model().continuous_audio_tower
        inputs = self._golden.inputs(prompt)
        chunk = tower.chunk_frames
        rows = [
            conv_length(min(chunk, frames - start), chunk)
            for frames in inputs["feature_attention_mask"].sum(1).tolist()
            for start in range(0, frames, chunk)
        ]
        seen: dict[str, list[Tensor]] = {}

        def keep(key: str, value: Tensor) -> None:
            seen.setdefault(key, []).extend([value] if value.dim() == 2 else value)

        handles = [tower.layers[0].register_forward_pre_hook(lambda _, args: keep("layer_in", args[0]))]
        handles += [
            layer.register_forward_hook(lambda _, __, out, n=n: keep(f"layer{n}_out", out))
            for n, layer in enumerate(tower.layers)
        ]
        handles.append(tower.ln_post.register_forward_pre_hook(lambda _, args: keep("pooled", args[0])))
        try:
            self._continuous(inputs)
        finally:
            for handle in handles:
                handle.remove()
        pooled = seen.pop("pooled")
        packed = {
            key: torch.cat([part[:n] for part, n in zip(parts, rows, strict=True)])
            for key, parts in seen.items()
        }
        return {**packed, "pooled": torch.cat(pooled)}

    @torch.inference_mode()
    def _encoder_direct(self, name: str, head: str, part: str) -> Tensor:
        if part != "out":
            raise _no_rule(name)
        given = self._golden.tensors
        rows: Tensor = self._golden.model().continuous_audio_tower(
            given[f"{head}.input"], given[f"{head}.lens"].tolist(), given[name].shape[1]
        )
        return rows

    @torch.inference_mode()
    def _discrete_direct(self, name: str, head: str, part: str) -> Tensor:
        given, tower = self._golden.tensors, self._golden.model().audio_tower
        ids = given[f"{head}.ids"]
        if part == "out_ids_only":
            rows: Tensor = tower(ids)
            return rows
        if not part.startswith("out_combined"):
            raise _no_rule(name)
        mode, own = _MODE.search(self._golden.what(name)), tower.adds
        tower.adds = mode[1] == "add" if mode else own
        try:
            rows = tower(ids, given[f"{head}.cont"], given[f"{head}.exist"])
        finally:
            tower.adds = own
        return rows

    def _batch(self, name: str, head: str, part: str) -> Tensor:
        golden = self._golden
        told = [golden.what(other) for other in golden.tensors if other.startswith(f"{head}.")]
        prompts = max(map(golden.prompts_in, told), key=len)
        if not prompts:
            raise CannotRunError(f"no description of {head} names its prompts")
        inputs = golden.inputs(*prompts)
        if part in inputs:
            return inputs[part]
        if head not in self._forwards:
            self._forwards[head] = golden.forward(inputs)
        return self._of_forward(name, self._forwards[head], part)

    def _train(self, name: str, _: str, part: str) -> Tensor:
        golden = self._golden
        case = golden.index.get("train_case")
        if not case:
            raise CannotRunError("the index has no train_case")
        inputs = dict(golden.processor(text=case["templated_text"], audio=train_audio(golden)))
        if part in inputs:
            recorded: Tensor = inputs[part]
            return recorded
        if part == "labels":
            return _labels(golden, inputs["input_ids"])
        if part == "text_ids":
            return _text_ids(golden, golden.tensors[name], case, self._has_text(inputs))
        text, _, rest = part.partition(".")
        positions, _, what = rest.partition(".")
        if text not in ("with_text", "no_text") or positions not in ("pos", "nopos"):
            raise _no_rule(name)
        key = f"train.{text}.{positions}"
        if key not in self._forwards:
            inputs["labels"] = golden.tensors["train.labels"]
            if text == "with_text":
                inputs["text_ids"] = golden.tensors["train.text_ids"]
                inputs["text_attention_mask"] = self._has_text(inputs)
            if positions == "pos":
                inputs["position_ids"] = torch.arange(inputs["input_ids"].shape[1])[None]
            self._forwards[key] = golden.forward(inputs)
        return self._of_forward(name, self._forwards[key], what)

    def _has_text(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Which clips of the teacher-forced sample have text: as described, else those without a waveform."""
        told = _FLAGS.search(self._golden.what("train.text_ids"))
        if told:
            return torch.tensor([flag.strip() == "True" for flag in told[1].split(",")])
        return ~inputs["feature_exist_mask"]

    def _coarse(self, name: str, head: str, part: str) -> Tensor:
        prompt, _, what = part.partition(".")
        kind = _DTYPES[head]
        key = f"{kind}: {prompt}"
        if key not in self._forwards:
            self._forwards[key] = self._golden.forward(self._golden.inputs(prompt), kind)
        return self._of_forward(name, self._forwards[key], what).float()

    def _window(self, name: str, head: str, part: str) -> Tensor:
        prompt, _, what = part.partition(".")
        key = f"{head}: {prompt}"
        if key not in self._forwards:
            processor = self._golden.processor_for(int(head.removeprefix("chunk")))
            self._forwards[key] = self._golden.forward(self._golden.inputs(prompt, processor=processor))
        output = self._forwards[key]
        if what == "audio_features":
            features: Tensor = output.audio_features
            return features
        return self._of_forward(name, output, re.sub(r"_last\d+$", "", what))

    def _trace(self, name: str, _: str, part: str) -> Tensor:
        return _one_of(self._traced, part, name)

    @cached_property
    def _traced(self) -> dict[str, Tensor]:
        """The first steps of the run that the set traces, as they pass through the model."""
        golden, model = self._golden, self._golden.model()
        told = [golden.what(name) for name in golden.tensors if name.startswith("trace.")]
        case = next((run for run in map(golden.run_in, told) if run is not None), None)
        if case is None:
            raise CannotRunError("no description of the trace names a run")
        count = golden.tensors["trace.text_logits"].shape[0]
        embeds: list[Tensor] = []
        handle = model.language_model.model.register_forward_pre_hook(
            lambda _, __, options: embeds.append(options["inputs_embeds"]), with_kwargs=True
        )
        try:
            with raw_scores(model) as raw:
                found = generation(golden, case, max_new_tokens=count)
        finally:
            handle.remove()
        size = model.config.audio_config.group_size
        traced = {
            "text_logits": torch.cat(raw.text[:count]),
            "speech_ids": torch.tensor(found["speech_ids"]),
            "text_ids": torch.tensor(found["new_text_ids"]),
        }
        if count > 1:
            traced["step_embeds"] = torch.cat(embeds[1:count], dim=1)
        if raw.speech:
            traced["speech_logits"] = torch.cat(raw.speech[: size * count])
        return traced


def _one_of(made: Mapping[str, Tensor], part: str, name: str) -> Tensor:
    if part not in made:
        raise _no_rule(name)
    return made[part]


def _no_rule(name: str) -> CannotRunError:
    return CannotRunError(f"no rule for the tensor {name}")


def _columns(value: Tensor, what: str) -> Tensor:
    """The columns that a description names: a list, or ranges and the last few."""
    _, _, told = what.partition("columns")
    listed = _LIST.match(told)
    if listed:
        return value[..., [int(number) for number in listed[1].split(",")]]
    pieces = [
        value[..., -int(last) :] if last else value[..., int(first) : int(end) + 1]
        for first, end, last in _RANGE.findall(told)
    ]
    if not pieces:
        raise CannotRunError(f"which columns were recorded is not said: {what!r}")
    return torch.cat(pieces, dim=-1)


def _labels(golden: GoldenModel, input_ids: Tensor) -> Tensor:
    """Nothing up to the last assistant's header counts."""
    header = golden.processor.tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False)
    (ids,) = input_ids.tolist()
    start = max(n + len(header) for n in range(len(ids)) if ids[n : n + len(header)] == header)
    labels = input_ids.clone()
    labels[:, :start] = golden.model().config.ignore_index
    return labels


def _text_ids(golden: GoldenModel, recorded: Tensor, case: Mapping[str, Any], has_text: Tensor) -> Tensor:
    """The spoken turn's text in the rows that have one, as wide as recorded."""
    ids: Sequence[int] = golden.processor.tokenizer.encode(case["assistant_text"], add_special_tokens=False)
    result = torch.full_like(recorded, golden.processor.tokenizer.pad_token_id)
    width = min(len(ids), result.shape[1])
    result[has_text, :width] = torch.tensor(ids[:width])
    return result
