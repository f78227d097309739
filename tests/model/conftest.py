"""What the tests of the model share: the recorded set and its checkpoint, loaded once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fac_eval.model.conformance.golden import GoldenModel

GOLDEN = Path(__file__).parents[1] / "golden" / "model"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """The folder with the index, the tensors and the checkpoint `tiny`."""
    return GOLDEN


@pytest.fixture(scope="session")
def golden(_one_thread: None) -> GoldenModel:
    """The recorded set."""
    from fac_eval.model.conformance.golden import GoldenModel

    return GoldenModel(GOLDEN / "tiny_index.json")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Path:
    """A checkpoint of our own making, its vocoder in `vocoder`."""
    from fac_eval.model.tiny import write_tiny

    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(folder)
    return folder
