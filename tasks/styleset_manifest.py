"""The manifest of a style set: one JSON object a line, checked as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from fac_eval.errors import DataError

Subset = Literal["instruction_following", "semantic_empathy", "paralinguistic_empathy"]
PARALINGUISTIC: Subset = "paralinguistic_empathy"
EMPATHY: tuple[Subset, ...] = ("semantic_empathy", PARALINGUISTIC)
_MOST_PROBLEMS = 20


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request of the set."""

    id: str
    subset: Subset
    lang: Literal["en", "zh"]
    audio: str
    text: str
    ability: str = ""
    emotion: str = ""
    cue: str = ""
    reference: str | None = None
    weight: float = 1.0

    @property
    def problems(self) -> Iterator[str]:
        """What the fields' types do not say."""
        if not self.id.strip():
            yield "id: is blank"
        if self.subset in EMPATHY and not self.emotion:
            yield f"emotion: is missing, which {self.subset} needs"
        if self.subset == PARALINGUISTIC and not self.cue:
            yield f"cue: is missing, which {self.subset} needs"
        if not 0 < self.weight < float("inf"):
            yield f"weight: must be above 0, not {self.weight}"


def read_manifest(path: Path) -> list[Row]:
    """The rows of a manifest, abilities filled in.

    Raises:
        DataError: It cannot be read, or rows are wrong; all problems are told at once, each with its line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=Row)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            problems.append(f"line {number}: {error}")
            continue
        found = list(row.problems)
        if not (path.parent / row.audio).is_file():
            found.append(f"audio: there is no file {row.audio!r} beside the manifest")
        problems += [f"line {number}: {problem}" for problem in found]
        rows.append(_with_ability(row))
    repeated = [name for name, count in Counter(row.id for row in rows).items() if count > 1]
    problems += [f"the id {name!r} stands on several lines" for name in repeated]
    if not rows and not problems:
        problems.append("it holds no row")
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:_MOST_PROBLEMS])
        more = len(problems) - _MOST_PROBLEMS
        rest = f"\n  and {more} more" if more > 0 else ""
        raise DataError(
            f"{path} is no style set:\n{shown}{rest}", remedy="docs/benchmarks/styleset.md has the fields."
        )
    return rows


def _with_ability(row: Row) -> Row:
    if row.ability:
        return row
    default = "instruction/style" if row.subset not in EMPATHY else f"empathy/{row.emotion}"
    return msgspec.structs.replace(row, ability=default)
