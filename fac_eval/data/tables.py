"""Files of rows: JSON lines, JSON arrays, CSV, TSV and Parquet behind one small face.

Rows are streamed, so a file may be larger than memory (a JSON array is the exception: its text is held). Every
fault in a file is a `DataError` that names the file, the line or row, and what to do.
"""

from __future__ import annotations

import csv
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from fac_eval.errors import DataError, require, suggestion

Row = tuple[int, dict[str, Any]]
"""A row with its number: the line it starts on in a text file, else its place, both counted from 1."""

_BOM = b"\xef\xbb\xbf"
_SCANNED_ROWS = 1000
_BATCH_BYTES = 4 << 20

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Table(ABC):
    """A file of rows. Nothing but the file's first bytes is read until something is asked for."""

    unit = "row"
    """What a row's number counts: `row` or `line`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order; for JSON, the keys that the first 1,000 rows have."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many rows there are, found without reading their cells where the format allows."""

    @abstractmethod
    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Stream the rows, with only `columns` if given. A JSON row without a column lacks the key."""

    def fingerprint(self) -> str:
        """A hash of the file's content, in hex."""
        with _opened(self.path) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()

    def where(self, number: int) -> str:
        """How messages name the row with this number."""
        return f"{self.path}, {self.unit} {number}"

    def _fail(self, number: int, problem: str, remedy: str | None = None) -> NoReturn:
        raise DataError(f"{self.where(number)}: {problem}", remedy=remedy)


class _JsonLines(Table):
    unit = "line"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return _keys(self.rows())

    @cached_property
    def count(self) -> int:
        with self._lines() as file:
            return sum(1 for line in file if not line.isspace())

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        with self._lines() as file:
            for number, line in enumerate(file, 1):
                try:
                    row = _decode_object(line)
                except (ValueError, RecursionError) as error:
                    if line.isspace():
                        continue
                    problem, remedy = _json_problem(line, error)
                    self._fail(number, problem, remedy)
                yield number, row if columns is None else _only(row, columns)

    def _lines(self) -> BufferedReader:
        file = _opened(self.path)
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        return file


class _JsonArray(Table):
    @cached_property
    def columns(self) -> tuple[str, ...]:
        return _keys(self.rows())

    @property
    def count(self) -> int:
        return len(self._items)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        for number, item in enumerate(self._items, 1):
            try:
                row = _decode_object(item)
            except (ValueError, RecursionError) as error:
                self._fail(number, *_json_problem(bytes(item), error))
            yield number, row if columns is None else _only(row, columns)

    @cached_property
    def _items(self) -> list[msgspec.Raw]:
        with _opened(self.path) as file:
            text = file.read().removeprefix(_BOM)
        try:
            return _decode_items(text)
        except msgspec.ValidationError as error:
            raise DataError(
                f"{self.path} holds no array: {error}.",
                remedy="A .json file of rows is one array of objects; name it .jsonl if each line is an object.",
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.path} is no valid JSON: {error}.") from error


class _Separated(Table):
    """CSV or TSV with a header line; every cell is text."""

    unit = "line"

    def __init__(self, path: Path, delimiter: str) -> None:
        super().__init__(path)
        self._delimiter = delimiter

    @cached_property
    def columns(self) -> tuple[str, ...]:
        number, header = next(self._records(), (1, []))
        if not header:
            self._fail(number, "the header line is missing.", "The first line must name the columns.")
        repeated = sorted({name for name in header if header.count(name) > 1})
        if repeated:
            self._fail(
                number,
                f"the header names {_quoted(repeated)} more than once.",
                "Give each column a name of its own.",
            )
        return tuple(header)

    @cached_property
    def count(self) -> int:
        return sum(1 for _ in self._records()) - 1 if self.columns else 0

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        names = self.columns
        wanted = _places(self, columns)
        for number, cells in islice(self._records(), 1, None):
            if len(cells) != len(names):
                self._fail(
                    number,
                    f"{len(cells)} cells, but the header names {len(names)} columns.",
                    "A cell that holds the separator or a line break must stand in double quotes.",
                )
            yield number, {name: cells[place] for name, place in wanted}

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """The non-empty records, each with the line it starts on."""
        with _opened(self.path):
            pass
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self._delimiter, strict=True)
            start = 1
            try:
                for cells in reader:
                    if cells:
                        yield start, cells
                    start = reader.line_num + 1
            except csv.Error as error:
                self._fail(start, f"the record that starts here cannot be read: {error}.", _csv_remedy(error))
            except UnicodeDecodeError:
                self._fail(*_bad_utf8(self.path))


