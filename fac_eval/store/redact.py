"""Keeps secrets out of everything that is stored or shown: by the name of a field and by the look of a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(^|[_\-.])(api[_-]?key|key|token|secret|password|passwd|authorization|auth|credential|cookie)s?$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_*\-]{8,}"  # OpenAI and its imitators, also half masked
    r"|\bhf_[A-Za-z0-9]{8,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
    r"|\bAKIA[A-Z0-9]{12,}"
    r"|\bxox[abprs]-[A-Za-z0-9\-]{8,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"  # JSON web tokens
    r"|(?<=Bearer )[A-Za-z0-9._~+/=\-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in a URL
    r"|(?<=[?&]key=)[^&\s\"']+",
    re.IGNORECASE,
)


# A secret given by name within a text, as in a model spec or a header: `api_key=...`, `"x-api-key": "..."`.
_NAMED_SECRET = re.compile(
    r"(?P<name>\b(?:[a-z]+[_-])*(?:api[_-]?key|token|secret|password|passwd|authorization|credential)"
    r"[\"']?\s*[=:]\s*[\"']?)(?!\d+\b)(?!\[redacted\])(?P<value>[^\s,;\"'}&]+)",
    re.IGNORECASE,
)


_HEADERS = re.compile(r"(\bheaders[\"']?\s*[=:]\s*)\{[^{}]*\}", re.IGNORECASE)


def scrub(text: str) -> str:
    """The text with whatever looks like a secret, or is named as one, replaced."""
    text = _HEADERS.sub(rf"\1{REDACTED}", text)
    return _NAMED_SECRET.sub(rf"\g<name>{REDACTED}", _SECRET_VALUE.sub(REDACTED, text))


def redact(value: Any) -> Any:
    """Plain data with secret fields and secret-looking values replaced, at any depth."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {key: REDACTED if _is_secret(str(key), held) else redact(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [redact(part) for part in value]
    return value


def _is_secret(name: str, value: Any) -> bool:
    if name.lower() == "headers":  # any of them may carry a key
        return bool(value)
    # Counts such as max_tokens are numbers; a secret is text.
    return isinstance(value, str) and bool(value) and _SECRET_NAME.search(name) is not None
