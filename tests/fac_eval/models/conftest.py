"""A chat server, and prices for its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.chat_server import ChatServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FAC_EVAL_PRICES"):
        monkeypatch.delenv(name, raising=False)
    with ChatServer() as running:
        yield running


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(
        '[models."test-model"]\ninput = 1000\noutput = 2000\naudio_input = 4000\naudio_output = 8000\n'
    )
    return file
