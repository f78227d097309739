"""A hub with models, as the client library sees it, and a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.hub_server import FakeHub, Reply, Server, serve

COMMIT, NEWER = "a" * 40, "b" * 40
"""What the tag `v1` and the branch `main` stand for."""


@contextmanager
def model_hub(
    repos: Mapping[str, Mapping[str, bytes]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """Serve the files of repositories by name; the later commit of each differs in its `config.json`."""
    import huggingface_hub.constants as settings

    hubs = [
        FakeHub(
            name,
            {COMMIT: dict(files), NEWER: {**files, "config.json": files["config.json"] + b"\n"}},
            {"v1": COMMIT, "main": NEWER},
            kind="models",
        )
        for name, files in repos.items()
    ]

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        named = [hub for hub in hubs if f"/{hub.repo}/" in f"{path}/"]
        return (named or hubs)[0](method, path, headers, body)

    for name in ("FAC_EVAL_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(settings, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(settings, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(settings, "AGENT_HARNESSES_PATH", str(cache / "harnesses.json"), raising=False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    with serve(answer) as server:
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(settings, "ENDPOINT", server.url)
        monkeypatch.setattr(settings, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


def files_in(folder: Path) -> set[str]:
    """The names of the files in a snapshot."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
