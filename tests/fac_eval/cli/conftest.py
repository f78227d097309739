"""A command line in an empty folder, away from the user's own caches, keys and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, command_line

SETTINGS = (
    "FAC_EVAL_ASSETS",
    "FAC_EVAL_OFFLINE",
    "FAC_EVAL_PRICES",
    "FAC_EVAL_STORE",
    "HF_DATASETS_OFFLINE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
)


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return command_line(capsys)
