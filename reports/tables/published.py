"""The figures that the Fun-Audio-Chat report prints: Tables 1 to 7, and the two of its section 3.2."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from fac_eval.errors import UnknownName

REPORT = "arXiv 2512.20156v1"
"""The report that the figures are from."""
COLUMNS = ("table", "block", "row", "metric", "lang", "model", "value")

Access = Literal["open", "api", "closed"]

_RANGE = re.compile(r"(?P<first>[\d.]+)-(?P<last>[\d.]+)\Z")


class Place(NamedTuple):
    """A row of a published table."""

    table: str
    block: str
    row: str
    metric: str
    lang: str = ""


class PublishedCell(NamedTuple):
    """A printed figure; `value` is as printed, and empty for a dash."""

    place: Place
    model: str
    value: str


@dataclass(frozen=True, slots=True)
class Published:
    """All printed figures, in the order of the file."""

    cells: tuple[PublishedCell, ...]
    values: Mapping[tuple[Place, str], str]

    def value(self, place: Place, model: str) -> str | None:
        """The figure as printed, empty for a dash; None where the report has no such cell."""
        return self.values.get((place, model))

    def models(self, table: str) -> tuple[str, ...]:
        """The columns of a table, in order."""
        return tuple(dict.fromkeys(cell.model for cell in self.cells if cell.place.table == table))

    def rows(self, table: str) -> tuple[Place, ...]:
        """The rows of a table, in order."""
        return tuple(dict.fromkeys(cell.place for cell in self.cells if cell.place.table == table))

    @property
    def places(self) -> tuple[Place, ...]:
        """The rows of all tables, in order."""
        return tuple(dict.fromkeys(cell.place for cell in self.cells))

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables by name, section 3.2 last."""
        return tuple(sorted({cell.place.table for cell in self.cells}, key=lambda name: ("." in name, name)))


@cache
def published() -> Published:
    """The printed figures, read from the file that comes with the package."""
    text = files("fac_eval.reports.tables").joinpath("data/tables.csv").read_text(encoding="utf-8")
    cells = tuple(
        PublishedCell(Place(*(row[name] for name in COLUMNS[:5])), row["model"], row["value"])
        for row in csv.DictReader(text.splitlines())
    )
    return Published(cells, {(cell.place, cell.model): cell.value for cell in cells})


@cache
def access() -> Mapping[str, Access]:
    """How the model behind each published column can be reached."""
    text = files("fac_eval.reports.tables").joinpath("data/models.toml").read_text(encoding="utf-8")
    found: Mapping[str, Access] = tomllib.loads(text)["models"]
    return found


def chosen_tables(names: Iterable[str]) -> tuple[str, ...]:
    """The tables that `1`, `2-4` or `3.2` name; all of them where none is named.

    A range takes what lies between its ends: `1-7` is everything.

    Raises:
        UnknownName: there is no such table.
    """
    known, asked = published().tables, [name.strip() for name in names if name.strip()]
    found: set[str] = set()
    for name in asked:
        match = _RANGE.match(name)
        ends = (match["first"], match["last"]) if match else (name, name)
        for end in ends:
            if end not in known:
                raise UnknownName("table", end, known, where=f"the report ({REPORT})")
        low, high = float(ends[0]), float(ends[1])
        between = {table for table in known if low <= float(table) <= high}
        if not between:
            raise UnknownName("range of tables", name, known, where=f"the report ({REPORT})")
        found |= between
    return tuple(table for table in known if table in found or not asked)
