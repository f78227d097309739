"""A tiny vocoder on disk, and the recorded set of the reference (a part of it, to keep the checkout small)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fac_eval.model.detokenizer import SpeechDetokenizer

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests keep out of the user's cache."""
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FAC_EVAL_ASSETS", raising=False)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocoder with random weights. Read it only."""
    from fac_eval.model.detokenizer import write_random_vocoder

    folder = tmp_path_factory.mktemp("vocoder")
    write_random_vocoder(folder, seed=0)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> SpeechDetokenizer:
    """That vocoder, loaded."""
    from fac_eval.model.detokenizer import SpeechDetokenizer

    return SpeechDetokenizer.from_pretrained(tiny_folder, device="cpu")


@pytest.fixture(scope="session")
def codes() -> Any:
    """`codes(n, seed=0)`: speech codes of the real vocabulary."""
    import random

    return lambda n, seed=0: random.Random(seed).choices(range(6561), k=n)
