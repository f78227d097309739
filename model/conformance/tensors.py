"""How each recorded tensor of the golden set is made with our model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError

from ..encoder import conv_length
from .cases import generation, train_audio
from .golden import GoldenModel

_PROMPT = re.compile(r"\b[ps]_[a-z0-9]+\b")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_LIST = re.compile(r"\[([\d, ]+)\]")
_LAST = re.compile(r"last (\d+)")


class Produced:
    """Calling it with a recorded tensor's name gives ours, of the same shape."""

    def __init__(self, golden: GoldenModel) -> None:
        self._golden = golden
        self._makers: dict[str, Callable[[str, str], Tensor]] = {
            "mel": self._mel,
            "enc_direct": self._encoder_direct,
            "disc_direct": self._discrete_direct,
            "batch2": self._batch,
            "train": self._train,
            "bf16": self._bfloat16,
            "trace": self._trace,
        }
        self._forwards: dict[str, Any] = {}

    def __call__(self, name: str) -> Tensor:
        head, _, rest = name.partition(".")
        if head.startswith("chunk"):
            return self._window(int(head.removeprefix("chunk")), rest)
        if head in self._makers:
            return self._makers[head](name, rest)
        return self._prompt(name, head, rest)

    def _what(self, name: str) -> str:
        text: str = self._golden.index["tensors"][name]["what"]
        return text

    def _mel(self, name: str, rest: str) -> Tensor:
        wave = rest.removesuffix(".frames_sel")
        mel = self._golden.processor.clips([self._golden.wave(wave)])[0].mel
        assert mel is not None
        return _columns(mel.columns, self._what(name)) if wave != rest else mel.columns

    def _prompt(self, name: str, prompt: str, part: str) -> Tensor:
        if part.startswith("enc."):
            return self._encoder_parts(prompt)[part.removeprefix("enc.")]
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
            "speech_logits_cols": lambda: _columns(speech, self._what(name)),
            "speech_logits_lse": lambda: speech.logsumexp(-1),
            "speech_lse": lambda: speech.logsumexp(-1),
            "speech_logits_argmax": lambda: speech.argmax(-1),
            "speech_argmax": lambda: speech.argmax(-1),
            "losses": lambda: torch.stack([output.loss, output.text_loss, output.speech_loss]),
        }
        if part not in parts:
            raise CannotRunError(f"no rule for the tensor {name}")
        value: Any = parts[part]()
        cut: Tensor = value[:, -recorded.shape[1] :] if value.dim() > 1 else value
        return cut

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
        tower = self._golden.model().continuous_audio_tower
        inputs = self._golden.inputs(prompt)
        (frames,) = inputs["feature_attention_mask"].sum(1).tolist()
        chunk = tower.chunk_frames
        rows = [conv_length(min(chunk, frames - start), chunk) for start in range(0, frames, chunk)]
        seen: dict[str, Tensor] = {}

        def keep(key: str, value: Tensor) -> None:
            packed = (
                value
                if value.dim() == 2
                else torch.cat([part[:n] for part, n in zip(value, rows, strict=True)])
            )
            seen[key] = packed

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
        return seen

    @torch.inference_mode()
    def _encoder_direct(self, name: str, part: str) -> Tensor:
        given = self._golden.tensors
        if part != "out":
            return given[name]
        tower = self._golden.model().continuous_audio_tower
        rows: Tensor = tower(
            given["enc_direct.input"], given["enc_direct.lens"].tolist(), given[name].shape[1]
        )
        return rows

    @torch.inference_mode()
    def _discrete_direct(self, name: str, part: str) -> Tensor:
        given, tower = self._golden.tensors, self._golden.model().audio_tower
        ids = given["disc_direct.ids"]
        if part == "out_ids_only":
            rows: Tensor = tower(ids)
        elif part == "out_combined":
            rows = tower(ids, given["disc_direct.cont"], given["disc_direct.exist"])
        else:
            return given[name]
        return rows

    def _batch(self, name: str, part: str) -> Tensor:
        prompts = _PROMPT.findall(self._what("batch2.input_ids"))
        inputs = self._golden.inputs(*prompts)
        if part in inputs:
            return inputs[part]
        key = "+".join(prompts)
        if key not in self._forwards:
            self._forwards[key] = self._golden.forward(inputs)
        return self._of_forward(name, self._forwards[key], part)

    def _train(self, name: str, part: str) -> Tensor:
        golden, case = self._golden, self._golden.index["train_case"]
        inputs = dict(golden.processor(text=case["templated_text"], audio=train_audio(golden)))
        if part in inputs:
            recorded: Tensor = inputs[part]
            return recorded
        if part == "labels":
            return _labels(golden, inputs["input_ids"])
        if part == "text_ids":
            return _text_ids(golden, golden.tensors[name], case)
        text, positions, what = part.split(".")
        key = f"{text}.{positions}"
        if key not in self._forwards:
            inputs["labels"] = golden.tensors["train.labels"]
            if text == "with_text":
                inputs["text_ids"] = golden.tensors["train.text_ids"]
                inputs["text_attention_mask"] = ~inputs["feature_exist_mask"]
            if positions == "pos":
                inputs["position_ids"] = torch.arange(inputs["input_ids"].shape[1])[None]
            self._forwards[key] = golden.forward(inputs)
        return self._of_forward(name, self._forwards[key], what)

    def _bfloat16(self, name: str, part: str) -> Tensor:
        prompt, what = part.split(".")
        output = self._golden.forward(self._golden.inputs(prompt), "bfloat16")
        return self._of_forward(name, output, what).float()

    def _window(self, seconds: int, rest: str) -> Tensor:
        prompt, part = rest.split(".")
        key = f"{seconds} s: {prompt}"
        if key not in self._forwards:
            processor = self._golden.processor_for(seconds)
            self._forwards[key] = self._golden.forward(self._golden.inputs(prompt, processor=processor))
        output = self._forwards[key]
        last = re.fullmatch(r"text_logits_last(\d+)", part)
        if last:
            value: Tensor = output.logits[:, -int(last[1]) :]
            return value
        if part != "audio_features":
            raise CannotRunError(f"no rule for the tensor chunk{seconds}.{rest}")
        features: Tensor = output.audio_features
        return features

    def _trace(self, _: str, part: str) -> Tensor:
        return self._traced()[part]

    @lru_cache(maxsize=1)  # noqa: B019 - one small set of tensors, for as long as the set is checked
    def _traced(self) -> dict[str, Tensor]:
        """The first steps of the run that the set traces, as they pass through the model."""
        golden, model = self._golden, self._golden.model()
        run = re.search(r"of (\w+\.\w+)", self._what("trace.step_embeds"))
        case = next(case for case in golden.index["generate_cases"] if run and case["id"] == run[1])
        count = golden.tensors["trace.text_logits"].shape[0]
        embeds: list[Tensor] = []
        text: list[Tensor] = []
        speech: list[Tensor] = []
        assert model.audio_invert_tower is not None
        handles = [
            model.language_model.model.register_forward_pre_hook(
                lambda _, __, options: embeds.append(options["inputs_embeds"]), with_kwargs=True
            ),
            model.language_model.lm_head.register_forward_hook(lambda _, __, out: text.append(out)),
            model.audio_invert_tower.lm_head.register_forward_hook(lambda _, __, out: speech.append(out)),
        ]
        try:
            found = generation(golden, case, max_new_tokens=count)
        finally:
            for handle in handles:
                handle.remove()
        return {
            "step_embeds": torch.cat(embeds[1:count], dim=1),
            "text_logits": torch.cat(text[:count]),
            "speech_logits": torch.cat(speech[: 5 * count]),
            "speech_ids": torch.tensor(found["speech_ids"]),
            "text_ids": torch.tensor(found["new_text_ids"]),
        }


