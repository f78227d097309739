from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fac_eval.remote.retry import LONGEST_PAUSE, Rejection, pause_before, read_rejection, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "稍后"}, None),
    ],
    ids=str,
)
def test_retry_after(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_pauses_grow_exponentially_with_full_jitter_up_to_a_bound() -> None:
    rng = random.Random(1)
    for retry, bound in ((1, 1), (2, 2), (3, 4), (4, 8), (10, LONGEST_PAUSE), (2000, LONGEST_PAUSE)):
        pauses = [pause_before(retry, None, rng) for _ in range(300)]
        assert 0 <= min(pauses) < 0.1 * bound
        assert 0.9 * bound < max(pauses) <= bound


def test_a_named_wait_is_kept_and_the_jitter_comes_on_top() -> None:
    rng = random.Random(1)
    pauses = [pause_before(5, 20.0, rng) for _ in range(300)]
    assert all(20 <= pause <= 21 for pause in pauses)
    assert max(pauses) - min(pauses) > 0.5


@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        ({"error": {"message": "m", "code": "c", "type": "t"}}, {"c", "t"}, "m"),
        ({"message": "m", "type": "t", "code": None}, {"t"}, "m"),
        ({"error": "just text"}, set(), "just text"),
        ({"error": {"message": "m", "code": 429}}, {"429"}, "m"),
        ({"detail": [{"msg": "field required"}]}, set(), "[{'msg': 'field required'}]"),
        ({"unheard": 1}, set(), "{'unheard': 1}"),
        ("<html>\n  Bad   Gateway</html>", set(), "<html> Bad Gateway</html>"),
        ("", set(), "no message"),
        (None, set(), "no message"),
        ([], set(), "no message"),
    ],
    ids=repr,
)
def test_error_bodies(body: object, codes: set[str], message: str) -> None:
    assert read_rejection(418, body) == Rejection(418, frozenset(codes), message)


def test_a_very_long_message_is_cut() -> None:
    assert len(read_rejection(500, "x" * 10_000).message) < 600


def rejection(status: int, code: str = "", message: str = "no") -> Rejection:
    return Rejection(status, frozenset({code} if code else ()), message)


@pytest.mark.parametrize(
    ("given", "kind", "again"),
    [
        (rejection(400), "model_error", False),
        (rejection(400, "context_length_exceeded"), "refused", False),
        (rejection(400, message="This model's maximum context length is 8 tokens"), "refused", False),
        (
            rejection(400, message="The response was filtered by the content management policy"),
            "refused",
            False,
        ),
        (rejection(403, message="Your input was flagged by moderation"), "refused", False),
        (rejection(413), "refused", False),
        (rejection(408), "model_error", True),
        (rejection(409), "model_error", True),
        (rejection(422), "model_error", False),
        (rejection(429), "rate_limited", True),
        (rejection(429, message="too many tokens per minute"), "rate_limited", True),
        (rejection(500), "model_error", True),
        (rejection(501), "model_error", False),
        (rejection(503), "model_error", True),
    ],
    ids=str,
)
def test_what_becomes_of_one_request(given: Rejection, kind: str, again: bool) -> None:
    assert given.remedy() is None
    failure = given.failure("raw", None)
    assert (failure.kind, failure.again, failure.raw) == (kind, again, "raw")
    assert failure.overloaded == (given.status in (429, 503))
    assert not failure.billed


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (rejection(401), "key"),
        (rejection(403), "key"),
        (rejection(400, message="API key not valid. Please pass a valid API key."), "key"),
        (rejection(402), "credit"),
        (rejection(429, "insufficient_quota"), "credit"),
        (rejection(404), "model="),
        (rejection(405), "base_url="),
        (rejection(400, "model_not_found"), "model="),
    ],
    ids=str,
)
def test_what_no_request_can_overcome(given: Rejection, word: str) -> None:
    assert word in (given.remedy() or "")
