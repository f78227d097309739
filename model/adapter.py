"""The harness's adapter: `-m fun-audio-chat:path=...,vocoder=...`.

Constructing it loads nothing; its fingerprint comes from the files' sha256.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.audio import Audio
from fac_eval.data.places import NOT_LOOKED_UP
from fac_eval.data.weights import HubWeights, hub_commit, hub_place, hub_weights
from fac_eval.errors import AssetError, AudioError, require
from fac_eval.interfaces import Capabilities, ContinuousModel
from fac_eval.vocabulary import Message, Request, Response, Settings, Text, ToolCall, Usage

from .detokenizer.config import SPEAKERS
from .profiles import PROMPT_FILE, Profile, ToolPrompt, profile, tool_prompt
from .provenance import CHECKPOINT_FILES, VOCODER_FILES, file_hashes, folder_hashes

if TYPE_CHECKING:
    from fac_eval.data.assets import Asset

    from .answers import Answer
    from .chat import Ask, FunAudioChat

REVISION = 1
"""Raised whenever answers of unchanged weights change."""

_TOOL_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What requests must share to be decoded together."""

    profile: Profile
    stop: tuple[str, ...]
    changes: tuple[tuple[str, Any], ...]
    sound: bool


class _Group:
    """Requests of one plan on their way into the model."""

    def __init__(self, numbered: Iterator[tuple[int, Request]], tools: ToolPrompt) -> None:
        self._numbered, self._tools = numbered, tools
        self.taken: dict[int, tuple[int, Request]] = {}
        """By their place in the group: their number, and themselves."""

    def asked(self) -> Iterator[Ask]:
        """What the model is asked, one after another."""
        from .chat import Ask

        for index, (number, request) in enumerate(self._numbered):
            self.taken[index] = number, request
            messages = request.messages
            if request.tools:
                messages = tuple(_offered(messages, tool_prompt(request.tools, self._tools)))
            yield Ask(messages, request.seed, request.settings.max_tokens)


