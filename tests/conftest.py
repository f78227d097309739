"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

import fac_eval

settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing of what it shows
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def finished_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one finished run: `oracle` and `empty` on two tasks' sample data. Read it only."""
    store = tmp_path_factory.mktemp("finished") / "store"
    fac_eval.run(
        ["oracle", "empty"],
        ["voicebench/mmsu:mode=official", "voicebench/bbh"],
        data="sample",
        store=str(store),
        progress=False,
    )
    return store
