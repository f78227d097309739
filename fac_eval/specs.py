"""Reads specs such as `openai:model=gpt-audio,base_url=...` and turns their arguments into typed values."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fac_eval.errors import UnknownName, UsageError

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True, slots=True)
class Spec:
    """A name with arguments, as given on the command line or in a configuration file."""

    name: str
    positional: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = [] if self.positional is None else [self.positional]
        shown += [f"{key}={_shown(value)}" for key, value in self.arguments.items()]
        return self.name + (":" + ",".join(shown) if shown else "")


def parse_spec(text: str) -> Spec:
    """Parse `name`, `name:key=value,key=value` or `name:path,key=value`.

    A comma inside quotes, brackets or braces belongs to the value.
    """
    name, colon, rest = text.partition(":")
    if not name.strip():
        raise UsageError(f"cannot read {text!r}: the name before the colon is missing")
    positional, arguments = None, {}
    for piece in split_arguments(rest) if colon else []:
        key, equals, value = piece.partition("=")
        if equals and _KEY.match(key):
            if key in arguments:
                raise UsageError(f"{key!r} is given twice in {text!r}")
            arguments[key] = unquote(value)
        elif positional is None and not arguments:
            positional = unquote(piece)
        else:
            raise UsageError(f"cannot read {piece!r} in {text!r}", remedy="Arguments are written key=value.")
    return Spec(name.strip(), positional, arguments)


def parse_pairs(text: str) -> dict[str, str]:
    """Parse `key=value,key=value`, as in `--gen-kwargs`."""
    pairs: dict[str, str] = {}
    for piece in split_arguments(text):
        key, equals, value = piece.partition("=")
        if not equals or not _KEY.match(key):
            raise UsageError(f"cannot read {piece!r}", remedy="Write key=value,key=value.")
        pairs[key] = unquote(value)
    return pairs


def split_arguments(text: str) -> list[str]:
    """Split at commas that stand outside quotes, brackets and braces."""
    pieces, start, depth, quote = [], 0, 0, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{(":
            depth += 1
        elif char in "]})":
            depth = max(0, depth - 1)
        elif char == "," and depth == 0:
            pieces.append(text[start:position].strip())
            start = position + 1
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def unquote(text: str) -> str:
    """Drop one pair of surrounding quotes."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def build(cls: type, spec: Spec, *, kind: str) -> Any:
    """Construct `cls` from a spec, converting each argument to the annotated type of its parameter."""
    parameters = [
        name
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    arguments = dict(spec.arguments)
    if spec.positional is not None:
        if not parameters:
            raise UsageError(f"{kind} {spec.name!r} takes no arguments, got {spec.positional!r}")
        arguments = {parameters[0]: spec.positional, **arguments}
    hints = get_type_hints(cls if dataclasses.is_dataclass(cls) else vars(cls).get("__init__", cls))
    values = convert(arguments, hints, parameters, where=f"{kind} {spec.name!r}")
    try:
        inspect.signature(cls).bind(**values)
    except TypeError as error:
        raise UsageError(
            f"{kind} {spec.name!r}: {error}", remedy=f"It takes: {', '.join(parameters)}."
        ) from error
    return cls(**values)


def convert(
    arguments: Mapping[str, Any], hints: Mapping[str, Any], known: list[str], *, where: str
) -> dict[str, Any]:
    """Convert raw arguments to annotated types; unknown names and wrong types are errors that say so."""
    converted = {}
    if arguments and not known:
        raise UsageError(f"{where} takes no arguments, got {', '.join(arguments)}")
    for name, raw in arguments.items():
        if name not in known:
            raise UnknownName("argument", name, known, where=where)
        converted[name] = convert_value(raw, hints.get(name, str), where=f"{where}: {name}")
    return converted


def convert_value(raw: Any, annotation: Any, *, where: str) -> Any:
    """Convert one value; text is read as the annotated type, JSON for lists and tables."""
    import msgspec

    if isinstance(raw, str) and raw[:1] in ("[", "{"):
        try:
            raw = msgspec.json.decode(raw)
        except msgspec.DecodeError as error:
            raise UsageError(f"{where}: {raw!r} is not valid JSON ({error})") from error
    try:
        return msgspec.convert(raw, annotation, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        choices = (
            [str(choice) for choice in get_args(annotation)] if get_origin(annotation) is Literal else []
        )
        remedy = f"It is one of: {', '.join(choices)}." if choices else None
        raise UsageError(f"{where}: cannot use {raw!r}: {error}", remedy=remedy) from error


def _path(wanted: type, value: Any) -> Any:
    if wanted is Path:
        return Path(value).expanduser()
    raise TypeError(f"cannot make {wanted} from text")


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple | dict):
        import msgspec

        return msgspec.json.encode(value).decode()
    text = str(value)
    return f'"{text}"' if "," in text and text[:1] not in "[{" else text
