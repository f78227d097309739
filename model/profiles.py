"""Generation profiles: the published recipes by name, with the system prompt that belongs to each.

Sources of the facts: FunAudioLLM/Fun-Audio-Chat, examples/infer_s2t.py, examples/infer_s2s.py, web_demo/server
and utils/constant.py. Reading profiles needs neither torch nor a checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fac_eval.data.assets import Asset, asset_path
from fac_eval.data.source_text import module_text
from fac_eval.errors import UnknownName
from fac_eval.vocabulary import Tool

from .prompts import AUDIO_BOS, DEFAULT_S2M_PROMPT, DEFAULT_S2T_PROMPT, SILENCE

PROMPT_FILE = Asset(
    name="prompts of Fun-Audio-Chat",
    url="https://raw.githubusercontent.com/FunAudioLLM/Fun-Audio-Chat/"
    "8ba984b64b4880918db2807e08d795475481200c/utils/constant.py",
    sha256="df0d6ae01e1af074bc662d37ae5524584599fdf581d396c42584f7ac4374b5e7",
    path_in_cache="fun-audio-chat/constant.py",
    licence="Apache-2.0",
)

ToolPrompt = Literal["official", "own"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A named way to generate. `settings` are those of `GenerationSettings`; `bad_words` are written out."""

    name: str
    speech: bool
    system_prompt: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    bad_words: tuple[tuple[str, ...], ...] = ()
    rounds: int | None = None
    """How many rounds of history are kept; None keeps all."""
    published: str | None = None
    """The name of a prompt in the authors' pinned file, which `profile` puts in as the system prompt."""


_SAMPLED = {
    "do_sample": True,
    "temperature": 0.8,
    "top_p": 0.9,
    "top_k": 0,
    "repetition_penalty": 1.2,
    "force_text_abos": True,
}

_SPOKEN = {**_SAMPLED, "text_greedy": True, "max_new_tokens": 2048}

PROFILES: Mapping[str, Profile] = {
    "s2t": Profile(
        "s2t",
        speech=False,
        system_prompt=DEFAULT_S2T_PROMPT,
        settings={"text_greedy": True, "disable_speech": True, "max_new_tokens": 2048},
    ),
    "s2s": Profile(
        "s2s",
        speech=True,
        system_prompt=DEFAULT_S2M_PROMPT,
        settings=_SPOKEN,
    ),
    # The voice assistant that the authors had VStyle's instructions answered by, in either language.
    "persona": Profile("persona", speech=True, settings=_SPOKEN, published="SPOKEN_S2M_PROMPT"),
    "demo": Profile(
        "demo",
        speech=True,
        system_prompt=DEFAULT_S2M_PROMPT,
        settings={**_SAMPLED, "text_greedy": False, "max_new_tokens": 512},
        bad_words=((AUDIO_BOS, SILENCE),),
        rounds=8,
    ),
}


def profile(name: str) -> Profile:
    """A profile by name, its published prompt read.

    Raises:
        UnknownName: There is none of that name.
        MissingResource: Its prompt stands in the authors' file, which is not on this machine.
    """
    if name not in PROFILES:
        raise UnknownName("profile", name, PROFILES)
    found = PROFILES[name]
    return (
        found if found.published is None else replace(found, system_prompt=published_prompt(found.published))
    )


def tool_prompt(tools: Sequence[Tool], whose: ToolPrompt) -> str:
    """The system prompt that offers tools, in our words or in the authors', read from their pinned file.

    Raises:
        MissingResource: The authors' file is not on this machine.
    """
    lines = "\n".join(json.dumps(_definition(tool), ensure_ascii=False) for tool in tools)
    text = published_prompt("FUNCTION_CALLING_PROMPT") if whose == "official" else _OWN_TOOL_PROMPT
    return text.replace("{tools_definition}", lines)


def published_prompt(name: str) -> str:
    """A prompt out of the authors' pinned file, read without running it."""
    return module_text(asset_path(PROMPT_FILE), name)


def _definition(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


# The tags and the JSON form are the interface that the backbone was trained on; the sentences are ours.
_OWN_TOOL_PROMPT = (
    DEFAULT_S2T_PROMPT
    + "\n\n# Tools\n\nFunctions that may help with the request are listed as JSON, one a line:\n"
    "<tools>\n{tools_definition}\n</tools>\n\n"
    "To call one, answer with its name and arguments as JSON between tags, once for each call:\n"
    '<tool_call>\n{"name": <name>, "arguments": <arguments as a JSON object>}\n</tool_call>'
)
