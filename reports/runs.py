"""Which stored runs the arguments of a report mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fac_eval.engine.result import RunResult
from fac_eval.store import Store


@dataclass(frozen=True, slots=True)
class RunPlace:
    """A run and the store that holds it."""

    store: Path
    id: str

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store, open for reading."""
        with Store.reader(self.store) as store:
            yield store

    def load(self) -> RunResult:
        """The run's figures and coverage."""
        with self.opened() as store:
            return RunResult.load(store, self.id)


def find_run(name: str, store: str | Path) -> RunPlace:
    """The run that `latest`, an id, or the beginning of one names; `FOLDER#NAME` looks in another store.

    Raises:
        FacEvalError: there is no such store or run, or several runs begin so.
    """
    folder, mark, rest = name.rpartition("#")
    place = Path(folder) if mark else Path(store)
    with Store.reader(place) as opened:
        return RunPlace(place, opened.run(rest or "latest").id)


def find_runs(names: Iterable[str], store: str | Path) -> list[RunPlace]:
    """The runs named, in order and without repetition; every run of the store where none is named."""
    asked = list(names)
    if not asked:
        with Store.reader(store) as opened:
            return [RunPlace(Path(store), run.id) for run in opened.runs()]
    return list(dict.fromkeys(find_run(name, store) for name in asked))
