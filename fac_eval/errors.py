"""Errors that a person reads: what is wrong, where, and what to do about it.

A `FacEvalError` ends the command with one clean message and exit code 2; what happened to a single
sample is no exception but a `Failure` (see `fac_eval.vocabulary`).
"""

from __future__ import annotations

from collections.abc import Iterable


class FacEvalError(Exception):
    """The command cannot go on. `remedy` is the sentence that says what to do."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message if remedy is None else f"{message}\n{remedy}")
        self.message = message
        self.remedy = remedy


class UsageError(FacEvalError):
    """What was asked for makes no sense as given: a bad flag, spec or configuration value."""


class UnknownName(UsageError):
    """A name that nothing is registered under; the message carries the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        known = sorted(known)
        place = f" in {where}" if where else ""
        super().__init__(f"unknown {kind} {name!r}{place}", remedy=suggestion(name, known))
        self.kind, self.name, self.known = kind, name, known


class MissingExtra(FacEvalError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            remedy=f"Install it with: pip install 'fac-eval[{extra}]'",
        )
        self.package, self.extra = package, extra


class MissingResource(FacEvalError):
    """A data file that a scorer or model needs is not on this machine."""


class AssetError(FacEvalError):
    """A fetched or given file is not what it should be (wrong sha256, wrong content)."""


class DataError(FacEvalError):
    """A data set or a file of samples is malformed; the message names file, row and column."""


class AudioError(FacEvalError):
    """Audio that cannot be decoded, or that holds nothing to decode."""


class PluginError(FacEvalError):
    """An entry point exists but what it names cannot be loaded."""


class StoreError(FacEvalError):
    """The store cannot be read or written. Nothing in it was destroyed."""


class ModelUnavailable(FacEvalError):
    """The model cannot answer at all (bad key, unknown model, endpoint down): no sample will succeed."""


class BudgetReached(FacEvalError):
    """The next call could cost more than `--max-cost` allows."""


class UnreadableReply(Exception):
    """Raised by a task whose judge's reply says nothing that the protocol can read: a counted `judge_error`."""

    def __init__(self, reply: str, problem: str = "the judge's reply cannot be read") -> None:
        super().__init__(problem)
        self.reply = reply


class BatchFailed(Exception):
    """Raised by a judge for a batch that ended without replies: it expired, was cancelled, or was refused."""


class ModelOutOfMemory(Exception):
    """Raised by a local model when a batch does not fit; the engine halves the batch and goes on."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence with the names nearest to `name`, or the first known ones."""
    from difflib import get_close_matches

    known = list(known)
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = [by_lower[hit] for hit in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    if close:
        return "Did you mean " + " or ".join(repr(match) for match in close) + "?"
    if not known:
        return "None is installed."
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"Known: {shown}."


def require(module: str, *, extra: str, purpose: str, package: str | None = None) -> object:
    """Import an optional module where it is used, or say which extra brings it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".", maxsplit=1)[0] != error.name.split(".")[0]:
            raise
        raise MissingExtra(package or module.split(".", maxsplit=1)[0], extra, purpose) from error
