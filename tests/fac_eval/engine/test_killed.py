"""kill -9 at any moment: nothing stored is lost, nothing stored is asked again, and the end is the same."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fac_eval import Audio
from fac_eval.store import Store

CHILD = Path(__file__).parents[2] / "support" / "killed_run.py"
SAMPLES = 60


def start(store: Path, *crash: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(store), str(SAMPLES), *crash],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored_keys(folder: Path) -> set[str]:
    if not (folder / "store.sqlite").exists():
        return set()
    with Store.reader(folder) as store:
        return {row[0].hex() for row in store._query("SELECT key FROM work")}


def contents(folder: Path) -> dict[str, Any]:
    """All that a store holds, without times and row numbers."""
    with Store.reader(folder) as store:
        run = store.run("latest")
        (cell,) = store.cells(run.id)
        audio = sorted(path.stem for path in (folder / "audio").rglob("*.flac"))
        for key in audio:
            assert Audio.from_file(store.audio.path(key)).key == key
        return {
            "run": run.id,
            "work": sorted(store._query("SELECT key, stage, body FROM work").fetchall()),
            "samples": sorted(store._query("SELECT key, body FROM samples").fetchall()),
            "items": list(store.items(cell.id)),
            "figures": cell.figures,
            "counts": cell.counts,
            "audio": audio,
        }


def finish(folder: Path) -> list[str]:
    child = start(folder)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    return out.split()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    asked = finish(folder)
    assert len(asked) == len(set(asked)) == SAMPLES
    return contents(folder)


def test_twenty_kills_at_random_moments(tmp_path: Path, uninterrupted: dict[str, Any]) -> None:
    rng = random.Random(20)
    for _ in range(20):
        before = stored_keys(tmp_path)
        child = start(tmp_path)
        assert child.stdout is not None
        # The moment is a number of requests, so that early and late kills are both drawn on any machine.
        asked = [line.strip() for _, line in zip(range(rng.randrange(0, 14)), child.stdout, strict=False)]
        child.kill()
        asked += child.stdout.read().split()
        child.wait()
        child.stdout.close()
        assert before.isdisjoint(asked)
        assert before <= stored_keys(tmp_path)
    before = stored_keys(tmp_path)
    assert before.isdisjoint(finish(tmp_path))
    assert contents(tmp_path) == uninterrupted


@pytest.mark.parametrize("place", ["before", "middle"])
@pytest.mark.parametrize("commit", [1, 2, 4])
def test_death_at_a_commit(commit: int, place: str, tmp_path: Path, uninterrupted: dict[str, Any]) -> None:
    child = start(tmp_path, str(commit), place)
    child.communicate(timeout=120)
    assert child.returncode == -9
    kept = stored_keys(tmp_path)
    assert kept.isdisjoint(finish(tmp_path))
    assert contents(tmp_path) == uninterrupted


def test_speech_whose_row_was_never_committed_is_written_again_alike(
    tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    child = start(tmp_path, "1", "before")
    child.communicate(timeout=120)
    assert list((tmp_path / "audio").rglob("*.flac"))
    assert stored_keys(tmp_path) == set()
    finish(tmp_path)
    assert contents(tmp_path) == uninterrupted
