"""Runs recorded cases of official code through ours, and says where the two differ.

What the entry-point group `fac_eval.conformance` registers under a golden name is either

- a function `(case_input, header) -> answer` for `.jsonl` files: the answer is compared with the case's
  `expected`, and where that is `{"error": ...}` the function must raise, whatever the exception; or
- a `CaseSet`, an object or module with `cases(path)`, where that does not do: recorded tensors beside an
  index, or comparisons with rules of their own.

A `.jsonl` goes to the name in its header, any other file to its own stem; failing that, both go to the
name of the folder they stand in, and an index to the `CaseSet` that claims it. A folder goes to a `CaseSet` of its
name, or is searched.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from fac_eval import registry
from fac_eval.errors import (
    AssetError,
    DataError,
    FacEvalError,
    MissingExtra,
    MissingResource,
    PluginError,
    UnknownName,
    UsageError,
)

TOLERANCE = 1e-9
"""The absolute difference that floats may have where the header names no number of its own."""

Outcome = Literal["agrees", "disagrees", "cannot run"]
Adapter = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]

_SHOWN_DIFFERENCES = 3
_SHOWN_CHARACTERS = 160


class CannotRunError(FacEvalError):
    """Raised by an adapter for a case that it does not know: neither an agreement nor a disagreement."""


_CANNOT_RUN = (CannotRunError, MissingExtra, MissingResource, AssetError)


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded case. `check` runs our code and returns every difference found, none for an agreement."""

    id: str
    label: str
    check: Callable[[], Sequence[str]]


class CaseSet(Protocol):
    """Recorded cases that need more than a function on a case's input.

    With a method `claims(path)` it also gets the indexes that it knows by their content, whatever their names.
    """

    def cases(self, path: Path) -> Iterable[Case]:
        """The cases of a file, or of a folder that bears the set's name."""
        ...


@dataclass(frozen=True, slots=True)
class Golden:
    """A `.jsonl` of cases as read: each has at least `id` and `expected`, and mostly `case` and `input`."""

    header: Mapping[str, Any]
    cases: tuple[Mapping[str, Any], ...]

    @property
    def tolerance(self) -> float:
        """The header's tolerance where it is a number; many headers hold a remark instead."""
        given = self.header.get("tolerance")
        return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else TOLERANCE


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case came out, and why if it does not agree."""

    id: str
    label: str
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """How the cases of one path came out: `cases` is the sum of the other three."""

    path: Path
    name: str
    cases: int
    agreements: int
    disagreements: tuple[CaseResult, ...]
    cannot_run: tuple[CaseResult, ...]
    kinds: Mapping[str, int] = field(default_factory=dict)
    """Cases of each kind, where labels begin with one as those of tensor sets do."""


def run_conformance(paths: Iterable[str | Path]) -> list[FileReport]:
    """Run every case of the given files and folders.

    Raises FacEvalError, before anything runs, if there is a path that nothing is registered for or that
    cannot be read; the message names all of them.
    """
    jobs: list[tuple[Path, str, Iterable[Case]]] = []
    problems: list[FacEvalError] = []
    for path in paths:
        try:
            found = list(_golden_paths(Path(path)))
            if not found:
                raise UsageError(f"{path}: the folder holds no .jsonl or index.json of cases")
        except FacEvalError as problem:
            problems.append(problem)
            continue
        for golden_path in found:
            try:
                jobs.append((golden_path, *_named_cases(golden_path)))
            except FacEvalError as problem:
                problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        remedies = dict.fromkeys(problem.remedy for problem in problems if problem.remedy)
        raise UsageError("\n".join([*(problem.message for problem in problems), *remedies]))
    return [_run_file(*job) for job in jobs]


def report_text(reports: Sequence[FileReport], max_shown: int = 20) -> str:
    """The reports for reading: a line a file, then its disagreements and what could not be run."""
    lines = []
    for report in reports:
        lines.append(f"{report.name}: {_counts([report])} ({report.path})")
        if report.kinds:
            lines.append("  of these " + ", ".join(f"{n} {kind}" for kind, n in report.kinds.items()))
        lines += [
            f"  disagrees: {case.id} [{case.label}]: {case.message}"
            for case in report.disagreements[:max_shown]
        ]
        if len(report.disagreements) > max_shown:
            lines.append(f"  ... and {len(report.disagreements) - max_shown} more disagreements")
        reasons: dict[str, list[str]] = {}
        for case in report.cannot_run:
            reasons.setdefault(case.message, []).append(f"{case.id} [{case.label}]")
        for reason, cases in reasons.items():
            more = f", ... and {len(cases) - max_shown} more" if len(cases) > max_shown else ""
            lines.append(f"  cannot run: {', '.join(cases[:max_shown])}{more}:")
            lines += [f"    {line}" for line in reason.split("\n")]
    if len(reports) > 1:
        lines.append(f"total: {_counts(reports)}")
    return "\n".join(lines)


def read_golden(path: Path) -> Golden:
    """Read a `.jsonl` of recorded cases. Raises DataError, naming file and line, for anything malformed."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    rows = [
        (f"{path}, line {number}", _json_object(line, f"{path}, line {number}"))
        for number, line in enumerate(text.split("\n"), start=1)  # strings may hold other line breaks
        if line.strip()
    ]
    header = rows[0][1].get("header") if rows else None
    if not isinstance(header, dict):
        raise DataError(f"{path}: the first line is no header", remedy='It must read {"header": {...}}.')
    if len(rows) == 1:
        raise DataError(f"{path}: holds a header but no case")
    seen: set[str] = set()
    for where, row in rows[1:]:
        case_id = row.get("id")
        if not isinstance(case_id, str) or "expected" not in row:
            raise DataError(f"{where}: a case needs a text `id` and `expected`")
        if case_id in seen:
            raise DataError(f"{where}: the id {case_id!r} occurs twice")
        seen.add(case_id)
    return Golden(header, tuple(row for _, row in rows[1:]))


