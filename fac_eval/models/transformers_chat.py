"""The `transformers` model: a local text chat model of any architecture that the library knows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from fac_eval.data.places import NOT_LOOKED_UP, FileHashes
from fac_eval.data.weights import HubWeights, hub_weights, split_revision, weights_folder, weights_identity
from fac_eval.errors import AssetError, ModelOutOfMemory, UsageError, require
from fac_eval.interfaces import Capabilities, Model
from fac_eval.models.devices import device_of
from fac_eval.vocabulary import Message, Request, Response, Settings, Text, Usage

REVISION = 1
"""Raised whenever answers of unchanged weights change."""
MAX_TOKENS = 2048
"""How long an answer may be where neither the request nor the model's own configuration says."""

_PURPOSE = "the model 'transformers'"
_GREEDY: Mapping[str, Any] = {
    "do_sample": False,  # `_sampling` draws instead
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "num_beams": 1,
    "max_length": None,
}
_FILES = (".json", ".jinja", ".txt", ".model", ".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class _Decoding:
    """What requests must share to be decoded together. Temperature 0 is greedy."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    stop: tuple[str, ...]
    extra: tuple[tuple[str, Any], ...]
    """Further settings by the library's own names."""


class TransformersModel(Model):
    """A causal language model with a chat template, on this machine.

    Args:
        path: a folder with the model, or its id on the hub, owner/name or owner/name@revision.
        revision: the pinned revision of a hub id.
        dtype: the precision of the weights; `auto` takes the checkpoint's own.
        device: cuda, cpu, ...; `auto` takes a GPU if there is one.
        batch_size: requests a batch when the user says `auto`.
        template: further arguments of the chat template as a JSON object, e.g. {"enable_thinking": false}.

    Each request is sampled with its own seed, so that an answer does not depend on what shares its batch.
    """

    def __init__(
        self,
        path: str,
        *,
        revision: str | None = None,
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        device: str = "auto",
        batch_size: int = 16,
        template: dict[str, Any] | None = None,
    ) -> None:
        self.name = Path(split_revision(path)[0]).name
        self._path, self._revision, self._dtype, self._device = path, revision, dtype, device
        self._template = template or {}
        self._loaded: tuple[Any, Any] | None = None
        self.capabilities = Capabilities(
            inputs=frozenset({"text"}), outputs=frozenset({"text"}), batch_size=batch_size
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the model's files (or its hub id and commit), the precision and the template's arguments."""
        content = {
            "revision": REVISION,
            "model": self._files(),
            "dtype": self._dtype,
            "template": self._template,
        }
        written = json.dumps(content, sort_keys=True)
        if NOT_LOOKED_UP in written:  # a hash would look like an identity
            return f"transformers/{self.name}/{NOT_LOOKED_UP}"
        digest = blake2b(written.encode(), digest_size=16).hexdigest()
        return f"transformers/{self.name}/{digest}"

    def describe(self) -> Mapping[str, object]:
        """With the sha256 of the files, or the hub id with the commit."""
        return {**super().describe(), "path": self._path, "files": self._files(), "dtype": self._dtype}

    def weights(self) -> tuple[HubWeights, ...]:
        """What has to be downloaded beforehand for a machine without internet."""
        return hub_weights(self._path, self._revision)

    def load(self) -> None:
        """Read tokenizer and weights."""
        require("torch", extra="model", purpose=_PURPOSE)
        transformers: Any = require("transformers", extra="model", purpose=_PURPOSE)
        device = device_of(self._device)
        folder = weights_folder(self._path, self._revision)
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=self._dtype)
        except (OSError, ValueError) as error:
            raise AssetError(
                f"{self._path} cannot be loaded: {error}",
                remedy="Name a folder or a hub id that holds a transformers model.",
            ) from error
        if tokenizer.chat_template is None:
            raise UsageError(
                f"{self._path} has no chat template", remedy="Name a chat model, not a base model."
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._loaded = (tokenizer, model.to(device).eval())

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests, those of equal settings together."""
        assert self._loaded is not None, "load() comes first"
        responses: list[Response | None] = [None] * len(requests)
        groups: dict[_Decoding, list[int]] = {}
        for index, request in enumerate(requests):
            problem = _cannot_answer(request)
            if problem is not None:
                responses[index] = Response.failed("bad_input", problem)
            else:
                groups.setdefault(self._decoding(request.settings), []).append(index)
        for decoding, members in groups.items():
            answers = self._decode(decoding, [requests[index] for index in members])
            for index, response in zip(members, answers, strict=True):
                responses[index] = response
        return [response for response in responses if response is not None]

    def close(self) -> None:
        """Give back the memory."""
        if self._loaded is None:
            return
        self._loaded = None
        torch: Any = require("torch", extra="model", purpose=_PURPOSE)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _files(self) -> object:
        folder = Path(self._path).expanduser()
        if not folder.is_dir():
            return weights_identity(self._path, self._revision)
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in _FILES)
        return dict(zip([path.name for path in files], FileHashes().sha256(*files), strict=True))

    def _decoding(self, settings: Settings) -> _Decoding:
        """A request's settings over the checkpoint's own."""
        assert self._loaded is not None
        own = self._loaded[1].generation_config
        temperature = settings.temperature
        if temperature is None:
            temperature = (1.0 if own.temperature is None else own.temperature) if own.do_sample else 0.0
        top_p = own.top_p if settings.top_p is None else settings.top_p
        top_k = own.top_k if settings.top_k is None else settings.top_k
        return _Decoding(
            max_tokens=settings.max_tokens or own.max_new_tokens or MAX_TOKENS,
            temperature=temperature,
            top_p=1.0 if top_p is None else top_p,
            top_k=top_k or 0,
            stop=settings.stop,
            extra=tuple(sorted(settings.extra.items())),
        )

    def _decode(self, decoding: _Decoding, requests: Sequence[Request]) -> list[Response]:
        assert self._loaded is not None
        tokenizer, model = self._loaded
        torch: Any = require("torch", extra="model", purpose=_PURPOSE)
        texts = [self._prompt(tokenizer, request.messages) for request in requests]
        inputs = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt").to(
            model.device
        )
        own = model.generation_config
        ways = {**own.to_dict(), **dict(decoding.extra), **_GREEDY, "max_new_tokens": decoding.max_tokens}
        try:
            with torch.inference_mode():
                output = model.generate(
                    **inputs,
                    generation_config=type(own).from_dict(ways),
                    logits_processor=_sampling(decoding, [request.seed for request in requests]),
                    pad_token_id=tokenizer.pad_token_id,
                    stop_strings=list(decoding.stop) or None,
                    tokenizer=tokenizer,
                )
        except torch.OutOfMemoryError as error:
            raise ModelOutOfMemory(str(error)) from error
        length = inputs["input_ids"].shape[1]
        ends = _ends(own.eos_token_id, tokenizer.eos_token_id)
        taken = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            _response(tokenizer, row, ends, decoding, int(tokens))
            for row, tokens in zip(output[:, length:].tolist(), taken, strict=True)
        ]

    def _prompt(self, tokenizer: Any, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.text} for message in messages]
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **self._template
        )
        return text


