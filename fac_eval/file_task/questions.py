"""A user's own file of questions: which columns it may have, and its rows as typed entries."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from fac_eval.data.tables import open_table
from fac_eval.data.user_rows import clip_path, content_hash, is_file, scalar_text, shown
from fac_eval.errors import DataError
from fac_eval.metrics.generic import MAX_CHOICES, letter_of

MetricName = Literal["exact", "contains", "choice", "wer", "none"]

_JSON = msgspec.json.Decoder()
_CALLED_OTHERWISE = {
    "text": ("question", "prompt", "query", "instruction", "input"),
    "audio": ("audio_path", "audio_file", "wav", "clip", "sound", "speech"),
    "choices": ("options", "choice"),
    "reference": (
        *("references", "answer", "answers", "target", "label", "expected", "gold", "ground_truth"),
        *("solution", "correct_answer"),
    ),
}
"""What others call our columns: such a name in the place of ours is an error, not a column of metadata."""


class Entry(NamedTuple):
    """A row of the file, checked."""

    id: str
    text: str | None
    audio: str | bytes | None
    """The path of a clip, or the bytes of an audio file."""
    reference: str | list[str] | None
    choices: tuple[str, ...]
    metadata: Mapping[str, Any]
    cluster: str | None


class QuestionFile:
    """The rows of a file with the columns `text` and/or `audio`.

    There may be `id`, `choices`, `reference`, `metadata` and a column of clusters, too; whatever else there
    is counts as metadata.
    """

    def __init__(self, path: Path, cluster: str = "cluster") -> None:
        self.table = open_table(path)
        self._cluster = cluster
        self._folder = str(path.parent)
        self._has_ids = "id" in self.table.columns

    @cached_property
    def metric(self) -> MetricName:
        """What the columns allow for."""
        columns = self.table.columns
        if "reference" not in columns:
            return "none"
        return "choice" if "choices" in columns else "exact"

    @cached_property
    def count(self) -> int:
        """How many questions there are."""
        return self.table.count

    @cached_property
    def content(self) -> str:
        """A hash of the file and of the clips that its rows name, as 32 hex digits."""
        return content_hash(self.table.fingerprint(), self._clips())

    def _clips(self) -> Iterator[str]:
        if "audio" in self.table.columns:
            for _, row in self.table.rows(["audio"]):
                path = clip_path(self._folder, row.get("audio"))
                if path is not None:
                    yield path

    def entries(self) -> Iterator[Entry]:
        """Stream the rows."""
        return (entry for _, entry in self._numbered())

    def _numbered(self) -> Iterator[tuple[int, Entry]]:
        for place, (number, row) in enumerate(self.table.rows(), 1):
            yield number, self._entry(number, row, place)

    # The rest turns cells into values. It runs once a row and twice a run, so the usual case comes first.

    def _entry(self, number: int, row: dict[str, Any], place: int) -> Entry:
        """The entry of a row, which is used up: what is left of it is metadata."""
        take = row.pop
        identity = take("id", None)
        if type(identity) is not str or not identity:
            identity = self._identity(number, identity, place)
        text = take("text", None)
        if text is not None and type(text) is not str:
            self._wrong(number, "text", "text", text)
        audio = take("audio", None)
        clip = None if audio is None or audio == "" else self._clip(number, audio)
        if clip is None and (not text or text.isspace()):
            self._fail(number, "there is neither text nor audio.", "A question is text, audio or both.")
        reference = take("reference", None)
        if reference is not None:
            reference = self._reference(number, reference)
        choices = take("choices", None)
        cluster = take("cluster", None) if self._cluster == "cluster" else row.get(self._cluster)
        return Entry(
            identity,
            text or None,
            clip,
            reference,
            () if choices is None or choices == "" else self._choices(number, choices),
            self._metadata(number, row) if row else {},
            None if cluster is None or cluster == "" else self._label(number, self._cluster, cluster),
        )

    def _identity(self, number: int, value: Any, place: int) -> str:
        if value is not None and value != "":
            return self._label(number, "id", value)
        if self._has_ids:
            self._fail(number, "the id is missing.", "Give every row an id, or none.")
        return str(place)

    def _label(self, number: int, column: str, value: Any) -> str:
        text = scalar_text(value)
        if text is None:
            self._wrong(number, column, "text or a whole number", value)
        return text

    def _clip(self, number: int, value: Any) -> str | bytes:
        held = value.get("bytes") if isinstance(value, dict) else value
        if isinstance(held, bytes) and held:
            return held
        path = clip_path(self._folder, value)
        if path is None:
            self._wrong(number, "audio", "the path of an audio file (or, in Parquet, its bytes)", value)
        return path

    def _reference(self, number: int, value: Any) -> str | list[str] | None:
        if type(value) is str:
            if not value or value.isspace():
                return None
            listed = _json_list(value)
            if listed is None:
                return value
            value = listed
        if isinstance(value, list):
            texts = [text for item in value if (text := scalar_text(item)) is not None and text.strip()]
            if not texts or len(texts) < len(value):
                self._wrong(number, "reference", "a list of accepted texts", value)
            return texts
        text = scalar_text(value)
        if text is None:
            self._wrong(number, "reference", "text, a number, or a list of accepted texts", value)
        return text

    def _choices(self, number: int, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            listed = _json_list(value)
            value = [part.strip() for part in value.split("|")] if listed is None else listed
        if not isinstance(value, list):
            self._wrong(number, "choices", "a list of texts, or texts separated by '|'", value)
        choices = [scalar_text(item) for item in value]
        texts = tuple(choice for choice in choices if choice is not None and choice.strip())
        if len(texts) < len(choices) or not 2 <= len(set(texts)) == len(texts) <= MAX_CHOICES:
            self._wrong(number, "choices", f"2 to {MAX_CHOICES} different texts", value)
        return texts

    def _metadata(self, number: int, row: dict[str, Any]) -> Mapping[str, Any]:
        given = row.pop("metadata", None)
        if given is not None and given != "":
            if isinstance(given, str):
                try:
                    given = _JSON.decode(given)
                except msgspec.DecodeError:
                    self._wrong(number, "metadata", "an object", given)
            if not isinstance(given, dict):
                self._wrong(number, "metadata", "an object", given)
            twice = given.keys() & row.keys()
            if twice:
                self._fail(number, f"{min(twice)!r} is a column and a key of the metadata, too.", "Drop one.")
            row.update(given)
        if self.table.path.suffix.lower() == ".parquet":
            return {name: self._storable(number, name, value) for name, value in row.items()}
        return row

    def _storable(self, number: int, column: str, value: Any) -> Any:
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value.get("bytes") if isinstance(value, dict) else value, bytes):
            self._fail(number, f"the column {column!r} holds bytes, not metadata.", "Drop the column.")
        return _JSON.decode(msgspec.json.encode(value, enc_hook=str))

    def _wrong(self, number: int, column: str, wanted: str, value: Any) -> NoReturn:
        where = f"{self.table.where(number)}, column {column!r}"
        raise DataError(f"{where}: expected {wanted}, found {shown(value)}.")

    def _fail(self, number: int, problem: str, remedy: str | None) -> NoReturn:
        raise DataError(f"{self.table.where(number)}: {problem}", remedy=remedy)

    # Checking a file before a run.

    def check(self, metric: MetricName, *, guessed: bool) -> None:
        """Read everything once and raise a `DataError` for what a run with `metric` could not use.

        `guessed` says that the metric follows from the columns, so that a misnamed one must not go unnoticed.
        """
        self._check_columns(metric, guessed)
        ids, numbers = array("q"), array("q")
        for number, entry in self._numbered():
            ids.append(hash(entry.id))
            numbers.append(number)
            if isinstance(entry.audio, str) and not is_file(entry.audio):
                remedy = "Paths are taken from the folder of the file that names them."
                self._fail(number, f"there is no audio file {entry.audio[:200]}.", remedy)
            if metric != "none":
                self._check_scorable(number, entry, metric)
        if not ids:
            raise DataError(f"{self.table.path} holds no rows.", remedy="Write at least one question.")
        self.count = len(ids)
        self._check_unique(ids, numbers)

    def _check_columns(self, metric: MetricName, guessed: bool) -> None:
        columns = self.table.columns
        asked = "text" in columns or "audio" in columns
        needed = {"choice": {"choices", "reference"}, "none": set()}.get(metric, {"reference"})
        wanted = ["text", "audio", *(["choices", "reference"] if guessed else sorted(needed))]
        lacking = [column for column in wanted if column not in columns]
        meant = {column: other for column in lacking if (other := self._meant(column))}
        missing = [column for column in lacking if column in needed or column in meant]
        if not asked and not {"text", "audio"} & meant.keys():
            missing.insert(0, "text")
        if self._cluster != "cluster" and self._cluster not in columns:
            missing.append(self._cluster)
        if not missing:
            return
        remedy = f"It has {', '.join(map(repr, columns[:20]))}."
        if not asked:
            remedy += " A question is text, audio or both."
        if meant:
            guesses = ", ".join(f"{other!r} meant as {column!r}" for column, other in meant.items())
            remedy += f" Is {guesses}? Then rename it. If not, give it another name"
            remedy += " or say which metric to use." if {"choices", "reference"} & meant.keys() else "."
        noun = "column" if len(missing) == 1 else "columns"
        problem = f"{self.table.path} has no {noun} {', '.join(map(repr, missing))}"
        reason = f", which the metric {metric!r} needs" if needed.intersection(missing) else ""
        raise DataError(f"{problem}{reason}.", remedy=remedy)

    def _meant(self, column: str) -> str | None:
        """The column that seems to be `column` under another name."""
        names = {name.lower().replace(" ", "_"): name for name in self.table.columns}
        known = next((names[other] for other in (column, *_CALLED_OTHERWISE[column]) if other in names), None)
        ours = {"id", "metadata", "cluster", *_CALLED_OTHERWISE}
        close = get_close_matches(column, [name for name in names if name not in ours], n=1, cutoff=0.8)
        return known or (names[close[0]] if close else None)

    def _check_scorable(self, number: int, entry: Entry, metric: MetricName) -> None:
        if entry.reference is None:
            remedy = "Give every row one, leave the row out, or collect answers with metric=none."
            self._fail(number, f"the reference is missing, which the metric {metric!r} needs.", remedy)
        if metric != "choice":
            return
        if not entry.choices:
            self._fail(
                number,
                "the choices are missing, which the metric 'choice' needs.",
                "Give every row its choices, or say metric=exact.",
            )
        for text in accepted_texts(entry.reference):
            try:
                letter = letter_of(text, entry.choices)
            except DataError as error:
                self._fail(number, error.message, error.remedy)
            if letter is None:
                self._fail(
                    number,
                    f"the reference {text!r} is neither a choice's letter nor one of "
                    f"{', '.join(map(repr, entry.choices))}.",
                    "Write the letter (A is the first choice) or the choice's text.",
                )

    def _check_unique(self, ids: array[int], numbers: array[int]) -> None:
        """Hashes keep this small; rows whose hashes agree are read again and compared for real."""
        import numpy as np

        hashes = np.frombuffer(ids, dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
        if not len(same):
            return
        suspects = {numbers[place] for place in np.concatenate([order[same], order[same + 1]])}
        first: dict[str, int] = {}
        for number, entry in self._numbered():
            if number not in suspects:
                continue
            if entry.id in first:
                self._fail(
                    number,
                    f"the id {entry.id!r} is that of {self.table.unit} {first[entry.id]}, too.",
                    "Give every row an id of its own.",
                )
            first[entry.id] = number


def accepted_texts(reference: str | Sequence[str] | None) -> list[str]:
    """The accepted texts of a reference, the preferred one first."""
    if reference is None:
        return []
    return [reference] if isinstance(reference, str) else list(reference)


def _json_list(text: str) -> list[Any] | None:
    """The list that a cell of a CSV file spells in JSON, if it does."""
    if text[:1] != "[":
        return None
    try:
        found = _JSON.decode(text)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, list) else None