def check_answer(answer: Callable[[], Any], expected: Any, tolerance: float = TOLERANCE) -> list[str]:
    """Call our code and compare what it returns or raises with what is recorded; see `differences`."""
    try:
        found = answer()
    except _CANNOT_RUN:
        raise
    except Exception as error:  # noqa: BLE001 - whatever official code raises is part of the record
        found = error
    return differences(expected, found, tolerance)


def differences(expected: Any, answer: Any, tolerance: float = TOLERANCE) -> list[str]:
    """Where an answer differs from the recorded JSON value, as text; empty if nowhere.

    Floats may differ by the absolute `tolerance`, and NaN equals NaN; everything else must be equal, and
    True is not 1. `{"error": ...}` stands for an exception, at any depth. The outermost mapping of the
    answer may hold more than the record, inner ones may not.
    """
    return list(_differences(expected, answer, tolerance, ""))


def _differences(expected: Any, answer: Any, tolerance: float, where: str) -> Iterator[str]:
    at = f"{where}: " if where else ""
    wants_error = isinstance(expected, Mapping) and expected.keys() == {"error"}
    if isinstance(answer, Exception):
        if not wants_error:
            yield f"{at}expected {_shown(expected)}, but it raised {type(answer).__name__}: {answer}"
    elif wants_error:
        yield f"{at}expected an error ({expected['error']}), got {_shown(answer)}"
    elif isinstance(expected, Mapping) and isinstance(answer, Mapping):
        for key, value in expected.items():
            inner = f"{where}.{key}" if where else str(key)
            if key in answer:
                yield from _differences(value, answer[key], tolerance, inner)
            else:
                yield f"{inner}: expected {_shown(value)}, but it is missing"
        if where:
            yield from (f"{where}.{key}: is not in the record" for key in answer if key not in expected)
    elif isinstance(expected, list) and isinstance(answer, list | tuple):
        if len(expected) != len(answer):
            yield f"{at}expected {len(expected)} entries, got {len(answer)}: {_shown(answer)}"
        for index, (value, got) in enumerate(zip(expected, answer, strict=False)):
            yield from _differences(value, got, tolerance, f"{where}[{index}]")
    elif not _same(expected, answer, tolerance):
        yield f"{at}expected {_shown(expected)}, got {_shown(answer)}"