class FunAudioChatModel(ContinuousModel):
    """Fun-Audio-Chat on this machine; speech out needs a vocoder."""

    name = "fun-audio-chat"

    def __init__(
        self,
        path: str,
        vocoder: str | None = None,
        dtype: Literal["bfloat16", "float16", "float32", "auto"] = "bfloat16",
        attn: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa",
        profile: Literal["s2t", "s2s", "demo", "persona"] | None = None,
        device: str = "auto",
        device_map: str | None = None,
        vocoder_device: str | None = None,
        revision: str | None = None,
        batch_size: int = 8,
        overflow: Literal["warn", "error", "truncate"] = "warn",
        tools: ToolPrompt = "own",
        stream: bool = False,
        graphs: bool = True,
    ) -> None:
        """See `FunAudioChat.from_pretrained`.

        `path` and `vocoder` are folders or hub ids, `owner/name@revision`; `revision` is that of `path`. `profile`
        replaces the default of each kind of request (s2t for text, s2s for speech); a speaking profile also answers
        requests for text, a silent one never those for speech. `persona` is s2s as the voice assistant of the
        authors' own prompt. `tools` says whose wording offers tools: ours, or the authors'. What is theirs is read
        from their pinned file, which `fac-eval prepare fun-audio-chat` fetches. `stream` speaks
        while it generates, one request at a time, so that the time of the first sound is recorded; sound made in chunks
        is close to that made at once, but not the same. `graphs=false` keeps a GPU from decoding with recorded steps
        (CUDA graphs).
        """
        self._path, self._vocoder, self._revision = path, vocoder, revision
        self._dtype, self._attn, self._tools = dtype, attn, tools
        self._options: dict[str, Any] = {
            "device": device,
            "device_map": device_map,
            "vocoder_device": vocoder_device,
            "on_overflow": overflow,
            "graphs": graphs,
        }
        self._profile_name, self._stream = profile, stream
        self._chat: FunAudioChat | None = None
        speaks = vocoder is not None and profile != "s2t"
        self.capabilities = Capabilities(
            inputs=frozenset({"text", "audio"}),
            outputs=frozenset({"text", "speech"} if speaks else {"text"}),
            tools=True,
            batch_size=1 if stream else batch_size,
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all weights and small files, the precision, the profile and this code's revision."""
        content = {
            "revision": REVISION,
            "model": self._identity(),
            "vocoder": self._vocoder_identity(),
            "dtype": self._dtype,
            "attn": self._attn,
            "profile": self._profile_name,
            "overflow": self._options["on_overflow"],
            "tools": self._tools,
            **({"stream": True} if self._stream else {}),
        }
        written = json.dumps(content, sort_keys=True)
        if NOT_LOOKED_UP in written:  # a hash would look like an identity
            return f"fun-audio-chat/{NOT_LOOKED_UP}"
        digest = blake2b(written.encode(), digest_size=16).hexdigest()
        return f"fun-audio-chat/{digest}"

    def describe(self) -> Mapping[str, object]:
        """With the sha256 of every file that answers depend on."""
        return {
            **super().describe(),
            "path": self._path,
            "files": self._identity(),
            "vocoder": self._vocoder_identity(),
            "dtype": self._dtype,
            "attn": self._attn,
            "profile": self._profile_name,
            "stream": self._stream,
        }

    @classmethod
    def assets(cls) -> tuple[Asset, ...]:
        """The authors' prompts, and the voices of a vocoder that comes without any."""
        return (PROMPT_FILE, SPEAKERS)

    def weights(self) -> tuple[HubWeights, ...]:
        """What has to be downloaded beforehand for a machine without internet."""
        model = hub_weights(self._path, self._revision, CHECKPOINT_FILES)
        return model if self._vocoder is None else model + hub_weights(self._vocoder, None, VOCODER_FILES)

    def load(self) -> None:
        """Read weights; the speech head only where speech can be asked for."""
        chosen = None if self._profile_name is None else profile(self._profile_name)
        require("torch", extra="model", purpose="Fun-Audio-Chat")
        require("transformers", extra="model", purpose="Fun-Audio-Chat")
        from .chat import FunAudioChat

        self._chat = FunAudioChat.from_pretrained(
            self._path,
            vocoder=self._vocoder,
            dtype=self._dtype,
            attn_implementation=self._attn,
            revision=self._revision,
            speech=(chosen is not None and chosen.speech) or "speech" in self.capabilities.outputs,
            **self._options,
        )

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests, those of equal settings together."""
        plans = [repr(self._plan(request)) for request in requests]
        order = sorted(range(len(requests)), key=plans.__getitem__)
        found = dict(self.answers([requests[index] for index in order], len(requests)))
        ordered = {order[number]: response for number, response in found.items()}
        return [ordered[index] for index in range(len(requests))]

    def answers(self, requests: Iterable[Request], batch_size: int) -> Iterator[tuple[int, Response]]:
        """Answer requests, each as soon as a row of the batch is free; equal settings in a row share the batch."""
        if self._chat is None:
            self.load()
        assert self._chat is not None
        for plan, numbered in groupby(enumerate(requests), lambda pair: self._plan(pair[1])):
            group = _Group(numbered, self._tools)
            answers = self._chat.answers(
                group.asked(),
                profile=plan.profile,
                batch_size=batch_size,
                stop=plan.stop,
                sound=plan.sound,
                streamed=self._stream,
                **dict(plan.changes),
            )
            for index, answer in answers:
                number, request = group.taken.pop(index)
                if isinstance(answer, AudioError):
                    yield number, Response.failed("bad_input", answer.message)
                else:
                    yield number, self._response(request, plan, answer)

    def close(self) -> None:
        """Give back the memory."""
        if self._chat is None:
            return
        self._chat = None
        torch: Any = require("torch", extra="model", purpose="Fun-Audio-Chat")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _plan(self, request: Request) -> _Plan:
        wants_speech = request.output == "speech"
        chosen = profile("s2s" if wants_speech else "s2t")
        if self._profile_name is not None and (not wants_speech or self._profile_name != "s2t"):
            chosen = profile(self._profile_name)
        changes = tuple(sorted(changes_of(request.settings).items()))
        return _Plan(chosen, request.settings.stop, changes, wants_speech)

    def _response(self, request: Request, plan: _Plan, answer: Answer) -> Response:
        speech = None
        if plan.sound and answer.waveform is not None and len(answer.waveform):
            speech = Audio.from_samples(answer.waveform, answer.sample_rate)
        details: dict[str, Any] = {
            "profile": plan.profile.name,
            "seed": answer.seed,
            **self._effort(request, answer),
        }
        if answer.codes:
            details["codes"] = list(answer.codes)
        if request.tools:
            details["tool_prompt"] = self._tools
        return Response(
            text=answer.text,
            speech=speech,
            tool_calls=tool_calls(answer.text) if request.tools else (),
            finish_reason=answer.finish_reason,
            usage=Usage(
                input_tokens=answer.prompt_tokens,
                output_tokens=len(answer.text_ids),
                output_audio_tokens=len(answer.speech_ids) or None,
            ),
            timings=answer.timings,
            details=details,
        )

    def _effort(self, request: Request, answer: Answer) -> dict[str, Any]:
        """What an answer took, as fac_eval/engine/efficiency.py reads it."""
        import torch

        from .answers import text_length

        assert self._chat is not None
        clips = [part for message in request.messages for part in message.parts if isinstance(part, Audio)]
        effort: dict[str, Any] = {
            "input_seconds": sum(clip.seconds for clip in clips),
            "input_positions": answer.audio_positions,
            "steps": len(answer.text_ids),
            "text_tokens": text_length(self._chat.processor.tokenizer, answer.text_ids),
        }
        if torch.cuda.is_available():
            devices = range(torch.cuda.device_count())
            used = [peak for peak in map(torch.cuda.max_memory_allocated, devices) if peak]
            effort |= {"gpus": len(used), "peak_memory": max(used, default=0)}
        return effort

    def _identity(self) -> Mapping[str, Any]:
        folder = Path(self._path).expanduser()
        return folder_hashes(folder) if folder.is_dir() else _on_the_hub(self._path, self._revision)

    def _vocoder_identity(self) -> Mapping[str, Any] | None:
        if self._vocoder is None:
            return None
        folder = Path(self._vocoder).expanduser()
        if not folder.is_dir():
            return _on_the_hub(self._vocoder)
        files = [folder / name for name in VOCODER_FILES if (folder / name).is_file()]
        if not files:
            raise AssetError(f"{folder}: holds no vocoder", remedy="Expected flow.pt and hift.pt.")
        return file_hashes(folder, files)


def _on_the_hub(path: str, revision: str | None = None) -> Mapping[str, Any]:
    """The same, however the revision is given."""
    name, revision = hub_place(path, revision)
    return {"hub": name, "commit": hub_commit(name, revision)}


def changes_of(settings: Settings) -> dict[str, Any]:
    """A request's settings as changes of a profile. A temperature above 0 also samples text, 0 samples nothing."""
    changes: dict[str, Any] = {
        name: value
        for name, value in (("top_p", settings.top_p), ("top_k", settings.top_k))
        if value is not None
    }
    if settings.temperature is not None:
        if settings.temperature > 0:
            changes |= {"do_sample": True, "text_greedy": False, "temperature": settings.temperature}
        else:
            changes |= {"do_sample": False, "temperature": 1.0}
    return changes | dict(settings.extra)


def tool_calls(text: str) -> tuple[ToolCall, ...]:
    """The calls that an answer makes; what is no JSON object with a name is left in the text only."""
    calls = []
    for body in _TOOL_CALL.findall(text):
        try:
            call = json.loads(body)
        except ValueError:
            continue
        if isinstance(call, dict) and isinstance(call.get("name"), str):
            calls.append(ToolCall(call["name"], json.dumps(call.get("arguments", {}), ensure_ascii=False)))
    return tuple(calls)


def _offered(messages: Sequence[Message], prompt: str) -> list[Message]:
    """Messages whose system turn also offers the tools; it does nothing else where they have none of their own."""
    if not messages or messages[0].role != "system":
        return [Message("system", (Text(prompt),)), *messages]
    return [replace(messages[0], parts=(*messages[0].parts, Text(prompt))), *messages[1:]]
