"""A cache of its own for each test, and a hub that serves a small repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fac_eval.data.places import use_assets
from tests.support.hub_data import COMMIT, repository
from tests.support.hub_server import FakeHub, Server, serve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No test sees the user's cache, switches or proxies."""
    for name in ("FAC_EVAL_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "FAC_EVAL_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    use_assets(None)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub("org/name", {COMMIT: repository()}, {"main": COMMIT})


@pytest.fixture
def server(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The hub's client library, talking to `hub`."""
    import huggingface_hub.constants as settings

    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(settings, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(settings, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"), raising=False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    with serve(hub) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running
