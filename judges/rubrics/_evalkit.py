"""What the rubrics of Kimi-Audio-Evalkit share: its pinned files, and how it asks its judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from fac_eval.data.assets import Asset
from fac_eval.data.source_text import module_text
from fac_eval.rubric import Decision, UpstreamPrompt
from fac_eval.vocabulary import Settings

_COMMIT = "4080c492effcbb38d18e9d8893a9d61885f19d9b"
_FOLDER = "almeval/datasets"

SYSTEM = "You are a helpful assistant who tries to help answer the user's question."

NAMES = {"reference": "answer", "answer": "prediction"}
"""What it calls the right answer and the one in question."""

ATTEMPTS = 5
"""It asks again where a call fails or says nothing."""


def source(file: str, sha256: str) -> Asset:
    """A pinned source file that holds prompts."""
    return Asset(
        f"Kimi-Audio-Evalkit {file}",
        f"https://raw.githubusercontent.com/MoonshotAI/Kimi-Audio-Evalkit/{_COMMIT}/{_FOLDER}/{file}",
        sha256,
        f"kimi_audio_evalkit/{file}",
        licence="MIT",
    )


OPEN_SOURCE = source("ds_openqa.py", "a39796cefedec2304e1307a93525836c80ead58a5bf207c274eac66113e7ccfd")
REFERENCE_SOURCE = source("ds_refqa.py", "c7cf88dcb4a31454811b91bc34eb74e653dd7e1ec0c1669a928cc9ef34cba156")
CHOICE_SOURCE = source("ds_mqa.py", "1b527c6f3980ff78357438621572f46375ebc4701d1bf181ac228076112cf238")


def prompt(asset: Asset, sha256: str, read: str | Callable[[Path], str]) -> UpstreamPrompt:
    """A prompt of one of the files: the name of a text in it, or how to find it there."""
    reader = partial(module_text, name=read) if isinstance(read, str) else read
    return UpstreamPrompt(asset, reader, sha256, names=NAMES)


def settings(temperature: float) -> Settings:
    """As its client sends them. Its penalties of 0 and its lack of stop texts are every endpoint's defaults."""
    return Settings(max_tokens=1024, temperature=temperature, top_p=0.95)


def says_something(reply: str) -> bool:
    """Whether a reply is one at all."""
    return bool(reply.strip())


CHOICE_PROMPT = prompt(
    CHOICE_SOURCE,
    "9e2bdd7d0f3cdcfce41bd3cce54d9a460996c443eda243b877b0c2bcca1348f7",
    "SINGLE_CHOICE_PRPMPT",
)
CHOICE_DECISIONS: Mapping[Decision, str] = {"right": "Result: yes", "wrong": "Result: no"}
