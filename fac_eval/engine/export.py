"""A run's samples as flat rows, and the files they can be written to."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fac_eval.codec import from_json, to_json
from fac_eval.errors import UnknownName, UsageError, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from fac_eval.store import CellRow, ItemRow, Store

Format = Literal["parquet", "csv", "jsonl"]
Row = dict[str, Any]

STANDARD_OUTPUT = "-"
_NESTED = ("reference", "metadata", "tool_calls", "parts", "evidence", "quality", "similarities", "verdicts")
_WHOLE = ("position", "input_tokens", "output_tokens")
_REAL = ("score", "cost", "seconds", "first_token_seconds")
COLUMNS = (
    "run",
    "model",
    "task",
    "variant",
    "protocol",
    "position",
    "sample_id",
    "cluster",
    "prompt",
    "reference",
    "metadata",
    "output",
    "speech",
    "tool_calls",
    "finish_reason",
    "outcome",
    "score",
    "label",
    "explanation",
    "parts",
    "evidence",
    "error",
    "error_message",
    "skip_reason",
    "transcript",
    "quality",
    "similarities",
    "verdicts",
    "input_tokens",
    "output_tokens",
    "cost",
    "seconds",
    "first_token_seconds",
)
"""The columns of every export, in order. In CSV and Parquet, nested values are JSON text."""

_CHUNK = 512
_ROW_GROUP = 8192


def sample_rows(
    store: Store, run: str = "latest", *, tasks: Sequence[str] = (), models: Sequence[str] = ()
) -> Iterator[Row]:
    """The samples of a run as plain rows with the keys of `COLUMNS`, in the order in which they were asked for.

    `tasks` and `models` keep only those that a name, a benchmark's name or a wildcard matches.
    """
    for cell in chosen_cells(store, run, tasks=tasks, models=models):
        items = store.items(cell.id)
        while chunk := list(islice(items, _CHUNK)):
            samples = store.samples([item.sample for item in chunk if item.sample is not None])
            works = store.works([item.work for item in chunk if item.work is not None])
            for item in chunk:
                sample = from_json(samples[item.sample]) if item.sample in samples else {}
                response = from_json(works[item.work]) if item.work in works else {}
                yield _row(store, cell, item, sample, response)


def chosen_cells(
    store: Store, run: str, *, tasks: Sequence[str] = (), models: Sequence[str] = ()
) -> list[CellRow]:
    """The cells of a run that the patterns match; a pattern that matches none is an error."""
    run_id = store.run(run).id
    cells = store.cells(run_id)
    for kind, patterns in (("task", tasks), ("model", models)):
        names = {cell.id: cell.task if kind == "task" else cell.model for cell in cells}
        for pattern in patterns:
            if not any(_matches(name, pattern) for name in names.values()):
                raise UnknownName(kind, pattern, set(names.values()), where=f"run {run_id}")
        if patterns:
            cells = [cell for cell in cells if any(_matches(names[cell.id], one) for one in patterns)]
    return cells


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}/") or fnmatchcase(name, pattern)


def _row(
    store: Store, cell: CellRow, item: ItemRow, sample: Mapping[str, Any], response: Mapping[str, Any]
) -> Row:
    score, evidence, failed = item.score or {}, item.evidence, item.outcome == "failed"
    usage, timings = response.get("usage", {}), response.get("timings", {})
    speech = response.get("speech")
    return {
        "run": cell.run,
        "model": cell.model,
        "task": cell.task,
        "variant": cell.variant,
        "protocol": cell.protocol_id,
        "position": item.position,
        "sample_id": item.sample_id,
        "cluster": sample.get("cluster"),
        "prompt": prompt_of(sample),
        "reference": sample.get("reference"),
        "metadata": sample.get("metadata", {}),
        "output": response.get("text"),
        "speech": None if speech is None else str(store.audio.path(speech["audio"]).absolute()),
        "tool_calls": response.get("tool_calls", []),
        "finish_reason": response.get("finish_reason"),
        "outcome": item.outcome,
        "score": score.get("value"),
        "label": score.get("label"),
        "explanation": score.get("explanation"),
        "parts": score.get("parts", {}),
        "evidence": score.get("evidence", {}),
        "error": item.reason if failed else None,
        "error_message": item.detail if failed else None,
        "skip_reason": item.reason if item.outcome == "skipped" else None,
        "transcript": evidence.get("transcript"),
        "quality": evidence.get("quality", {}),
        "similarities": evidence.get("similarities", []),
        "verdicts": evidence.get("verdicts", []),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "cost": usage.get("cost"),
        "seconds": timings.get("total"),
        "first_token_seconds": timings.get("first_token"),
    }


def prompt_of(sample: Mapping[str, Any]) -> str | None:
    """What the user asks, as text: the messages' own, or what the data set says is spoken."""
    texts = [
        part["text"]
        for message in sample.get("messages", ())
        if message["role"] == "user"
        for part in message.get("parts", ())
        if "text" in part
    ]
    if texts:
        return "\n".join(texts)
    spoken = sample.get("metadata", {}).get("prompt")
    return spoken if isinstance(spoken, str) else None


