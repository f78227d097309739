"""What looks like a secret, or is called one, does not pass."""

from __future__ import annotations

from typing import Any

import pytest

from fac_eval.store import redact, scrub

SECRETS = [
    "sk-abcdefgh12345678",
    "sk-proj-Abc_def-1234567890",
    "hf_AbCdEfGhIjKlMnOp",
    "ghp_0123456789abcdefghijABCDEF",
    "AIzaSyA-1234567890abcdefghijklmnop",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secret_looking_values_are_replaced_anywhere(secret: str) -> None:
    assert secret not in scrub(f"401: incorrect key {secret} given")
    assert redact({"a": [{"b": secret}]}) == {"a": [{"b": "[redacted]"}]}


@pytest.mark.parametrize(
    "text",
    [
        "a plain sentence",
        "task-specific",
        "risk-averse-people",
        "max_tokens=20",
        "the key=value pairs",
        "hf_hub",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "OPENAI_API_KEY", "token", "hf_token", "password", "Authorization"]
)
def test_fields_that_are_called_secrets_are_replaced(name: str) -> None:
    assert redact({name: "whatever"}) == {name: "[redacted]"}


@pytest.mark.parametrize(
    "data", [{"max_tokens": 20}, {"tokens": 3}, {"keys": ["a"]}, {"token": None}, {"api_key": ""}], ids=str
)
def test_counts_and_absent_secrets_stay(data: dict[str, Any]) -> None:
    assert redact(data) == data


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("openai:model=m,api_key=plainsecret,timeout=3", "openai:model=m,api_key=[redacted],timeout=3"),
        ('openai:headers={"X-Thing": "plainsecret"},model=m', "openai:headers=[redacted],model=m"),
        ("m:hf_token=plainsecret", "m:hf_token=[redacted]"),
        ("m:password='plainsecret'", "m:password='[redacted]'"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: [redacted] [redacted]"),
        ("m:max_tokens=20,token=5", "m:max_tokens=20,token=5"),
    ],
)
def test_secrets_given_by_name_within_a_text(text: str, shown: str) -> None:
    assert scrub(text) == shown
    assert scrub(shown) == shown