def _same(expected: Any, answer: Any, tolerance: float) -> bool:
    if isinstance(expected, bool) or isinstance(answer, bool):
        return expected is answer
    if not isinstance(expected, float):
        return bool(expected == answer)
    if not isinstance(answer, int | float):
        return False
    both_nan = math.isnan(expected) and math.isnan(answer)
    return both_nan or expected == answer or abs(expected - answer) <= tolerance


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _golden_paths(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if not path.is_dir() or _is_case_set(path.resolve().name):
        yield path
        return
    for entry in sorted(path.iterdir()):
        if entry.is_dir():
            yield from _golden_paths(entry)
        elif entry.suffix == ".jsonl" or entry.name == "index.json" or entry.name.endswith("_index.json"):
            yield entry


def _is_case_set(name: str) -> bool:
    return name in registry.names("conformance") and hasattr(registry.load("conformance", name), "cases")


def _named_cases(path: Path) -> tuple[str, Iterable[Case]]:
    golden = read_golden(path) if path.suffix == ".jsonl" and path.is_file() else None
    given = golden.header.get("name") if golden is not None else None
    place = path.resolve()
    if isinstance(given, str):
        candidates = [given]
    elif place.is_dir():
        candidates = [place.name]
    else:
        candidates = [place.stem, place.parent.name]
    known = registry.names("conformance")
    name = next((candidate for candidate in candidates if candidate in known), None)
    if name is None and golden is None:
        name = next((known_name for known_name in known if _claims(known_name, path)), None)
    if name is None:
        raise UnknownName("golden file", candidates[0], known, where=str(path))
    adapter = registry.load("conformance", name)
    if hasattr(adapter, "cases"):
        return name, adapter.cases(path)
    if golden is None:
        raise UsageError(f"{path}: what is registered as {name!r} reads .jsonl files only")
    if not callable(adapter):
        raise PluginError(f"what is registered for golden files {name!r} is neither a function nor a CaseSet")
    for row in golden.cases:
        if "input" not in row:
            raise DataError(f"{path}: the case {row['id']!r} has no `input`")
    return name, [_function_case(adapter, golden, row) for row in golden.cases]


def _claims(name: str, path: Path) -> bool:
    try:
        adapter = registry.load("conformance", name)
    except FacEvalError:
        return False  # of other files; whoever asks for it is told
    return hasattr(adapter, "claims") and bool(adapter.claims(path))


def _function_case(adapter: Adapter, golden: Golden, row: Mapping[str, Any]) -> Case:
    answer = partial(adapter, row["input"], golden.header)
    check = partial(check_answer, answer, row["expected"], golden.tolerance)
    return Case(row["id"], str(row.get("case", "")), check)


def _run_file(path: Path, name: str, cases: Iterable[Case]) -> FileReport:
    from tqdm import tqdm

    bar = tqdm(cases, desc=name, unit="case", leave=False, disable=None)  # disable=None: only on a terminal
    results = [_run_case(case) for case in bar]
    if not results:
        raise DataError(f"{path}: {name!r} found no case in it")
    disagreements = tuple(result for result in results if result.outcome == "disagrees")
    cannot_run = tuple(result for result in results if result.outcome == "cannot run")
    agreements = len(results) - len(disagreements) - len(cannot_run)
    kinds = {} if path.suffix == ".jsonl" else Counter(result.label.partition(":")[0] for result in results)
    return FileReport(path, name, len(results), agreements, disagreements, cannot_run, kinds)


def _run_case(case: Case) -> CaseResult:
    outcome: Outcome
    try:
        found = case.check()
    except _CANNOT_RUN as error:
        outcome, message = "cannot run", str(error)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the cases after it
        outcome, message = "disagrees", f"the check raised {type(error).__name__}: {error}"
    else:
        more = len(found) - _SHOWN_DIFFERENCES
        message = "; ".join(found[:_SHOWN_DIFFERENCES]) + (f"; and {more} more" if more > 0 else "")
        outcome = "disagrees" if found else "agrees"
    return CaseResult(_printable(case.id), _printable(case.label), outcome, _printable(message))


def _printable(text: str) -> str:
    """`text` with lone surrogates, which cases may hold and no stream can encode, escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _counts(reports: Sequence[FileReport]) -> str:
    disagreements = sum(len(report.disagreements) for report in reports)
    cannot_run = sum(len(report.cannot_run) for report in reports)
    parts = [
        f"{sum(report.cases for report in reports)} cases",
        f"{sum(report.agreements for report in reports)} agree",
        f"{disagreements} disagree" if disagreements else "",
        f"{cannot_run} cannot be run" if cannot_run else "",
    ]
    return ", ".join(filter(None, parts))


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: is no JSON object")
    return row
