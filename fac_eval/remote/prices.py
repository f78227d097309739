"""What tokens cost: a small table of well-known models that a user's own file extends."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fac_eval.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT = "FAC_EVAL_PRICES"
_SNAPSHOT = re.compile(r"-20\d\d-\d\d-\d\d$")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call as the endpoint counts them; audio and cached tokens are part of the totals."""

    input: int
    output: int
    input_audio: int = 0
    output_audio: int = 0
    cached: int = 0


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens; a price that is not given is that of text."""

    input: float
    output: float
    cached_input: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None

    def cost(self, tokens: Tokens) -> float:
        """What a call cost, in US dollars."""
        audio_in = self.input if self.audio_input is None else self.audio_input
        audio_out = self.output if self.audio_output is None else self.audio_output
        cached_in = self.input if self.cached_input is None else self.cached_input
        # Endpoints do not say which of the cached tokens are audio: text comes first, so it is cached first.
        text_in = max(0, tokens.input - tokens.input_audio)
        cached = min(tokens.cached, text_in)
        text_out = max(0, tokens.output - tokens.output_audio)
        total = (
            (text_in - cached) * self.input
            + cached * cached_in
            + tokens.input_audio * audio_in
            + text_out * self.output
            + tokens.output_audio * audio_out
        )
        return total / 1e6


class _File(msgspec.Struct, forbid_unknown_fields=True):
    as_of: str | None = None
    models: dict[str, Price] = {}


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model id."""

    models: Mapping[str, Price]
    as_of: str | None = None
    """When the built-in prices were looked up."""

    def find(self, model: str) -> Price | None:
        """The price of a model id; a dated snapshot has its model's price unless it is listed itself."""
        return self.models.get(model) or self.models.get(_SNAPSHOT.sub("", model))


def load_prices(path: Path | None = None) -> PriceTable:
    """The built-in table, overlaid by the file that FAC_EVAL_PRICES names, overlaid by `path`."""
    builtin = files("fac_eval.remote").joinpath("prices.toml").read_text(encoding="utf-8")
    table = _parse(builtin, "the built-in price table")
    models = dict(table.models)
    named = os.environ.get(ENVIRONMENT)
    for source, hint in ((Path(named) if named else None, f" ({ENVIRONMENT})"), (path, "")):
        if source is None:
            continue
        try:
            text = source.expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the price file {source}{hint}: {error}") from error
        models.update(_parse(text, f"the price file {source}{hint}").models)
    return PriceTable(models, table.as_of)


def _parse(text: str, where: str) -> _File:
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{where} is malformed: {error}", remedy=EXAMPLE) from error
    for model, price in file.models.items():
        for name, value in msgspec.structs.asdict(price).items():
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"{where}: {name} of {model!r} must be 0 or more, not {value}")
    return file


EXAMPLE = (
    'A price file holds, for each model: [models."its-id"], input = 2.5, output = 10 and, where they differ, '
    "cached_input, audio_input, audio_output (US dollars per million tokens)."
)