def _columns(value: Tensor, what: str) -> Tensor:
    """The columns that a description names: a list, or ranges, or the last few."""
    listed = _LIST.search(what)
    if listed:
        return value[..., [int(number) for number in listed[1].split(",")]]
    pieces = [value[..., int(first) : int(last) + 1] for first, last in _RANGE.findall(what)]
    last = _LAST.search(what)
    if last and "columns" in what and "rows" not in what:
        pieces.append(value[..., -int(last[1]) :])
    return torch.cat(pieces, dim=-1)


def _labels(golden: GoldenModel, input_ids: Tensor) -> Tensor:
    """Nothing up to the last assistant's header counts."""
    header = golden.processor.tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False)
    (ids,) = input_ids.tolist()
    start = max(n + len(header) for n in range(len(ids)) if ids[n : n + len(header)] == header)
    labels = input_ids.clone()
    labels[:, :start] = golden.model().config.ignore_index
    return labels


def _text_ids(golden: GoldenModel, recorded: Tensor, case: Mapping[str, Any]) -> Tensor:
    ids = golden.processor.tokenizer.encode(case["assistant_text"], add_special_tokens=False)
    result = torch.full_like(recorded, golden.processor.tokenizer.pad_token_id)
    result[-1, : len(ids)] = torch.tensor(ids)
    return result
