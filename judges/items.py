"""The files that `judge-check` reads: items with ratings and scores, or upstream's ratings and scores apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from fac_eval.errors import DataError, suggestion
from fac_eval.metrics.vstyle import category_of, score_value

from .agreement import Judged
from .readings import reading_of

_SCORE_FIELDS = ("gemini_score", "score")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a file of items."""

    id: str
    category: str | None = None
    human: Mapping[str, float] = field(default_factory=dict)
    """By rater."""
    judge: tuple[float | None, ...] = ()
    """Scores of a judge, None for a call that gave none."""
    replies: tuple[str | None, ...] = ()
    """Replies of a judge, None for a call that failed; read by the rubric's rule."""
    official: float | None = None
    """What the protocol's own judge gave."""
    rubric: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    audio: tuple[str, ...] = ()
    """The clips that a judge gets to hear, as paths relative to the file's folder."""

    def judged(self) -> Judged:
        """The item as scores; replies, where there are any, come before scores that were written down."""
        scores = self.judge
        if self.replies:
            read = reading_of(self.rubric or "").read
            scores = tuple(None if reply is None else read(reply) for reply in self.replies)
        return Judged(self.id, self.category, self.human, scores, self.official)


class _Row(msgspec.Struct):
    """An item as it may be written."""

    id: str | int
    category: str | None = None
    human: dict[str, float] | list[float] = {}
    judge: float | list[float | None] | None = None
    replies: list[str | None] = []
    official: float | None = None
    rubric: str | None = None
    inputs: dict[str, Any] = {}
    audio: list[str] = []


def read_items(path: Path) -> list[Item]:
    """The items of a file of JSON lines.

    Raises:
        DataError: a line is not as docs/judges.md says; the message names it.
    """
    items: list[Item] = []
    lines: dict[str, int] = {}
    for number, row in _objects(path):
        item = _item(row, f"{path}, line {number}")
        if item.id in lines:
            raise DataError(
                f"{path}, line {number}: the id {item.id!r} is that of line {lines[item.id]}, too"
            )
        lines[item.id] = number
        items.append(item)
    if not items:
        raise DataError(f"{path} holds no items")
    return items


def write_items(path: Path, items: Sequence[Item]) -> None:
    """Write items so that `read_items` finds them again; an older file is replaced in one step."""
    rows = [
        {
            name: value
            for name in _Row.__struct_fields__
            if (value := getattr(item, name)) not in (None, (), {})
        }
        for item in items
    ]
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    draft.replace(path)


def read_upstream(ratings: Path, scores: Path, official: Path | None = None) -> dict[str, list[Judged]]:
    """VStyle's layout, by language: a file of ratings for each rater, and one of a judge's scores.

    Languages are sub-folders of `ratings`; the scores are a folder then, with `<language>_res.jsonl` or
    `<language>.jsonl`. Lines without id or instruct_id, and ratings that are no number, are left out, as officially.
    """
    languages = sorted(folder.name for folder in _listed(ratings) if any(folder.glob("*.jsonl")))
    if not languages:
        return {"": _language(ratings, scores, official)}
    return {
        language: _language(
            ratings / language,
            _file_of(scores, language),
            None if official is None else _file_of(official, language),
        )
        for language in languages
    }


def _item(row: Mapping[str, Any], where: str) -> Item:
    for name in row:
        if name not in _Row.__struct_fields__:
            raise DataError(
                f"{where}: unknown field {name!r}", remedy=suggestion(name, _Row.__struct_fields__)
            )
    try:
        held = msgspec.convert(row, _Row)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {error}") from error
    human = held.human
    if isinstance(human, list):
        human = {str(number): score for number, score in enumerate(human, start=1)}
    given = held.judge
    return Item(
        id=str(held.id),
        category=held.category,
        human=human,
        judge=tuple(given) if isinstance(given, list) else () if "judge" not in row else (given,),
        replies=tuple(held.replies),
        official=held.official,
        rubric=held.rubric,
        inputs=held.inputs,
        audio=tuple(held.audio),
    )


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a file of JSON lines with their line numbers; blank lines are skipped."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}, line {number}: this is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: expected an object, not {type(row).__name__}")
        yield number, row


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def _file_of(folder: Path, language: str) -> Path:
    for name in (f"{language}_res.jsonl", f"{language}.jsonl"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"{folder} has no scores of the language {language!r}",
        remedy=f"The ratings come in a folder for each language. Name a folder that holds {language}_res.jsonl.",
    )


def _language(ratings: Path, scores: Path, official: Path | None) -> list[Judged]:
    categories: dict[str, str] = {}
    human: dict[str, dict[str, float]] = {}
    files = [path for path in _listed(ratings) if path.suffix == ".jsonl"]
    if not files:
        raise DataError(
            f"{ratings} holds no ratings", remedy="Expected a file for each rater, such as rater1.jsonl."
        )
    for path in files:
        for key, rating in _numbers(path, ("mos",), categories).items():
            if rating is not None:
                human.setdefault(key, {})[path.stem] = rating
    judged = _numbers(scores, _SCORE_FIELDS, categories)
    theirs = {} if official is None else _numbers(official, _SCORE_FIELDS, categories)
    return [
        Judged(
            key,
            categories.get(key),
            human.get(key, {}),
            (judged[key],) if key in judged else (),
            theirs.get(key),
        )
        for key in dict.fromkeys((*human, *judged))
    ]


def _numbers(path: Path, fields: Sequence[str], categories: dict[str, str]) -> dict[str, float | None]:
    """A file's numbers by `<id>_<instruct_id>`, None for a line without one.

    The last number of a key counts, and the first ability that is seen of it is its category.
    """
    found: dict[str, float | None] = {}
    for _, row in _objects(path):
        if row.get("id") is None or row.get("instruct_id") is None:
            continue
        key = f"{row['id']}_{row['instruct_id']}"
        number = score_value(next((row[name] for name in fields if name in row), None))
        if number is None:
            found.setdefault(key, None)
            continue
        found[key] = number
        if isinstance(row.get("ability"), str) and row["ability"]:
            categories.setdefault(key, category_of(row["ability"]))
    return found