def _cannot_answer(request: Request) -> str | None:
    if request.output != "text":
        return "this model does not speak"
    if request.tools:
        return "this model is offered no tools"
    if any(not isinstance(part, Text) for message in request.messages for part in message.parts):
        return "this model reads text alone"
    return None


def _sampling(decoding: _Decoding, seeds: Sequence[int]) -> Any:
    """What makes greedy decoding sample, each row by a generator of its own."""
    transformers: Any = require("transformers", extra="model", purpose=_PURPOSE)
    steps = transformers.LogitsProcessorList()
    if decoding.temperature == 0:
        return steps
    torch: Any = require("torch", extra="model", purpose=_PURPOSE)
    steps.append(transformers.TemperatureLogitsWarper(float(decoding.temperature)))
    if decoding.top_k:
        steps.append(transformers.TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        steps.append(transformers.TopPLogitsWarper(decoding.top_p))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(ids: Any, scores: Any) -> Any:
        """Leave only the token that each row's next random number falls on."""
        points = torch.cat([torch.rand(1, 1, generator=each, dtype=torch.float64) for each in generators])
        sums = scores.double().softmax(dim=-1).cumsum(dim=-1)
        drawn = torch.searchsorted(sums, points.to(sums.device) * sums[:, -1:], right=True)
        return torch.full_like(scores, float("-inf")).scatter(1, drawn, 0.0)

    steps.append(draw)
    return steps


def _ends(*ids: Any) -> frozenset[int]:
    found: set[int] = set()
    for given in ids:
        found.update(given if isinstance(given, list) else [] if given is None else [given])
    return frozenset(found)


def _response(
    tokenizer: Any, ids: Sequence[int], ends: frozenset[int], decoding: _Decoding, prompt_tokens: int
) -> Response:
    length = next((place + 1 for place, token in enumerate(ids) if token in ends), None)
    kept = list(ids if length is None else ids[:length])
    text: str = tokenizer.decode(kept, skip_special_tokens=True)
    finished = length is not None
    for stop in decoding.stop:
        before, found, _ = text.partition(stop)
        text, finished = before, finished or bool(found)
    response = Response(text=text, finish_reason="stop" if finished else "length")
    return replace(response, usage=Usage(prompt_tokens, len(kept)))