def format_of(out: str, given: Format | None = None) -> Format:
    """The format to write: the one asked for, or the one that the file's name says."""
    known: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
    chosen = given or known.get(Path(out).suffix.lower())
    if chosen is None:
        raise UsageError(
            f"cannot tell the format of {out!r} from its name.", remedy="Name it: --to parquet, csv or jsonl."
        )
    if chosen == "parquet" and out == STANDARD_OUTPUT:
        raise UsageError("Parquet cannot be written to standard output.", remedy="Give --out a file.")
    return chosen


def write_rows(rows: Iterable[Row], out: str, format: Format) -> int:
    """Write rows to a file, or to standard output for `-`, and return how many there were.

    A file appears, or replaces one of the same name, only when it is complete.
    """
    writers: dict[Format, Callable[[Iterable[Row], BinaryIO], int]] = {
        "parquet": _write_parquet,
        "csv": _write_csv,
        "jsonl": _write_jsonl,
    }
    if format == "parquet":
        # Asked for before a file is begun.
        require("pyarrow.parquet", extra="data", purpose="Writing Parquet", package="pyarrow")
    if out == STANDARD_OUTPUT:
        written = writers[format](rows, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return written
    with _complete_file(Path(out)) as file:
        return writers[format](rows, file)


@contextmanager
def _complete_file(path: Path) -> Iterator[BinaryIO]:
    # A link is followed, so that it stays one; a device or pipe cannot be replaced and is written as it is.
    target = path.expanduser().resolve()
    if target.exists() and not target.is_file() and not target.is_dir():
        with _writable(path), target.open("wb") as file:
            yield file
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with _writable(path):
        if target.is_dir():
            raise UsageError(f"{path} is a folder.", remedy="Give --out the name of a file.")
        if not target.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}.", remedy="Make it, or give another --out.")
        try:
            with part.open("wb") as file:
                yield file
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}.",
            remedy="Check permissions and free space, or give another --out.",
        ) from error


def _write_jsonl(rows: Iterable[Row], file: BinaryIO) -> int:
    import msgspec

    encode = msgspec.json.Encoder().encode
    written = 0
    for row in rows:
        file.write(encode(row) + b"\n")
        written += 1
    return written


def _write_csv(rows: Iterable[Row], file: BinaryIO) -> int:
    import csv
    from io import TextIOWrapper

    text = TextIOWrapper(file, "utf-8", newline="", write_through=True)
    written = 0
    try:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(_flat(row))
            written += 1
    finally:
        text.detach()
    return written


def _write_parquet(rows: Iterable[Row], file: BinaryIO) -> int:
    pa: Any = require("pyarrow", extra="data", purpose="Writing Parquet")
    parquet: Any = require("pyarrow.parquet", extra="data", purpose="Writing Parquet", package="pyarrow")
    types = {name: pa.int64() for name in _WHOLE} | {name: pa.float64() for name in _REAL}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    rows = iter(rows)
    written = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := [_flat(row) for row in islice(rows, _ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            written += len(group)
    return written


def _flat(row: Row) -> Row:
    """The row with its nested values as JSON text; nothing is empty rather than `{}` or `null`."""
    texts = {
        name: to_json(row[name]).decode() if row[name] not in (None, {}, []) else None for name in _NESTED
    }
    return {**row, **texts}