class _Parquet(Table):
    @cached_property
    def columns(self) -> tuple[str, ...]:
        with self._file() as file:
            return tuple(file.schema_arrow.names)

    @cached_property
    def count(self) -> int:
        with self._file() as file:
            return int(file.metadata.num_rows)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        names = [name for name, _ in _places(self, columns)]
        number = 0
        with self._file() as file:
            batches = file.iter_batches(batch_size=_batch_rows(file.metadata), columns=names)
            while True:
                try:
                    batch = next(batches, None)
                    # Parquet names nested columns by dots, so asking for a column "a.b" also brings the "b" of "a".
                    found = [] if batch is None else batch.select(names).to_pylist()
                except self._faults() as error:
                    self._fail(number + 1, f"this row or one after it cannot be read: {error}.", _FETCH_AGAIN)
                if batch is None:
                    return
                for row in found:
                    number += 1
                    yield number, row

    @contextmanager
    def _file(self) -> Iterator[Any]:
        parquet: Any = require("pyarrow.parquet", extra="data", purpose=f"Reading {self.path.name}")
        try:
            # Without a buffer size a whole row group would be read into memory.
            with parquet.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
                yield file
        except self._faults() as error:
            raise DataError(
                f"{self.path} is no readable Parquet file: {error}.", remedy=_FETCH_AGAIN
            ) from error

    @staticmethod
    def _faults() -> tuple[type[Exception], ...]:
        arrow: Any = require("pyarrow", extra="data", purpose="Reading Parquet")
        return (arrow.ArrowException, OSError, ValueError, OverflowError)


_FETCH_AGAIN = "The file may be truncated or damaged: fetch it again."

_FORMATS = {
    ".jsonl": _JsonLines,
    ".ndjson": _JsonLines,
    ".json": _JsonArray,
    ".csv": lambda path: _Separated(path, ","),
    ".tsv": lambda path: _Separated(path, "\t"),
    ".parquet": _Parquet,
}

SUFFIXES = tuple(_FORMATS)
"""The endings of files that `open_table` reads."""


def open_table(path: str | Path) -> Table:
    """The table in `path`, whose ending says the format (see `SUFFIXES`).

    Raises:
        DataError: The file is missing, empty, of an unknown ending, or no text in UTF-8 where it should be.
    """
    path = Path(path)
    make = _FORMATS.get(path.suffix.lower())
    if make is None:
        raise DataError(
            f"{path} has the ending {path.suffix!r}, which names no known format.",
            remedy="Files that can be read end in " + ", ".join(SUFFIXES) + ".",
        )
    with _opened(path) as file:
        start = file.read(4096)
        blank = not start.removeprefix(_BOM).strip() and not (start and file.read(1))
    if blank:
        raise DataError(f"{path} is empty.")
    if make is not _Parquet and start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is UTF-16 text.", remedy="Save it as UTF-8.")
    return make(path)


def require_columns(table: Table, needed: Iterable[str]) -> None:
    """Raise a `DataError` that says what is there, unless `table` has every column in `needed`."""
    there = table.columns
    missing = [name for name in needed if name not in there]
    if not missing:
        return
    listed = f"It has {_quoted(there)}." if there else "It has none."
    hints = {hint for name in missing if (hint := suggestion(name, there)).startswith("Did you mean")}
    word = "column" if len(missing) == 1 else "columns"
    raise DataError(
        f"{table.path} lacks the {word} {_quoted(missing)}.", remedy=" ".join([listed, *sorted(hints)])
    )


def _opened(path: Path) -> BufferedReader:
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.", remedy="Check the path.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _keys(rows: Iterator[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for _, row in islice(rows, _SCANNED_ROWS) for key in row))


def _only(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in columns if name in row}


def _places(table: Table, columns: Sequence[str] | None) -> list[tuple[str, int]]:
    """The asked-for columns of a table whose rows all have the same ones, with their places."""
    there = {name: place for place, name in enumerate(table.columns)}
    if len(there) < len(table.columns):
        raise DataError(
            f"{table.path} has two columns of one name.", remedy="Give each column a name of its own."
        )
    if columns is None:
        return list(there.items())
    require_columns(table, columns)
    return [(name, there[name]) for name in dict.fromkeys(columns)]


def _json_problem(text: bytes, error: Exception) -> tuple[str, str | None]:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as bad:
        return f"not UTF-8 at byte {bad.start + 1} (0x{text[bad.start]:02x}).", "Save the file as UTF-8."
    if isinstance(error, RecursionError):
        return "nested too deeply.", None
    if isinstance(error, msgspec.ValidationError) and "at `$" not in str(error):
        return f"not a JSON object: {error}.", "Every row must be an object of column names and values."
    if b"NaN" in text or b"Infinity" in text:
        return f"{error}.", "NaN and Infinity are not JSON: write null, or leave the key out."
    return f"{error}.", None


def _csv_remedy(error: csv.Error) -> str:
    if "field limit" in str(error):
        return "Cells this long need another format: JSON lines or Parquet."
    return "Look for a double quote that is not closed, or not doubled within a quoted cell."


def _bad_utf8(path: Path) -> tuple[int, str, str]:
    with _opened(path) as file:
        offset = 0
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                problem = (
                    f"not UTF-8 at byte {offset + error.start + 1} of the file (0x{line[error.start]:02x})."
                )
                return number, problem, "Save the file as UTF-8."
            offset += len(line)
    return 1, "not UTF-8.", "Save the file as UTF-8."


def _batch_rows(metadata: Any) -> int:
    """Rows of a batch that takes a few megabytes: one for long audio, a thousand for plain text."""
    groups = range(metadata.num_row_groups)
    row = sum(metadata.row_group(group).total_byte_size for group in groups) // max(1, metadata.num_rows)
    return max(1, min(1024, _BATCH_BYTES // max(1, int(row))))


def _quoted(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(repr(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
